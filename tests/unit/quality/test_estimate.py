"""Intervals: they hold the truth as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.quality import estimate
from mlops.quality.estimate import Estimate, Linearised, Scale


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95]))
def test_wilson_stays_in_range_and_holds_the_share(trials: int, share: float, level: float) -> None:
    events = round(share * trials)
    found = estimate.wilson(events, trials, level=level)
    assert 0 <= found.low <= events / trials <= found.high <= 1
    assert found.high > found.low


def test_wilson_equals_published_value() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    found = estimate.wilson(81, 263, level=0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_standard_error_of_a_mean_is_the_textbook_one() -> None:
    values = np.random.default_rng(1).normal(size=50)
    linear = Linearised(float(values.mean()), values - values.mean())
    assert linear.standard_error() == pytest.approx(values.std(ddof=1) / math.sqrt(50))


def test_rows_that_repeat_within_a_cluster_are_not_counted_twice() -> None:
    values = np.random.default_rng(1).normal(size=50)
    once = Linearised(0.0, values - values.mean())
    thrice = Linearised(0.0, np.repeat(once.influence, 3))
    clusters = np.repeat(np.arange(50), 3)
    assert thrice.standard_error(clusters) == pytest.approx(once.standard_error())
    assert thrice.standard_error() < 0.6 * once.standard_error()


@pytest.mark.parametrize("scale", list(Scale))
def test_scales_keep_small_rates_above_zero(scale: Scale) -> None:
    rewards = np.zeros(1000)
    rewards[:3] = 1
    linear = Linearised(0.003, rewards - 0.003, scale=scale)
    found = estimate.interval(linear, level=0.95)
    assert found is not None
    assert found.low < 0.003 < found.high
    assert (found.low > 0) == (scale is not Scale.PLAIN)


def test_one_row_has_no_interval() -> None:
    assert estimate.interval(Linearised(0.5, np.zeros(1)), level=0.95) is None


def test_at_the_edge_of_a_proportion_the_interval_is_wilsons() -> None:
    linear = Linearised(1.0, np.zeros(100), scale=Scale.LOGIT, trials=10)
    assert estimate.interval(linear, level=0.95) == estimate.wilson(10, 10, level=0.95)


def test_unpaired_difference_of_equal_normals_adds_variances() -> None:
    found = estimate.unpaired_difference(Estimate(5, 4, 6), Estimate(3, 2, 4))
    assert found.value == 2
    assert found.high - found.value == pytest.approx(math.sqrt(2))


def test_unpaired_difference_crosses_the_ends_of_skewed_intervals() -> None:
    # Newcombe 1998, table II, (a): 56/70 minus 48/80, by method 10: 0.0524 to 0.3339.
    left, right = (estimate.wilson(*counts, level=0.95) for counts in ((56, 70), (48, 80)))
    found = estimate.unpaired_difference(left, right)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


def test_percentile_interval_always_holds_the_value() -> None:
    found = estimate.percentile(5.0, np.array([1.0, 2.0, 3.0]), level=0.9)
    assert found.low <= found.value <= found.high
