"""The fallback chain: model, previous good model, cache, heuristics, and the caller's own order.

The heuristic's answer is computed first, on every request, and the model only overrides it, in
time. So the fallback is exercised by all traffic, and nothing is left to do when the model fails.

The deadline is shared out: models have until the reserve begins, a heuristic in a process of its
own until half of the reserve is left, and the others take no time worth sharing. The reserve is
at most half of what a caller's shorter deadline leaves.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.row import Request
from mlops.experiments.assignment import Arm, assign
from mlops.serving import guarded, rungs
from mlops.serving.breaker import Ticket
from mlops.serving.cache import Cache
from mlops.serving.decision import Decision, Reason, Source
from mlops.serving.guarded import Answer, Asker, GuardedModel
from mlops.serving.rungs import Below, Pending, Rung, Rungs
from mlops.serving.spec import ServingSpec

_LEAST_RESERVE = 0.5
_NO_SECOND = (Reason.OVERLOAD, Reason.DEADLINE)
"""Why the current model did not answer, where there is no time or room for another one."""

Later = Coroutine[Any, Any, Decision]
"""A decision that has to be waited for."""


class NoAnswerError(Exception):
    """No model answered, and the service declares that nothing else may.

    Args:
        reason: Why the current model did not.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Asked(msgspec.Struct, gc=False):
    """A request to be decided.

    Attributes:
        request: A valid one with a subject or a request id, by which its arm is drawn.
        arrived: Monotonic seconds of its arrival.
        deadline: Monotonic seconds by which it must be answered.
        use_model: Whether there is room for the model.
    """

    request: Request
    arrived: float
    deadline: float
    use_model: bool = True


class Watcher(guarded.Watcher, rungs.Watcher, Protocol):
    """Who counts what models and heuristics do."""


class _Turn(msgspec.Struct, gc=False):
    """What is known of a request while it is decided."""

    request: Request
    arrived: float
    until: float
    late_until: float
    use_model: bool
    below: Below | Pending | None
    propensity: float = 1.0


class Chain:
    """Decides requests.

    Args:
        spec: Deadline, holdout and limits.
        rungs: The heuristics by name, in the order tried.
        current: The model that serves; None without one.
        previous: The good model before it, still loaded; None without one.
        cache: The current model's last good answers.
        watcher: Counts.
        clock: Monotonic time.
        random: Gives numbers in [0, 1), by which the ramp and the spot check choose.
    """

    def __init__(  # noqa: PLR0913 - the chain's ports, joined in one place (`engine`)
        self,
        spec: ServingSpec,
        rungs: Sequence[tuple[str, Rung]],
        *,
        current: GuardedModel | None,
        previous: GuardedModel | None,
        cache: Cache,
        watcher: Watcher,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._holdout = spec.holdout
        self._errs = spec.only_model
        self._current = current
        self._previous = previous
        self._digest = "" if current is None else current.digest
        self._cache = cache
        self.latched = False
        """Whether what lies below the models answers, whatever they could do."""
        self._asker = Asker(
            spec, watcher=watcher, clock=clock, random=random, distrusted=cache.clear
        )
        self._rungs = Rungs(rungs, most=spec.limit.most, watcher=watcher, told=self._asker.told)
        self._deadline_s = spec.deadline_ms / 1000
        self._reserve_s = spec.reserve_ms / 1000

    @property
    def model_can_answer(self) -> bool:
        """Whether the next request could be answered by the current model."""
        return self._current is not None and self._current.can_answer

    @property
    def answers(self) -> Source | None:
        """The best source that can answer now; None if none may (`fallback: error`)."""
        models = (self._current, self._previous)
        if any(model is not None and model.can_answer for model in models):
            return Source.MODEL
        if self._errs:
            return None
        return Source.HEURISTIC if len(self._rungs) else Source.STATIC

    def decide(self, asked: Asked) -> Decision | Later:
        """Answer a request, whatever the model does.

        Args:
            asked: The request.

        Returns:
            The decision; as a coroutine if a process has to be waited for.

        Raises:
            NoAnswerError: No model answered, and nothing else may (`fallback: error`); from the
                coroutine if there is one.
        """
        request = asked.request
        reserve_s = self._reserve(asked)
        late_until = asked.deadline - reserve_s / 2
        turn = _Turn(
            request, asked.arrived, asked.deadline - reserve_s, late_until, asked.use_model,
            None if self._errs else self._rungs.begin(request, late_until),
        )  # fmt: skip
        share = self._holdout.share
        if share:
            subject = request.subject or request.request_id
            if assign(subject, share=share, salt=self._holdout.salt) is Arm.HOLDOUT:
                turn.propensity = share
                return self._fall_back(turn, Reason.HOLDOUT)
            turn.propensity = 1.0 - share
        if not asked.use_model:
            return self._go_on(turn, Answer(Reason.OVERLOAD))
        if self.latched:
            return self._fall_back(turn, Reason.BURN)
        current = self._current
        if current is None:
            return self._go_on(turn, Answer(Reason.MODEL_UNAVAILABLE))
        ticket = self._asker.enter(current, request, arrived=turn.arrived, until=turn.until)
        if isinstance(ticket, Reason):
            if ticket is Reason.BREAKER_RAMP:
                turn.propensity *= 1.0 - current.breaker.share
            return self._go_on(turn, Answer(ticket))
        turn.propensity *= ticket.share
        if current.inline is None:
            return self._wait(turn, current, ticket)
        return self._go_on(turn, self._asker.ask_now(current, ticket, request, until=turn.until))

    def _reserve(self, asked: Asked) -> float:
        """Return the seconds kept back from models; less if the caller is in a hurry."""
        given_s = asked.deadline - asked.arrived
        if given_s >= self._deadline_s:
            return self._reserve_s
        most = max(_LEAST_RESERVE, self._reserve_s / self._deadline_s)
        return min(self._reserve_s, given_s * most)

    async def _wait(self, turn: _Turn, current: GuardedModel, ticket: Ticket) -> Decision:
        answer = await self._asker.ask(current, ticket, turn.request, until=turn.until)
        decision = self._go_on(turn, answer)
        return decision if isinstance(decision, Decision) else await decision

    def _go_on(self, turn: _Turn, answer: Answer) -> Decision | Later:
        """Take the current model's answer, or turn to the previous model."""
        reason, scores = answer.reason, answer.scores
        if scores is not None:
            self._cache.put(turn.request, self._digest, scores)
            return self._by_model(turn, answer, reason, self._digest)
        previous = self._previous
        if previous is None or not turn.use_model or reason in _NO_SECOND:
            return self._remember(turn, reason)
        ticket = self._asker.enter(previous, turn.request, arrived=turn.arrived, until=turn.until)
        if isinstance(ticket, Reason):
            return self._remember(turn, reason)
        if previous.inline is None:
            return self._wait_again(turn, reason, previous, ticket)
        second = self._asker.ask_now(previous, ticket, turn.request, until=turn.until)
        return self._end(turn, reason, previous, second)

    async def _wait_again(
        self, turn: _Turn, reason: Reason, previous: GuardedModel, ticket: Ticket
    ) -> Decision:
        second = await self._asker.ask(previous, ticket, turn.request, until=turn.until)
        decision = self._end(turn, reason, previous, second)
        return decision if isinstance(decision, Decision) else await decision

    def _end(
        self, turn: _Turn, reason: Reason, previous: GuardedModel, second: Answer
    ) -> Decision | Later:
        if second.scores is not None:
            return self._by_model(turn, second, reason, previous.digest)
        return self._remember(turn, reason)

    def _by_model(self, turn: _Turn, answer: Answer, reason: Reason, digest: str) -> Decision:
        assert answer.scores is not None
        below = turn.below
        name = below.name if isinstance(below, Below) else ""
        return Decision(
            Source.MODEL, reason, Arm.MODEL, answer.scores, turn.propensity, digest, name,
            answer.seconds,
        )  # fmt: skip

    def _remember(self, turn: _Turn, reason: Reason) -> Decision | Later:
        """Answer from the cache, or by what lies below it."""
        if turn.use_model:  # else the worker has no time to look
            scores = self._cache.get(turn.request, self._digest)
            if scores is not None:
                below = turn.below
                name = below.name if isinstance(below, Below) else ""
                return Decision(
                    Source.CACHE, reason, Arm.MODEL, scores, turn.propensity, self._digest, name
                )
        return self._fall_back(turn, reason)

    def _fall_back(self, turn: _Turn, reason: Reason) -> Decision | Later:
        below = turn.below
        if below is None:
            raise NoAnswerError(reason)
        if isinstance(below, Pending):
            return self._wait_below(turn, reason, below)
        return self._by_below(turn, reason, below)

    async def _wait_below(self, turn: _Turn, reason: Reason, pending: Pending) -> Decision:
        below = await self._rungs.finish(pending, turn.request, turn.late_until)
        return self._by_below(turn, reason, below)

    def _by_below(self, turn: _Turn, reason: Reason, below: Below) -> Decision:
        arm = Arm.HOLDOUT if reason is Reason.HOLDOUT else Arm.MODEL
        return Decision(
            below.source, reason, arm, below.scores, turn.propensity, self._digest, below.name
        )
