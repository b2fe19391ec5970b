"""Beyond its capacity a worker answers the important callers in time, and most of all by the model.

These are simulations: real admission, chain, limiter and breaker on a manual clock, with a model
that takes its time. They take the same course on every machine.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from mlops.contracts.domain import Floats, Table
from mlops.hosting.exchange import HttpRequest, Reply
from mlops.serving.admission import Admission, Job, Priority
from mlops.serving.breaker import State
from mlops.serving.chain import Asked
from mlops.serving.decision import Decision, Source
from mlops.serving.lane import ModelFailedError
from mlops.serving.limiter import Limiter
from mlops.serving.rungs import Rung
from mlops.serving.spec import BreakerSpec, LimitSpec, Protection, ServingSpec
from tests.components.serving import GOOD, Joined, a_request, rising, spec
from tests.fakes.clock import ManualClock
from tests.fakes.heuristic import FakeHeuristic
from tests.fakes.loop import SimulatedLoop

DEADLINE_S = 0.05
READ_S = 5e-6
REFUSE_S = 5e-6
HEURISTIC_S = 0.2e-3
LIMIT = LimitSpec(start=8, most=64, queue=256)
CRITICAL_GOALS = {2: 0.999, 5: 0.995, 10: 0.99}


class SimulatedInline:
    """A model that takes its time in the worker.

    Args:
        clock: Goes on.
        seconds: Time that a page takes.
    """

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self.sick = False

    def score_now(self, table: Table, rows: int) -> Floats:
        del table, rows
        self.clock.advance(self.seconds)
        if self.sick:
            raise ModelFailedError("sick")
        return GOOD


class SimulatedProcess:
    """A model process: first come, first served, late pages dropped unread.

    Args:
        loop: Its timers.
        seconds: Time that a page takes.
    """

    ready = True

    def __init__(self, loop: SimulatedLoop, seconds: float) -> None:
        self.loop = loop
        self.seconds = seconds
        self.sick = False
        self.owed = 0
        self._free_at = 0.0

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        del table, rows
        self.owed += 1
        begins = max(self.loop.time(), self._free_at)
        self._free_at = begins + (0.0 if begins >= deadline else self.seconds)
        future: asyncio.Future[None] = self.loop.create_future()
        self.loop.call_at(self._free_at, self._answer, future)
        async with asyncio.timeout_at(deadline):
            await future
        if self.sick:
            raise ModelFailedError("sick")
        return GOOD, self.seconds

    def replace(self) -> None:
        raise NotImplementedError

    def _answer(self, future: "asyncio.Future[None]") -> None:
        self.owed -= 1
        if not future.done():
            future.set_result(None)


class NoExchange:
    """A caller that stays."""

    request = HttpRequest("POST", "/v1/decide", b"", {}, b"", 0.0)
    gone = False

    def reply(self, reply: Reply) -> None:
        raise NotImplementedError


def loaded(**changes: Any) -> ServingSpec:
    return spec(**{"limit": LIMIT, "breaker": BreakerSpec(), **changes})


@dataclass
class Service:
    """A worker under load.

    Attributes:
        kind: `inline` or the name of a process.
        model_s: Time that a page takes the model.
        spec: As the worker gets it.
        queue: Its queue.
    """

    kind: str = "inline"
    model_s: float = 1e-3
    spec: ServingSpec = field(default_factory=loaded)
    queue: type[Admission] = Admission

    def __post_init__(self) -> None:
        self.clock = ManualClock(0.0)
        self.loop = SimulatedLoop(self.clock)
        lanes: dict[str, Callable[[], Any]] = {
            "inline": lambda: SimulatedInline(self.clock, self.model_s),
            "process": lambda: SimulatedProcess(self.loop, self.model_s),
            "slow process": lambda: SimulatedProcess(self.loop, self.model_s),
        }
        self.lane = lanes[self.kind]()
        self.draws = random.Random(7)
        self.joined = Joined(
            self.lane, rungs=self._rungs(), spec=self.spec, clock=self.clock,
            draws=[self.draws.random() for _ in range(1009)],
        )  # fmt: skip
        self.admission = self.queue(
            self.spec.limit, self, limiter=Limiter.of(self.spec, self.clock), clock=self.clock,
            call_soon=self.loop.call_soon, watcher=self.joined.watcher,
        )  # fmt: skip
        self.asked: Counter[Priority] = Counter()
        self.in_time: Counter[Priority] = Counter()
        self.by_model_at: list[float] = []
        self.worst_s = 0.0
        self._request = a_request()
        self._tasks: set[asyncio.Task[None]] = set()

    def _rungs(self) -> list[tuple[str, Rung]]:
        def give(rows: int) -> Floats:
            self.clock.advance(HEURISTIC_S)
            return rising(rows)

        return [("first", FakeHeuristic(give))]

    def run(self, rate: float, seconds: float) -> "Service":
        """Let requests arrive at random for a while, in an open loop.

        Args:
            rate: Requests a second.
            seconds: How long.
        """
        self.loop.arrivals(list(self._times(rate, seconds)), self._arrive)
        self.loop.call_at(seconds + 1.0, self.loop.stop)
        self.loop.run_forever()
        self.loop.close()
        return self

    def _times(self, rate: float, seconds: float) -> Iterator[float]:
        at = self.draws.expovariate(rate)
        while at < seconds:
            yield at
            at += self.draws.expovariate(rate)

    def _arrive(self, number: int, at: float) -> None:
        self.clock.advance(READ_S)
        priority = (Priority.CRITICAL, Priority.SHEDDABLE, *[Priority.NORMAL] * 8)[number % 10]
        self.asked[priority] += 1
        self.admission.offer(Job(NoExchange(), at, at + DEADLINE_S, priority))

    def work(self, job: Job, use_model: bool) -> None:
        asked = Asked(self._request, job.arrived, job.deadline, use_model)
        decision = self.joined.chain.decide(asked)
        if isinstance(decision, Decision):
            self._answered(job, decision)
            return

        async def later() -> None:
            self._answered(job, await decision)

        task = self.loop.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def shed(self, job: Job) -> None:
        self.clock.advance(REFUSE_S)

    def _answered(self, job: Job, decision: Decision) -> None:
        now = self.clock.monotonic()
        self.worst_s = max(self.worst_s, now - job.arrived)
        if now <= job.deadline:
            self.in_time[job.priority] += 1
            if decision.source is Source.MODEL:
                self.by_model_at.append(now)

    @property
    def capacity(self) -> float:
        """Requests a second that the model can answer at most."""
        own_s = HEURISTIC_S + READ_S
        return 1.0 / (self.model_s + own_s if self.kind == "inline" else self.model_s)

    def goodput(self, seconds: float) -> float:
        """Answers of the model in time, a second."""
        return len(self.by_model_at) / seconds

    def share(self, priority: Priority) -> float:
        """Share of a priority's callers that had an answer in time."""
        return self.in_time[priority] / self.asked[priority]


SECONDS = 3.0
KINDS = {"inline": 0.8e-3, "process": 4e-3, "slow process": 15e-3}


def under(
    times: float, kind: str = "inline", *, queue: type[Admission] = Admission, **changes: Any
) -> Service:
    """Let a service be asked for so many times what its model can answer."""
    it = Service(kind, KINDS[kind], loaded(**changes), queue)
    return it.run(times * it.capacity, SECONDS)


@cache
def peak(kind: str) -> float:
    """Return the most answers of the model in time, a second, at loads that it can bear."""
    return max(under(times, kind).goodput(SECONDS) for times in (0.8, 0.95))


@pytest.mark.parametrize("times", CRITICAL_GOALS)
@pytest.mark.parametrize("kind", KINDS)
def test_overload(kind: str, times: int) -> None:
    it = under(times, kind)
    assert it.share(Priority.CRITICAL) >= CRITICAL_GOALS[times]
    assert it.goodput(SECONDS) >= 0.8 * peak(kind)
    assert it.worst_s <= DEADLINE_S
    assert it.joined.watcher.changes == []


def test_heuristic_answers_before_anyone_is_refused() -> None:
    it = under(1.2)
    assert all(it.share(priority) == 1.0 for priority in Priority)
    assert it.goodput(SECONDS) >= peak("inline")


def test_least_important_is_refused_first() -> None:
    it = under(2.0)
    assert it.share(Priority.SHEDDABLE) < it.share(Priority.NORMAL) < it.share(Priority.CRITICAL)


def test_model_in_a_process_leaves_room_for_all_others() -> None:
    it = under(10.0, "process")
    assert all(it.share(priority) == 1.0 for priority in Priority)


def test_without_the_limiter_nearly_everyone_is_late() -> None:
    it = under(2.0, faults_allowed=True, without=(Protection.LIMITER,))
    assert it.share(Priority.CRITICAL) < 0.5


# What was decided by simulation: first come, first served with a bounded wait.


class Unbounded(Admission):
    """First come, first served, however long it takes."""

    def _waits_too_long(self, job: Job, first: Job) -> bool:
        del job, first
        return False


class LastFirst(Unbounded):
    """Last come, first served."""

    def _next(self, now: float) -> float:
        (self._critical or self._normal or self._sheddable).rotate(1)
        return super()._next(now)


def test_queue_without_a_bound_gives_up_the_answers_of_the_model() -> None:
    assert under(5.0, queue=Unbounded).goodput(SECONDS) < 0.7 * peak("inline")


def test_last_come_first_served_loses_critical_callers() -> None:
    assert under(10.0, queue=LastFirst).share(Priority.CRITICAL) < 0.95


# Healing.


@pytest.mark.parametrize("kind", KINDS)
def test_healing_under_five_times_the_load_ramps_and_does_not_reopen(kind: str) -> None:
    it = Service(kind, KINDS[kind])
    it.lane.sick = True

    def heal() -> None:
        it.lane.sick = False

    healed_at = 1.5
    it.loop.call_at(healed_at, heal)
    it.run(5 * it.capacity, 8.0)
    states = [new for _, new, _ in it.joined.watcher.changes]
    assert states == [
        State.OPEN, State.HALF_OPEN, *[State.RAMPING] * 4, State.CLOSED,
    ]  # fmt: skip
    last = [at for at in it.by_model_at if at > 7.0]
    assert len(last) >= 0.8 * peak(kind)
    assert it.share(Priority.CRITICAL) >= CRITICAL_GOALS[5]


def test_without_the_ramp_all_callers_come_back_at_once() -> None:
    it = Service("inline", spec=loaded(faults_allowed=True, without=(Protection.RAMP,)))
    it.lane.sick = True
    it.loop.call_at(1.5, lambda: setattr(it.lane, "sick", False))
    it.run(5 * it.capacity, 4.0)
    states = [new for _, new, _ in it.joined.watcher.changes]
    assert states == [State.OPEN, State.HALF_OPEN, State.CLOSED]
