"""The breaker leaves a failing model alone, lets it back in, and no straggler fools it."""

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mlops.serving.breaker import Breaker, State, Ticket
from mlops.serving.instruments import TRANSITIONS
from mlops.serving.spec import BreakerSpec
from tests.fakes.clock import ManualClock

SPEC = BreakerSpec(window_s=10.0, min_calls=4, failure_ratio=0.5, open_s=2.0, trip_s=8.0, probes=2)


class Watched:
    """A breaker with its clock and the changes that it told."""

    def __init__(self, spec: BreakerSpec = SPEC) -> None:
        self.clock = ManualClock()
        self.changes: list[tuple[State, State]] = []
        self.breaker = Breaker(spec, self.clock, lambda old, new: self.changes.append((old, new)))

    def state(self) -> State:
        return self.breaker.state

    def call(self, *, ok: bool, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.record(self.ticket(), ok=ok)

    def ticket(self) -> Ticket:
        ticket = self.breaker.allow()
        assert ticket is not None
        return ticket

    def opened(self) -> "Watched":
        self.call(ok=False, times=4)
        assert self.breaker.state is State.OPEN
        return self

    def half_open(self) -> "Watched":
        self.opened()
        self.clock.advance(2.0)
        return self


# Outcomes in order, and the state after them: a dot is a success, an x a failure, and a digit
# lets so many seconds pass.
SEQUENCES = {
    "nothing happens": ("", State.CLOSED),
    "all is well": ("........", State.CLOSED),
    "too few calls to tell": ("xxx", State.CLOSED),
    "the least number of calls, all failed": ("xxxx", State.OPEN),
    "the ratio is met exactly": ("..xx", State.OPEN),
    "the ratio is just missed": ("...x.", State.CLOSED),
    "a success makes the calls enough": ("xxx.", State.CLOSED),
    "a success does not open it, the next failure does": ("xxx.x", State.OPEN),
    "failures among many successes": ("......xxxx", State.CLOSED),
    "failures catch up with successes": ("....xxxx", State.OPEN),
    "old failures leave the window": ("xxx99...x", State.CLOSED),
    "old successes leave the window": ("........99xxxx", State.OPEN),
    "failures at the window's edge still count": ("xxx55x", State.OPEN),
}


@pytest.mark.parametrize("sentence", SEQUENCES)
def test_when_it_opens(sentence: str) -> None:
    sequence, wanted = SEQUENCES[sentence]
    it = Watched()
    for sign in sequence:
        if sign.isdigit():
            it.clock.advance(float(sign))
        else:
            it.call(ok=sign == ".")
    assert it.state() is wanted
    assert it.changes == ([] if wanted is State.CLOSED else [(State.CLOSED, State.OPEN)])


def test_open_it_refuses_all_until_its_pause_is_over() -> None:
    it = Watched().opened()
    it.clock.advance(1.99)
    assert (it.breaker.resting, it.breaker.allow()) == (True, None)
    it.clock.advance(0.01)
    assert (it.breaker.resting, it.breaker.state) == (False, State.OPEN)
    assert it.breaker.allow() is not None
    assert it.state() is State.HALF_OPEN


def test_half_open_it_lets_one_probe_through_at_a_time() -> None:
    it = Watched().half_open()
    probe = it.ticket()
    assert [it.breaker.allow() for _ in range(3)] == [None, None, None]
    it.breaker.record(probe, ok=True)
    it.ticket()
    assert it.breaker.allow() is None


def test_enough_probes_in_a_row_close_it() -> None:
    it = Watched().half_open()
    it.call(ok=True)
    assert it.state() is State.HALF_OPEN
    it.call(ok=True)
    assert it.state() is State.CLOSED
    assert it.changes == [
        (State.CLOSED, State.OPEN),
        (State.OPEN, State.HALF_OPEN),
        (State.HALF_OPEN, State.CLOSED),
    ]


def test_one_failed_probe_opens_it_for_a_whole_pause() -> None:
    it = Watched().half_open()
    it.call(ok=True)
    it.clock.advance(1.0)
    it.call(ok=False)
    assert it.state() is State.OPEN
    it.clock.advance(1.99)
    assert it.breaker.allow() is None
    it.clock.advance(0.01)
    it.call(ok=True)  # the success before the failure does not count
    assert it.state() is State.HALF_OPEN
    it.call(ok=True)
    assert it.state() is State.CLOSED


def test_closed_again_it_has_forgotten_the_old_failures() -> None:
    it = Watched().half_open()
    it.call(ok=True, times=2)
    it.call(ok=False, times=3)
    assert it.state() is State.CLOSED


@pytest.mark.parametrize("ok", [True, False])
def test_stragglers_from_before_a_change_do_not_count(ok: bool) -> None:
    it = Watched()
    late = [it.ticket() for _ in range(10)]
    it.opened()
    opened_at = it.clock.monotonic()
    it.clock.advance(1.0)
    it.breaker.record(late[0], ok=ok)
    assert it.state() is State.OPEN
    it.clock.advance(1.0)
    probe = it.ticket()
    for ticket in late[1:]:
        it.breaker.record(ticket, ok=ok)
    assert it.state() is State.HALF_OPEN
    assert it.breaker.allow() is None  # the probe is still out
    it.breaker.record(probe, ok=True)
    it.call(ok=True)
    assert it.state() is State.CLOSED
    assert it.clock.monotonic() == opened_at + 2.0


def test_one_impossible_answer_opens_it_for_longer() -> None:
    it = Watched()
    it.call(ok=True, times=50)
    ticket = it.ticket()
    it.breaker.trip()
    it.breaker.record(ticket, ok=False)
    assert (it.state(), it.breaker.tripped) == (State.OPEN, True)
    it.clock.advance(7.99)
    assert it.breaker.allow() is None
    it.clock.advance(0.01)
    it.call(ok=True, times=2)
    assert it.state() is State.CLOSED
    assert it.changes[0] == (State.CLOSED, State.OPEN)


def test_what_was_under_way_does_not_lengthen_a_trip() -> None:
    it = Watched()
    it.breaker.trip()
    it.clock.advance(4.0)
    it.breaker.trip()
    it.clock.advance(4.0)
    assert it.breaker.allow() is not None


def test_each_impossible_probe_doubles_the_pause_until_it_closes() -> None:
    it = Watched()
    for pause_s in (8.0, 16.0, 32.0):
        it.breaker.trip()
        it.clock.advance(pause_s - 0.01)
        assert it.breaker.allow() is None
        it.clock.advance(0.01)
        it.ticket()
    it.breaker.trip()
    it.clock.advance(64.0)
    it.call(ok=True, times=2)
    assert it.state() is State.CLOSED
    it.breaker.trip()
    it.clock.advance(8.0)
    assert it.breaker.allow() is not None


def test_trip_of_a_breaker_that_is_open_already_lengthens_its_pause() -> None:
    it = Watched().opened()
    before = list(it.changes)
    it.breaker.trip()
    it.clock.advance(7.99)
    assert it.breaker.allow() is None
    assert it.changes == before


def test_new_process_does_not_answer_for_the_old_one() -> None:
    it = Watched()
    late = it.ticket()
    it.call(ok=False, times=3)
    it.breaker.renew()
    it.breaker.record(late, ok=False)
    it.call(ok=False, times=3)
    assert it.state() is State.CLOSED
    it.call(ok=False)
    assert it.state() is State.OPEN


def test_new_process_does_not_end_a_pause() -> None:
    it = Watched().opened()
    it.breaker.renew()
    assert it.breaker.allow() is None


class Calls(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Watched()
        self.out: list[tuple[Ticket, int]] = []  # with the number of changes when it was given

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 2.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.it.clock.advance(seconds)

    @rule()
    def call_begins(self) -> None:
        resting = self.it.breaker.resting
        ticket = self.it.breaker.allow()
        if resting:
            assert ticket is None
        if self.it.state() is State.CLOSED:
            assert ticket is not None
        if ticket is not None:
            self.out.append((ticket, len(self.it.changes)))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), ok=st.booleans())
    def call_ends(self, data: st.DataObject, ok: bool) -> None:
        at = data.draw(st.integers(0, len(self.out) - 1))
        ticket, changes = self.out.pop(at)
        before = len(self.it.changes)
        self.it.breaker.record(ticket, ok=ok)
        if changes < before:
            assert len(self.it.changes) == before, "a straggler changed the state"

    @invariant()
    def only_declared_changes_happen(self) -> None:
        changes = self.it.changes
        assert set(changes) <= set(TRANSITIONS)
        assert all(a[1] is b[0] for a, b in pairwise(changes))
        assert self.it.state() is (changes[-1][1] if changes else State.CLOSED)

    @invariant()
    def at_most_one_probe_is_out(self) -> None:
        if self.it.state() is State.HALF_OPEN:
            present = len(self.it.changes)
            assert sum(changes == present for _, changes in self.out) <= 1


Calls.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCalls = Calls.TestCase
