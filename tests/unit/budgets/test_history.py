"""The history and the forecast: a line that ends at the status, and a future that comes true."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.budgets.forecast import when
from mlops.budgets.history import History, Step, read_history
from mlops.budgets.period import Period, period_of
from mlops.budgets.prometheus import Series
from mlops.slo.calendar import Calendar
from mlops.slo.spec import Maintenance, SloSpec
from tests.fakes.fake_prometheus import FakePrometheus
from tests.unit.slo.test_check import OBJECTIVE

STEP_S = 300
LENGTH = 48
AT = datetime(2026, 1, 1, tzinfo=UTC)
NOW = int(AT.timestamp())
SHORT = replace(OBJECTIVE, period_s=LENGTH * STEP_S)
ROLLING = period_of(SHORT, SloSpec(), at=AT)
DAY = Calendar(1, "d", datetime.fromisoformat("2026-01-01 20:00"), "UTC")
DAILY = period_of(replace(SHORT, calendar=DAY), SloSpec(), at=AT)

counts = st.lists(
    st.none() | st.tuples(st.integers(0, 50), st.integers(0, 3)),
    min_size=LENGTH,
    max_size=LENGTH,
)


def history(
    values: list[tuple[int, int] | None], period: Period = ROLLING, *, budget: float = 0.05
) -> History:
    first = NOW - (LENGTH - 1) * STEP_S
    steps = tuple(
        Step(first + index * STEP_S, float(value[0] + value[1]), float(value[1]))
        for index, value in enumerate(values)
        if value is not None
    )
    return History(period, budget, steps)


@settings(deadline=None)
@given(counts)
def test_the_burn_down_never_rises_and_ends_at_what_is_left(
    values: list[tuple[int, int] | None],
) -> None:
    found = history(values)
    points = found.burn_down()
    total = sum(step.total for step in found.steps)
    bad = sum(step.bad for step in found.steps)
    if not total:
        assert points == ()
        return
    rests = [point.remaining for point in points]
    assert rests == sorted(rests, reverse=True)
    assert rests[0] <= 1
    assert rests[-1] == pytest.approx(1 - bad / total / 0.05)
    assert [point.at.timestamp() for point in points] == [step.end for step in found.steps]


def rest_later(found: History, *, steps: int, error_ratio: float) -> float:
    """Work the rest of the budget out from the events themselves, at a later time."""
    period = found.period
    now = NOW + steps * STEP_S
    mean = found.total / len(found.steps)
    since = now - period.length_s if period.ends is None else 0
    events = [(step.end, step.total, step.bad) for step in found.steps]
    events += [(NOW + n * STEP_S, mean, mean * error_ratio) for n in range(1, steps + 1)]
    total = sum(each for end, each, _ in events if end > since)
    bad = sum(each for end, _, each in events if end > since)
    return 1 - bad / (found.error_budget * total)


@settings(deadline=None)
@given(values=counts, below=st.floats(0.05, 1), error_ratio=st.sampled_from([0.0, 0.01, 0.2]))
def test_a_rolling_budget_is_forecast_step_by_step(
    values: list[tuple[int, int] | None], below: float, error_ratio: float
) -> None:
    found = history(values)
    if not found.total:
        assert when(found, error_ratio=error_ratio, reached=lambda _: True) is None
        return
    edge = below + 1e-7  # off the values that counts can take, where rounding would decide
    wanted = next(
        (
            n
            for n in range(1, LENGTH + 1)
            if rest_later(found, steps=n, error_ratio=error_ratio) >= edge
        ),
        None,
    )
    forecast = when(found, error_ratio=error_ratio, reached=lambda rest: rest >= edge)
    assert forecast == (None if wanted is None else AT + timedelta(seconds=wanted * STEP_S))


def test_without_failures_a_rolling_budget_comes_back_within_its_period() -> None:
    spent = history([(10, 3)] * LENGTH)
    assert when(spent, error_ratio=0.0, reached=lambda rest: rest >= 1) == AT + timedelta(
        seconds=LENGTH * STEP_S
    )


def test_a_gap_does_not_lose_count_of_what_has_left() -> None:
    values: list[tuple[int, int] | None] = [(10, 3), *[None] * (LENGTH - 1)]
    found = when(history(values), error_ratio=0.0, reached=lambda rest: rest >= 1)
    assert found == AT + timedelta(seconds=STEP_S)


def test_a_calendars_budget_begins_anew() -> None:
    spent = history([(0, 3)] * LENGTH, DAILY)
    assert DAILY.ends == datetime(2026, 1, 1, 20, tzinfo=UTC)
    assert when(spent, error_ratio=0.0, reached=lambda rest: rest > 0.9) == DAILY.ends
    assert when(spent, error_ratio=0.2, reached=lambda rest: rest < -100) is None
    # More traffic would dilute the failures to that in 272 steps, but the period ends in 240.
    assert when(spent, error_ratio=0.0, reached=lambda rest: rest > -2) == DAILY.ends
    fair = history([(100, 3)] * LENGTH, DAILY)
    early = when(fair, error_ratio=0.0, reached=lambda rest: rest > 0.5)
    assert early is not None
    assert AT < early < DAILY.ends
    steps = int((early - AT).total_seconds()) // STEP_S
    assert rest_later(fair, steps=steps, error_ratio=0.0) > 0.5
    assert rest_later(fair, steps=steps - 1, error_ratio=0.0) <= 0.5


def test_the_history_is_what_was_recorded_outside_maintenance() -> None:
    ends = range(NOW - 9 * STEP_S, NOW + STEP_S, STEP_S)
    total = dict.fromkeys(ends, 10.0) | {NOW - 8 * STEP_S: float("nan")}
    bad = {end: 1.0 for end in ends if end != NOW - 7 * STEP_S}
    prometheus = FakePrometheus(
        {}, {"sli_total": [Series({}, total)], "sli_bad": [Series({}, bad)]}
    )
    window = Maintenance(
        start=AT - timedelta(seconds=5 * STEP_S),
        end=AT - timedelta(seconds=3 * STEP_S),
        reason="work",
    )
    found = read_history(SHORT, SloSpec(maintenance=(window,)), prometheus, at=AT)
    away = {NOW - n * STEP_S for n in (8, 7, 4, 3)}
    assert [step.end for step in found.steps] == [end for end in ends if end not in away]
    assert found.error_ratio(2 * STEP_S) == pytest.approx(0.1)
    assert found.error_budget == 0.001
    assert len(prometheus.ranges) == 4
    selectors = {expr.partition("{")[2] for expr, *_ in prometheus.ranges}
    assert selectors == {'service="shop",slo="shop"}'}
