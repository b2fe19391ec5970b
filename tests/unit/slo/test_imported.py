"""Imports: sloth's and pyrra's files become OpenSLO, or say why they cannot."""

from decimal import Decimal
from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.slo.catalog import read_catalog
from mlops.slo.imported import read_foreign, to_yaml
from mlops.slo.promql import check_expression
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures"
SLOTH = sorted((FIXTURES / "sloth").glob("*/*.y*ml"))
PYRRA = sorted((FIXTURES / "pyrra" / "slos").glob("*.yaml"))
REFUSED = {
    "openslo-getting-started.yml": "no file of sloth or pyrra",
    "openslo-kubernetes-apiserver.yml": "no file of sloth or pyrra",
    "plugin-getting-started.yml": "computed by a plugin `getting_started_availability`",
    "plugin-k8s-getting-started.yml": "computed by a plugin `getting_started_availability`",
    "victoria-metrics.yml": "unknown function with name 'histogram_share'",
}


@pytest.mark.skipif(not SLOTH, reason="the public files are not beside the repository")
def test_the_public_files_are_found() -> None:
    assert len(SLOTH) == 21
    assert len(PYRRA) == 14


@pytest.mark.parametrize("path", [*SLOTH, *PYRRA], ids=lambda path: path.name)
def test_a_public_file(path: Path, tmp_path: Path) -> None:
    if path.name in REFUSED:
        with pytest.raises(ConfigError) as caught:
            read_foreign(path)
        assert REFUSED[path.name] in caught.value.message
        assert caught.value.place is not None
        assert caught.value.place.line is not None
        return
    found = read_foreign(path)
    if path.parent.name == "windows":
        assert len(found.tiers) == 4
        return
    assert found.objects
    written = tmp_path / "openslo.yaml"
    written.write_text(to_yaml(found.objects))
    catalog = read_catalog([written])
    assert [entry.item for entry in catalog.entries] == list(found.objects)
    assert not catalog.omitted
    assert generate(catalog.objectives, SloSpec())


def text(path: Path, content: str) -> Path:
    file = path / "given.yaml"
    file.write_text(content)
    return file


SERVICE = """\
version: prometheus/v1
service: shop
labels: {team: search, generated: true, tier: 2}
slos:
  - name: availability
    objective: 99.9
    description: Requests are answered.
    labels: {tier: 1}
    sli:
      events:
        error_query: sum(rate(requests_total{code=~"5.."}[{{.window}}]))
        total_query: sum(rate(requests_total[{{ .window }}]))
    alerting:
      name: ShopErrors
      annotations: {runbook: https://example.org/book, summary: it burns}
      page_alert: {labels: {severity: critical}}
      ticket_alert: {disable: true}
"""


def test_a_service_of_sloth_keeps_its_meaning(tmp_path: Path) -> None:
    found = read_foreign(text(tmp_path, SERVICE))
    (objective,) = read_catalog([text(tmp_path, to_yaml(found.objects))]).objectives
    assert (objective.slo, objective.service) == ("shop-availability", "shop")
    assert objective.target == Decimal("0.999")
    assert objective.period_s == 30 * 86_400
    assert objective.runbook_url == "https://example.org/book"
    assert objective.ratio is not None
    assert objective.ratio.numerator.increase("5m") == (
        'sum(increase(requests_total{code=~"5.."}[5m]))'
    )
    assert objective.labels == {"team": "search", "generated": "true", "tier": "1"}
    assert objective.muted == {"ticket"}


def test_what_has_no_counterpart_is_told_with_its_place(tmp_path: Path) -> None:
    notes = read_foreign(text(tmp_path, SERVICE)).notes
    assert [note.partition("given.yaml")[2] for note in notes] == [
        ":5: availability: its alert's name `ShopErrors` is not kept; ours name their windows",
        (
            ":5: availability: labels of the page alone are not kept (severity=critical); route by"
            " `severity`"
        ),
        ":5: availability: its annotations summary are not kept",
    ]


def test_windows_of_sloth_become_tiers_of_the_same_burn(tmp_path: Path) -> None:
    content = """\
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 28d
  page:
    quick: {errorBudgetPercent: 2, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 10, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 10, shortWindow: 6h, longWindow: 3d}
"""
    tiers = read_foreign(text(tmp_path, content)).tiers
    assert [(tier["factor"], tier["long_s"], tier["short_s"]) for tier in tiers] == [
        (13.44, 3600, 300), (5.6, 21_600, 1_800), (2.8, 86_400, 7_200),
        (0.933333, 259_200, 21_600),
    ]  # fmt: skip
    SloSpec.model_validate({"tiers": tiers}, strict=False)


PYRRA_HEAD = """\
apiVersion: pyrra.dev/v1alpha1
kind: ServiceLevelObjective
metadata: {name: shop, labels: {prometheus: k8s, pyrra.dev/team: search}}
spec:
  target: "99"
  window: 2w
"""
INDICATORS = {
    "a ratio": ("ratio: {errors: {metric: bad_total}, total: {metric: all_total}}", ""),
    "a latency": (
        "latency: {success: {metric: 'x_bucket{le=\"1\"}'}, total: {metric: x_count}}",
        "",
    ),
    "a gauge": ("bool_gauge: {metric: up}", ""),
    "a native histogram": (
        "latencyNative: {latency: 200ms, total: {metric: x}}",
        "native histograms are not compiled",
    ),
    "nothing": ("{}", "it has no indicator"),
    "a query instead of a metric": (
        "ratio: {errors: {metric: 'rate(x[5m])'}, total: {metric: y}}",
        "must be a plain counter",
    ),
}


@pytest.mark.parametrize("sentence", INDICATORS)
def test_an_indicator_of_pyrra(sentence: str, tmp_path: Path) -> None:
    indicator, problem = INDICATORS[sentence]
    body = indicator if indicator == "{}" else f"{{{indicator}}}"
    path = text(tmp_path, f"{PYRRA_HEAD}  indicator: {body}\n")
    if problem:
        with pytest.raises(ConfigError, match=problem) as caught:
            read_foreign(path)
        assert caught.value.place is not None
        assert caught.value.place.line == 7
        return
    (objective,) = read_catalog([text(tmp_path, to_yaml(read_foreign(path).objects))]).objectives
    assert objective.labels == {"team": "search"}
    check_expression(objective.indicator.bad(300, SloSpec()))
    check_expression(objective.indicator.total(300, SloSpec()))


def test_all_problems_of_a_document_are_told(tmp_path: Path) -> None:
    content = SERVICE.replace("objective: 99.9", "objective: 100").replace("sli:", "sly:")
    with pytest.raises(ConfigError) as caught:
        read_foreign(text(tmp_path, content))
    places = [
        problem.place for problem in caught.value.problems if isinstance(problem, ConfigError)
    ]
    assert [place and (place.line, place.key) for place in places] == [
        (6, "slos.0.objective"), (5, "slos.0.sli"), (9, "slos.0.sly"),
    ]  # fmt: skip
