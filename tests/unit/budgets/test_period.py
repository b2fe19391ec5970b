"""The period: which recorded steps count, whatever the time, the calendar and the maintenance."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.budgets.period import period_of
from mlops.slo.calendar import Calendar
from mlops.slo.spec import Maintenance, SloSpec
from tests.unit.slo.test_check import OBJECTIVE

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
STEP_S = 300
DAY = replace(OBJECTIVE, period_s=86_400)
MONTHLY = replace(
    OBJECTIVE, calendar=Calendar(1, "M", datetime.fromisoformat("2026-01-01"), "Europe/Vienna")
)
SECONDS = st.integers(0, 4 * 86_400)


def window(start_s: int, length_s: int, *services: str) -> Maintenance:
    start = EPOCH + timedelta(seconds=start_s)
    return Maintenance(
        start=start, end=start + timedelta(seconds=length_s), services=services, reason="work"
    )


@settings(deadline=None)
@given(
    at_s=SECONDS,
    windows=st.lists(st.builds(window, SECONDS, st.integers(1, 90_000)), max_size=5),
)
def test_exactly_the_steps_that_no_maintenance_touches_count(
    at_s: int, windows: list[Maintenance]
) -> None:
    at = EPOCH + timedelta(seconds=at_s)
    period = period_of(DAY, SloSpec(maintenance=tuple(windows)), at=at)
    counted = [
        end for span in period.spans for end in range(span.first, span.last + STEP_S, STEP_S)
    ]
    ends = [
        end
        for end in range(0, 10**10, STEP_S)[
            int(period.began.timestamp()) // STEP_S : int(at.timestamp()) // STEP_S + 1
        ]
        if end > period.began.timestamp()
    ]
    untouched = [
        end
        for end in ends
        if not any(
            each.start.timestamp() < end and end - STEP_S < each.end.timestamp() for each in windows
        )
    ]
    assert counted == untouched
    assert len(ends) == 288
    assert (period.steps, period.left_out) == (len(counted), len(ends) - len(counted))


def test_maintenance_of_another_service_is_not_left_out() -> None:
    at = EPOCH + timedelta(days=1)
    spec = SloSpec(maintenance=(window(3_600, 3_600, "other"), window(7_200, 600, "shop")))
    assert period_of(DAY, spec, at=at).left_out == 2


def test_maintenance_goes_on_until_a_step_after_it_is_over() -> None:
    spec = SloSpec(maintenance=(window(600, 600),))
    inside = [
        s
        for s in range(0, 1_801, 100)
        if period_of(DAY, spec, at=EPOCH + timedelta(seconds=s)).in_maintenance
    ]
    assert inside == list(range(600, 1_500, 100))


def test_a_calendar_month_of_local_time() -> None:
    period = period_of(MONTHLY, SloSpec(), at=datetime(2026, 4, 1, tzinfo=UTC))
    assert period.began == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert period.ends == datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert period.words == "calendar month"
    assert period.steps == 24
    whole = period_of(MONTHLY, SloSpec(), at=datetime(2026, 3, 31, 22, tzinfo=UTC)
                      - timedelta(seconds=1))  # fmt: skip
    assert whole.length_s == 31 * 86_400 - 3_600  # March has the short day
    assert whole.steps == whole.length_s // STEP_S - 1  # the last step is not over


def test_a_demo_makes_every_period_roll() -> None:
    period = period_of(MONTHLY, SloSpec(period_s=600), at=EPOCH)
    assert (period.words, period.ends, period.steps) == ("10m", None, 2)
