"""Whatever the model does, someone answers, in time, and the answer says who and why."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.contracts.domain import Floats, Table
from mlops.experiments.assignment import Arm, assign
from mlops.models.certificate import Certificate, Range
from mlops.serving.breaker import Change, State
from mlops.serving.chain import NoAnswerError
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Limits
from mlops.serving.lane import ModelFailedError, ModelGoneError
from mlops.serving.rungs import Rung
from mlops.serving.spec import (
    BreakerSpec,
    CacheSpec,
    HoldoutSpec,
    LimitSpec,
    Protection,
)
from tests.components.serving import DOMAIN, GOOD, ROWS, Joined, a_request, falling, rising, spec
from tests.fakes.clock import ManualClock
from tests.fakes.heuristic import FakeHeuristic
from tests.fakes.model import FakeInline, FakeProcess, Outcome

HALF = HoldoutSpec(share=0.5)
HELD_OUT = next(
    name
    for name in (f"u-{at}" for at in range(100))
    if assign(name, share=HALF.share, salt=HALF.salt) is Arm.HOLDOUT
)
OLD = np.array([0.3, 0.2, 0.1])
LANES: dict[str, Callable[[Outcome], Any]] = {"process": FakeProcess, "inline": FakeInline}


def without(*protections: Protection, **changes: Any) -> Any:
    return spec(faults_allowed=True, without=protections, **changes)


def opened(kind: str = "process") -> Joined:
    it = Joined(LANES[kind](ModelFailedError("x")))
    for _ in range(4):
        it.decide()
    assert it.breaker.state is State.OPEN
    return it


def latched() -> Joined:
    it = Joined(FakeInline(GOOD))
    it.chain.latched = True
    return it


WHY: dict[str, tuple[Callable[[], Joined], Reason]] = {
    "the model answers well": (lambda: Joined(FakeProcess(GOOD)), Reason.OK),
    "the model answers well inline": (lambda: Joined(FakeInline(GOOD)), Reason.OK),
    "the subject is held out": (
        lambda: Joined(FakeInline(GOOD), spec=spec(holdout=HALF)),
        Reason.HOLDOUT,
    ),
    "the model is late": (lambda: Joined(FakeProcess(TimeoutError())), Reason.DEADLINE),
    "the model raises": (lambda: Joined(FakeProcess(ModelFailedError("x"))), Reason.MODEL_ERROR),
    "the model raises inline": (
        lambda: Joined(FakeInline(ModelFailedError("x"))),
        Reason.MODEL_ERROR,
    ),
    "asking the model raises what nobody thought of": (
        lambda: Joined(FakeProcess(RuntimeError("x"))),
        Reason.MODEL_ERROR,
    ),
    "the process dies while it is asked": (
        lambda: Joined(FakeProcess(ModelGoneError())),
        Reason.MODEL_UNAVAILABLE,
    ),
    "the process is not ready": (
        lambda: Joined(FakeProcess(GOOD, ready=False)),
        Reason.MODEL_UNAVAILABLE,
    ),
    "there is no model": (Joined, Reason.MODEL_UNAVAILABLE),
    "the breaker is open": (opened, Reason.BREAKER_OPEN),
    "the breaker is open inline": (lambda: opened("inline"), Reason.BREAKER_OPEN),
    "the ramp did not choose it": (lambda: ramping(0.5), Reason.BREAKER_RAMP),
    "a budget burns": (latched, Reason.BURN),
    "the model owes too many pages": (
        lambda: Joined(FakeProcess(GOOD, owed=2)),
        Reason.OVERLOAD,
    ),
    "a score is missing": (lambda: Joined(FakeInline(GOOD[:2])), Reason.GUARD_INCOMPLETE),
    "a score is no number": (lambda: Joined(FakeProcess(GOOD * math.nan)), Reason.GUARD_NOT_FINITE),
    "a score is out of range": (lambda: Joined(FakeProcess(GOOD + 1)), Reason.GUARD_OUT_OF_RANGE),
    "a score is not what our own copy gives": (
        lambda: Joined(FakeProcess(GOOD), check=lambda row: 0.25),
        Reason.GUARD_INCONSISTENT,
    ),
}


def ramping(draw: float) -> Joined:
    breaker = BreakerSpec(min_calls=4, probes=1, ramp=(0.25, 0.5), ramp_s=1.0)
    lane = FakeInline(ModelFailedError("x"))
    it = Joined(lane, spec=spec(breaker=breaker), draws=(draw,))
    for _ in range(4):
        it.decide()
    it.clock.advance(2.0)
    lane.outcome = GOOD
    it.decide()
    assert it.breaker.state is State.RAMPING
    return it


@pytest.mark.parametrize("sentence", WHY)
def test_source_and_reason(sentence: str) -> None:
    make, reason = WHY[sentence]
    decision = make().decide(HELD_OUT)
    assert decision.reason is reason
    assert decision.source is (Source.MODEL if reason is Reason.OK else Source.HEURISTIC)
    assert decision.arm is (Arm.HOLDOUT if reason is Reason.HOLDOUT else Arm.MODEL)
    wanted = GOOD if reason is Reason.OK else rising(ROWS)
    assert decision.scores.tolist() == wanted.tolist()
    assert decision.heuristic == "first"


def test_every_reason_is_reached() -> None:
    assert {reason for _, reason in WHY.values()} == set(Reason)


def test_without_room_the_model_is_not_asked() -> None:
    lane = FakeInline(GOOD)
    decision = Joined(lane).decide(use_model=False)
    assert (decision.source, decision.reason) == (Source.HEURISTIC, Reason.OVERLOAD)
    assert lane.asked == 0


def test_all_inline_is_decided_at_once() -> None:
    it = Joined(FakeInline(GOOD), FakeInline(OLD))
    assert isinstance(it.chain.decide(it.asked()), Decision)


@pytest.mark.parametrize("lane", [FakeProcess(GOOD, ready=False), FakeProcess(GOOD, owed=9)])
def test_process_that_is_not_asked_is_not_waited_for(lane: FakeProcess) -> None:
    it = Joined(lane)
    assert isinstance(it.chain.decide(it.asked()), Decision)


# heuristics


def failing(rows: int) -> Any:
    del rows
    message = "the user's code"
    raise RuntimeError(message)


FIRST_RUNG: dict[str, tuple[Any, str]] = {
    "it raises": (failing, "raised"),
    "it gives a score that is no number": (lambda rows: rising(rows) * math.nan, "invalid"),
    "it gives an infinite score": (lambda rows: rising(rows) + math.inf, "invalid"),
    "it gives one score too few": (lambda rows: rising(rows - 1), "invalid"),
    "it gives a matrix": (lambda rows: np.ones((rows, 1)), "invalid"),
    "it gives nothing": (lambda rows: None, "invalid"),
    "it gives texts": (lambda rows: ["a"] * rows, "raised"),
    "it gives one number": (lambda rows: 1.0, "invalid"),
}


@pytest.mark.parametrize("sentence", FIRST_RUNG)
def test_next_rung_answers_when_the_first_fails(sentence: str) -> None:
    give, cause = FIRST_RUNG[sentence]
    rungs: list[tuple[str, Rung]] = [
        ("first", FakeHeuristic(give)),
        ("second", FakeHeuristic(falling)),
    ]
    it = Joined(rungs=rungs)
    decision = it.decide()
    assert (decision.source, decision.scores.tolist()) == (Source.HEURISTIC, [0.0, -1.0, -2.0])
    assert decision.heuristic == "second"
    assert it.watcher.counts == {f"heuristic {cause}": 1}


@pytest.mark.parametrize("sentence", FIRST_RUNG)
def test_callers_order_answers_when_every_rung_fails(sentence: str) -> None:
    broken = FakeHeuristic(FIRST_RUNG[sentence][0])
    decision = Joined(rungs=[("first", broken), ("second", broken)]).decide()
    assert decision.source is Source.STATIC
    assert decision.reason is Reason.MODEL_UNAVAILABLE
    assert decision.order() == [0, 1, 2]
    assert decision.heuristic == ""


def test_scores_that_are_no_array_yet_are_taken() -> None:
    decision = Joined(rungs=[("first", FakeHeuristic(lambda rows: list(range(rows))))]).decide()
    assert decision.source is Source.HEURISTIC
    assert decision.order() == [2, 1, 0]


def test_scores_whose_squares_overflow_are_finite_all_the_same() -> None:
    decision = Joined(rungs=[("first", FakeHeuristic(lambda rows: np.full(rows, 1e300)))]).decide()
    assert decision.source is Source.HEURISTIC


def test_model_overrides_even_when_every_heuristic_fails() -> None:
    broken = FakeHeuristic(failing)
    decision = Joined(FakeInline(GOOD), rungs=[("first", broken)]).decide()
    assert decision.source is Source.MODEL


@pytest.mark.parametrize("kind", LANES)
def test_heuristic_is_asked_on_every_request_and_the_second_only_if_needed(kind: str) -> None:
    first, second = FakeHeuristic(rising), FakeHeuristic(falling)
    it = Joined(LANES[kind](GOOD), rungs=[("first", first), ("second", second)])
    for _ in range(5):
        assert it.decide().source is Source.MODEL
    assert (first.calls, second.calls) == (5, 0)


def test_heuristic_has_answered_before_the_model_is_asked() -> None:
    asked: list[str] = []

    def give(rows: int) -> Floats:
        asked.append("heuristic")
        return rising(rows)

    lane = FakeInline(GOOD)
    lane.before = lambda: asked.append("model")
    Joined(lane, rungs=[("first", FakeHeuristic(give))]).decide()
    assert asked == ["heuristic", "model"]


# heuristics of a user's own, in a process

LATE = FakeProcess(TimeoutError())
OWN: dict[str, tuple[FakeProcess, str]] = {
    "it is late": (LATE, "late"),
    "it owes too many answers": (FakeProcess(GOOD, owed=2), "late"),
    "its process is away": (FakeProcess(GOOD, ready=False), "raised"),
    "its process dies": (FakeProcess(ModelGoneError()), "raised"),
    "it raises": (FakeProcess(ModelFailedError("ValueError: x")), "raised"),
    "it gives what is no score": (FakeProcess(GOOD * math.nan), "invalid"),
}


@pytest.mark.parametrize("sentence", OWN)
def test_next_rung_answers_when_a_process_fails(sentence: str) -> None:
    lane, cause = OWN[sentence]
    it = Joined(rungs=[("own", lane), ("second", FakeHeuristic(falling))])
    decision = it.decide()
    assert (decision.source, decision.heuristic) == (Source.HEURISTIC, "second")
    assert it.watcher.counts == {f"heuristic {cause}": 1}
    assert Joined(rungs=[("own", lane)]).decide().source is Source.STATIC


def test_heuristic_in_a_process_answers_where_the_model_cannot() -> None:
    own = FakeProcess(GOOD)
    decision = Joined(FakeProcess(TimeoutError()), rungs=[("own", own)]).decide()
    assert (decision.source, decision.heuristic) == (Source.HEURISTIC, "own")
    assert decision.scores is GOOD


def test_heuristic_in_a_process_is_asked_beside_the_model_and_has_half_of_the_reserve() -> None:
    own, model = FakeProcess(rising(ROWS)), FakeProcess(GOOD)
    it = Joined(model, rungs=[("own", own)])
    assert it.decide().source is Source.MODEL
    assert own.asked == [pytest.approx(1000.045)]
    assert model.asked == [pytest.approx(1000.04)]


def test_after_an_inline_rung_failed_a_process_is_asked() -> None:
    rungs: list[tuple[str, Rung]] = [("first", FakeHeuristic(failing)), ("own", FakeProcess(OLD))]
    assert Joined(rungs=rungs).decide().heuristic == "own"


def test_held_out_subject_gets_the_answer_of_the_process() -> None:
    decision = Joined(spec=spec(holdout=HALF), rungs=[("own", FakeProcess(OLD))]).decide(HELD_OUT)
    assert (decision.reason, decision.arm) == (Reason.HOLDOUT, Arm.HOLDOUT)
    assert decision.heuristic == "own"


# holdout and propensities


def test_holdout_never_asks_the_model() -> None:
    lane = FakeInline(GOOD)
    it = Joined(lane, spec=spec(holdout=HALF))
    arms = [it.decide(f"u-{at}").arm for at in range(60)]
    assert 15 < arms.count(Arm.HOLDOUT) < 45
    assert lane.asked == arms.count(Arm.MODEL)


PROPENSITIES: dict[str, tuple[Callable[[], Joined], str, float]] = {
    "nobody is held out": (lambda: Joined(FakeInline(GOOD)), "u", 1.0),
    "a fifth is held out, and it is not": (
        lambda: Joined(FakeInline(GOOD), spec=spec(holdout=HoldoutSpec(share=0.2, salt="none"))),
        "u-2",
        0.8,
    ),
    "half is held out, and it is": (
        lambda: Joined(FakeInline(GOOD), spec=spec(holdout=HALF)),
        HELD_OUT,
        0.5,
    ),
    "the ramp chose it": (lambda: ramping(0.2), "u", 0.25),
    "the ramp did not choose it": (lambda: ramping(0.3), "u", 0.75),
    "the model failed": (lambda: Joined(FakeInline(ModelFailedError(""))), "u", 1.0),
}


@pytest.mark.parametrize("sentence", PROPENSITIES)
def test_decision_has_the_probability_of_its_arm(sentence: str) -> None:
    make, subject, wanted = PROPENSITIES[sentence]
    assert make().decide(subject).propensity == pytest.approx(wanted)


def test_decision_says_whose_answer_it_is() -> None:
    decision = Joined(FakeProcess(GOOD)).decide()
    assert (decision.bundle, decision.model_s) == ("sha256:new", 0.003)
    fallen = Joined(FakeProcess(TimeoutError())).decide()
    assert (fallen.bundle, fallen.model_s) == ("sha256:new", 0.0)
    assert Joined().decide().bundle == ""


# time

TIMES = {
    "the whole deadline": (0.05, 0.04),
    "a caller's shorter one": (0.03, 0.02),
    "one about as long as the reserve": (0.012, 0.006),
    "one far below the reserve": (0.004, 0.002),
}


@pytest.mark.parametrize("sentence", TIMES)
def test_model_gets_the_time_until_the_reserve_begins(sentence: str) -> None:
    deadline_s, wanted_s = TIMES[sentence]
    lane = FakeProcess(GOOD)
    it = Joined(lane)
    it.decide(deadline_s=deadline_s)
    assert lane.asked == [pytest.approx(it.clock.monotonic() + wanted_s)]


def test_large_reserve_of_the_service_itself_is_kept() -> None:
    lane = FakeProcess(GOOD)
    Joined(lane, spec=spec(deadline_ms=12.0, reserve_ms=9.0)).decide(deadline_s=0.012)
    assert lane.asked == [pytest.approx(1000.003)]


def test_page_that_waited_too_long_for_the_model_goes_to_the_heuristic() -> None:
    clock = ManualClock()
    lane = FakeInline(GOOD, clock=clock, seconds=0.008)
    it = Joined(lane, clock=clock)
    for _ in range(5):
        assert it.decide().reason is Reason.OK
    assert it.decide(waited_s=0.03).reason is Reason.OK  # 10 ms are left
    assert it.decide(waited_s=0.034).reason is Reason.OVERLOAD
    assert it.decide(deadline_s=0.01).reason is Reason.DEADLINE  # however it had come in


def test_inline_model_that_runs_over_its_time_is_not_used() -> None:
    clock = ManualClock()
    it = Joined(FakeInline(GOOD, clock=clock, seconds=0.041), clock=clock)
    assert it.decide().reason is Reason.DEADLINE


def test_model_that_once_took_far_too_long_is_asked_again() -> None:
    clock = ManualClock()
    lane = FakeInline(GOOD, clock=clock, seconds=0.3)
    it = Joined(lane, clock=clock)
    it.decide()
    lane.seconds = 0.001
    reasons = [it.decide().reason for _ in range(300)]
    assert reasons[0] is not Reason.OK
    assert reasons[-1] is Reason.OK


def test_slow_calls_open_the_breaker() -> None:
    it = Joined(FakeProcess(GOOD, seconds=0.021))
    assert [it.decide().reason for _ in range(4)] == [Reason.OK] * 4
    assert it.watcher.changes == [(State.CLOSED, State.OPEN, Change.SLOW)]


def test_caller_in_a_hurry_cannot_open_the_breaker() -> None:
    it = Joined(FakeProcess(TimeoutError()))
    for _ in range(50):
        assert it.decide(deadline_s=0.02).reason is Reason.DEADLINE
    assert it.watcher.changes == []
    for _ in range(4):
        it.decide()
    assert it.watcher.changes == [(State.CLOSED, State.OPEN, Change.FAILURES)]


# guard and breaker


def test_guard_breaches_are_failures_to_the_breaker() -> None:
    it = Joined(FakeProcess(GOOD * math.nan))
    reasons = [it.decide().reason for _ in range(6)]
    assert reasons == [Reason.GUARD_NOT_FINITE] * 4 + [Reason.BREAKER_OPEN] * 2
    assert it.watcher.changes == [(State.CLOSED, State.OPEN, Change.GUARD)]


CERTIFIED = Limits(0.0, 1.0, finite=True, bundle="sha256:abc")
IMPOSSIBLE: dict[str, tuple[Floats, Reason, str]] = {
    "above the certified range": (
        GOOD + 1,
        Reason.GUARD_OUT_OF_RANGE,
        "score 1.9 is outside the certified [0.0, 1.0] of bundle sha256:abc",
    ),
    "not finite": (
        GOOD * math.nan,
        Reason.GUARD_NOT_FINITE,
        "score nan is outside the certified [0.0, 1.0] of bundle sha256:abc",
    ),
    "a constant": (
        np.full(ROWS, 0.4),
        Reason.GUARD_INCONSISTENT,
        "a score is not what the worker's own copy of the program gives of bundle sha256:abc",
    ),
}


def own_copy(row: Table) -> float:
    (name,) = row[DOMAIN.identifier.name]
    return float(GOOD[a_request().ids.index(str(name))])


@pytest.mark.parametrize("sentence", IMPOSSIBLE)
def test_one_impossible_answer_trips_the_breaker_and_replaces_the_process(
    sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    scores, reason, shown = IMPOSSIBLE[sentence]
    lane = FakeProcess(GOOD)
    it = Joined(lane, limits=CERTIFIED, check=own_copy, draws=(0.0, 0.99))
    for _ in range(50):
        assert it.decide().reason is Reason.OK
    lane.outcome = scores
    assert [it.decide().reason for _ in range(3)] == [reason, *[Reason.BREAKER_OPEN] * 2]
    assert lane.replaced == 1
    assert it.watcher.counts["breach"] == 1
    (line,) = caplog.messages
    assert shown in line
    lane.outcome = GOOD
    it.clock.advance(7.9)
    assert it.decide().reason is Reason.BREAKER_OPEN
    it.clock.advance(0.1)
    # Two probes in the shadow, whose answers no caller sees.
    assert [it.decide().reason for _ in range(3)] == [*[Reason.BREAKER_OPEN] * 2, Reason.OK]


def test_missing_score_proves_no_corruption() -> None:
    lane = FakeProcess(GOOD[:2])
    it = Joined(lane, limits=CERTIFIED)
    assert it.decide().reason is Reason.GUARD_INCOMPLETE
    assert (it.breaker.state, lane.replaced) == (State.CLOSED, 0)


def test_impossible_answer_of_an_inline_model_trips_too() -> None:
    it = Joined(FakeInline(GOOD + 1), limits=CERTIFIED)
    assert it.decide().reason is Reason.GUARD_OUT_OF_RANGE
    assert it.breaker.tripped


def test_spot_check_looks_at_the_drawn_candidate_only() -> None:
    wrong_last = GOOD + np.array([0.0, 0.0, 1e-9])
    for draw, reason in ((0.0, Reason.OK), (0.99, Reason.GUARD_INCONSISTENT)):
        it = Joined(FakeProcess(wrong_last), check=own_copy, draws=(draw,))
        assert it.decide().reason is reason


def test_own_copy_that_fails_is_no_reason_to_believe_the_process() -> None:
    def broken(row: Table) -> float:
        raise ValueError(row)

    assert Joined(FakeProcess(GOOD), check=broken).decide().reason is Reason.MODEL_ERROR


@pytest.mark.parametrize("kind", LANES)
def test_probe_is_asked_beside_the_fallback_whatever_happens_to_it(kind: str) -> None:
    it = opened(kind)
    lane: Any = it.lane
    pause_s = 2.0
    for outcome in (RuntimeError("x"), TimeoutError(), ModelGoneError(), GOOD * 9):
        it.clock.advance(pause_s)
        lane.outcome = outcome
        decision = it.decide()
        assert (decision.source, decision.reason) == (Source.HEURISTIC, Reason.BREAKER_OPEN)
        assert it.breaker.state is State.OPEN
        pause_s = min(2 * pause_s, 60.0)
    it.clock.advance(pause_s)
    lane.outcome = GOOD
    assert [it.decide().reason for _ in range(3)] == [*[Reason.BREAKER_OPEN] * 2, Reason.OK]


def test_caller_does_not_wait_for_a_probe() -> None:
    it = opened()
    lane = it.lane
    assert isinstance(lane, FakeProcess)

    async def probe() -> None:
        it.clock.advance(2.0)
        lane.outcome = GOOD
        lane.until = asyncio.Event()
        assert isinstance(it.chain.decide(it.asked()), Decision)
        await asyncio.sleep(0)
        assert lane.owed == 1
        assert isinstance(it.chain.decide(it.asked()), Decision)  # no second one beside it
        assert lane.owed == 1
        lane.until.set()
        await asyncio.sleep(0.01)

    asked = len(lane.asked)
    asyncio.run(probe())
    assert len(lane.asked) == asked + 1
    assert it.breaker.state is State.HALF_OPEN


def test_cancelled_question_gives_its_ticket_back() -> None:
    it = Joined(FakeProcess(asyncio.CancelledError()))
    for _ in range(9):
        with pytest.raises(asyncio.CancelledError):
            it.decide()
    assert it.breaker.state is State.CLOSED


def test_death_of_one_process_is_one_failure_however_many_pages_it_owed() -> None:
    it = Joined(FakeProcess(ModelGoneError()))
    for _ in range(20):
        assert it.decide().reason is Reason.MODEL_UNAVAILABLE
    assert it.watcher.changes == []
    for _ in range(3):
        it.clock.advance(0.1)
        it.decide()
    assert it.watcher.changes == [(State.CLOSED, State.OPEN, Change.FAILURES)]


def test_overload_is_no_failure_of_the_model() -> None:
    it = Joined(FakeProcess(GOOD, owed=2))
    for _ in range(20):
        assert it.decide().reason is Reason.OVERLOAD
    assert it.breaker.state is State.CLOSED


@pytest.mark.parametrize("others_are_answered", [False, True])
def test_page_that_waited_while_others_were_answered_tells_nothing_of_the_model(
    others_are_answered: bool,
) -> None:
    class Queue(FakeProcess):
        async def score(self, *args: Any, **options: Any) -> Any:
            self.owed += 1
            await super().score(*args, **options)
            if len(self.asked) % 2:
                await asyncio.sleep(0)
                raise TimeoutError
            if not others_are_answered:
                raise TimeoutError
            self.owed -= 1
            return GOOD, 0.003

    it = Joined(Queue(GOOD, owed=1), spec=spec(limit=LimitSpec(start=99, most=99)))

    async def play() -> None:
        for _ in range(30):
            await asyncio.gather(it.decided(), it.decided())

    asyncio.run(play())
    assert (it.watcher.changes == []) is others_are_answered


def test_late_answers_lower_the_limit() -> None:
    it = Joined(FakeProcess(TimeoutError()), spec=spec(limit=LimitSpec(start=8, most=8)))
    assert it.current is not None
    it.decide()
    assert it.current.limiter.limit == 6


def test_readiness_of_the_model_knows_process_and_breaker() -> None:
    assert Joined(FakeProcess(GOOD)).chain.model_can_answer
    assert Joined(FakeInline(GOOD)).chain.model_can_answer
    assert not Joined(FakeProcess(GOOD, ready=False)).chain.model_can_answer
    assert not Joined().chain.model_can_answer
    it = opened()
    assert not it.chain.model_can_answer
    it.clock.advance(2.0)
    assert it.chain.model_can_answer


ANSWERS: dict[str, tuple[Callable[[], Joined], Source | None]] = {
    "the model": (lambda: Joined(FakeInline(GOOD)), Source.MODEL),
    "the previous model": (lambda: Joined(FakeProcess(GOOD, ready=False), FakeInline(OLD)),
                           Source.MODEL),
    "a heuristic": (Joined, Source.HEURISTIC),
    "the caller's order": (lambda: Joined(rungs=[]), Source.STATIC),
    "nothing may": (lambda: Joined(rungs=[], spec=spec(fallback="error")), None),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ANSWERS)
def test_who_can_answer(sentence: str) -> None:
    make, wanted = ANSWERS[sentence]
    assert make().chain.answers is wanted


# the previous good model

SECOND: dict[str, tuple[Callable[[Any], Joined], Reason]] = {
    "the current one raises": (
        lambda old: Joined(FakeProcess(ModelFailedError("x")), old),
        Reason.MODEL_ERROR,
    ),
    "the current one is gone": (
        lambda old: Joined(FakeProcess(GOOD, ready=False), old),
        Reason.MODEL_UNAVAILABLE,
    ),
    "the current one's output is refused": (
        lambda old: Joined(FakeInline(GOOD + 1), old),
        Reason.GUARD_OUT_OF_RANGE,
    ),
}


@pytest.mark.parametrize("kind", LANES)
@pytest.mark.parametrize("sentence", SECOND)
def test_previous_model_answers_when(sentence: str, kind: str) -> None:
    make, reason = SECOND[sentence]
    decision = make(LANES[kind](OLD)).decide()
    assert (decision.source, decision.reason) == (Source.MODEL, reason)
    assert (decision.bundle, decision.scores.tolist()) == ("sha256:old", OLD.tolist())


NO_SECOND: dict[str, Callable[[Any], Joined]] = {
    "the current one took all the time": lambda old: Joined(FakeProcess(TimeoutError()), old),
    "there is too much to do": lambda old: Joined(FakeProcess(GOOD, owed=2), old),
    "the subject is held out": lambda old: Joined(
        FakeInline(ModelFailedError("")), old, spec=spec(holdout=HALF)
    ),
}


@pytest.mark.parametrize("sentence", NO_SECOND)
def test_previous_model_is_not_asked_when(sentence: str) -> None:
    old = FakeInline(OLD)
    assert NO_SECOND[sentence](old).decide(HELD_OUT).source is Source.HEURISTIC
    assert old.asked == 0


def test_previous_model_has_a_breaker_of_its_own() -> None:
    old = FakeInline(ModelFailedError("y"))
    it = Joined(FakeProcess(GOOD, ready=False), old)
    reasons = {it.decide().reason for _ in range(9)}
    assert reasons == {Reason.MODEL_UNAVAILABLE}
    assert old.asked == 4
    assert it.breaker.state is State.CLOSED


def test_previous_model_that_fails_too_leaves_the_answer_to_the_heuristic() -> None:
    for kind in LANES.values():
        it = Joined(FakeInline(ModelFailedError("x")), kind(GOOD * math.nan))
        decision = it.decide()
        assert (decision.source, decision.reason) == (Source.HEURISTIC, Reason.MODEL_ERROR)


# the cache

CACHED = CacheSpec(entries=10, ttl_s=60.0)


def test_cache_answers_an_equal_request_when_the_model_cannot() -> None:
    lane = FakeInline(GOOD)
    it = Joined(lane, spec=spec(cache=CACHED))
    it.decide("user-1")
    lane.outcome = ModelFailedError("x")
    decision = it.decide("user-2")
    assert (decision.source, decision.reason) == (Source.CACHE, Reason.MODEL_ERROR)
    assert (decision.scores.tolist(), decision.bundle) == (GOOD.tolist(), "sha256:new")
    assert it.decide(use_model=False).source is Source.HEURISTIC  # no time to look


def test_answers_of_a_model_that_proved_corrupted_are_forgotten() -> None:
    lane = FakeInline(GOOD)
    it = Joined(lane, spec=spec(cache=CACHED), limits=CERTIFIED)
    it.decide()
    lane.outcome = GOOD + 1
    assert it.decide().source is Source.HEURISTIC


def test_answers_of_the_previous_model_are_not_kept() -> None:
    old = FakeInline(OLD)
    it = Joined(FakeInline(ModelFailedError("x")), old, spec=spec(cache=CACHED))
    assert it.decide().source is Source.MODEL
    old.outcome = ModelFailedError("y")
    assert it.decide().source is Source.HEURISTIC


# no fallback


def test_service_without_a_fallback_says_why_there_is_no_answer() -> None:
    for lane in (FakeInline(ModelFailedError("x")), FakeProcess(ModelFailedError("x"))):
        it = Joined(lane, rungs=[], spec=spec(fallback="error"))
        with pytest.raises(NoAnswerError) as caught:
            it.decide()
        assert caught.value.reason is Reason.MODEL_ERROR
    assert Joined(FakeInline(GOOD), rungs=[], spec=spec(fallback="error")).decide().scores is GOOD


# what a drill takes away


def test_without_the_output_guard_anything_passes() -> None:
    for lane in (FakeInline(GOOD + 1), FakeProcess(GOOD + 1)):
        it = Joined(lane, spec=without(Protection.OUTPUT_GUARD), limits=CERTIFIED, check=own_copy)
        assert it.decide().scores.max() == 1.9


def test_without_the_spot_check_a_constant_passes() -> None:
    lane = FakeProcess(np.full(ROWS, 0.5))
    it = Joined(lane, spec=without(Protection.SPOT_CHECK), check=own_copy)
    assert it.decide().source is Source.MODEL


def test_without_the_breaker_a_failing_model_is_asked_for_ever() -> None:
    lane = FakeInline(ModelFailedError("x"))
    it = Joined(lane, spec=without(Protection.BREAKER))
    for _ in range(30):
        it.decide()
    assert lane.asked == 30


def test_without_the_limiter_any_number_of_pages_is_owed() -> None:
    lane = FakeProcess(GOOD, owed=10_000)
    assert Joined(lane, spec=without(Protection.LIMITER)).decide().source is Source.MODEL


def test_without_the_ramp_the_model_is_back_after_the_probes() -> None:
    breaker = BreakerSpec(min_calls=4, probes=1, ramp=(0.25, 0.5), ramp_s=1.0)
    lane = FakeInline(ModelFailedError("x"))
    it = Joined(lane, spec=without(Protection.RAMP, breaker=breaker))
    for _ in range(4):
        it.decide()
    it.clock.advance(2.0)
    lane.outcome = GOOD
    it.decide()
    assert it.breaker.state is State.CLOSED


# whatever happens

OUTCOMES = st.sampled_from(
    [GOOD, GOOD + 1, GOOD * math.nan, GOOD[:2], np.ones((ROWS, 1)), ModelFailedError("x"),
     ModelGoneError(), TimeoutError(), RuntimeError("x")]
)  # fmt: skip
PROCESSES = st.builds(FakeProcess, OUTCOMES, ready=st.booleans(), owed=st.sampled_from([0, 2]))
MODELS = st.one_of(st.none(), PROCESSES, st.builds(FakeInline, OUTCOMES))
GIVEN = st.sampled_from([give for give, _ in FIRST_RUNG.values()] + [rising])
RUNGS = st.lists(st.one_of(PROCESSES, st.builds(FakeHeuristic, GIVEN)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(MODELS, MODELS, RUNGS, st.lists(st.floats(0.0, 0.06), min_size=1, max_size=12))
def test_someone_answers_every_request(
    model: Any, previous: Any, heuristics: list[Any], waits: list[float]
) -> None:
    rungs = [(str(at), rung) for at, rung in enumerate(heuristics)]
    it = Joined(model, previous, rungs, spec(cache=CACHED, holdout=HALF), draws=(0.1, 0.8))

    async def play() -> None:
        for at, wait_s in enumerate(waits):
            it.clock.advance(10 * wait_s)
            decision = await it.decided(f"u-{at}", waited_s=wait_s, use_model=at % 5 != 4)
            assert decision.scores.shape == (ROWS,)
            assert np.isfinite(decision.scores).all()
            assert sorted(decision.order()) == list(range(ROWS))
            assert 0 < decision.propensity <= 1
            if decision.reason is Reason.OK:
                assert (decision.source, decision.bundle) == (Source.MODEL, "sha256:new")
            if decision.source is Source.MODEL and decision.reason is not Reason.OK:
                assert decision.bundle == "sha256:old"

    asyncio.run(play())


# what is logged

SECRET = "user 4711 earns 50000"


@pytest.mark.parametrize("tells", [False, True])
def test_text_of_an_error_is_logged_only_where_it_is_allowed(
    tells: bool, caplog: pytest.LogCaptureFixture
) -> None:
    fields = ("error_text",) if tells else ()

    def broken(rows: int) -> Any:
        raise ValueError(SECRET, rows)

    rungs: list[tuple[str, Rung]] = [
        ("first", FakeHeuristic(broken)),
        ("own", FakeProcess(ModelFailedError(f"KeyError: {SECRET}"))),
    ]
    for error in (ModelFailedError(f"KeyError: {SECRET}"), ModelFailedError(SECRET)):
        Joined(FakeInline(error), rungs=rungs, spec=spec(logged_fields=fields)).decide()
        Joined(FakeProcess(error), rungs=rungs, spec=spec(logged_fields=fields)).decide()
    assert (SECRET in caplog.text) is tells
    assert "ValueError" in caplog.text
    assert "KeyError" in caplog.text


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.0, 1.0, (0.0, 1.0)),
        (None, 1.0, (-math.inf, 1.0)),
        (None, None, (-math.inf, math.inf)),
    ],
)
def test_end_that_was_not_proved_is_no_limit(
    low: float | None, high: float | None, wanted: tuple[float, float]
) -> None:
    proved = Certificate(score=Range(low=low, high=high), heads={}, finite=False)
    limits = Limits.of(proved, "sha256:abc")
    assert (limits.low, limits.high) == wanted
