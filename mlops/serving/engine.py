"""An engine: one plan made ready to decide requests in one worker."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.domain import Table
from mlops.contracts.openapi import document
from mlops.contracts.row import RowDecoder
from mlops.models.artifact import Bundle
from mlops.models.program import Program
from mlops.serving import chain as chains
from mlops.serving.breaker import Breaker, Change, State
from mlops.serving.cache import Cache
from mlops.serving.chain import Chain
from mlops.serving.decision import Source
from mlops.serving.faults import Fault
from mlops.serving.guard import Limits
from mlops.serving.guarded import GuardedModel
from mlops.serving.inline import InlineModel
from mlops.serving.lanes import open_heuristic, open_lane
from mlops.serving.limiter import Limiter
from mlops.serving.plan import Plan
from mlops.serving.process import ModelProcess
from mlops.serving.rungs import Rung

_log = logging.getLogger(__name__)


class Watcher(chains.Watcher, Protocol):
    """Who is told what becomes of engines."""

    def breaker_changed(self, epoch: int, old: State, new: State, why: Change) -> None:
        """The breaker of a plan's model changed its state."""
        ...

    def model_ready(self, epoch: int, *, ready: bool) -> None:
        """A plan's model can answer, or no longer can."""
        ...

    def model_restarted(self, cause: str) -> None:
        """A model's or heuristic's process is being replaced."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What an engine is joined to.

    Attributes:
        watcher: Is told what happens.
        clock: Monotonic time.
        random: Gives numbers in [0, 1).
        faults: Returns the fault of a drill.
    """

    watcher: Watcher
    clock: Clock
    random: Callable[[], float]
    faults: Callable[[], Fault]


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A plan made ready.

    Attributes:
        plan: The plan.
        decoder: Decodes and checks bodies.
        chain: Decides.
        openapi: The document, encoded.
        model: Its model; None in heuristic mode.
        processes: What runs outside the worker and has to be started and stopped.
    """

    plan: Plan
    decoder: RowDecoder
    chain: Chain
    openapi: bytes
    model: GuardedModel | None
    processes: tuple[ModelProcess, ...]

    @property
    def answers(self) -> Source | None:
        """The best source that can answer now; None if none may."""
        return self.chain.answers

    async def start(self) -> None:
        """Start its processes; they become ready later."""
        for process in self.processes:
            await process.start()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until its model is ready or has failed; returns whether it is ready."""
        for process in self.processes:
            await process.wait_ready(timeout_s)
        return self.chain.model_can_answer

    async def stop(self) -> None:
        """End its processes."""
        for process in self.processes:
            await process.stop()


def open_engine(plan: Plan, previous: Engine | None, ports: Ports) -> Engine:
    """Make a plan ready.

    Args:
        plan: The plan; its contract is known.
        previous: The engine that serves now, whose model stays the second choice.
        ports: What it is joined to.
    """
    domain = plan.domain
    assert domain is not None
    settings = plan.settings
    processes: list[ModelProcess] = []
    rungs: list[tuple[str, Rung]] = []
    model: GuardedModel | None = None
    if plan.bundle is not None:
        model = _model(plan, plan.bundle, ports, processes)
        rungs = _rungs(plan, plan.bundle, ports, processes)
    openapi = document(
        domain,
        service=settings.service,
        version=plan.digest or "none",
        max_candidates=settings.max_candidates,
    )
    chain = Chain(
        settings.serving,
        rungs,
        current=model,
        previous=None if previous is None else previous.model,
        cache=Cache(settings.serving.cache, ports.clock),
        watcher=ports.watcher,
        clock=ports.clock,
        random=ports.random,
    )
    decoder = RowDecoder(domain, max_candidates=settings.max_candidates)
    return Engine(plan, decoder, chain, msgspec.json.encode(openapi), model, tuple(processes))


class _ModelWatcher:
    """Tells one plan's model apart from another's.

    Args:
        epoch: The plan.
        watcher: Is told.
    """

    def __init__(self, epoch: int, watcher: Watcher) -> None:
        self._epoch = epoch
        self._watcher = watcher
        self.breaker: Breaker | None = None

    def model_ready(self, *, ready: bool) -> None:
        if ready and self.breaker is not None:
            self.breaker.renew()  # a new process does not answer for what the one before it did
        self._watcher.model_ready(self._epoch, ready=ready)

    def model_restarted(self, cause: str) -> None:
        self._watcher.model_restarted(cause)


class _HeuristicWatcher:
    """Counts replacements of a heuristic's process; it is no model."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def model_ready(self, *, ready: bool) -> None:
        """Ignore it: the next rung answers meanwhile."""

    def model_restarted(self, cause: str) -> None:
        self._watcher.model_restarted(cause)


def _model(plan: Plan, bundle: Bundle, ports: Ports, processes: list[ModelProcess]) -> GuardedModel:
    settings, clock = plan.settings, ports.clock
    watcher = _ModelWatcher(plan.epoch, ports.watcher)

    def changed(old: State, new: State, why: Change) -> None:
        ports.watcher.breaker_changed(plan.epoch, old, new, why)

    lane = open_lane(
        plan.lane, bundle, settings=settings, clock=clock,
        watcher=watcher, faults=ports.faults,
    )  # fmt: skip
    inline = isinstance(lane, InlineModel)
    if isinstance(lane, ModelProcess):
        processes.append(lane)
    breaker = Breaker.of(settings.serving, clock, changed)
    watcher.breaker = breaker
    if inline:
        ports.watcher.model_ready(plan.epoch, ready=True)
    return GuardedModel(
        lane=lane,
        limits=Limits.of(bundle.parts.certificate, bundle.ref.digest),
        breaker=breaker,
        limiter=Limiter.of(settings.serving, clock),
        digest=bundle.ref.digest,
        check=None if inline else _check(bundle.parts.program),
    )


def _check(program: Program) -> Callable[[Table], float]:
    def score_one(table: Table) -> float:
        return float(program.score(table)[0])

    return score_one


def _rungs(
    plan: Plan, bundle: Bundle, ports: Ports, processes: list[ModelProcess]
) -> list[tuple[str, Rung]]:
    found: list[tuple[str, Rung]] = []
    for name in plan.settings.serving.rungs:
        if name not in bundle.parts.heuristics:
            _log.warning("serving.fallback names %s, which the bundle does not hold", name)
            continue
        rung = open_heuristic(
            name, bundle, settings=plan.settings, clock=ports.clock,
            watcher=_HeuristicWatcher(ports.watcher), faults=ports.faults,
        )  # fmt: skip
        if isinstance(rung, ModelProcess):
            processes.append(rung)
        found.append((name, rung))
    return found
