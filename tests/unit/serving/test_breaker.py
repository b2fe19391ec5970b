"""The breaker leaves a failing model alone, lets it back in, and no straggler fools it."""

import logging
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mlops.serving.breaker import TRANSITIONS, Breaker, Change, State, Ticket
from mlops.serving.spec import BreakerMode, BreakerSpec
from mlops.serving.window import Outcome, Window
from tests.fakes.clock import ManualClock
from tests.fakes.watcher import FakeWatcher

SPEC = BreakerSpec(
    window_s=10.0, min_calls=4, failure_ratio=0.5, slow_ratio=0.75, guard_ratio=0.25,
    open_s=2.0, trip_s=8.0, probes=2, ramp=(0.1, 0.5), ramp_s=1.0,
)  # fmt: skip
STRAIGHT_BACK = SPEC.model_copy(update={"ramp": ()})
SIGNS = {".": Outcome.OK, "s": Outcome.SLOW, "x": Outcome.FAILED, "r": Outcome.REFUSED}


class Watched:
    """A breaker with its clock and the changes that it told."""

    def __init__(self, spec: BreakerSpec = SPEC) -> None:
        self.clock = ManualClock()
        self.watcher = FakeWatcher()
        self.breaker = Breaker(spec, self.clock, self.watcher.breaker_changed)

    @property
    def changes(self) -> list[tuple[State, State, Change]]:
        return self.watcher.changes

    def state(self) -> State:
        return self.breaker.state

    def play(self, sequence: str) -> "Watched":
        """Let calls end one after another; a digit lets so many seconds pass."""
        for sign in sequence:
            if sign.isdigit():
                self.clock.advance(float(sign))
            else:
                self.breaker.record(self.ticket(), SIGNS[sign])
        return self

    def ticket(self, draw: float = 0.0) -> Ticket:
        ticket = self.breaker.admit(draw)
        assert ticket is not None
        return ticket

    def refuses(self, draw: float = 0.0) -> bool:
        return self.breaker.admit(draw) is None


def half_open(spec: BreakerSpec = SPEC) -> Watched:
    return Watched(spec).play("xxxx2")


def ramping(spec: BreakerSpec = SPEC) -> Watched:
    it = half_open(spec).play("..")
    assert it.state() is State.RAMPING
    return it


# Outcomes in order, and why it opened, if it did.
SEQUENCES: dict[str, tuple[str, Change | None]] = {
    "nothing happens": ("", None),
    "all is well": ("........", None),
    "too few calls to tell": ("xxx", None),
    "the least number of calls, all failed": ("xxxx", Change.FAILURES),
    "the ratio is met exactly": ("..xx", Change.FAILURES),
    "the ratio is just missed": ("...x.", None),
    "a success makes the calls enough": ("xxx.", None),
    "a success does not open it, the next failure does": ("xxx.x", Change.FAILURES),
    "failures among many successes": ("......xxxx", None),
    "failures catch up with successes": ("....xxxx", Change.FAILURES),
    "old failures leave the window": ("xxx99...x", None),
    "old successes leave the window": ("........99xxxx", Change.FAILURES),
    "failures at the window's edge still count": ("xxx55x", Change.FAILURES),
    "most calls are slow": (".sss", Change.SLOW),
    "slow and failed calls together are slow": ("..ssxsss", Change.SLOW),
    "some calls are slow": ("..ss", None),
    "the guard refused a quarter": ("...r", Change.GUARD),
    "the guard refused one of many": ("......r", None),
    "the guard refused one of three": ("..r", None),
    "a failure among refused outputs": ("......rx", None),
}


@pytest.mark.parametrize("sentence", SEQUENCES)
def test_when_it_opens(sentence: str) -> None:
    sequence, why = SEQUENCES[sentence]
    it = Watched().play(sequence)
    assert it.changes == ([] if why is None else [(State.CLOSED, State.OPEN, why)])


def test_failures_of_a_fifth_open_it_at_a_fifth() -> None:
    it = Watched(BreakerSpec(min_calls=10, failure_ratio=0.2))
    it.play("....x....x")
    assert it.state() is State.OPEN


def test_window_costs_the_same_however_many_calls_it_holds() -> None:
    clock, window = ManualClock(), Window(10.0)
    for _ in range(20_000):
        clock.advance(0.001)
        window.add(clock.monotonic(), Outcome.FAILED)
    assert 9_650 <= window.counts.calls <= 10_350
    assert len(window._slices) <= 34


def test_open_it_refuses_all_until_its_pause_is_over() -> None:
    it = Watched().play("xxxx")
    it.clock.advance(1.99)
    assert (it.breaker.resting, it.refuses()) == (True, True)
    it.clock.advance(0.01)
    assert (it.breaker.resting, it.state()) == (False, State.OPEN)
    assert it.ticket().shadow
    assert it.state() is State.HALF_OPEN


def test_half_open_it_lets_one_probe_through_at_a_time_in_the_shadow() -> None:
    it = half_open()
    probe = it.ticket()
    assert probe.shadow
    assert all(it.refuses(0.0) for _ in range(3))
    it.breaker.record(probe, Outcome.OK)
    it.breaker.record(probe, Outcome.OK)  # the same again proves nothing
    assert it.state() is State.HALF_OPEN
    assert it.ticket().shadow
    assert it.refuses()


def test_probe_that_told_nothing_is_made_again() -> None:
    it = half_open()
    it.breaker.release(it.ticket())
    it.play("..")
    assert it.state() is State.RAMPING


def test_enough_probes_in_a_row_begin_the_ramp() -> None:
    it = half_open().play("..")
    assert it.changes == [
        (State.CLOSED, State.OPEN, Change.FAILURES),
        (State.OPEN, State.HALF_OPEN, Change.RESTED),
        (State.HALF_OPEN, State.RAMPING, Change.PROBES_PASSED),
    ]


def test_without_a_ramp_the_probes_close_it() -> None:
    it = half_open(STRAIGHT_BACK).play("..")
    assert it.changes[-1] == (State.HALF_OPEN, State.CLOSED, Change.PROBES_PASSED)
    it.play("xxx")  # the failures before are forgotten
    assert it.state() is State.CLOSED


@pytest.mark.parametrize("sign", ["x", "s", "r"])
def test_one_probe_that_fails_opens_it_for_twice_as_long(sign: str) -> None:
    it = half_open().play(f".{sign}")
    assert it.changes[-1] == (State.HALF_OPEN, State.OPEN, Change.PROBE_FAILED)
    it.clock.advance(3.99)
    assert it.refuses()
    it.clock.advance(0.01)
    it.play(".")  # the success before the failure does not count
    assert it.state() is State.HALF_OPEN


def test_model_that_stays_sick_is_asked_ever_less_often_but_every_minute() -> None:
    it = Watched().play("xxxx")
    pauses = []
    for _ in range(8):
        before = it.clock.monotonic()
        while it.refuses():
            it.clock.advance(0.5)
        pauses.append(it.clock.monotonic() - before)
        it.breaker.record(it.breaker._probe or it.ticket(), Outcome.FAILED)
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_after_a_window_closed_a_pause_is_short_again() -> None:
    for closed_s, pause_s in ((9.0, 4.0), (10.0, 2.0)):
        it = half_open(STRAIGHT_BACK).play("..")
        it.clock.advance(closed_s)
        it.play("xxxx")
        it.clock.advance(pause_s - 0.01)
        assert it.refuses()
        it.clock.advance(0.01)
        assert not it.refuses()


# the ramp


def test_ramp_gives_each_step_its_share_for_its_time() -> None:
    it = ramping()
    shares = []
    for _ in range(5):
        admitted = [not it.refuses(at / 100) for at in range(100)]
        assert admitted == sorted(admitted, reverse=True), "a lower draw goes first"
        shares.append(sum(admitted) / 100)
        it.clock.advance(0.5)
    assert shares == [0.1, 0.1, 0.5, 0.5, 1.0]
    assert it.changes[3:] == [
        (State.RAMPING, State.RAMPING, Change.RAMP_STEP),
        (State.RAMPING, State.CLOSED, Change.RAMP_DONE),
    ]


def test_long_silence_skips_no_step() -> None:
    it = ramping()
    it.clock.advance(100.0)
    assert it.ticket(0.4).share == 0.5


def test_ramp_goes_on_though_hardly_anyone_asks() -> None:
    it = ramping().play("1.1.1.")
    assert it.state() is State.CLOSED


STEPS: dict[str, tuple[str, State]] = {
    "a failure among few": ("x", State.OPEN),
    "one refused output among few": ("...r", State.OPEN),
    "one refused output among many": ("....r", State.RAMPING),
    "few failures": ("...x", State.RAMPING),
    "failures of half": ("...xxx", State.OPEN),
    "slow calls": ("...s.ss", State.RAMPING),
    "mostly slow calls": ("s", State.OPEN),
    "old calls do not hide a step that fails": (".........1x", State.OPEN),
}


@pytest.mark.parametrize("sentence", STEPS)
def test_step_that_goes_wrong_opens_it(sentence: str) -> None:
    sequence, state = STEPS[sentence]
    it = ramping().play(sequence)
    assert it.state() is state
    if state is State.OPEN:
        assert it.changes[-1] == (State.RAMPING, State.OPEN, Change.RAMP_FAILED)


def test_steps_with_too_few_calls_to_tell_are_judged_together() -> None:
    many = SPEC.model_copy(update={"min_calls": 8, "ramp": (0.1, 0.5, 0.9)})
    it = Watched(many).play("xxxxxxxx2..")
    it.play("x1")
    assert it.state() is State.RAMPING
    it.play("x")
    assert it.state() is State.OPEN


# impossible answers


def test_one_impossible_answer_opens_it_for_longer() -> None:
    it = Watched().play("." * 50)
    ticket = it.ticket()
    assert it.breaker.trip(ticket)
    it.breaker.record(ticket, Outcome.REFUSED)
    assert it.breaker.tripped
    it.clock.advance(7.99)
    assert it.refuses()
    it.clock.advance(0.01)
    it.play("..")
    assert it.changes[0] == (State.CLOSED, State.OPEN, Change.IMPOSSIBLE)
    assert it.state() is State.RAMPING


def test_what_was_under_way_does_not_lengthen_a_trip() -> None:
    it = Watched()
    first, second, third = it.ticket(), it.ticket(), it.ticket()
    assert it.breaker.trip(first)
    it.clock.advance(4.0)
    assert not it.breaker.trip(second)
    it.clock.advance(4.0)
    assert not it.refuses()
    assert not it.breaker.trip(third)
    assert it.state() is State.HALF_OPEN


def test_rare_impossible_answers_back_off_until_an_hour_is_closed() -> None:
    it = Watched(STRAIGHT_BACK)
    for pause_s in (8.0, 16.0, 32.0):
        it.breaker.trip(it.ticket())
        it.clock.advance(pause_s - 0.01)
        assert it.refuses()
        it.clock.advance(0.01)
        it.play("..")
        assert it.state() is State.CLOSED
        it.clock.advance(3000.0)
    it.clock.advance(600.0)
    it.breaker.trip(it.ticket())
    it.clock.advance(8.0)
    assert not it.refuses()


def test_trip_is_never_shorter_than_the_pause_that_was_running() -> None:
    short = SPEC.model_copy(update={"trip_s": 0.5, "open_s": 4.0})
    it = Watched(short).play("xxxx")
    before = list(it.changes)
    assert it.breaker.trip()
    it.clock.advance(3.99)
    assert it.refuses()
    assert it.changes == before


def test_pauses_have_an_end_however_often_it_trips() -> None:
    it = Watched()
    for _ in range(2000):
        it.breaker.trip(it.ticket())
        it.clock.advance(3600.0)
    assert not it.refuses()


# a new process


def test_new_process_does_not_answer_for_the_old_one() -> None:
    it = Watched()
    late = it.ticket()
    it.play("xxx")
    it.breaker.renew()
    it.breaker.record(late, Outcome.FAILED)
    it.play("xxx")
    assert it.state() is State.CLOSED
    it.play("x")
    assert it.state() is State.OPEN


def test_new_process_does_not_end_a_pause() -> None:
    it = Watched().play("xxxx")
    it.breaker.renew()
    assert it.refuses()


def test_new_process_passes_all_probes_itself() -> None:
    it = half_open().play(".")
    probe = it.ticket()
    it.breaker.renew()
    it.breaker.record(probe, Outcome.OK)
    it.play(".")
    assert it.state() is State.HALF_OPEN
    it.play(".")
    assert it.state() is State.RAMPING


def test_new_process_begins_the_step_of_the_ramp_anew() -> None:
    it = ramping().play("1.")
    it.clock.advance(0.5)
    it.breaker.renew()
    it.clock.advance(0.9)
    assert it.ticket().share == 0.5
    it.clock.advance(0.1)
    assert it.ticket().share == 1.0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_stragglers_from_before_a_change_do_not_count(outcome: Outcome) -> None:
    it = Watched()
    late = [it.ticket() for _ in range(10)]
    it.play("xxxx")
    it.breaker.record(late[0], outcome)
    it.clock.advance(2.0)
    probe = it.ticket()
    for ticket in late[1:]:
        it.breaker.record(ticket, outcome)
    assert it.state() is State.HALF_OPEN
    assert it.refuses()  # the probe is still out
    it.breaker.record(probe, Outcome.OK)
    it.play(".")
    assert it.state() is State.RAMPING


# modes


def test_forced_open_it_admits_none_and_is_released_by_way_of_probes() -> None:
    it = Watched().play("....")
    it.breaker.set_mode(BreakerMode.FORCED_OPEN)
    it.clock.advance(1000.0)
    assert it.refuses()
    assert it.breaker.resting
    it.breaker.set_mode(BreakerMode.AUTO)
    assert it.ticket().shadow
    assert it.changes == [
        (State.CLOSED, State.FORCED_OPEN, Change.FORCED),
        (State.FORCED_OPEN, State.HALF_OPEN, Change.RELEASED),
    ]


def test_metrics_only_it_lets_all_through_and_says_what_it_would_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    it = Watched(SPEC.model_copy(update={"mode": BreakerMode.METRICS_ONLY}))
    with caplog.at_level(logging.WARNING):
        it.play("xxxxxxx")
        assert it.breaker.trip(it.ticket())
    assert it.changes == [(State.CLOSED, State.METRICS_ONLY, Change.FORCED)]
    assert caplog.messages == [
        "breaker: would open (failures), but only counts",
        "breaker: would open (impossible), but only counts",
    ]
    it.breaker.set_mode(BreakerMode.AUTO)
    assert it.changes[-1] == (State.METRICS_ONLY, State.CLOSED, Change.RELEASED)
    it.play("xxxx")
    assert it.state() is State.OPEN


def test_switching_modes_does_not_cut_a_pause_short() -> None:
    for mode in (BreakerMode.FORCED_OPEN, BreakerMode.METRICS_ONLY):
        it = Watched()
        it.breaker.trip()
        it.breaker.set_mode(mode)
        it.breaker.set_mode(mode)
        it.breaker.set_mode(BreakerMode.AUTO)
        assert it.changes[-1] == (State(mode.value), State.OPEN, Change.RELEASED)
        assert it.refuses()


def test_taken_away_it_lets_all_through_whatever_it_is_told() -> None:
    clock, watcher = ManualClock(), FakeWatcher()
    breaker = Breaker(SPEC, clock, watcher.breaker_changed, acts=False)
    breaker.set_mode(BreakerMode.FORCED_OPEN)
    assert breaker.admit(0.99) is not None
    assert breaker.state is State.METRICS_ONLY


class Calls(RuleBasedStateMachine):
    """Calls begin and end in any order while time passes and people switch modes."""

    def __init__(self) -> None:
        super().__init__()
        self.it = Watched()
        self.mode = BreakerMode.AUTO
        self.out: list[tuple[Ticket, int]] = []  # with the number of stays when it was given
        self.stays = 0
        self.shares: list[float] = []

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 2.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.it.clock.advance(seconds)

    @rule(draw=st.sampled_from([0.0, 0.3, 0.99]))
    def call_begins(self, draw: float) -> None:
        resting = self.it.breaker.resting
        ticket = self.it.breaker.admit(draw)
        assert not (resting and ticket is not None)
        if self.it.state() in (State.CLOSED, State.METRICS_ONLY):
            assert ticket is not None
            assert not ticket.shadow
        if self.it.state() is State.FORCED_OPEN:
            assert ticket is None
        if self.it.state() is State.RAMPING:
            assert (ticket is not None) is (draw < self.it.breaker.share)
        if ticket is not None:
            self.out.append((ticket, self._stays()))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from([*Outcome, None]))
    def call_ends(self, data: st.DataObject, outcome: Outcome | None) -> None:
        at = data.draw(st.integers(0, len(self.out) - 1))
        ticket, stays = self.out.pop(at)
        before, stale = len(self.it.changes), stays < self._stays()
        if outcome is None:
            self.it.breaker.release(ticket)
        else:
            self.it.breaker.record(ticket, outcome)
        if stale:
            assert len(self.it.changes) == before, "a straggler changed the state"

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def call_was_impossible(self, data: st.DataObject) -> None:
        ticket, _ = self.out[data.draw(st.integers(0, len(self.out) - 1))]
        self.it.breaker.trip(ticket)
        if self.it.state() not in (State.METRICS_ONLY, State.FORCED_OPEN):
            assert not self.it.breaker.trip(ticket), "the same fault tripped it twice"

    @rule()
    def process_is_replaced(self) -> None:
        before = list(self.it.changes)
        self.it.breaker.renew()
        assert self.it.changes == before

    @rule(mode=st.sampled_from(BreakerMode))
    def mode_is_switched(self, mode: BreakerMode) -> None:
        self.mode = mode
        self.it.breaker.set_mode(mode)
        if mode is not BreakerMode.AUTO:
            assert self.it.state().value == mode.value

    def _stays(self) -> int:
        return sum(old is not new for old, new, _ in self.it.changes)

    @invariant()
    def only_declared_changes_happen(self) -> None:
        changes = self.it.changes
        assert set(changes) <= set(TRANSITIONS)
        assert all(a[1] is b[0] for a, b in pairwise(changes))
        assert self.it.state() is (changes[-1][1] if changes else State.CLOSED)

    @invariant()
    def at_most_one_probe_is_out(self) -> None:
        present = self.it.breaker._ticket.stay
        assert sum(ticket.shadow and ticket.stay == present for ticket, _ in self.out) <= 1

    @invariant()
    def ramp_only_rises(self) -> None:
        if self.it.state() is not State.RAMPING:
            self.shares = []
            return
        self.shares.append(self.it.breaker.share)
        assert self.shares == sorted(self.shares)

    @invariant()
    def mode_holds(self) -> None:
        forced = self.it.state() in (State.FORCED_OPEN, State.METRICS_ONLY)
        assert forced is (self.mode is not BreakerMode.AUTO)


Calls.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestCalls = Calls.TestCase
