"""Ranking: the same figures as scikit-learn, ties without favour, and paired resamples."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import dcg_score, ndcg_score

from mlops.quality import business, ranking
from mlops.quality.estimate import Floats, Ints, Precision, percentile


def _draw(seed: int, queries: int) -> tuple[Ints, Floats, Floats]:
    rng = np.random.default_rng(seed)
    query = np.repeat(np.arange(queries), rng.integers(2, 12, queries))
    rng.shuffle(query)
    score = rng.integers(0, 6, len(query)).astype(np.float64)
    gain = rng.integers(0, 3, len(query)).astype(np.float64)
    return query, score, gain


@given(seed=st.integers(0, 10_000), k=st.integers(1, 15))
@settings(deadline=None, max_examples=40)
def test_measures_equal_scikit_learns_ties_included(seed: int, k: int) -> None:
    query, score, gain = _draw(seed, 5)
    dcg = ranking.dcg(query, score, gain, k=k)
    ndcg = ranking.ndcg(query, score, gain, k=k)
    for q in range(5):
        one = [gain[query == q]], [score[query == q]]
        assert dcg[q] == pytest.approx(dcg_score(*one, k=k))
        if gain[query == q].any():
            assert ndcg[q] == pytest.approx(ndcg_score(*one, k=k))
        else:
            assert np.isnan(ndcg[q])


def test_the_order_of_rows_with_equal_scores_decides_nothing() -> None:
    query, gain = np.zeros(4, dtype=np.intp), np.array([9.0, 0, 0, 0])
    for order in (gain, gain[::-1]):
        assert ranking.captured(query, np.zeros(4), order, k=1) == pytest.approx([9 / 4])


def test_revenue_per_thousand_searches_is_the_fees_of_hires_in_the_first_places() -> None:
    query = np.array([0, 0, 0, 1, 1])
    score = np.array([3.0, 2, 1, 1, 2])
    fees = np.array([0.0, 500, 900, 0, 300])
    found = business.captured_per_thousand(query, score, fees, k=2)
    assert found.tolist() == [500_000, 300_000]


def test_resampled_differences_are_paired() -> None:
    rng = np.random.default_rng(2)
    base = rng.gamma(0.3, 1000, 2000)
    values = np.array([base + 5, base])
    precision = Precision(level=0.95, replicates=200, rng=rng)
    means = ranking.bootstrap_means(values, precision)
    assert means.shape == (200, 2)
    assert means[:, 0] - means[:, 1] == pytest.approx(5)
    assert means[:, 0].std() == pytest.approx(base.std() / np.sqrt(2000), rel=0.2)


def test_queries_without_gain_are_left_out() -> None:
    values = np.array([[1.0, np.nan, 1.0]])
    precision = Precision(level=0.95, replicates=50, rng=np.random.default_rng(1))
    means = ranking.bootstrap_means(values, precision)
    told = means[np.isfinite(means)]
    assert len(told) > 30
    assert (told == 1).all()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.exponential(3.0, (1, 150))
        means = ranking.bootstrap_means(values, Precision(level=0.9, replicates=200, rng=rng))
        found = percentile(float(values.mean()), means[:, 0], level=0.9)
        held += found.low <= 3 <= found.high
    assert 0.82 <= held / 200 <= 0.96


def test_three_hundred_thousand_rows_take_less_than_three_seconds() -> None:
    rng = np.random.default_rng(1)
    query = np.repeat(np.arange(6000), 50)
    score, gain = rng.random(300_000), rng.random(300_000)
    start = time.process_time()
    values = np.array([ranking.ndcg(query, s, gain, k=10) for s in (score, gain)])
    ranking.bootstrap_means(values, Precision(level=0.95, replicates=200, rng=rng))
    assert time.process_time() - start < 3
