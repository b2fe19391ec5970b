"""The fallback chain answers every request, and says who answered and why."""

import asyncio
import math
from typing import Any

import numpy as np
import pytest

from mlops.contracts.domain import Floats
from mlops.experiments.assignment import Arm, assign
from mlops.models.certificate import Certificate, Range
from mlops.models.heuristics import Heuristic
from mlops.serving.breaker import State
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guard import Limits
from mlops.serving.model_client import ModelFailedError, ModelGoneError
from mlops.serving.spec import HoldoutSpec
from tests.components.serving import ROWS, Joined, a_request, falling, rising, spec
from tests.fakes.heuristic import FakeHeuristic
from tests.fakes.model import FakeModel

GOOD = np.array([0.1, 0.9, 0.5])
HALF = HoldoutSpec(share=0.5)
HELD_OUT = next(
    name
    for name in (f"u-{at}" for at in range(100))
    if assign(name, share=HALF.share, salt=HALF.salt) is Arm.HOLDOUT
)


def decide(it: Joined, subject: str = "user-1", arrived: float = 1000.0) -> Decision:
    return asyncio.run(it.chain.decide(a_request(subject), arrived=arrived))


def opened() -> Joined:
    it = Joined(FakeModel(ModelFailedError("x")))
    for _ in range(4):
        decide(it)
    assert it.breaker.state is State.OPEN
    return it


WHY: dict[str, tuple[Any, Reason]] = {
    "the model answers well": (lambda: Joined(FakeModel(GOOD)), Reason.OK),
    "the subject is held out": (
        lambda: Joined(spec=spec(holdout=HALF)),
        Reason.HOLDOUT,
    ),
    "the model is late": (lambda: Joined(FakeModel(TimeoutError())), Reason.DEADLINE),
    "the model raises": (lambda: Joined(FakeModel(ModelFailedError("x"))), Reason.MODEL_ERROR),
    "asking the model raises what nobody thought of": (
        lambda: Joined(FakeModel(RuntimeError("x"))),
        Reason.MODEL_ERROR,
    ),
    "the process dies while it is asked": (
        lambda: Joined(FakeModel(ModelGoneError())),
        Reason.MODEL_UNAVAILABLE,
    ),
    "the process is not ready": (
        lambda: Joined(FakeModel(GOOD, ready=False)),
        Reason.MODEL_UNAVAILABLE,
    ),
    "there is no model": (lambda: Joined(None), Reason.MODEL_UNAVAILABLE),
    "the breaker is open": (opened, Reason.BREAKER_OPEN),
    "too many wait for the model": (lambda: Joined(FakeModel(GOOD, owed=2)), Reason.OVERLOAD),
    "a score is missing": (lambda: Joined(FakeModel(GOOD[:2])), Reason.GUARD_INCOMPLETE),
    "a score is no number": (lambda: Joined(FakeModel(GOOD * math.nan)), Reason.GUARD_NOT_FINITE),
    "a score is out of range": (lambda: Joined(FakeModel(GOOD + 1)), Reason.GUARD_OUT_OF_RANGE),
}


@pytest.mark.parametrize("sentence", WHY)
def test_source_and_reason(sentence: str) -> None:
    make, reason = WHY[sentence]
    decision = decide(make(), HELD_OUT)
    assert decision.reason is reason
    assert decision.source is (Source.MODEL if reason is Reason.OK else Source.HEURISTIC)
    assert decision.arm is (Arm.HOLDOUT if reason is Reason.HOLDOUT else Arm.MODEL)
    wanted = GOOD if reason is Reason.OK else rising(ROWS)
    assert decision.scores.tolist() == wanted.tolist()


def test_every_reason_is_reached() -> None:
    assert {reason for _, reason in WHY.values()} == set(Reason)


def failing(rows: int) -> Any:
    del rows
    message = "the user's code"
    raise RuntimeError(message)


FIRST_RUNG: dict[str, Any] = {
    "it raises": failing,
    "it gives a score that is no number": lambda rows: rising(rows) * math.nan,
    "it gives an infinite score": lambda rows: rising(rows) + math.inf,
    "it gives one score too few": lambda rows: rising(rows - 1),
    "it gives a matrix": lambda rows: np.ones((rows, 1)),
    "it gives nothing": lambda rows: None,
    "it gives texts": lambda rows: ["a"] * rows,
    "it gives one number": lambda rows: 1.0,
}


@pytest.mark.parametrize("sentence", FIRST_RUNG)
def test_next_rung_answers_when_the_first_fails(sentence: str) -> None:
    heuristics: dict[str, Heuristic] = {
        "first": FakeHeuristic(FIRST_RUNG[sentence]),
        "second": FakeHeuristic(falling),
    }
    decision = decide(Joined(None, heuristics))
    assert (decision.source, decision.scores.tolist()) == (Source.HEURISTIC, [0.0, -1.0, -2.0])


@pytest.mark.parametrize("sentence", FIRST_RUNG)
def test_callers_order_answers_when_every_rung_fails(sentence: str) -> None:
    broken = FakeHeuristic(FIRST_RUNG[sentence])
    decision = decide(Joined(None, {"first": broken, "second": broken}))
    assert decision.source is Source.STATIC
    assert decision.reason is Reason.MODEL_UNAVAILABLE
    assert decision.order() == [0, 1, 2]


def test_scores_that_are_no_array_yet_are_taken() -> None:
    decision = decide(Joined(None, {"first": FakeHeuristic(lambda rows: list(range(rows)))}))
    assert decision.source is Source.HEURISTIC
    assert decision.order() == [2, 1, 0]


def test_model_overrides_even_when_every_heuristic_fails() -> None:
    broken = FakeHeuristic(failing)
    decision = decide(Joined(FakeModel(GOOD), {"first": broken, "second": broken}))
    assert decision.source is Source.MODEL


def test_heuristic_is_asked_on_every_request_and_the_second_only_if_needed() -> None:
    first, second = FakeHeuristic(rising), FakeHeuristic(falling)
    it = Joined(FakeModel(GOOD), {"first": first, "second": second})
    for _ in range(5):
        assert decide(it).source is Source.MODEL
    assert (first.calls, second.calls) == (5, 0)


def test_heuristic_has_answered_before_the_model_is_asked() -> None:
    asked: list[str] = []

    class Late(FakeModel):
        async def score(self, *args: Any, **options: Any) -> Any:
            asked.append("model")
            return await super().score(*args, **options)

    def give(rows: int) -> Any:
        asked.append("heuristic")
        return rising(rows)

    decide(Joined(Late(GOOD), {"first": FakeHeuristic(give)}))
    assert asked == ["heuristic", "model"]


def test_holdout_never_asks_the_model() -> None:
    model = FakeModel(GOOD)
    it = Joined(model, spec=spec(holdout=HALF))
    arms = [decide(it, f"u-{at}").arm for at in range(60)]
    assert 15 < arms.count(Arm.HOLDOUT) < 45
    assert len(model.asked) == arms.count(Arm.MODEL)


def test_model_gets_the_time_until_the_reserve_begins() -> None:
    model = FakeModel(GOOD)
    decide(Joined(model), arrived=7.0)
    assert model.asked == [pytest.approx(7.04)]  # 50 ms less 10


def test_guard_breaches_are_failures_to_the_breaker() -> None:
    it = Joined(FakeModel(GOOD * math.nan))
    reasons = [decide(it).reason for _ in range(6)]
    assert reasons == [Reason.GUARD_NOT_FINITE] * 4 + [Reason.BREAKER_OPEN] * 2


CERTIFIED = Limits(0.0, 1.0, finite=True, bundle="sha256:abc")


@pytest.mark.parametrize(
    ("scores", "reason", "shown"),
    [
        (GOOD + 1, Reason.GUARD_OUT_OF_RANGE, "score 1.9"),
        (GOOD * math.nan, Reason.GUARD_NOT_FINITE, "score nan"),
    ],
)
def test_one_answer_outside_the_certificate_trips_the_breaker_and_replaces_the_process(
    scores: Floats, reason: Reason, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel(GOOD)
    it = Joined(model, limits=CERTIFIED)
    for _ in range(50):
        decide(it)
    model.outcome = scores
    assert [decide(it).reason for _ in range(3)] == [reason, *[Reason.BREAKER_OPEN] * 2]
    assert model.replaced == 1
    assert it.series()['mlops_certificate_breaches_total{service="open_bandit"}'] == 1
    (line,) = caplog.messages
    assert f"{shown} is outside the certified [0.0, 1.0] of bundle sha256:abc" in line
    model.outcome = GOOD
    it.clock.advance(7.9)
    assert decide(it).reason is Reason.BREAKER_OPEN
    it.clock.advance(0.1)
    assert [decide(it).reason for _ in range(2)] == [Reason.OK] * 2
    assert it.breaker.state is State.CLOSED


def test_missing_score_proves_no_corruption() -> None:
    model = FakeModel(GOOD[:2])
    it = Joined(model, limits=CERTIFIED)
    assert decide(it).reason is Reason.GUARD_INCOMPLETE
    assert (it.breaker.state, model.replaced) == (State.CLOSED, 0)


def test_breaker_that_is_half_open_gets_its_probe_back_whatever_happens() -> None:
    it = opened()
    assert it.model is not None
    for outcome in (RuntimeError("x"), TimeoutError(), ModelGoneError(), GOOD, GOOD):
        it.clock.advance(2.0)
        it.model.outcome = outcome
        decide(it)
    assert it.breaker.state is State.CLOSED


def test_cancelled_question_gives_its_probe_back() -> None:
    it = opened()
    assert it.model is not None
    it.clock.advance(2.0)

    class Cancelled(FakeModel):
        async def score(self, *args: Any, **options: Any) -> Any:
            raise asyncio.CancelledError

    it.chain._model = Cancelled(GOOD)
    with pytest.raises(asyncio.CancelledError):
        decide(it)
    it.clock.advance(2.0)
    it.chain._model = FakeModel(GOOD)
    assert decide(it).source is Source.MODEL


def test_overload_is_no_failure_of_the_model() -> None:
    it = Joined(FakeModel(GOOD, owed=2))
    for _ in range(20):
        assert decide(it).reason is Reason.OVERLOAD
    assert it.breaker.state is State.CLOSED


def test_readiness_of_the_model_knows_process_and_breaker() -> None:
    assert Joined(FakeModel(GOOD)).chain.model_can_answer
    assert not Joined(FakeModel(GOOD, ready=False)).chain.model_can_answer
    assert not Joined(None).chain.model_can_answer
    it = opened()
    assert not it.chain.model_can_answer
    it.clock.advance(2.0)
    assert it.chain.model_can_answer


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
