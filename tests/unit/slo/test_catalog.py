"""The catalog: files are one set, errors have a place, what is not compiled says why."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.slo.catalog import read_catalog
from mlops.slo.indicator import Counts

SERVICE = """apiVersion: openslo/v1
kind: Service
metadata: {name: my-shop, labels: {service: my_shop}}
spec: {description: A shop.}
"""
SLO = """apiVersion: openslo/v1
kind: SLO
metadata:
  name: shop-availability
spec:
  service: my-shop
  indicator:
    metadata: {name: errors}
    spec:
      ratioMetric:
        counter: true
        bad:
          metricSource: {type: Prometheus, spec: {query: 'errors_total{job="a"}'}}
        total:
          metricSource: {type: Prometheus, spec: {query: sum(requests_total)}}
  timeWindow:
    - duration: 4w
      isRolling: true
  budgetingMethod: Occurrences
  objectives:
    - targetPercent: 99.9
"""


def write(folder: Path, **texts: str) -> list[Path]:
    paths = []
    for name, text in texts.items():
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(text)
    return paths


def test_an_slo_is_resolved_over_files(tmp_path: Path) -> None:
    paths = write(tmp_path, slo=SLO, service=SERVICE)
    catalog = read_catalog(paths)
    (objective,) = catalog.objectives
    assert catalog.omitted == ()
    assert objective.slo == "shop-availability"
    assert objective.service == "my_shop"
    assert objective.target == Decimal("0.999")
    assert objective.error_budget == Decimal("0.001")
    assert objective.period_s == 28 * 86_400
    assert objective.ratio is not None
    assert objective.ratio.counts is Counts.BAD
    assert str(objective.ratio.numerator) == 'errors_total{job="a"}'
    assert str(objective.ratio.denominator) == "requests_total"
    assert objective.place.line == 4
    assert catalog.of_file(str(paths[0])) == (objective,)
    assert catalog.of_file(str(paths[1])) == ()


def test_without_a_service_object_the_service_is_a_plain_name(tmp_path: Path) -> None:
    (objective,) = read_catalog(write(tmp_path, slo=SLO)).objectives
    assert objective.service == "my-shop"


def test_shared_sli_and_data_source_are_followed(tmp_path: Path) -> None:
    shared = """apiVersion: openslo/v1
kind: DataSource
metadata: {name: metrics}
spec: {type: Prometheus, connectionDetails: {password: hidden}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    counter: true
    good: {metricSource: {metricSourceRef: metrics, spec: {query: good_total}}}
    total: {metricSource: {metricSourceRef: metrics, spec: {query: all_total}}}
"""
    start, end = SLO.index("  indicator:"), SLO.index("  timeWindow:")
    slo = SLO[:start] + "  indicatorRef: errors\n" + SLO[end:]
    catalog = read_catalog(write(tmp_path, slo=slo, shared=shared))
    assert catalog.objectives[0].ratio is not None
    assert catalog.objectives[0].ratio.counts is Counts.GOOD
    assert "hidden" not in repr(catalog.entries[1].item)


# What is replaced in the SLO; the problem, its line and its key.
WRONG: Mapping[str, tuple[str, str, str, int, str]] = {
    "a misspelt key": ("targetPercent", "targetPercnt", "no such key", 21, "targetPercnt"),
    "a wrong type": ("99.9", "'99.9'", "valid number", 21, "targetPercent"),
    "an objective of 100 percent": ("99.9", "100", "less than 100", 21, "targetPercent"),
    "a duration without unit": ("4w", "28", "valid string", 17, "duration"),
    "an unknown kind": ("kind: SLO", "kind: SLA", "no kind `SLA`", 2, "kind"),
    "a missing kind": ("kind: SLO\n", "", "`kind` is required", 1, "kind"),
    "another version": ("openslo/v1", "openslo/v2", "openslo/v1", 1, "apiVersion"),
    "a missing service": ("  service: my-shop\n", "", "required", 5, "service"),
    "both good and bad": (
        "        bad:",
        "        good: {metricSource: {type: Prometheus, spec: {query: a}}}\n        bad:",
        "either `good` or `bad`",
        10,
        "ratioMetric",
    ),
    "a service that is not defined": ("my-shop", "my-shpo", "no Service `my-shpo`", 6, "service"),
    "a data source that is not defined": (
        "{type: Prometheus, spec: {query: sum",
        "{metricSourceRef: prometeus, spec: {query: sum",
        "no DataSource `prometeus`",
        15,
        "metricSourceRef",
    ),
    "a policy that is not defined": (
        "  objectives:",
        "  alertPolicies: [on-call]\n  objectives:",
        "no AlertPolicy `on-call`",
        20,
        "0",
    ),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_an_error_names_file_line_and_key(sentence: str, tmp_path: Path) -> None:
    old, new, message, line, key = WRONG[sentence]
    assert old in SLO
    paths = write(tmp_path, slo=SLO.replace(old, new), service=SERVICE)
    with pytest.raises(ConfigError) as caught:
        read_catalog(paths)
    error = caught.value
    assert message in error.message
    assert error.place is not None
    assert error.place.origin == str(paths[0])
    assert (error.place.line, error.place.key.rpartition(".")[2]) == (line, key)


def test_a_similar_name_is_suggested(tmp_path: Path) -> None:
    paths = write(tmp_path, slo=SLO.replace("my-shop", "my-shpo"), service=SERVICE)
    with pytest.raises(ConfigError) as caught:
        read_catalog(paths)
    assert caught.value.hint == "did you mean `my-shop`?"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    paths = write(
        tmp_path, a=SLO.replace("targetPercent", "percent"), b=SERVICE.replace("spec:", "spek:")
    )
    with pytest.raises(ConfigError) as caught:
        read_catalog(paths)
    origins = [item.place.origin for item in caught.value.problems if item.place]
    assert set(origins) == {str(path) for path in paths}
    assert len(origins) == 2


def test_a_name_used_twice_names_both_places(tmp_path: Path) -> None:
    paths = write(tmp_path, a=SLO, b=SLO)
    with pytest.raises(ConfigError, match=r"defined twice; first in .*a\.yaml:4") as caught:
        read_catalog(paths)
    assert caught.value.place is not None
    assert caught.value.place.origin == str(paths[1])


def test_a_file_given_twice_is_read_once(tmp_path: Path) -> None:
    (path,) = write(tmp_path, a=SLO)
    assert len(read_catalog([path, path]).objectives) == 1


def test_a_file_without_an_object_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no OpenSLO object"):
        read_catalog(write(tmp_path, empty="# nothing\n"))


OMITTED: Mapping[str, tuple[str, str, str]] = {
    "another data source": (
        "type: Prometheus, spec: {query: sum",
        "type: Datadog, spec: {query: sum",
        "type Datadog",
    ),
    "a month": ("4w", "1M", "no fixed length"),
    "no window": ("  timeWindow:\n    - duration: 4w\n      isRolling: true\n", "", "timeWindow"),
    "a query with its own window": (
        "sum(requests_total)",
        "'sum(rate(requests_total[5m]))'",
        "plain counter",
    ),
    "a query that is no text": ("{query: sum(requests_total)}", "{query: 7}", "a text"),
    "a key that nobody reads": ("{query: sum(requests_total)}", "{query: a, step: 5m}", "no more"),
}


@pytest.mark.parametrize("sentence", OMITTED)
def test_what_is_not_compiled_is_omitted_with_the_reason(sentence: str, tmp_path: Path) -> None:
    old, new, reason = OMITTED[sentence]
    assert old in SLO
    catalog = read_catalog(write(tmp_path, slo=SLO.replace(old, new)))
    assert catalog.objectives == ()
    (omitted,) = catalog.omitted
    assert reason in omitted.reason
    assert omitted.place.line == 4
