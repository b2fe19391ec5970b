"""A model process lane: one child that answers, and a warm standby that takes its place."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

import numpy as np

from mlops.base.clock import Clock
from mlops.contracts.domain import Floats, Table
from mlops.hosting.log import ALWAYS
from mlops.serving.child import Child
from mlops.serving.faults import HEURISTIC_FAULTS, MODEL_FAULTS, Fault
from mlops.serving.lane import ModelFailedError, ModelGoneError
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.wire import Answer

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_CALM_S = 10.0  # a process that lived this long has earned a quick successor
_LOAD_S = 60.0
_NO_FAULT = Fault()


class Watcher(Protocol):
    """Who is told about the processes."""

    def model_ready(self, *, ready: bool) -> None:
        """Another process answers from now on, or none does any more."""
        ...

    def model_restarted(self, cause: str) -> None:
        """One is being replaced: `died`, `hung`, `not_loaded` or `corrupted`."""
        ...


class ModelProcess:
    """Keeps a process and its standby running and asks the former.

    When the active one dies, hangs or is replaced, a loaded standby takes its place in the same
    step of the event loop, and a new standby is started.

    Args:
        settings: What they run.
        hang_s: Seconds without any answer after which one is killed.
        clock: Monotonic time.
        watcher: Is told of changes.
        faults: Returns the fault of a drill; those of other parts are not played here.
        standby: Whether there is one.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        hang_s: float,
        clock: Clock,
        watcher: Watcher,
        faults: Callable[[], Fault] = Fault,
        standby: bool = True,
    ) -> None:
        self._settings = settings
        self._name = f"heuristic {settings.heuristic}" if settings.heuristic else "model"
        self._plays = HEURISTIC_FAULTS if settings.heuristic else MODEL_FAULTS
        self._hang_s = hang_s
        self._clock = clock
        self._watcher = watcher
        self._faults = faults
        self._has_standby = standby
        self._active: Child | None = None
        self._next: Child | None = None  # loading, or the standby
        self._pause_s = _FIRST_PAUSE_S
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()  # one was ready, or one failed
        self._stopped = True
        self._looks_at = 0.0

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return self._active is not None

    @property
    def standby_ready(self) -> bool:
        """Whether a standby is loaded."""
        return self._next is not None and self._next.ready

    @property
    def waiting(self) -> int:
        """Number of questions that somebody waits for."""
        return 0 if self._active is None else self._active.waiting

    @property
    def owed(self) -> int:
        """Number of questions that the process has not answered, abandoned ones included."""
        return 0 if self._active is None else self._active.owed

    async def start(self) -> None:
        """Start the first process, and keep it and its standby running until `stop`."""
        self._stopped = False
        self._looks_at = self._clock.monotonic()
        self._look()
        self._fill()

    async def stop(self) -> None:
        """End the processes and wait until they are gone."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        ended = [child for child in (self._active, self._next) if child is not None]
        for child in ended:
            child.end("stopped")
        await asyncio.gather(*(child.reaped() for child in ended), *self._reports)

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first process; returns False if it fails or takes too long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        return self.ready

    def replace(self) -> None:
        """End the active process, which gave what it cannot give."""
        if self._active is not None:
            self._active.end("corrupted")

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        """Score a page of candidates.

        Args:
            table: The columns that are read, and no others if time matters.
            rows: Number of candidates.
            deadline: Monotonic seconds at which the caller stops waiting.

        Returns:
            One score a candidate as they were given, unchecked, and the seconds it took.

        Raises:
            TimeoutError: No answer came in time.
            ModelGoneError: The process is not there or died.
            ModelFailedError: It raised.
        """
        child = self._active
        if child is None:
            raise ModelGoneError
        fault = self._faults()
        if fault.kind not in self._plays:
            fault = _NO_FAULT
        ask_id, future = child.ask(table, rows, deadline=deadline, fault=fault)
        left_s = max(0.0, deadline - self._clock.monotonic())
        timer = asyncio.get_running_loop().call_later(left_s, _expire, future)
        try:
            answer = await future
        finally:
            timer.cancel()
            child.forget(ask_id)
        if answer.expired:
            raise TimeoutError
        if answer.error:
            raise ModelFailedError(answer.error)
        return np.frombuffer(answer.scores, dtype=np.float64), answer.seconds

    def child_ready(self, child: Child) -> None:
        """Let a process that has loaded answer, or wait as the standby."""
        if self._active is None:
            self._promote(child)
        _log.info("%s process %d ready", self._name, child.pid, extra=ALWAYS)
        self._settled.set()

    def child_ended(self, child: Child, cause: str) -> None:
        """Let the standby take the place of a process that is gone."""
        was_active = child is self._active
        if was_active:
            self._active = None
        else:
            self._next = None
        self._settled.set()
        if self._stopped:
            if was_active:
                self._watcher.model_ready(ready=False)
            return
        self._watcher.model_restarted(cause)
        if was_active:
            if self._next is not None and self._next.ready:
                self._promote(self._next)
            else:
                self._watcher.model_ready(ready=False)
        self._report(child, cause)
        self._fill_later(self._clock.monotonic() - child.started)

    def _promote(self, child: Child) -> None:
        self._active, self._next = child, None
        self._watcher.model_ready(ready=True)
        if self._has_standby and "fill" not in self._timers:
            self._timers["fill"] = asyncio.get_running_loop().call_later(0.0, self._fill)

    def _fill_later(self, lived_s: float) -> None:
        if lived_s > _CALM_S:
            self._pause_s = _FIRST_PAUSE_S
        if (timer := self._timers.pop("fill", None)) is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers["fill"] = loop.call_later(self._pause_s, self._fill)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def _fill(self) -> None:
        """Start the process that is lacking."""
        self._timers.pop("fill", None)
        if self._next is not None or (self._active is not None and not self._has_standby):
            return
        try:
            self._next = Child(self._settings, clock=self._clock, owner=self)
        except OSError:
            _log.exception("a %s process cannot be started", self._name)
            self._settled.set()
            self._watcher.model_restarted("not_loaded")
            self._fill_later(0.0)

    def _look(self) -> None:
        """Kill what owes an answer for too long."""
        every_s = self._hang_s / 10
        now = self._clock.monotonic()
        late_s = now - self._looks_at  # our own pause is none of theirs
        self._looks_at = now + every_s
        self._timers["look"] = asyncio.get_running_loop().call_later(every_s, self._look)
        for child in (self._active, self._next):
            if child is None:
                continue
            if late_s > 0:
                child.pardon(late_s, now)
            quiet_s = child.quiet_s(now)
            if child.ready and quiet_s > self._hang_s:
                child.end("hung")
            elif quiet_s > _LOAD_S:
                child.end("not_loaded")

    def _report(self, child: Child, cause: str) -> None:
        lived_s = self._clock.monotonic() - child.started
        state = "a standby took over" if self.ready else "none is left"

        async def report() -> None:
            _log.warning(
                "%s process %d ended: %s, %s, after %.1f s; %s",
                self._name, child.pid, cause, await child.reaped(), lived_s, state,
                extra=ALWAYS,
            )  # fmt: skip

        task = asyncio.create_task(report())
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)


def _expire(future: asyncio.Future[Answer]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
