"""A schedule: what the writer's database does next, and when rows go to the spool instead."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

PATIENCE_S = 0.25
"""Seconds after which a task of the database counts as hung: a healthy commit takes a few ms."""

_SHORTEST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_SPOOL_PAUSE_S = 0.5
_RETENTION_S = 600.0
_NEXT_DELETION_S = 0.1
"""Seconds between two deletions while there are more: they must not fall behind what comes in."""


class Task(Enum):
    """Something that the database does."""

    CHECK = auto()
    INSERT = auto()
    DRAIN = auto()
    RETAIN = auto()


class View(NamedTuple):
    """What there is to do.

    Attributes:
        since: Monotonic seconds at which the oldest waiting row came; None if none waits.
        full: Whether as many wait as one transaction should take.
        spooled: Bytes in the spool.
        stopping: Whether the writer is about to end.
    """

    since: float | None
    full: bool
    spooled: int
    stopping: bool


@dataclass(slots=True)
class Schedule:
    """Decides from what there is, the time, and how the last tasks went.

    Attributes:
        commit_s: Seconds of rows that are gathered into a transaction; 0 gathers none.
        retain_at: Monotonic seconds of the next deletion; None never deletes.
        up: Whether the last task went well; None before the first.
    """

    commit_s: float
    retain_at: float | None = None
    up: bool | None = None
    _last: Task = Task.CHECK
    _retry_at: float = 0.0
    _pause_s: float = _SHORTEST_PAUSE_S
    _spool_at: float = 0.0

    def task(self, view: View, now: float) -> Task | None:
        """Return what an idle database does next; None waits.

        While it does not take rows, the oldest ones are its probe: one that can be written proves
        more than one that can be reached. Spooled and new rows take turns, so that neither waits
        for all of the other.
        """
        if self.up is False:
            return self._probe(view) if now >= self._retry_at else None
        if self._due(view, now) and not (view.spooled and self._last is Task.INSERT):
            return Task.INSERT
        if view.spooled:
            return Task.DRAIN
        if self.retain_at is not None and not view.stopping and now >= self.retain_at:
            return Task.RETAIN
        return None

    def due_in(self, view: View, now: float) -> float:
        """Return the seconds until the waiting rows are due; infinite if none wait."""
        if view.since is None or self.up is False:
            return float("inf")
        return 0.0 if view.full or view.stopping else max(view.since + self.commit_s - now, 0.0)

    def spools(self, view: View, now: float, *, busy_s: float) -> bool:
        """Tell whether waiting rows go to the spool now.

        Args:
            view: What there is to do.
            now: Monotonic seconds.
            busy_s: Seconds that the database has been at its task.
        """
        return view.since is not None and now >= self._spool_at and not self.takes_rows(busy_s)

    def takes_rows(self, busy_s: float) -> bool:
        """Tell whether the database takes rows, as far as is known."""
        return self.up is not False and busy_s <= PATIENCE_S

    def succeeded(self, task: Task, now: float, *, more: bool) -> None:
        """Take note of a task that went well; `more` if there is more to delete."""
        self.up, self._last, self._pause_s = True, task, _SHORTEST_PAUSE_S
        if task is Task.RETAIN:
            self.retain_at = now + (_NEXT_DELETION_S if more else _RETENTION_S)

    def failed(self, task: Task, now: float) -> None:
        """Take note of a task that could not be done."""
        if task is Task.RETAIN:  # that says nothing of new rows
            self.retain_at = now + _RETENTION_S
            return
        self.up = False
        self._retry_at = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def spool_failed(self, now: float) -> None:
        """Take note of a spool that took nothing."""
        self._spool_at = now + _SPOOL_PAUSE_S

    def _due(self, view: View, now: float) -> bool:
        return view.since is not None and self.due_in(view, now) <= 0

    def _probe(self, view: View) -> Task:
        if view.spooled:
            return Task.DRAIN
        return Task.CHECK if view.since is None else Task.INSERT
