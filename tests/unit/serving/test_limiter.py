"""The limit finds how many pages a model may owe, and forgets how bad it once was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.serving.limiter import Limiter, Pace
from mlops.serving.spec import LimitSpec, Protection
from tests.components.serving import spec
from tests.fakes.clock import ManualClock

TIME_S = 0.04
GOOD_S = 0.01
LONG_S = 0.03


def limiter(start: int = 8, most: int = 64, *, acts: bool = True) -> tuple[Limiter, ManualClock]:
    clock = ManualClock()
    return Limiter(LimitSpec(start=start, most=most), TIME_S, clock, acts=acts), clock


def test_it_has_room_up_to_the_limit() -> None:
    it, _ = limiter(start=2)
    assert [it.has_room(owed) for owed in (0, 1, 2, 3)] == [True, True, False, False]


def test_a_round_of_good_answers_raises_it_by_one() -> None:
    it, _ = limiter()
    for _ in range(9):
        it.answered(GOOD_S, owed=8)
    assert it.limit == 9


def test_it_rises_no_higher_than_allowed() -> None:
    it, _ = limiter(most=10)
    for _ in range(1000):
        it.answered(GOOD_S, owed=10)
    assert it.limit == 10


def test_it_does_not_rise_while_it_is_not_used() -> None:
    it, _ = limiter()
    for _ in range(1000):
        it.answered(GOOD_S, owed=3)
    assert it.limit == 8


def test_late_answers_lower_it_once_for_what_was_let_in_together() -> None:
    it, clock = limiter()
    for _ in range(8):
        it.late()
    assert it.limit == 6
    clock.advance(1.01 * TIME_S)
    it.late()
    assert it.limit == 4


def test_answers_that_took_most_of_the_time_lower_it_before_they_are_late() -> None:
    it, _ = limiter()
    it.answered(LONG_S, owed=8)
    assert it.limit == 6


def test_model_that_is_slow_by_itself_does_not_lower_it() -> None:
    it, _ = limiter()
    it.answered(LONG_S, owed=1)
    assert it.limit == 8


def test_one_page_is_always_let_in() -> None:
    it, clock = limiter()
    for _ in range(100):
        clock.advance(TIME_S)
        it.late()
    assert it.limit == 1
    assert it.has_room(0)


def test_it_comes_back_from_one() -> None:
    it, _ = limiter(start=1)
    for _ in range(40):
        it.answered(GOOD_S, owed=it.limit)
    assert it.limit >= 8


@pytest.mark.parametrize(("service_s", "low", "high"), [(0.004, 4, 7), (0.001, 15, 30)])
def test_it_settles_where_answers_take_half_of_their_time(
    service_s: float, low: int, high: int
) -> None:
    it, clock = limiter()
    limits = []
    for _ in range(5000):
        owed = it.limit  # as many as are let in: there is always more to do
        clock.advance(service_s)
        it.answered(owed * service_s, owed)
        limits.append(it.limit)
    assert low <= min(limits[1000:])
    assert max(limits) <= high


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 100), st.booleans()), max_size=50))
def test_it_stays_inside_its_ends(
    events: list[tuple[float, int, bool]],
) -> None:
    it, clock = limiter(start=4, most=16)
    for seconds, owed, late in events:
        clock.advance(seconds)
        if late:
            it.late()
        else:
            it.answered(seconds, owed)
        assert 1 <= it.limit <= 16


def test_page_is_asked_for_only_if_the_time_left_is_likely_to_be_enough() -> None:
    it, _ = limiter()
    assert it.has_time(0.001)
    assert not it.has_time(0.0)
    for _ in range(50):
        it.pace.observe(0.01)
    assert it.has_time(0.011)
    assert not it.has_time(0.009)


def test_one_page_that_took_for_ever_does_not_end_it() -> None:
    it, _ = limiter()
    it.pace.observe(100.0)
    assert sum(not it.has_time(0.02) for _ in range(1000)) < 500
    assert it.has_time(0.02)


def test_pace_bounds_nearly_all_of_the_work() -> None:
    pace = Pace()
    assert pace.longest_s == 0.0
    times = [0.001 + 0.0005 * (at * 7919 % 100 / 100) for at in range(2000)]
    over = 0
    for seconds in times:
        over += seconds > pace.longest_s
        pace.observe(seconds)
    assert pace.mean_s == pytest.approx(0.00125, rel=0.2)
    assert over < 0.1 * len(times)


def test_taken_away_it_lets_everything_in() -> None:
    it, _ = limiter(acts=False)
    it.pace.observe(1.0)
    assert it.has_room(10**6)
    assert it.has_time(0.001)
    assert it.limit > 10**6


def test_service_declares_its_time_and_whether_it_acts() -> None:
    clock = ManualClock()
    assert Limiter.of(spec(), clock).time_s == pytest.approx(0.04)
    without = spec(faults_allowed=True, without=(Protection.LIMITER,))
    assert not Limiter.of(without, clock).acts
