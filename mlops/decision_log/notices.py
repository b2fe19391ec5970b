"""A notice: what the writer tells its supervisor's metrics and the log, once for each change."""

import logging
from typing import Protocol

from mlops.base.errors import MlopsError

LOG = logging.getLogger(__name__)

_ALWAYS = {"always": True}  # a change of state is not held back as a repeated line is


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
        self._spool = -1

    def rows(self, outcome: str, rows: int) -> None:
        """Tell what became of some rows."""
        if rows:
            self._watcher.counted(outcome, rows)
            if outcome == "lost":
                LOG.error("rows of the decision log are lost: %d", rows)

    def available(self, takes_rows: bool) -> None:
        """Tell whether the database takes rows."""
        if takes_rows is self._available:
            return
        first, self._available = self._available is None, takes_rows
        self._watcher.available(takes_rows)
        if takes_rows:
            LOG.info("the decision database takes rows", extra=_ALWAYS)
        elif not first:
            LOG.error("the decision database takes no rows for now", extra=_ALWAYS)

    def spool(self, size: int) -> None:
        """Tell how much is spooled."""
        if size != self._spool:
            self._spool = size
            self._watcher.spool(size)

    def failure(self, error: Exception) -> None:
        """Tell why a task could not be done; of a mistake of ours, also where."""
        if isinstance(error, MlopsError):
            hint = f" ({error.hint})" if error.hint else ""
            LOG.warning("the decision log has to wait: %s", f"{error.message}{hint}")
        else:
            LOG.error("a task of the decision log failed", exc_info=error)
