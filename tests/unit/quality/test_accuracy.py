"""Accuracy: the same figures as scikit-learn, and intervals that hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from mlops.quality import accuracy
from mlops.quality.estimate import Floats, Linearised, Precision, difference, interval

SEEDS = st.integers(0, 2**32 - 1)


def _draw(seed: int, rows: int, *, ties: int = 0) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    chance = 1 / (1 + np.exp(-rng.normal(-1, 1, rows)))
    outcome = (rng.random(rows) < chance).astype(np.float64)
    return outcome, np.round(chance * ties) / ties if ties else chance


@given(seed=SEEDS, rows=st.integers(2, 200), ties=st.sampled_from([0, 1, 3, 20]))
@settings(deadline=None)
def test_auc_equals_scikit_learns(seed: int, rows: int, ties: int) -> None:
    outcome, score = _draw(seed, rows, ties=ties)
    assume(0 < outcome.sum() < rows)
    expected = metrics.roc_auc_score(outcome, score)
    found = accuracy.auc(outcome, score)
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.influence.mean() == pytest.approx(0, abs=1e-9)


@given(seed=SEEDS, rows=st.integers(2, 200))
@settings(deadline=None)
def test_log_loss_equals_scikit_learns(seed: int, rows: int) -> None:
    outcome, chance = _draw(seed, rows)
    chance[0] = 0.0  # clipped alike
    expected = metrics.log_loss(outcome, chance, labels=[0, 1])
    assert accuracy.log_loss(outcome, chance).value == pytest.approx(expected, rel=1e-12)


def test_skill_of_the_base_rate_is_nothing_and_of_the_truth_positive() -> None:
    outcome, chance = _draw(1, 5000)
    rate = np.full(5000, outcome.mean())
    assert accuracy.log_loss_skill(outcome, rate).value == pytest.approx(0)
    assert accuracy.log_loss_skill(outcome, chance).value > 0.05
    assert accuracy.log_loss_skill(outcome, 1 - chance).value < 0


@pytest.mark.parametrize("metric", [accuracy.auc, accuracy.log_loss_skill])
def test_one_class_alone_has_no_value(metric: object) -> None:
    assert callable(metric)
    found = metric(np.zeros(10), np.linspace(0.1, 0.9, 10))
    assert isinstance(found, Linearised)
    assert math.isnan(found.value)
    assert interval(found, level=0.95) is None


def test_perfect_separation_of_few_events_is_not_certain() -> None:
    outcome = np.repeat([1.0, 0.0], [5, 500])
    found = interval(accuracy.auc(outcome, outcome), level=0.95)
    assert found is not None
    assert found.value == 1
    assert found.low < 0.6


def test_intervals_hold_the_truth_nineteen_times_of_twenty() -> None:
    truth_auc = accuracy.auc(*_draw(99, 400_000)).value
    truth_skill = accuracy.log_loss_skill(*_draw(99, 400_000)).value
    held = np.zeros(3)
    for seed in range(400):
        outcome, chance = _draw(seed, 300)
        for at, (linear, truth) in enumerate(
            [
                (accuracy.auc(outcome, chance), truth_auc),
                (accuracy.log_loss_skill(outcome, chance), truth_skill),
                (accuracy.calibration_ratio(outcome, chance), 1.0),
            ]
        ):
            found = interval(linear, level=0.95)
            assert found is not None
            held[at] += found.low <= truth <= found.high
    assert (np.abs(held / 400 - 0.95) < 0.035).all(), held / 400


def test_paired_difference_is_sharper_than_two_intervals() -> None:
    outcome, chance = _draw(3, 2000)
    worse = chance + np.random.default_rng(1).normal(0, 0.05, 2000)
    left, right = accuracy.auc(outcome, chance), accuracy.auc(outcome, worse)
    gap = difference(left, right)
    assert gap.value > 0
    apart = math.hypot(left.standard_error(), right.standard_error())
    assert gap.standard_error() < 0.5 * apart


def _precision() -> Precision:
    return Precision(level=0.95, replicates=300, rng=np.random.default_rng(5))


def test_calibration_error_of_the_truth_is_within_noise_and_of_a_shift_is_the_shift() -> None:
    outcome, chance = _draw(7, 20_000)
    right = accuracy.calibration_error(outcome, chance, bins=10, precision=_precision())
    assert right.low == pytest.approx(0, abs=0.004)
    shifted = accuracy.calibration_error(outcome, chance + 0.1, bins=10, precision=_precision())
    assert shifted.value == pytest.approx(0.1, abs=0.01)
    assert shifted.low < 0.1 < shifted.high
    assert shifted.high - shifted.low < 0.03


def test_calibration_error_of_a_constant_is_its_distance_from_the_rate() -> None:
    outcome, _ = _draw(7, 1000)
    constant = np.full(1000, 0.5)
    found = accuracy.calibration_error(outcome, constant, bins=10, precision=_precision())
    assert found.value == pytest.approx(abs(outcome.mean() - 0.5))


def test_calibration_error_is_less_sure_when_rows_are_copies() -> None:
    outcome, chance = _draw(7, 500)
    copies = np.repeat(np.arange(500), 20)
    args = np.repeat(outcome, 20), np.repeat(chance, 20)
    free = accuracy.calibration_error(*args, bins=5, precision=_precision())
    tied = accuracy.calibration_error(*args, bins=5, precision=_precision(), clusters=copies)
    assert tied.high - tied.low > 2 * (free.high - free.low)
