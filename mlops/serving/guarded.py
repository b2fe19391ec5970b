"""A guarded model: one bundle's model behind its breaker, its limiter and its guard."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, cast

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.domain import Floats, Table
from mlops.contracts.row import Request
from mlops.hosting.log import ALWAYS
from mlops.serving.breaker import Breaker, State, Ticket
from mlops.serving.decision import Reason
from mlops.serving.guard import Breach, Limits, inspect
from mlops.serving.lane import InlineLane, Lane, ModelFailedError, ModelGoneError, ProcessLane
from mlops.serving.limiter import Limiter
from mlops.serving.spec import Protection, ServingSpec
from mlops.serving.window import Outcome

_log = logging.getLogger(__name__)
_WHOLE = 0.9
"""The part of the time that a model is due from which it had all of it, as good as."""
_ONE_DEATH_S = 0.05
"""Calls that are lost within this time were lost with one process."""


@dataclass(slots=True, eq=False)
class GuardedModel:
    """A model with what keeps its failures away from callers.

    Attributes:
        lane: Where it runs.
        limits: What was proved of its output.
        breaker: Leaves it alone when it fails.
        limiter: How many pages it may owe, and how long it takes.
        digest: Digest of its bundle.
        check: Scores one candidate again, given as a table of one row, by the worker's own copy
            of the program. Two ways that must agree bit by bit find what the certified range
            does not: an output that is constant, shuffled or slightly off. One candidate of each
            page is drawn; a page of n with k wrong scores passes with probability 1 - k/n, and
            a constant output only if the constant is the drawn candidate's true score. None for
            an inline lane, which is that copy.
        inline: The lane, if it answers at once.
        process: The lane, if it is a process.
        lost_at: Monotonic seconds at which its process was last found dead; below 0 if never.
        asked: Number of pages that its process was asked for.
    """

    lane: Lane
    limits: Limits
    breaker: Breaker
    limiter: Limiter
    digest: str
    check: Callable[[Table], float] | None = None
    inline: InlineLane | None = field(init=False)
    process: ProcessLane | None = field(init=False)
    lost_at: float = field(default=-1.0, init=False)
    asked: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        at_once = hasattr(self.lane, "score_now")
        self.inline = cast("InlineLane", self.lane) if at_once else None
        self.process = None if at_once else cast("ProcessLane", self.lane)

    @property
    def runs(self) -> bool:
        """Whether it could be asked, whatever its breaker says."""
        return self.process is None or self.process.ready

    @property
    def can_answer(self) -> bool:
        """Whether the next request could be answered by it."""
        return self.runs and not self.breaker.resting


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What came of asking a model.

    Attributes:
        reason: `ok`, or why there are no scores.
        scores: One a candidate; None unless it is ok.
        seconds: Time that the model took; 0 unless it is ok.
    """

    reason: Reason
    scores: Floats | None = None
    seconds: float = 0.0


class Watcher(Protocol):
    """Who counts what models do."""

    def observe_model(self, seconds: float) -> None:
        """A model answered."""
        ...

    def count_guard(self, breach: Breach) -> None:
        """An output was refused."""
        ...

    def count_breach(self) -> None:
        """An output was proved impossible."""
        ...


class Asker:
    """Asks guarded models.

    Args:
        spec: Time, and what a drill takes away.
        watcher: Counts.
        clock: Monotonic time.
        random: Gives numbers in [0, 1).
        distrusted: Called when a model gave what is impossible.
    """

    def __init__(
        self,
        spec: ServingSpec,
        *,
        watcher: Watcher,
        clock: Clock,
        random: Callable[[], float],
        distrusted: Callable[[], None],
    ) -> None:
        self._watcher = watcher
        self._now = clock.monotonic
        self._random = random
        self._distrusted = distrusted
        self._time_s = (spec.deadline_ms - spec.reserve_ms) / 1000
        slow_ms = spec.breaker.slow_ms
        self._slow_s = self._time_s / 2 if slow_ms is None else slow_ms / 1000
        self._guards = spec.protects(Protection.OUTPUT_GUARD)
        # The spot check refuses what the guard lets through; without the guard nothing is refused.
        self._checks = self._guards and spec.protects(Protection.SPOT_CHECK)
        self._tells = "error_text" in spec.logged_fields
        self._probes: set[asyncio.Task[Answer]] = set()

    def enter(
        self, model: GuardedModel, request: Request, *, arrived: float, until: float
    ) -> Ticket | Reason:
        """Return a ticket if a model may be asked for an answer, else why not.

        A probe is asked here, and its answer is not waited for.

        Args:
            model: The model.
            request: What is asked.
            arrived: Monotonic seconds of the request's arrival.
            until: Monotonic seconds until which an answer is of use.
        """
        process, limiter = model.process, model.limiter
        if process is not None:
            if not process.ready:
                return Reason.MODEL_UNAVAILABLE
            if not limiter.has_room(process.owed):
                return Reason.OVERLOAD
        if not limiter.has_time(until - self._now()):
            waited = limiter.pace.longest_s < until - arrived  # else it never was enough
            return Reason.OVERLOAD if waited else Reason.DEADLINE
        ticket = model.breaker.admit(self._random())
        if ticket is None:
            ramping = model.breaker.state is State.RAMPING
            return Reason.BREAKER_RAMP if ramping else Reason.BREAKER_OPEN
        if ticket.shadow:
            self._probe(model, ticket, request)
            return Reason.BREAKER_OPEN
        return ticket

    def ask_now(
        self, model: GuardedModel, ticket: Ticket, request: Request, *, until: float
    ) -> Answer:
        """Ask a model whose lane is inline.

        Args:
            model: The model.
            ticket: From `enter`.
            request: What is asked.
            until: Monotonic seconds until which an answer is of use.
        """
        assert model.inline is not None
        started = self._now()
        try:
            scores = model.inline.score_now(request.table, request.rows)
        except Exception as error:  # whatever it is, the caller gets the answer that is there
            _log.warning("the model failed: %s", self.told(error))
            model.breaker.record(ticket, Outcome.FAILED)
            return Answer(Reason.MODEL_ERROR)
        seconds = self._now() - started
        answer = self._judge(model, ticket, request, scores=scores, seconds=seconds)
        return Answer(Reason.DEADLINE) if started + seconds > until else answer

    async def ask(
        self, model: GuardedModel, ticket: Ticket, request: Request, *, until: float
    ) -> Answer:
        """Ask a model whose lane is a process.

        Args:
            model: The model.
            ticket: From `enter`.
            request: What is asked.
            until: Monotonic seconds until which it is waited for.
        """
        process, limiter = model.process, model.limiter
        assert process is not None
        model.asked += 1
        started, owed, asked = self._now(), process.owed + 1, model.asked
        outcome: Outcome | None = None
        try:
            scores, seconds = await process.score(request.table, request.rows, deadline=until)
            outcome = Outcome.OK
        except TimeoutError:
            limiter.late()
            # While others were answered, given up or not, it waited: the limit was too high.
            others = owed + model.asked - asked - process.owed
            if owed == 1 or others <= 0:
                outcome = self._too_late(until - started)
            return Answer(Reason.DEADLINE)
        except ModelGoneError:
            outcome = self._lost(model)
            return Answer(Reason.MODEL_UNAVAILABLE)
        except Exception as error:
            _log.warning("the model failed: %s", self.told(error))
            outcome = Outcome.FAILED
            return Answer(Reason.MODEL_ERROR)
        finally:
            # A ticket that is never given back would leave the breaker half open for ever.
            if outcome is None:
                model.breaker.release(ticket)
            elif outcome is not Outcome.OK:
                model.breaker.record(ticket, outcome)
        limiter.answered(self._now() - started, owed)
        return self._judge(model, ticket, request, scores=scores, seconds=seconds)

    def told(self, error: Exception) -> str:
        """Return what may be logged of an error: its text may hold a request's data."""
        text = str(error)
        if not isinstance(error, ModelFailedError):
            text = f"{type(error).__name__}: {text}"
        kind = text.partition(":")[0]
        return text if self._tells else kind if kind.isidentifier() else "an error"

    def _probe(self, model: GuardedModel, ticket: Ticket, request: Request) -> None:
        # Nobody waits for it, so it has all the time that a model is due.
        until = self._now() + self._time_s
        if model.inline is not None:
            self.ask_now(model, ticket, request, until=until)
            return
        probe = asyncio.get_running_loop().create_task(
            self.ask(model, ticket, request, until=until)
        )
        self._probes.add(probe)  # the loop itself holds tasks weakly
        probe.add_done_callback(self._probes.discard)

    def _judge(
        self,
        model: GuardedModel,
        ticket: Ticket,
        request: Request,
        *,
        scores: Floats,
        seconds: float,
    ) -> Answer:
        self._watcher.observe_model(seconds)
        model.limiter.pace.observe(seconds)
        try:
            breach = self._inspect(model, request, scores)
        except Exception as error:  # our own copy failed, so nothing vouches for the process
            _log.warning("an output could not be checked: %s", self.told(error))
            model.breaker.record(ticket, Outcome.FAILED)
            return Answer(Reason.MODEL_ERROR)
        if breach is not None:
            self._watcher.count_guard(breach)
            if model.limits.impossible(breach):
                self._distrust(model, ticket, breach, scores)
            model.breaker.record(ticket, Outcome.REFUSED)
            return Answer(Reason(breach.value))
        outcome = Outcome.OK
        if seconds > self._slow_s:
            outcome = Outcome.FAILED if seconds > self._time_s else Outcome.SLOW
        model.breaker.record(ticket, outcome)
        return Answer(Reason.OK, scores, seconds)

    def _inspect(self, model: GuardedModel, request: Request, scores: Floats) -> Breach | None:
        limits, rows = model.limits, request.rows
        if self._guards:
            breach = inspect(scores, rows=rows, low=limits.low, high=limits.high)
            if breach is not None:
                return breach
        if model.check is None or not self._checks:
            return None
        at = int(self._random() * rows)
        row = {name: values[at : at + 1] for name, values in request.table.items()}
        return None if model.check(row) == scores[at] else Breach.INCONSISTENT

    def _too_late(self, given_s: float) -> Outcome | None:
        """Judge a call that was not answered in the time given.

        A caller with a short deadline of its own cannot make a sound model look bad.
        """
        if given_s >= _WHOLE * self._time_s:
            return Outcome.FAILED
        return Outcome.SLOW if given_s >= self._slow_s else None

    def _lost(self, model: GuardedModel) -> Outcome | None:
        """Count one failure for a process that died, however many pages it owed."""
        before, model.lost_at = model.lost_at, self._now()
        return None if before >= 0 and model.lost_at - before < _ONE_DEATH_S else Outcome.FAILED

    def _distrust(
        self, model: GuardedModel, ticket: Ticket, breach: Breach, scores: Floats
    ) -> None:
        """Leave a model alone that gave what was proved impossible, and replace its process."""
        self._watcher.count_breach()
        if not model.breaker.trip(ticket):  # what was still under way tells of the same fault
            return
        limits = model.limits
        if breach is Breach.INCONSISTENT:
            found = "a score is not what the worker's own copy of the program gives"
        else:
            found = (
                f"score {limits.farthest(scores)!r} is outside the certified"
                f" [{limits.low!r}, {limits.high!r}]"
            )
        # With a breaker that only counts, each page that follows is a new fault, and a line.
        counts = model.breaker.state is State.METRICS_ONLY
        then = "it is asked all the same" if counts else "it is left alone"
        if model.process is not None:
            then = "its process is replaced"
        _log.critical(
            "the model is corrupted: %s, %s of bundle %s; %s",
            breach.value, found, limits.bundle or model.digest, then,
            extra={} if counts else ALWAYS,
        )  # fmt: skip
        self._distrusted()
        if model.process is not None:
            model.process.replace()
