"""Quality verdicts: pass, warn, fail, and unknown with the number that is needed."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from mlops.base.errors import ConfigError
from mlops.base.verdict import Finding, Status
from mlops.quality import accuracy
from mlops.quality.estimate import interval
from mlops.quality.measure import Measurement, SubjectKind
from mlops.quality.needed import auc_events, scaled_events
from mlops.quality.spec import QualitySpec
from mlops.quality.verdicts import judge

AUC = Measurement(
    "auc", "boosting", SubjectKind.MODEL, head="click",
    value=0.7, low=0.66, high=0.74, rows=10_000, events=500, days=5.0,
)  # fmt: skip
LOSS = replace(AUC, metric="log_loss", higher_is_better=False, value=0.3, low=0.28, high=0.32)
HEURISTIC = replace(AUC, subject="popularity", kind=SubjectKind.HEURISTIC)
GAP = replace(AUC, reference="popularity")


def _spec(**rules: object) -> QualitySpec:
    evaluations = [{"kind": "binary", "head": "click", "outcome": "click"}]
    return QualitySpec.model_validate_json(json.dumps({"evaluations": evaluations, **rules}))


def _judge_floor(measurement: Measurement, **rule: object) -> Finding:
    floor = {"metric": measurement.metric, "head": "click", **rule}
    verdict = judge(_spec(floors=[floor]), (measurement,))
    assert verdict.name == "quality"
    (finding,) = verdict.findings
    assert finding.check == f"quality.click.{measurement.metric}"
    return finding


FLOORS: dict[str, tuple[Measurement, dict[str, object], Status]] = {
    "the whole interval keeps it": (AUC, {"minimum": 0.65}, Status.PASS),
    "the interval just keeps it": (AUC, {"minimum": 0.66}, Status.PASS),
    "kept by less than the noise": (AUC, {"minimum": 0.69}, Status.WARN),
    "broken by less than the noise": (AUC, {"minimum": 0.71}, Status.FAIL),
    "the whole interval breaks it": (AUC, {"minimum": 0.8}, Status.FAIL),
    "too few events": (AUC, {"minimum": 0.65, "min_events": 501}, Status.UNKNOWN),
    "few events never fail": (AUC, {"minimum": 0.99, "min_events": 501}, Status.UNKNOWN),
    "enough or no skill": (replace(AUC, low=0.45, high=0.95), {"minimum": 0.6}, Status.UNKNOWN),
    "bad, and surely": (replace(AUC, value=0.4, low=0.3, high=0.55), {"minimum": 0.6}, Status.FAIL),
    "a maximum is kept": (LOSS, {"maximum": 0.33}, Status.PASS),
    "a maximum is kept by luck": (LOSS, {"maximum": 0.31}, Status.WARN),
    "a maximum is broken": (LOSS, {"maximum": 0.25}, Status.FAIL),
    "a point without interval": (replace(LOSS, low=None, high=None), {"maximum": 0.3}, Status.PASS),
}


@pytest.mark.parametrize("case", FLOORS)
def test_floor(case: str) -> None:
    measurement, rule, status = FLOORS[case]
    assert _judge_floor(measurement, **rule).status is status


def _judge_versus(*measurements: Measurement, **rule: object) -> Finding:
    metric = measurements[0].metric
    versus = {"metric": metric, "head": "click", "heuristic": "popularity", **rule}
    (finding,) = judge(_spec(versus=[versus]), measurements).findings
    assert finding.check == f"quality.click.{metric}.versus.popularity"
    return finding


def _gap(value: float, half: float) -> Measurement:
    return replace(GAP, value=value, low=value - half, high=value + half)


VERSUS: dict[str, tuple[Measurement, dict[str, object], Status]] = {
    "surely no worse": (_gap(0.05, 0.02), {"max_loss": 0.0}, Status.PASS),
    "worse within what is tolerated": (_gap(-0.01, 0.005), {"max_loss": 0.02}, Status.PASS),
    "surely worse": (_gap(-0.05, 0.02), {"max_loss": 0.02}, Status.FAIL),
    "worse, and the point is too low": (_gap(-0.03, 0.02), {"max_loss": 0.02}, Status.FAIL),
    "worse, and the point is tolerated": (_gap(-0.03, 0.02), {"max_loss": 0.04}, Status.WARN),
    "no loss or too much": (_gap(0.0, 0.05), {"max_loss": 0.02}, Status.UNKNOWN),
    "a share of the heuristic's": (_gap(-0.05, 0.01), {"max_loss_ratio": 0.1}, Status.PASS),
    "more than that share": (_gap(-0.09, 0.01), {"max_loss_ratio": 0.1}, Status.FAIL),
    "too few events": (_gap(-0.9, 0.01), {"max_loss": 0.0, "min_events": 501}, Status.UNKNOWN),
}


@pytest.mark.parametrize("case", VERSUS)
def test_versus(case: str) -> None:
    gap, rule, status = VERSUS[case]
    assert _judge_versus(AUC, HEURISTIC, gap, **rule).status is status


def test_versus_turns_a_metric_of_which_less_is_better() -> None:
    other = replace(HEURISTIC, metric="log_loss", higher_is_better=False)
    gap = replace(LOSS, reference="popularity", value=-0.05, low=-0.06, high=-0.04)
    assert _judge_versus(LOSS, other, gap, max_loss=0.0).status is Status.PASS
    worse = replace(gap, value=0.05, low=0.04, high=0.06)
    found = _judge_versus(LOSS, other, worse, max_loss=0.01)
    assert found.status is Status.FAIL
    assert found.limit == 0.01


def test_the_side_with_fewer_events_decides_whether_they_are_enough() -> None:
    few = replace(HEURISTIC, events=30)
    assert _judge_versus(AUC, few, _gap(0.05, 0.02), max_loss=0.0).status is Status.UNKNOWN


def test_without_a_paired_difference_the_two_intervals_decide() -> None:
    low = replace(HEURISTIC, value=0.6, low=0.58, high=0.62)
    assert _judge_versus(AUC, low, max_loss=0.0).status is Status.PASS
    assert _judge_versus(AUC, HEURISTIC, max_loss=0.01).status is Status.UNKNOWN


def test_an_abstaining_heuristic_is_unknown_with_its_reason() -> None:
    weights = replace(
        HEURISTIC, value=None, low=None, high=None, abstained="one row carries 99.9% of the weight"
    )
    gap = replace(GAP, value=None, low=None, high=None, abstained="no estimate for popularity")
    found = _judge_versus(AUC, weights, gap, max_loss=0.0)
    assert found.status is Status.UNKNOWN
    assert "99.9% of the weight" in found.message
    assert "needed" not in found.message  # more events would not mend the weights


def test_too_few_events_say_how_many_and_when() -> None:
    few = replace(
        AUC, value=None, low=None, high=None, events=8, rows=2551, days=1.85,
        abstained="8 events in 2,551 rows, fewer than 10",
    )  # fmt: skip
    found = _judge_floor(few, minimum=0.55, min_events=100)
    assert found.status is Status.UNKNOWN
    assert found.message == (
        "cannot be told: 8 events in 2,551 rows, fewer than 10; 136 events are needed:"
        " 43,367 rows, or 32 days, at the present rate; wanted at least 0.55"
    )
    assert found.limit == 0.55
    none = replace(few, events=0, days=None)
    assert "; 100 events are needed; wanted" in _judge_floor(none, minimum=0.55).message


def test_an_interval_that_tells_nothing_says_how_many_events_would() -> None:
    skill = replace(AUC, metric="log_loss_skill", value=0.02, low=-0.02, high=0.06, events=200)
    found = _judge_floor(skill, minimum=0.01)
    assert found.status is Status.UNKNOWN
    assert "200 events are there, 3,200 are needed" in found.message


def test_the_number_of_events_for_an_auc_gives_that_half_width_or_less() -> None:
    needed = auc_events(0.7, half_width=0.05, level=0.95, others_per_event=20.0)
    rng = np.random.default_rng(3)
    separation = math.sqrt(2) * 0.5244  # of two normals with an AUC of 0.7
    halves = []
    for _ in range(20):
        outcome = np.repeat([1.0, 0.0], [needed, 20 * needed])
        score = rng.normal(size=len(outcome)) + separation * outcome
        found = interval(accuracy.auc(outcome, score), level=0.95)
        assert found is not None
        halves.append((found.high - found.low) / 2)
    assert 0.04 < np.mean(halves) < 0.051


def test_no_number_of_events_gives_a_width_of_nothing() -> None:
    assert scaled_events(10, half_width=1, target=0) is None
    assert scaled_events(10, half_width=1, target=1e-9) is None
    found = _judge_versus(AUC, HEURISTIC, _gap(0.0, 0.1), max_loss=0.0)
    assert "more of them would not tell either" in found.message


def test_what_was_not_measured_is_a_wrong_configuration() -> None:
    with pytest.raises(ConfigError, match="'popularty'") as error:
        _judge_versus(AUC, HEURISTIC, max_loss=0.0, heuristic="popularty")
    assert "model, popularity" in error.value.hint
    with pytest.raises(ConfigError, match="was not measured"):
        judge(_spec(floors=[{"metric": "auc", "head": "click", "minimum": 0.5}]), ())


def test_a_target_has_no_better_side_to_compare_by() -> None:
    ratio = replace(AUC, metric="calibration_ratio", higher_is_better=None)
    with pytest.raises(ConfigError, match="neither more nor less"):
        _judge_versus(ratio, replace(ratio, subject="popularity", kind=SubjectKind.HEURISTIC),
                      max_loss=0.0)  # fmt: skip


def test_nothing_asked_passes() -> None:
    assert judge(_spec(), (AUC,)).status is Status.PASS
