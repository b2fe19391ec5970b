"""A proof: promtool tests of what an SLO's alerts must do, and must not."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from mlops.base.digest import canonical_json
from mlops.base.errors import ConfigError, Place
from mlops.base.verdict import Status
from mlops.slo import proof
from mlops.slo.catalog import Catalog, read_catalog
from mlops.slo.counter import parse_counter
from mlops.slo.indicator import CountedRatio, Counts, QueriedRatio
from mlops.slo.objective import Objective
from mlops.slo.period_proof import period_test_of
from mlops.slo.sampled import Sampled
from mlops.slo.spec import SloSpec, Tier
from mlops.slo.verify import verify
from mlops.slo.windowed import parse_events
from tests.fakes.rule_tester import FakeRuleTester

ROOT = Path(__file__).parents[3]
FAST = SloSpec.model_validate_json(
    canonical_json(yaml.safe_load((ROOT / "conf" / "slo" / "fast.yaml").read_text()))
)
OBJECTIVE = Objective(
    slo="shop-availability",
    service="shop",
    title="availability",
    description="Answers.",
    target=Decimal("0.99"),
    period_s=28 * 86_400,
    indicator=CountedRatio(
        Counts.BAD,
        parse_counter('requests_total{job="shop",code=~"5.."}'),
        parse_counter('requests_total{job="shop"}'),
    ),
    runbook_url="",
    first_look="",
    place=Place("slo/shop.yaml", 3),
)
GAUGE = Sampled('max(queue{job="shop"})', "lte", "100")


def catalog(*objectives: Objective) -> Catalog:
    return replace(read_catalog([]), objectives=objectives)


def names(objective: Objective, spec: SloSpec) -> list[str]:
    file = yaml.safe_load(proof.tests_of([objective], spec, rules="x.rules.yml"))
    return [test["name"].partition(": ")[2] for test in file["tests"]]


def test_the_committed_tests_are_what_is_generated(golden: Callable[[str, str], None]) -> None:
    """Of one SLO: a person reads one, and they are long."""
    path = ROOT / "slo" / "open_bandit.yaml"
    first = read_catalog([path]).objectives[:1]
    text = proof.tests_of(first, FAST, rules="open_bandit.rules.yml")
    assert text == proof.tests_of(first, FAST, rules="open_bandit.rules.yml")
    golden("proof/open_bandit.fast.test.yaml", text)


def test_every_tier_and_every_trouble_is_tested() -> None:
    assert names(OBJECTIVE, FAST) == [
        "a burn just above 14.4x",
        "a burn just below 14.4x",
        "only one window above 14.4x",
        "a burn just above 1x",
        "a burn just below 1x",
        "only one window above 1x",
        "a failure, and bursts while each window still holds it and after",
        "two instances of which one restarts",
        "hours without traffic",
        "too few failures",
        "just enough failures",
        "series of others",
        "a target that is not scraped",
        "bad events that never had a first",
        "good events that never had a first",
    ]


def test_without_a_guard_few_failures_are_no_matter() -> None:
    assert "too few failures" not in names(replace(OBJECTIVE, min_bad_events=0), FAST)


def test_no_alert_is_no_test() -> None:
    muted = replace(OBJECTIVE, muted=frozenset({"page", "ticket"}))
    assert names(muted, FAST) == []


def test_no_series_is_too_long_for_promtool() -> None:
    week = Tier(factor=0.5, long_s=7 * 86_400, short_s=86_400, severity="ticket")
    for tiers in (None, (week,)):
        subject = proof.subject_of(replace(OBJECTIVE, tiers=tiers), SloSpec())
        assert subject is not None
        assert subject.grid.most_evaluations * subject.grid.samples < 10_000
        file = yaml.safe_load(proof.tests_of([subject.objective], SloSpec(), rules="r"))
        for test in file["tests"]:
            for series in test["input_series"]:
                assert sum(map(length, series["values"].split())) <= 10_000


def length(word: str) -> int:
    level, _, times = word.partition("x")
    return int(times or 0) + (level != "_" or not times)


def test_a_gauge_is_tested_from_its_recorded_steps_on() -> None:
    gauge = replace(OBJECTIVE, indicator=GAUGE)
    text = proof.tests_of([gauge], FAST, rules="x.rules.yml")
    assert "# shop-availability: tested from its recorded steps on, not its queries." in text
    assert "queue" not in text
    assert "slo:sli_bad:increase5s" in text


def test_a_whole_period_is_tested_apart() -> None:
    text = period_test_of(OBJECTIVE, SloSpec(), rules="x.rules.yml")
    assert text is not None
    (test,) = yaml.safe_load(text)["tests"]
    assert {series["series"].partition("{")[0] for series in test["input_series"]} == {
        "slo:sli_total:increase5m",
        "slo:sli_bad:increase5m",
    }


def test_what_passes_is_told_by_alert() -> None:
    tester = FakeRuleTester()
    verdict = verify(catalog(OBJECTIVE), FAST, tester)
    assert verdict.status is Status.PASS
    assert [
        finding.message.removeprefix("shop-availability: ") for finding in verdict.findings
    ] == [
        "SloBudgetBurn20s5s fires above 14.4x and is silent below, in windows of 20s and 5s",
        "SloBudgetBurn1m15s fires above 1x and is silent below, in windows of 1m and 15s",
        "16 tests hold",
    ]
    assert all("slo.rules.yml" in files for files in tester.seen)


def test_what_fails_is_told_with_its_scenario() -> None:
    tester = FakeRuleTester({"just below 1x": "expr: x, got: y"})
    verdict = verify(catalog(OBJECTIVE), FAST, tester)
    assert [(finding.status, finding.message) for finding in verdict.findings] == [
        (Status.FAIL, "shop-availability: a burn just below 1x: expr: x, got: y")
    ]


def test_queries_that_are_not_tested_are_told() -> None:
    verdict = verify(catalog(replace(OBJECTIVE, indicator=GAUGE)), FAST, FakeRuleTester())
    assert verdict.status is Status.WARN
    assert verdict.findings[-1].message.endswith("so its queries are not tested")


def test_a_query_that_has_a_value_without_series_is_not_proved() -> None:
    """Such a rule would record its own value where a test puts another."""
    always = QueriedRatio(
        Counts.BAD,
        parse_events("sum(rate(a[{{.window}}])) or vector(0)"),
        parse_counter("requests_total"),
    )
    made = replace(OBJECTIVE, indicator=always)
    assert "# shop-availability: not here" in proof.tests_of([made], FAST, rules="r")
    verdict = verify(catalog(made), FAST, FakeRuleTester())
    assert [(f.status, f.message) for f in verdict.findings] == [
        (
            Status.WARN,
            "shop-availability: not proved: its queries have values without any series",
        )
    ]


@pytest.mark.parametrize(
    ("target", "unreachable"), [("0.9306", []), ("0.9305", ["SloBudgetBurn1h5m"])]
)
def test_an_alert_that_cannot_fire_is_told(target: str, unreachable: list[str]) -> None:
    """14.4 times a budget of 6.94 % is just less than everything, of 6.95 % more."""
    verdict = verify(
        catalog(replace(OBJECTIVE, target=Decimal(target))), SloSpec(), FakeRuleTester()
    )
    warned = [f.message for f in verdict.findings if f.check == "slo.reach"]
    assert [message.split()[1] for message in warned] == unreachable


def test_a_period_that_prometheus_forgets_fails() -> None:
    verdict = verify(catalog(OBJECTIVE), SloSpec(retention_days=15), FakeRuleTester())
    assert verdict.status is Status.FAIL
    assert verdict.findings[0].message == (
        "shop-availability: Prometheus keeps no data for as long as its period lasts"
    )


def test_an_own_window_shorter_than_four_scrapes_fails_and_is_not_tried() -> None:
    short = Tier(factor=14.4, long_s=300, short_s=30, severity="page")
    tester = FakeRuleTester()
    verdict = verify(catalog(replace(OBJECTIVE, tiers=(short,))), SloSpec(), tester)
    assert verdict.status is Status.FAIL
    assert "shorter than 4 scrapes" in verdict.findings[0].message
    assert tester.seen == []


def test_such_a_window_of_the_section_is_refused() -> None:
    with pytest.raises((ConfigError, ValueError), match="shorter than 4 scrapes"):
        SloSpec(tiers=(Tier(factor=14.4, long_s=300, short_s=30, severity="page"),))
