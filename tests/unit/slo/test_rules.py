"""The rules: what is committed is what is generated, for exported series only."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from mlops.base.digest import canonical_json
from mlops.base.telemetry import DECISION_SECONDS, exported_series
from mlops.slo.catalog import read_catalog
from mlops.slo.counter import Counter, Matcher
from mlops.slo.exported import bucket_text
from mlops.slo.indicator import CountedRatio, Counts
from mlops.slo.rules import generate
from mlops.slo.spec import SloSpec
from tests.components.objectives import SHOP, expression, rules_of

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "slo").glob("*.yaml"))
SPECS = {
    path.stem: SloSpec.model_validate_json(canonical_json(yaml.safe_load(path.read_text())))
    for path in sorted((ROOT / "conf" / "slo").glob("*.yaml"))
}
_SUFFIX = {"default": "", "fast": ".fast"}


@pytest.mark.parametrize("profile", SPECS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_committed_rules_are_what_is_generated(
    path: Path, profile: str, golden: Callable[[str, str], None]
) -> None:
    text = generate(read_catalog([path]).objectives, SPECS[profile])
    assert text == generate(read_catalog([path]).objectives, SPECS[profile])
    golden(f"slo/{path.stem}{_SUFFIX[profile]}.yaml", text)


def test_the_default_profile_is_the_defaults_of_the_section() -> None:
    files = SPECS["default"].files
    assert SPECS["default"] == SloSpec(files=files)
    assert [str(path.relative_to(ROOT)) for path in FILES] == list(files)


@pytest.mark.parametrize("profile", SPECS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_name_only_exported_or_recorded_series(path: Path, profile: str) -> None:
    rules = rules_of(generate(read_catalog([path]).objectives, SPECS[profile]))
    known = exported_series() | {rule.record for rule in rules if rule.record}
    for rule in rules:
        named = re.findall(r"\b(?:mlops_|slo:)[a-z0-9_:]+", re.sub(r'"[^"]*"', "", rule.expr))
        assert set(named) <= known
        assert named or rule.expr.startswith("vector(")


@pytest.mark.parametrize(("service", "deadline"), [("open_bandit", 0.05), ("search_ranking", 0.1)])
def test_latency_is_read_at_the_deadline_which_is_a_declared_bucket(
    service: str, deadline: float
) -> None:
    text = (ROOT / "tests/golden/slo" / f"{service}.yaml").read_text()
    bounds = set(re.findall(r'[{,]le="([^"]+)"', text))
    assert bounds == {bucket_text(deadline)}
    assert bounds <= set(map(bucket_text, DECISION_SECONDS.buckets))


def test_windows_up_to_the_limit_read_counters_and_longer_ones_sum_steps() -> None:
    text = generate([SHOP], SloSpec())
    selector = '{service="shop",slo="shop-availability"}'
    assert expression(text, "slo:sli_bad:increase1h") == (
        '( sum(increase(errors_total{job="shop"}[1h])) or 0 * sum(increase(requests_total[1h])) )'
    )
    assert expression(text, "slo:sli_error:ratio_rate1h") == (
        f"slo:sli_bad:increase1h{selector} / on () (sum(increase(requests_total[1h])) > 0)"
    )
    assert expression(text, "slo:sli_error:ratio_rate2h") == (
        f"sum_over_time(slo:sli_bad:increase5m{selector}[2h:5m]) / on () "
        f"(sum_over_time(slo:sli_total:increase5m{selector}[2h:5m]) > 0)"
    )
    assert expression(text, "slo:sli_bad:increase6h") == (
        f"sum_over_time(slo:sli_bad:increase5m{selector}[6h:5m])"
    )
    assert "[28d:5m]" in expression(text, "slo:sli_error:ratio_rate28d")


def test_good_events_are_turned_into_bad_ones_that_are_never_negative() -> None:
    good = CountedRatio(
        Counts.GOOD,
        Counter("errors_total", (Matcher("job", "=", "shop"),)),
        Counter("requests_total"),
    )
    text = generate([replace(SHOP, indicator=good)], SloSpec())
    assert expression(text, "slo:sli_bad:increase5m") == (
        "clamp_min( sum(increase(requests_total[5m])) - "
        '( sum(increase(errors_total{job="shop"}[5m])) or '
        "0 * sum(increase(requests_total[5m])) ), 0 )"
    )


def test_objective_and_budget_are_exact_decimals() -> None:
    text = generate([SHOP], SloSpec())
    assert expression(text, "slo:objective:ratio") == "vector(0.999)"
    assert expression(text, "slo:error_budget:ratio") == "vector(0.001)"


def test_a_tier_that_cannot_fire_is_left_out_and_the_header_says_so() -> None:
    text = generate([replace(SHOP, target=Decimal("0.9"))], SloSpec())
    assert [rule.alert for rule in rules_of(text) if rule.alert.startswith("SloBudget")] == [
        "SloBudgetBurn6h30m",
        "SloBudgetBurn1d2h",
        "SloBudgetBurn3d6h",
    ]
    assert "# shop-availability: no SloBudgetBurn1h5m, 14.4 times the budget of 0.1" in text


def test_each_alert_names_its_windows_and_is_routable() -> None:
    alerts = [rule for rule in rules_of(generate([SHOP], SloSpec())) if rule.alert]
    assert [(alert.alert, alert.labels) for alert in alerts[:1]] == [
        (
            "SloBudgetBurn1h5m",
            {
                "service": "shop",
                "severity": "page",
                "slo": "shop-availability",
                "long_window": "1h",
                "short_window": "5m",
            },
        )
    ]
    assert alerts[0].keep_firing_for == "2m"


def test_a_text_of_the_definition_is_no_template() -> None:
    item = replace(SHOP, description="{{ bad }}", runbook_url="x.md", first_look="{{")
    text = generate([item], SloSpec(runbook_base_url="https://wiki.example/"))
    notes = next(rule for rule in rules_of(text) if rule.alert).annotations
    assert '{{ "{{" }} bad }}' in notes["description"]
    assert notes["runbook_url"] == "https://wiki.example/x.md"
    assert notes["first_look"] == '{{ "{{" }}'


def test_no_objective_makes_a_file_without_rules() -> None:
    assert yaml.safe_load(generate([], SloSpec())) == {"groups": []}


def test_every_service_pages_for_what_its_certificate_proves_impossible() -> None:
    """Once a service, however many objectives it has; beside its other runbooks."""
    paged = [
        replace(SHOP, slo=f"{service}-{name}", service=service, runbook_url=url)
        for service, name, url in (
            ("shop", "a", "docs/runbooks.md#a"), ("shop", "b", ""), ("other", "a", ""),
        )
    ]  # fmt: skip
    spec = SloSpec(runbook_base_url="https://wiki/")
    found = [r for r in rules_of(generate(paged, spec)) if r.alert == "ModelOutsideCertificate"]
    assert [(rule.labels["service"], rule.labels["severity"]) for rule in found] == [
        ("shop", "page"),
        ("other", "page"),
    ]
    assert found[0].annotations["runbook_url"] == (
        "https://wiki/docs/runbooks.md#certificate-breach"
    )
    assert "runbook_url" not in found[1].annotations
    assert 'mlops_certificate_breaches_total{service="shop"}' in found[0].expr


def test_every_service_of_ours_calls_for_lost_decisions_ending_workers_and_silence() -> None:
    ours = replace(
        SHOP,
        indicator=CountedRatio(
            Counts.BAD, Counter("errors_total"), Counter("mlops_http_requests_total")
        ),
        runbook_url="book.md#x",
    )
    other = replace(SHOP, slo="other-availability", service="other")
    rules = rules_of(generate([ours, other], SloSpec()))
    standing = ("ModelOutsideCertificate", "FallbackLatched", "DecisionLogUnavailable",
                "DecisionsLost", "WorkersRestarting", "ServiceAbsent")  # fmt: skip
    found = [rule for rule in rules if rule.alert in standing]
    assert [rule.alert for rule in found if rule.labels["service"] == "shop"] == [*standing]
    # Another program's service exports no mlops_workers: it would be absent for ever.
    assert [rule.alert for rule in found if rule.labels["service"] == "other"] == [*standing[:5]]
    for rule in found[:6]:
        assert rule.annotations["runbook_url"].startswith("book.md#")
        assert 'service="shop"' in rule.expr
        assert "SERVICE" not in str(rule.annotations)
    assert {rule.alert: rule.labels["severity"] for rule in found[:6]} == {
        "ModelOutsideCertificate": "page",
        "FallbackLatched": "ticket",
        "DecisionLogUnavailable": "ticket",
        "DecisionsLost": "ticket",
        "WorkersRestarting": "page",
        "ServiceAbsent": "page",
    }
