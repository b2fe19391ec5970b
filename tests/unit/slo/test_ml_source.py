"""An ML source: each SLI of ours by its name, its parameters checked where they stand."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from mlops.base.errors import ConfigError
from mlops.base.telemetry import ALL
from mlops.base.verdict import Status
from mlops.slo.catalog import read_catalog
from mlops.slo.check import validate
from mlops.slo.counter import parse_counter
from mlops.slo.exported import bucket_text
from mlops.slo.indicator import CountedRatio, Counts, Indicator
from mlops.slo.ml_source import EXPECTED, parse_source
from mlops.slo.promql import check_expression
from mlops.slo.sampled import Sampled
from mlops.slo.spec import SloSpec

SLO = """apiVersion: openslo/v1
kind: SLO
metadata: {name: shop}
spec:
  service: my_shop
  indicator:
    metadata: {name: sli}
    spec:
      ratioMetric:
        rawType: success
        raw:
          metricSource:
            type: mlops
            spec: {sli: SLI}
  timeWindow: [{duration: 28d, isRolling: true}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
"""


def ratio(counts: Counts, numerator: str, denominator: str) -> CountedRatio:
    return CountedRatio(counts, parse_counter(numerator), parse_counter(denominator))


SOURCES: Mapping[str, tuple[dict[str, JsonValue], Indicator]] = {
    "the model served": (
        {"sli": "model-served"},
        ratio(
            Counts.GOOD,
            'mlops_decisions_total{service="my_shop",source=~"model|cache",reason!="holdout"}',
            'mlops_decisions_total{service="my_shop",reason!="holdout"}',
        ),
    ),
    "the contract was kept": (
        {"sli": "contract-valid"},
        ratio(
            Counts.BAD,
            'mlops_contract_violations_total{service="my_shop"}',
            'mlops_http_requests_total{service="my_shop"}',
        ),
    ),
    "the decision was in time": (
        {"sli": "decision-latency", "withinMs": 1000.0},
        ratio(
            Counts.GOOD,
            'mlops_decision_duration_seconds_bucket{service="my_shop",le="1.0"}',
            'mlops_decision_duration_seconds_count{service="my_shop"}',
        ),
    ),
    "the model is fresh": (
        {"sli": "model-freshness", "maxAge": "30d"},
        Sampled(
            'time() - (mlops_model_trained_timestamp_seconds{service="my_shop"} > 0)',
            "lte",
            "2592000",
        ),
    ),
    "a feature is fresh": (
        {"sli": "feature-freshness", "maxAge": "2h", "feature": "price"},
        Sampled(
            'time() - (mlops_feature_timestamp_seconds{service="my_shop",feature="price"} > 0)',
            "lte",
            "7200",
        ),
    ),
    "predictions are as they were": (
        {"sli": "prediction-drift"},
        Sampled('mlops_prediction_drift_psi{service="my_shop"}', "lt", "0.2"),
    ),
    "all features are as they were": (
        {"sli": "feature-drift", "below": 0.1},
        Sampled('mlops_feature_drift_psi{service="my_shop"}', "lt", "0.1"),
    ),
    "promised rates are kept": (
        {"sli": "calibration-error", "below": 0.02},
        Sampled('mlops_calibration_error_ratio{service="my_shop"}', "lt", "0.02"),
    ),
    "quality, where enough outcomes are known": (
        {"sli": "estimated-quality", "measure": "auc", "atLeast": 0.7, "minCoverage": 0.8},
        Sampled(
            'mlops_estimated_quality_ratio{service="my_shop",measure="auc"} and on (service) '
            'mlops_label_coverage_ratio{service="my_shop"} >= 0.8',
            "gte",
            "0.7",
        ),
    ),
    "enough outcomes are known": (
        {"sli": "label-coverage", "atLeast": 0.9},
        Sampled('mlops_label_coverage_ratio{service="my_shop"}', "gte", "0.9"),
    ),
    "the model is worth something": (
        {"sli": "holdout-uplift"},
        Sampled('mlops_holdout_uplift_ratio{service="my_shop"}', "gte", "0"),
    ),
    "another service than the SLO's": (
        {"sli": "holdout-uplift", "service": "other", "atLeast": -0.01},
        Sampled('mlops_holdout_uplift_ratio{service="other"}', "gte", "-0.01"),
    ),
}


@pytest.mark.parametrize("sentence", SOURCES)
def test_a_source_is_an_indicator(sentence: str) -> None:
    given, expected = SOURCES[sentence]
    found = parse_source(given).indicator("my_shop")
    assert found == expected
    check_expression(found.total(300, SloSpec()))
    check_expression(found.bad(300, SloSpec()))


def test_what_a_source_asks_for_is_exported_or_declared() -> None:
    declared = {metric.name: metric for metric in (*ALL, *EXPECTED)}
    for given, _ in SOURCES.values():
        for counter in parse_source(given).indicator("my_shop").counters:
            name = counter.metric.removesuffix("_bucket").removesuffix("_count")
            assert {each.label for each in counter.matchers} - {"le"} <= set(declared[name].labels)


def test_every_bucket_may_be_promised() -> None:
    for bound in next(m for m in ALL if m.name == "mlops_decision_duration_seconds").buckets:
        given: dict[str, JsonValue] = {"sli": "decision-latency", "withinMs": round(bound * 1e3, 6)}
        found = parse_source(given).indicator("my_shop")
        assert isinstance(found, CountedRatio)
        assert found.numerator.matchers[-1].value == bucket_text(bound)


WRONG: Mapping[str, tuple[str, str]] = {
    "no name": ("{}", "sli"),
    "a name that we have not": ("{sli: model-severed}", "'model-served'"),
    "a promise between two buckets": (
        "{sli: decision-latency, withinMs: 45}",
        "withinMs: must be one of the buckets, 0.5, 1, 2.5, 5,",
    ),
    "a parameter of another": ("{sli: model-served, maxAge: 3d}", "maxAge"),
    "an age of a month": ("{sli: model-freshness, maxAge: 1M}", "maxAge"),
    "a share above one": ("{sli: label-coverage, atLeast: 90}", "atLeast"),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_a_source_that_is_none_is_an_error_at_its_place(sentence: str, tmp_path: Path) -> None:
    spec, message = WRONG[sentence]
    path = tmp_path / "slo.yaml"
    path.write_text(SLO.replace("{sli: SLI}", spec))
    with pytest.raises(ConfigError) as caught:
        read_catalog([path])
    assert message in caught.value.message
    assert caught.value.place is not None
    assert caught.value.place.line == 12


MISPLACED = {
    "a share of failures": (("success", "failure"), "`rawType: success`"),
    "a side of a ratio": (
        (
            "rawType: success\n        raw:",
            "total: {metricSource: {type: Prometheus, spec: {query: a_total}}}\n        good:",
        ),
        "stands in `ratioMetric.raw`",
    ),
}


@pytest.mark.parametrize("sentence", MISPLACED)
def test_a_source_stands_in_a_share_of_successes(sentence: str, tmp_path: Path) -> None:
    (old, new), reason = MISPLACED[sentence]
    text = SLO.replace("SLI}", "model-served}")
    assert old in text
    path = tmp_path / "slo.yaml"
    path.write_text(text.replace(old, new))
    (omitted,) = read_catalog([path]).omitted
    assert reason in omitted.reason


@pytest.mark.parametrize(
    ("sli", "status"), [("model-served", Status.PASS), ("prediction-drift", Status.WARN)]
)
def test_a_series_that_nobody_exports_yet_is_a_warning(
    sli: str, status: Status, tmp_path: Path
) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(SLO.replace("SLI}", f"{sli}}}"))
    (finding,) = validate([path], SloSpec()).findings
    assert finding.status is status
    assert ("nobody exports `mlops_prediction_drift_psi` yet" in finding.message) is (
        status is Status.WARN
    )
    assert finding.place is not None
    assert finding.place.line in (3, 14)
