"""Alerts: whom they call, for what, and when they leave everybody alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlops.base.errors import ConfigError
from mlops.slo.calendar import Calendar
from mlops.slo.rules import generate
from mlops.slo.spec import Maintenance, SloSpec, Tier
from tests.components.objectives import SHOP, Rule, alert, by_calendar, rules_of

SELECTOR = '{service="shop",slo="shop-availability"}'
NIGHT = Maintenance(
    start=datetime(2026, 11, 24, 2, tzinfo=UTC),
    end=datetime(2026, 11, 24, 3, tzinfo=UTC),
    reason="moving",
)
PAGE = "SloBudgetBurn1h5m"


def alerts(text: str) -> list[Rule]:
    return [rule for rule in rules_of(text) if rule.alert and "slo" in rule.labels]


@pytest.mark.parametrize(
    ("default", "own", "least"), [(3, None, 3), (3, 10, 10), (3, 0, None), (0, None, None)]
)
def test_the_long_window_holds_some_bad_events(
    default: int, own: int | None, least: int | None
) -> None:
    text = generate([replace(SHOP, min_bad_events=own)], SloSpec(min_bad_events=default))
    guard = f"slo:sli_bad:increase1h{SELECTOR} >= {least}"
    expr = alert(text, PAGE).expr
    assert expr.endswith(f"\nand\n{guard}") if least else "increase" not in expr


def test_own_tiers_replace_the_sections_and_their_windows_are_recorded() -> None:
    tier = Tier(factor=9.0, long_s=7200, short_s=600, severity="page", for_s=60,
                labels={"notify": "ranking"})  # fmt: skip
    text = generate([replace(SHOP, tiers=(tier,))], SloSpec(absent_for_s=None))
    (own,) = alerts(text)
    assert own.alert == "SloBudgetBurn2h10m"
    assert own.hold == "1m"
    assert own.labels["notify"] == "ranking"
    recorded = {rule.record for rule in rules_of(text)}
    assert {f"slo:sli_error:ratio_rate{window}" for window in ("5m", "10m", "2h")} <= recorded
    assert "slo:sli_error:ratio_rate3d" not in recorded


def test_own_windows_that_cannot_work_are_refused_where_the_slo_is_defined() -> None:
    tier = Tier(factor=9.0, long_s=360, short_s=30, severity="page")
    with pytest.raises(ConfigError, match="30 is shorter than 4 scrapes of 15 s") as caught:
        generate([replace(SHOP, tiers=(tier,))], SloSpec())
    assert caught.value.place == SHOP.place


@pytest.mark.parametrize(
    ("muted", "left"),
    [
        (frozenset[str](), {"page", "ticket"}),
        (frozenset({"page"}), {"ticket"}),
        (frozenset({"ticket"}), {"page"}),
        (frozenset({"page", "ticket"}), set[str]()),
    ],
)
def test_a_muted_severity_has_no_alerts_and_the_header_says_so(
    muted: frozenset[str], left: set[str]
) -> None:
    text = generate([replace(SHOP, muted=muted)], SloSpec())
    assert {rule.labels["severity"] for rule in alerts(text)} == left
    assert ("no alerts of severity" in text) == bool(muted)
    assert "slo:sli_error:ratio_rate3d" in text  # dashboards show it all the same


def test_labels_route_the_alerts_and_never_replace_the_ones_that_all_have() -> None:
    labels = {"team": "ranking", "app.kubernetes.io/name": "{{x}}", "severity": "low", "9": "x"}
    text = generate([replace(SHOP, labels=labels)], SloSpec())
    for rule in alerts(text):
        assert rule.labels["team"] == "ranking"
        assert rule.labels["app_kubernetes_io_name"] == '{{ "{{" }}x}}'  # no template
        assert rule.labels["_9"] == "x"
        assert rule.labels["severity"] in {"page", "ticket"}
    (info,) = [rule for rule in rules_of(text) if rule.record == "slo:info"]
    assert info.labels["app_kubernetes_io_name"] == "{{x}}"  # a recording rule has none
    assert info.labels["objective"] == "99.9%"
    assert info.labels["period"] == "28d"


def test_alerts_link_to_the_slos_dashboard_else_to_the_sections() -> None:
    spec = SloSpec(dashboard_url="https://grafana/d/mlops-{service}?var-slo={slo}")
    for own, expected in (
        ("", "https://grafana/d/mlops-shop?var-slo=shop-availability"),
        ("https://own", "https://own"),
    ):
        for rule in alerts(generate([replace(SHOP, dashboard_url=own)], spec)):
            assert rule.annotations["dashboard_url"] == expected
    assert "dashboard_url" not in alert(generate([SHOP], SloSpec()), PAGE).annotations


def test_no_data_at_all_is_a_ticket_that_says_what_to_ask() -> None:
    text = generate([replace(SHOP, runbook_url="book.md#availability")], SloSpec())
    absent = alert(text, "SloDataAbsent")
    assert absent.expr == f"absent(slo:sli_total:increase5m{SELECTOR})"
    assert absent.hold == "15m"
    assert absent.labels == {"service": "shop", "severity": "ticket", "slo": "shop-availability"}
    assert '`errors_total{job="shop"}`, `requests_total`' in absent.annotations["first_look"]
    assert absent.annotations["runbook_url"] == "book.md#no-data"
    assert "SloDataAbsent" not in generate([SHOP], SloSpec(absent_for_s=None))


def test_no_alert_of_a_service_under_maintenance_can_fire() -> None:
    text = generate([SHOP], SloSpec(maintenance=(NIGHT,)))
    start, end = (int(time.timestamp()) for time in (NIGHT.start, NIGHT.end))
    found = [rule for rule in rules_of(text) if rule.alert]
    assert len(found) == 10
    for rule in found:
        assert rule.expr.endswith(f"\nunless on ()\n(vector(time()) > {start} < {end})")


def test_a_maintenance_of_parts_of_seconds_is_not_cut_short() -> None:
    half = timedelta(milliseconds=500)
    odd = NIGHT.model_copy(update={"start": NIGHT.start + half, "end": NIGHT.end - half})
    assert generate([SHOP], SloSpec(maintenance=(odd,))) == generate(
        [SHOP], SloSpec(maintenance=(NIGHT,))
    )


def test_a_maintenance_of_other_services_changes_nothing() -> None:
    other = NIGHT.model_copy(update={"services": ("other",)})
    assert generate([SHOP], SloSpec(maintenance=(other,))) == generate([SHOP], SloSpec())
    own = NIGHT.model_copy(update={"services": ("other", "shop")})
    assert generate([SHOP], SloSpec(maintenance=(own,))) == generate(
        [SHOP], SloSpec(maintenance=(NIGHT,))
    )


def test_windows_of_maintenance_are_in_the_order_of_time_whatever_that_of_the_file() -> None:
    later = NIGHT.model_copy(
        update={"start": NIGHT.start + timedelta(days=7), "end": NIGHT.end + timedelta(days=7)}
    )
    first = generate([SHOP], SloSpec(maintenance=(NIGHT, later)))
    assert first == generate([SHOP], SloSpec(maintenance=(later, NIGHT)))
    assert "\n  or\n" in alert(first, PAGE).expr


def test_a_budget_that_no_rule_can_tell_is_not_asked_for_in_an_alert() -> None:
    calendar = Calendar(1, "M", datetime(2026, 1, 1), "Europe/Vienna")  # noqa: DTZ001 - a wall clock
    text = generate([by_calendar(calendar)], SloSpec())
    description = alert(text, PAGE).annotations["description"]
    assert "Objective, 99.9% over calendar month" in description
    assert "query" not in description
    assert "`mlops slo status` tells how much budget is left" in description
    assert "# shop-availability: no slo:period_error_budget_remaining:ratio, PromQL" in text
