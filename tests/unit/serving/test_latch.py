"""A latch holds until the way back is open, and no quiet opens it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.serving.latch import TRANSITIONS, Cause, Hold, Latch, LatchState, Record
from tests.fakes.clock import ManualClock

PROBED = Hold("rule", 60.0)
BY_PERSON = Hold("rule", None)


class Watched:
    """A latch with its clock and the changes that it told."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.changes: list[tuple[LatchState, LatchState, Cause]] = []
        self.latch = Latch(self.clock, lambda *change: self.changes.append(change))

    def passes(self, seconds: float) -> "Watched":
        self.clock.advance(seconds)
        self.latch.tick()
        return self

    def burns(self, hold: Hold = PROBED) -> "Watched":
        self.latch.engage(hold, Cause.BURN)
        return self

    def waits_s(self) -> float:
        """Return after how many seconds the way back begins."""
        began = self.clock.monotonic()
        while self.latch.hold is not None and self.latch.state is LatchState.LATCHED:
            assert self.passes(1.0).clock.monotonic() - began < 1e5, "it never begins"
        return self.clock.monotonic() - began


def test_way_back_begins_when_the_wait_is_over_and_ends_when_the_breakers_healed() -> None:
    it = Watched().burns()
    assert it.passes(59.9).latch.state is LatchState.LATCHED
    assert it.passes(0.2).latch.state is LatchState.RECOVERING
    it.latch.healed()
    assert it.latch.state is LatchState.OFF
    assert it.changes == [
        (LatchState.OFF, LatchState.LATCHED, Cause.BURN),
        (LatchState.LATCHED, LatchState.RECOVERING, Cause.WAITED),
        (LatchState.RECOVERING, LatchState.OFF, Cause.HEALED),
    ]


def test_where_a_person_decides_no_time_opens_the_way_back() -> None:
    it = Watched().burns(BY_PERSON)
    assert it.passes(1e9).latch.state is LatchState.LATCHED
    assert it.latch.let_go(Cause.PERSON)
    assert it.latch.state is LatchState.RECOVERING


def test_way_back_that_nothing_proves_goes_on_for_ever() -> None:
    it = Watched().burns().passes(60)
    assert it.passes(1e9).latch.state is LatchState.RECOVERING


@pytest.mark.parametrize("how", ["failed", "burn"])
def test_way_back_that_fails_latches_again_for_twice_as_long(how: str) -> None:
    it = Watched().burns()
    waits = []
    for _ in range(4):
        waits.append(it.waits_s())
        if how == "failed":
            it.latch.failed()
        else:
            it.burns()
    assert waits == [60, 120, 240, 480]


def test_wait_grows_to_an_hour_and_no_further() -> None:
    it = Watched().burns()
    for _ in range(30):
        it.waits_s()
        it.latch.failed()
    assert it.waits_s() == 3600


def test_burn_soon_after_healing_waits_twice_as_long_and_one_after_an_hour_does_not() -> None:
    it = Watched().burns()
    it.waits_s()
    it.latch.healed()
    it.passes(10).burns()
    assert it.waits_s() == 120
    it.latch.healed()
    it.passes(3601).burns()
    assert it.waits_s() == 60


def test_person_latches_whatever_it_was_and_only_a_person_opens_that() -> None:
    it = Watched().burns()
    it.latch.engage(Hold(), Cause.PERSON)
    assert it.passes(1e9).latch.state is LatchState.LATCHED
    assert it.latch.let_go(Cause.PERSON)
    it.latch.failed()
    assert it.passes(1e9).latch.state is LatchState.LATCHED


def test_nothing_is_let_go_that_is_not_latched() -> None:
    it = Watched()
    assert not it.latch.let_go(Cause.PERSON)
    it.latch.failed()
    it.latch.healed()
    assert it.changes == []


@pytest.mark.parametrize("hold", [PROBED, BY_PERSON, Hold()])
def test_restart_is_no_way_back(hold: Hold) -> None:
    it = Watched().burns(hold)
    if hold.wait_s is not None:
        it.waits_s()
        it.latch.failed()
    again = Watched()
    again.latch.restore(it.latch.record)
    assert again.latch.state is LatchState.LATCHED
    assert again.latch.wait_s == it.latch.wait_s
    assert again.latch.hold == hold


def test_way_back_under_way_is_held_again_after_a_restart() -> None:
    it = Watched().burns()
    it.waits_s()
    again = Watched()
    again.latch.restore(it.latch.record)
    assert again.latch.state is LatchState.LATCHED


def test_latch_that_was_off_stays_off() -> None:
    it = Watched()
    it.latch.restore(Record())
    assert it.latch.state is LatchState.OFF
    assert it.latch.hold is None


ACTS: dict[str, Callable[[Watched], object]] = {
    "burn": lambda it: it.latch.state is LatchState.LATCHED or it.burns(),
    "person": lambda it: it.latch.engage(Hold(), Cause.PERSON),
    "release": lambda it: it.latch.let_go(Cause.PERSON),
    "undeclared": lambda it: it.latch.let_go(Cause.UNDECLARED),
    "failed": lambda it: it.latch.failed(),
    "healed": lambda it: it.latch.healed(),
    "wait": lambda it: it.passes(30.0),
}


@given(st.lists(st.sampled_from(sorted(ACTS))))
def test_whatever_happens_changes_are_the_declared_ones_and_follow_each_other(
    acts: list[str],
) -> None:
    it = Watched()
    for act in acts:
        ACTS[act](it)
    state = LatchState.OFF
    for change in it.changes:
        assert change in TRANSITIONS
        assert change[0] is state
        state = change[1]
    assert it.latch.state is state
