"""A store: what the writer's two threads do, the database's tasks and the spool's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from mlops.decision_log.inbox import Item
from mlops.decision_log.message import decode_rows, row_count
from mlops.decision_log.row import Row
from mlops.decision_log.spool import Spool, frame_size
from mlops.decision_log.target import Target

if TYPE_CHECKING:
    from mlops.decision_log.database import Database

DELETED_AT_ONCE = 500
_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Done:
    """What a task of the database did.

    Attributes:
        items: What is in the database now.
        stored: Number of rows that are new in it.
        refused: Number of rows that it can never take, or that were damaged.
        deleted: Number of rows that had become too old.
    """

    items: Sequence[Item] = ()
    stored: int = 0
    refused: int = 0
    deleted: int = 0


class Keeper:
    """The database's tasks, each of which runs in its thread and may hang there.

    Args:
        target: Which database.
        spool: Where rows wait for it.
    """

    def __init__(self, target: Target, spool: Spool) -> None:
        self._target = target
        self._spool = spool
        self._made: Database | None = None

    @property
    def _database(self) -> "Database":
        if self._made is None:
            # Takes a third of a second and 30 MB: only the writer pays it, and not in its loop.
            from mlops.decision_log.database import Database

            self._made = Database(self._target)
        return self._made

    def check(self) -> Done:
        """See whether the database can be written."""
        self._database.check()
        return Done()

    def insert(self, items: Sequence[Item]) -> Done:
        """Store parcels from memory, in one transaction."""
        rows, damaged = _decoded(item.parcel.rows for item in items)
        stored, refused = self._database.insert(rows)
        return Done(items, stored=stored, refused=refused + damaged)

    def drain(self) -> Done:
        """Store the oldest rows of the spool."""
        chunk = self._spool.peek(_CHUNK_BYTES)
        if chunk is None:
            return Done()
        rows, damaged = _decoded(chunk.parcels)
        stored, refused = self._database.insert(rows)
        self._spool.drop(chunk)
        return Done(stored=stored, refused=refused + damaged + chunk.damaged)

    def retain(self, before: float, service: str) -> Done:
        """Delete some rows that are older than a time of day."""
        deleted = self._database.delete_before(before, service, most=DELETED_AT_ONCE)
        return Done(deleted=deleted)

    def close(self) -> Done:
        """Close the connection."""
        self._database.close()
        return Done()

    def abort(self) -> None:
        """End a task that hangs on the network; called from another thread."""
        if self._made is not None:
            self._made.abort()


def keep(spool: Spool, items: Sequence[Item]) -> Sequence[Item]:
    """Write as many parcels from memory to the spool as there is room for, and return them.

    Raises:
        UnavailableError: There is room for none, or the disk does not take them; none is kept.
    """
    room = spool.room
    fitting = 0
    for item in items:
        room -= frame_size(item.parcel.rows)
        if room < 0:
            break
        fitting += 1
    kept = items[: max(fitting, 1)]
    spool.append([item.parcel.rows for item in kept])
    return kept


def _decoded(parcels: Iterable[bytes]) -> tuple[list[Row], int]:
    """Return the rows of parcels, and how many were in damaged ones."""
    rows: list[Row] = []
    damaged = 0
    for content in parcels:
        try:
            rows += decode_rows(content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += row_count(content)
    return rows, damaged
