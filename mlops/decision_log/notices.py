"""A notice: what the writer tells its supervisor's metrics and the log, once for each change."""

import logging
from typing import Protocol

from mlops.base.errors import MlopsError

LOG = logging.getLogger(__name__)

_ALWAYS = {"always": True}  # a change of state is not held back as a repeated line is
_CALM_S = 10.0
_STEADY_S = 1.0


class WriterWatcher(Protocol):
    """Told what the writer does, always from its main thread."""

    def beat(self) -> None:
        """It is alive; at least every 50 ms."""
        ...

    def counted(self, outcome: str, rows: int) -> None:
        """Rows were `stored` in the database, `spooled`, or `lost`."""
        ...

    def available(self, takes_rows: bool) -> None:
        """Whether the database takes rows, when that has changed."""
        ...

    def spool(self, size: int) -> None:
        """Bytes that wait in files, when that has changed."""
        ...


class Notices:
    """Passes on what has changed.

    Args:
        watcher: Who is told.
    """

    def __init__(self, watcher: WriterWatcher) -> None:
        self._watcher = watcher
        self._available: bool | None = None
        self._since = 0.0
        self._told: bool | None = None
        self._told_at = -_CALM_S
        self._spool = -1

    def rows(self, outcome: str, rows: int) -> None:
        """Tell what became of some rows."""
        if rows:
            self._watcher.counted(outcome, rows)
            if outcome == "lost":
                LOG.error("rows of the decision log are lost: %d", rows)

    def available(self, takes_rows: bool, now: float) -> None:
        """Tell whether the database takes rows; to be called again and again.

        One that is slow, and so is up and down several times a second, gets a line when it has
        stayed what it is for a second, or in ten.
        """
        if takes_rows is not self._available:
            self._available, self._since = takes_rows, now
            self._watcher.available(takes_rows)
        calm = now - self._told_at >= _CALM_S or now - self._since >= _STEADY_S
        if takes_rows is self._told or not calm:
            return
        first, self._told = self._told is None, takes_rows
        if first and not takes_rows:  # it was not asked yet
            return
        self._told_at = now
        if takes_rows:
            LOG.info("the decision database takes rows", extra=_ALWAYS)
        else:
            LOG.error("the decision database takes no rows for now", extra=_ALWAYS)

    def spool(self, size: int) -> None:
        """Tell how much is spooled."""
        if size != self._spool:
            self._spool = size
            self._watcher.spool(size)

    def failure(self, error: Exception) -> None:
        """Tell why the database could not do a task; of a mistake of ours, also where."""
        if isinstance(error, MlopsError):
            LOG.warning("the decision log has to wait: %s", _told(error))
        else:
            LOG.error("a task of the decision log failed", exc_info=error)

    def spool_failure(self, error: Exception) -> None:
        """Tell why rows could not be spooled, on a line that the database's does not hold back."""
        if isinstance(error, MlopsError):
            LOG.error("the decision log's spool takes no rows: %s", _told(error))
        else:
            LOG.error("a task of the decision log's spool failed", exc_info=error)


def _told(error: MlopsError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
