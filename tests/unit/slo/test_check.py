"""The check: what is no alert, or an alert that cannot fire, is a finding."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from mlops.base.errors import Place
from mlops.base.verdict import Status
from mlops.slo.catalog import Catalog
from mlops.slo.check import judge, validate
from mlops.slo.counter import parse_counter
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.objective import Objective
from mlops.slo.sampled import Sampled
from mlops.slo.sliced import Slice, Sliced
from mlops.slo.spec import SloSpec, Tier

ROOT = Path(__file__).parents[3]
REQUESTS = "mlops_http_requests_total"
SECONDS = "mlops_decision_duration_seconds"
OBJECTIVE = Objective(
    slo="shop",
    service="shop",
    title="availability",
    description="",
    target=Decimal("0.999"),
    period_s=28 * 86_400,
    indicator=CountedRatio(
        Counts.BAD, parse_counter(f'{REQUESTS}{{code=~"5.."}}'), parse_counter(REQUESTS)
    ),
    runbook_url="",
    first_look="",
    place=Place("slo/shop.yaml", 3),
)

POLICY = """apiVersion: mlops/v1
kind: ErrorBudgetPolicy
metadata: {name: spent}
spec:
  service: open-bandit
  rules:
    - name: freeze
      slos: [open-bandit-availability]
      when: {budgetRemaining: {below: 0.1}}
      then: [freeze]
"""


def over(numerator: str) -> Objective:
    ratio = CountedRatio(Counts.BAD, parse_counter(numerator), parse_counter(REQUESTS))
    return replace(OBJECTIVE, indicator=ratio)


def findings(objective: Objective, spec: SloSpec | None = None) -> list[tuple[Status, str]]:
    verdict = judge(Catalog((), (objective,), ()), spec or SloSpec())
    assert all(finding.place == objective.place for finding in verdict.findings)
    return [(finding.status, finding.message) for finding in verdict.findings]


def test_our_own_definitions_pass() -> None:
    verdict = validate(sorted((ROOT / "slo").glob("*.yaml")), SloSpec())
    assert verdict.status is Status.PASS
    assert len(verdict.findings) == 6


NUMERATORS = {
    "a metric that nobody exports": (
        "mlops_http_request_total",
        "did you mean `mlops_http_requests_total`?",
    ),
    "a gauge": ("mlops_model_ready", "is a gauge, not a counter"),
    "a sum of seconds": (f"{SECONDS}_sum", "not a counter"),
    "a histogram without its part": (SECONDS, "not an exported series"),
    "a label that the metric has not": (
        f'{REQUESTS}{{status="500"}}',
        "has no label `status`",
    ),
    "a bucket between two bounds": (f'{SECONDS}_bucket{{le="0.045"}}', "`le` must be"),
    "a bucket in another text form": (f'{SECONDS}_bucket{{le="1"}}', "`le` must be"),
    "a bucket by a pattern": (f'{SECONDS}_bucket{{le=~"0.05"}}', "`le` must be"),
    "a bucket without bound": (f"{SECONDS}_bucket", "counts every event once a bucket"),
}


@pytest.mark.parametrize("sentence", NUMERATORS)
def test_a_series_that_is_not_exported_fails(sentence: str) -> None:
    query, message = NUMERATORS[sentence]
    ((state, found),) = findings(over(query))
    assert state is Status.FAIL
    assert message in found


@pytest.mark.parametrize(
    "query",
    [
        f'{SECONDS}_bucket{{le="1.0"}}',
        f'{SECONDS}_bucket{{le="+Inf"}}',
        f'{REQUESTS}{{job="mlops",instance="a:1"}}',
        "errors_of_another_program_total",
    ],
)
def test_a_series_that_is_exported_or_not_ours_passes(query: str) -> None:
    ((state, _),) = findings(over(query))
    assert state is Status.PASS


@pytest.mark.parametrize(("target", "reaches"), [("0.9306", True), ("0.9305", False)])
def test_a_factor_out_of_reach_is_a_warning(target: str, *, reaches: bool) -> None:
    found = findings(replace(OBJECTIVE, target=Decimal(target)))
    if reaches:
        assert [state for state, _ in found] == [Status.PASS]
    else:
        ((state, message),) = found
        assert state is Status.WARN
        assert "SloBudgetBurn1h5m is left out" in message


def test_windows_that_do_not_fit_the_period_fail() -> None:
    found = findings(replace(OBJECTIVE, period_s=86_400 + 10))
    assert [state for state, _ in found] == [Status.FAIL, Status.FAIL]
    assert "looks back further" in found[0][1]
    assert "no multiple" in found[1][1]


def test_windows_of_its_own_are_held_against_the_intervals() -> None:
    own = Tier(factor=2, long_s=240, short_s=20, severity="page")
    ((state, message),) = findings(replace(OBJECTIVE, tiers=(own,)))
    assert state is Status.FAIL
    assert "its alert policies: tiers.0.short_s" in message
    assert "shorter than 4 scrapes" in message


def test_a_factor_of_its_own_out_of_reach_is_a_warning() -> None:
    own = Tier(factor=5000, long_s=3600, short_s=300, severity="page")
    ((state, message),) = findings(replace(OBJECTIVE, tiers=(own,)))
    assert state is Status.WARN
    assert "SloBudgetBurn1h5m is left out" in message


def test_a_query_over_all_buckets_passes() -> None:
    slow = f"histogram_quantile(0.99, sum by (le) (rate({SECONDS}_bucket[5m])))"
    ((state, _),) = findings(replace(OBJECTIVE, indicator=Sampled(slow, "lt", "0.1")))
    assert state is Status.PASS


def test_alerts_that_are_muted_are_not_counted() -> None:
    ((_, message),) = findings(replace(OBJECTIVE, muted=frozenset({"page"})))
    assert message.endswith("2 alerts")


@pytest.mark.parametrize(
    ("slice_s", "message"),
    [(30, "shorter than 4 scrapes"), (29 * 86_400, "longer than its period"), (60, "4 alerts")],
)
def test_time_slices_must_hold_scrapes_and_fit_the_period(slice_s: int, message: str) -> None:
    indicator = Sliced(slice_s, (Slice(OBJECTIVE.indicator, Decimal("0.9")),))
    ((_, found),) = findings(replace(OBJECTIVE, indicator=indicator))
    assert message in found


def test_a_rule_for_an_slo_that_nobody_can_measure_is_a_warning(tmp_path: Path) -> None:
    text = (ROOT / "slo" / "open_bandit.yaml").read_text()
    path = tmp_path / "slo.yaml"
    path.write_text(f"{text.replace('duration: 28d', 'duration: 1M', 1)}---\n{POLICY}")
    verdict = validate([path], SloSpec())
    warned = [finding.message for finding in verdict.findings if finding.status is Status.WARN]
    assert any("freeze never holds for open-bandit-availability" in each for each in warned)


def test_policies_without_an_alert_and_omitted_slos_are_warnings(tmp_path: Path) -> None:
    text = (ROOT / "slo" / "open_bandit.yaml").read_text()
    policy = """---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: nobody}
spec:
  alertWhenBreaching: false
  conditions:
    - kind: AlertCondition
      metadata: {name: burn}
      spec:
        severity: page
        condition: {op: gt, threshold: 2, lookbackWindow: 1h}
  notificationTargets:
    - kind: AlertNotificationTarget
      metadata: {name: nobody}
      spec: {target: slack}
"""
    marked = "  budgetingMethod: Occurrences\n"
    text = text.replace(marked, f"  alertPolicies: [nobody]\n{marked}", 1)
    text = text.replace("duration: 28d", "duration: 1M", 1)
    path = tmp_path / "slo.yaml"
    path.write_text(text + policy)
    verdict = validate([path], SloSpec())
    warned = [finding for finding in verdict.findings if finding.status is Status.WARN]
    assert any("no rules are generated" in finding.message for finding in warned)
    (unused,) = [f for f in warned if "makes no alert" in f.message]
    assert unused.place is not None
    assert unused.place.key == "spec.alertPolicies.0"
