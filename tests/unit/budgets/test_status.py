"""The budgets: what a Prometheus answers becomes one state, and no data is never green."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from mlops.base.verdict import Status
from mlops.budgets.prometheus import Sample
from mlops.budgets.status import Budget, status, verdict
from mlops.slo.calendar import Calendar
from mlops.slo.spec import Maintenance, SloSpec
from tests.fakes.fake_prometheus import FakePrometheus
from tests.unit.slo.test_check import OBJECTIVE

AT = datetime(2026, 1, 1, tzinfo=UTC)
NAN = float("nan")


def sample(value: float, **labels: str) -> Sequence[Sample]:
    return [Sample({"service": "shop", "slo": "shop", **labels}, value)]


def budget(
    *,
    total: float | None = 10_000,
    bad: float | None = 5,
    now: float | None = 10,
    burn: float | None = 0.5,
    steps: float = 4032,
    firing: Sequence[str] = (),
) -> Budget:
    def one(value: float | None) -> Sequence[Sample]:
        return () if value is None else sample(value)

    prometheus = FakePrometheus(
        {
            r"^sum_over_time\(slo:sli_total:increase5m.*\[2419199s:300s\] @ 1767225600": one(total),
            r"^sum_over_time\(slo:sli_bad:increase5m.*\[2419199s:300s\] @ 1767225600": one(bad),
            r"^count_over_time\(slo:sli_total": sample(steps),
            r"^slo:sli_total:increase5m\{": one(now),
            r"^slo:current_burn_rate:ratio\{": one(burn),
            r"^ALERTS\{": [item for name in firing for item in sample(1, alertname=name)],
        }
    )
    (found,) = status([OBJECTIVE], SloSpec(), prometheus, at=AT)
    assert {at for _, at in prometheus.asked} == {AT}
    return found


def test_a_healthy_budget() -> None:
    found = budget()
    assert (found.status, found.reason) == (Status.PASS, "")
    assert found.sli == pytest.approx(0.9995)
    assert found.remaining == pytest.approx(0.5)
    assert found.burn_rate == pytest.approx(0.5)
    assert found.coverage == pytest.approx(0.5)


STATES: dict[str, tuple[Budget, Status, str]] = {
    "a firing alert is a warning": (
        budget(firing=["SloBudgetBurn6h30m", "SloBudgetBurn1h5m"]),
        Status.WARN,
        "SloBudgetBurn1h5m, SloBudgetBurn6h30m fires",
    ),
    "a budget that is used up fails": (budget(bad=10), Status.FAIL, "used up"),
    "no series at all is unknown": (
        budget(total=None, bad=None, now=None, burn=None),
        Status.UNKNOWN,
        "no data in 28d",
    ),
    "a period without events is unknown": (
        budget(total=0, bad=0, burn=None),
        Status.UNKNOWN,
        "nothing happened",
    ),
    "a service that is no longer scraped is unknown": (
        budget(now=None, burn=None),
        Status.UNKNOWN,
        "no data for the last 5m",
    ),
    "a used-up budget fails even when the service is gone": (
        budget(bad=50, now=None),
        Status.FAIL,
        "used up",
    ),
    "an idle minute is no burn": (budget(now=0, burn=None), Status.PASS, ""),
    "NaN is no data": (budget(total=NAN, bad=NAN), Status.UNKNOWN, "no data in 28d"),
}


@pytest.mark.parametrize("sentence", STATES)
def test_state(sentence: str) -> None:
    found, state, reason = STATES[sentence]
    assert found.status is state
    assert reason in found.reason


def test_figures_of_another_service_with_the_same_slo_are_not_taken() -> None:
    (found,) = status(
        [OBJECTIVE],
        SloSpec(),
        FakePrometheus({".": sample(1, service="other")}),
        at=AT,
    )
    assert found.total is None
    assert found.firing == ()


def test_a_calendar_is_asked_from_its_beginning() -> None:
    prometheus = FakePrometheus({})
    calendar = Calendar(1, "M", datetime.fromisoformat("2026-01-01"), "Europe/Vienna")
    monthly = replace(OBJECTIVE, calendar=calendar)
    (found,) = status([monthly], SloSpec(), prometheus, at=AT)
    # In Vienna the month is an hour old.
    assert any("[3599s:300s] @ 1767225600)" in expr for expr, _ in prometheus.asked)
    assert "no data in calendar month" in found.reason
    first = datetime(2025, 12, 31, 23, 0, 1, tzinfo=UTC)
    (new,) = status([monthly], SloSpec(), prometheus, at=first)
    assert new.status is Status.UNKNOWN
    assert "no step of 5m is over yet" in new.reason


def test_maintenance_is_left_out_and_its_silence_is_no_fault() -> None:
    def left_out(start: str, end: str, services: tuple[str, ...] = ()) -> Budget:
        window = Maintenance(
            start=datetime.fromisoformat(start),
            end=datetime.fromisoformat(end),
            services=services,
            reason="a move",
        )
        prometheus = FakePrometheus(
            {
                "_over_time.*@ 1767225600": sample(10),
                "_over_time.*@ 1766000100": sample(100),
                "ALERTS": (),
                "^slo": (),
            }
        )
        spec = SloSpec(maintenance=(window,))
        (found,) = status([OBJECTIVE], spec, prometheus, at=AT)
        return found

    # 1766000400 is 2025-12-17T19:40:00Z: the steps that end at 19:40 and at 19:45 are touched.
    found = left_out("2025-12-17T19:36:00Z", "2025-12-17T19:41:00Z")
    assert found.total == 110
    assert found.period.left_out == 2
    assert (found.status, found.reason) == (Status.FAIL, "its budget of 28d is used up")
    assert left_out("2025-12-17T19:36:00Z", "2025-12-17T19:41:00Z", ("other",)).total == 10
    running = left_out("2025-12-31T23:00:00Z", "2026-01-02T00:00:00Z")
    assert running.period.in_maintenance


def test_a_service_that_is_silent_in_maintenance_is_no_fault() -> None:
    prometheus = FakePrometheus(
        {"^sum.*sli_total": sample(10_000), "^sum.*sli_bad": sample(5), "^count": sample(8_000)}
    )
    window = Maintenance(start=AT, end=AT + timedelta(hours=1), reason="a move")
    for spec, state in ((SloSpec(maintenance=(window,)), Status.PASS), (SloSpec(), Status.UNKNOWN)):
        (found,) = status([OBJECTIVE], spec, prometheus, at=AT)
        assert found.status is state


def test_each_period_is_asked_once_for_all_objectives() -> None:
    prometheus = FakePrometheus({})
    week = replace(OBJECTIVE, slo="a.b", period_s=7 * 86_400, target=Decimal("0.9"))
    rows = status([OBJECTIVE, week, OBJECTIVE], SloSpec(), prometheus, at=AT)
    assert [row.slo for row in rows] == ["shop", "a.b", "shop"]
    assert len(prometheus.asked) == 9  # three of now, and three a period
    both = [expr for expr, _ in prometheus.asked if 'slo=~"a[.]b|shop"' in expr]
    assert len(both) == 3


def test_no_objective_asks_nothing() -> None:
    prometheus = FakePrometheus({})
    assert status([], SloSpec(), prometheus, at=AT) == ()
    assert prometheus.asked == []


def test_the_verdict_is_the_worst_budget() -> None:
    found = verdict([budget(), budget(total=None)])
    assert found.status is Status.UNKNOWN
    assert [finding.status for finding in found.findings] == [Status.PASS, Status.UNKNOWN]
    assert verdict([budget(), budget(bad=20)]).status is Status.FAIL
