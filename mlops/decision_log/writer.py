"""A writer: the process that takes the rows of all workers to the database, or to the spool.

Its loop reads, answers and gives heartbeats, and never waits for a disk or a network: the database
and the spool each have a thread. What a thread is at is still in memory, so a task that hangs costs
no row: the spool takes it too, and the database takes no row twice.
"""

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlops.base.clock import Clock
from mlops.base.errors import ConfigError
from mlops.decision_log.hand import Hand
from mlops.decision_log.inbox import Ears, Item
from mlops.decision_log.notices import Notices, WriterWatcher
from mlops.decision_log.schedule import Schedule, Task, View
from mlops.decision_log.settings import DecisionLogSettings, Durability
from mlops.decision_log.spool import Spool
from mlops.decision_log.store import DELETED_AT_ONCE, Done, Keeper, keep
from mlops.decision_log.target import Target, parse_url

SPOOL_FOLDER = "spool"

_BEAT_S = 0.04
_ABORT_S = 5.0
_STOP_S = 5.0
_CLOSE_S = 1.0
_POLL_S = 0.005
_BATCH_ROWS = 2000
_BATCH_BYTES = 4 * 2**20
_FIRST_DELETION_S = 5.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class WriterPlan:
    """What a writer is to do.

    Attributes:
        service: The service, whose old rows it deletes.
        settings: Where rows go and what is promised of them.
        folder: The service's own state; the file of SQLite and the spool lie in it.
        spool: Whether the spool is used; a drill takes it away.
    """

    service: str
    settings: DecisionLogSettings
    folder: Path
    spool: bool = True


def run_writer(
    connections: Sequence[socket.socket],
    plan: WriterPlan,
    *,
    clock: Clock,
    watcher: WriterWatcher,
    stop: Callable[[], bool],
) -> None:
    """Write rows until told to stop and nothing is left to write, at most 6 s longer.

    What the database does not take by then is left in the spool for the next writer.

    Args:
        connections: The writer's end of each worker's pair.
        plan: What to do.
        clock: Monotonic time, and the time of day for retention.
        watcher: Told what happens.
        stop: Asked about 25 times a second.

    Raises:
        ConfigError: `plan.settings.url` names no database.
    """
    target = parse_url(plan.settings.url, plan.folder)
    if target is None:
        raise ConfigError("decision_log.url is `none`: there is nothing to write to")
    ears = Ears(connections, most_bytes=plan.settings.memory_bytes, clock=clock)
    _Writer(target, plan, ears=ears, clock=clock, watcher=watcher).run(stop)


class _Writer:
    """Gives the two threads their tasks and takes their results."""

    def __init__(
        self, target: Target, plan: WriterPlan, *, ears: Ears, clock: Clock, watcher: WriterWatcher
    ) -> None:
        settings = plan.settings
        at_once = settings.durability is Durability.GROUP_COMMIT
        now = clock.monotonic()
        self._plan = plan
        self._ears = ears
        self._inbox = ears.inbox
        self._clock = clock
        self._watcher = watcher
        self._spool = Spool(
            plan.folder / SPOOL_FOLDER, most_bytes=settings.spool_bytes, fsync=at_once
        )
        self._keeper = Keeper(target, self._spool)
        self._database: Hand[Done] = Hand("database", wake=ears.wake, clock=clock.monotonic)
        self._filer: Hand[Sequence[Item]] = Hand("spool", wake=ears.wake, clock=clock.monotonic)
        self._schedule = Schedule(
            commit_s=0.0 if at_once else settings.commit_ms / 1000,
            retain_at=now + _FIRST_DELETION_S if settings.retention_days else None,
        )
        # A clock that is set forward while this runs must not make all rows too old.
        self._day_began = clock.now().timestamp() - now
        self._task = Task.CHECK
        self._abort_at = _ABORT_S
        self._notices = Notices(watcher)

    def run(self, stop: Callable[[], bool]) -> None:
        """See `run_writer`."""
        self._database.start(self._keeper.check)
        end: float | None = None
        while True:
            self._watcher.beat()
            heard = self._ears.listen(self._pause())
            now = self._clock.monotonic()
            if end is None and stop():
                end, heard = now + _STOP_S, True
            self._turn(now, stopping=end is not None)
            if end is not None and (now > end or not (heard or self._owes())):
                break
        self._finish()

    def _turn(self, now: float, *, stopping: bool) -> None:
        """Take what the threads have done and tell them what is next."""
        self._take_database(now)
        self._take_filer(now)
        view = self._view(stopping=stopping)
        if not self._database.busy:
            task = self._schedule.task(view, now)
            if task is not None:
                self._start(task, now)
        busy_s = self._database.busy_s()
        if busy_s > self._abort_at:
            self._abort_at = busy_s + _ABORT_S
            self._keeper.abort()
        if (
            not self._filer.busy
            and self._plan.spool
            and self._schedule.spools(view, now, busy_s=busy_s)
        ):
            self._filer.start(partial(keep, self._spool, self._batch()))
        takes_rows = self._schedule.up is not None and self._schedule.takes_rows(busy_s)
        self._notices.available(takes_rows, now)
        self._notices.spool(self._spool.size)
        for line in self._inbox.lines:
            line.speak()

    def _start(self, task: Task, now: float) -> None:
        self._task = task
        self._abort_at = _ABORT_S
        match task:
            case Task.CHECK:
                self._database.start(self._keeper.check)
            case Task.INSERT:
                self._database.start(partial(self._keeper.insert, self._batch()))
            case Task.DRAIN:
                self._database.start(self._keeper.drain)
            case Task.RETAIN:
                days = self._plan.settings.retention_days or 0.0
                before = self._day_began + now - days * _DAY_S
                self._database.start(partial(self._keeper.retain, before, self._plan.service))

    def _take_database(self, now: float) -> None:
        done = self._database.take()
        if done is None:
            return
        if isinstance(done, Exception):
            self._schedule.failed(self._task, now)
            self._notices.failure(done)
            return
        more = done.deleted >= DELETED_AT_ONCE
        self._schedule.succeeded(self._task, now, more=more)
        self._inbox.settle(done.items)
        self._notices.rows("stored", done.stored)
        self._notices.rows("lost", done.refused)

    def _take_filer(self, now: float) -> None:
        done = self._filer.take()
        if done is None:
            return
        if isinstance(done, Exception):
            self._schedule.spool_failed(now)
            self._notices.spool_failure(done)
            return
        self._notices.rows("spooled", self._inbox.settle(done))

    def _view(self, *, stopping: bool) -> View:
        full = self._inbox.rows >= _BATCH_ROWS
        return View(self._inbox.since(), full, self._spool.size, stopping)

    def _batch(self) -> list[Item]:
        return self._inbox.batch(most_rows=_BATCH_ROWS, most_bytes=_BATCH_BYTES)

    def _pause(self) -> float:
        """Return how long the loop may wait: a thread wakes it, and so does a worker."""
        if self._database.busy:
            return _BEAT_S
        view = self._view(stopping=False)
        return min(self._schedule.due_in(view, self._clock.monotonic()), _BEAT_S)

    def _owes(self) -> bool:
        """Tell whether rows are only in memory, or the spool's can go where they belong."""
        drains = self._spool.size > 0 and self._schedule.up is not False
        return drains or self._filer.busy or self._inbox.since() is not None

    def _finish(self) -> None:
        """Count what could not be saved, and close the database if it is not at something."""
        self._notices.rows("lost", sum(item.parcel.held for item in self._inbox.waiting()))
        end = self._clock.monotonic() + _CLOSE_S
        closing = False
        while self._clock.monotonic() < end:
            self._watcher.beat()
            self._database.take()
            if not self._database.busy:
                if closing:
                    break
                self._database.start(self._keeper.close)
                closing = True
            time.sleep(_POLL_S)
        self._ears.close()
