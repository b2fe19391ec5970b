"""An inbox: the parcels that the writer has taken from the workers and not yet made durable."""

import selectors
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops.base.clock import Clock
from mlops.decision_log.message import (
    MOST_BYTES,
    Durable,
    Hello,
    Parcel,
    encode_answer,
    open_parcel,
)

_PARCELS_AT_ONCE = 32


@dataclass(slots=True, eq=False)
class Line:
    """One worker's connection.

    Attributes:
        connection: The writer's end.
        greeted: Whether a new writer has made itself known on it.
        durable: What is to be told next; None if everything was told.
    """

    connection: socket.socket
    greeted: bool = False
    durable: Durable | None = None

    def speak(self) -> None:
        """Tell the worker what there is to tell, as far as it takes it now."""
        try:
            if not self.greeted:
                self.connection.send(encode_answer(Hello()))
                self.greeted = True
            if self.durable is not None:
                self.connection.send(encode_answer(self.durable))
                self.durable = None
        except OSError:
            return  # it is not listening; the last word holds for all before it, and is kept


@dataclass(slots=True, eq=False)
class Item:
    """A parcel in memory.

    Attributes:
        line: Where it came from.
        parcel: The rows.
        arrived: Monotonic seconds.
        settled: Whether it is durable, or can never be.
    """

    line: Line
    parcel: Parcel
    arrived: float
    settled: bool = False


class Inbox:
    """Holds parcels in the order of arrival.

    Args:
        connections: The writer's ends of all workers' pairs.
        most_bytes: Beyond it nothing is read, so that what comes waits with the workers.

    Attributes:
        lines: The connections.
        rows: Number of rows that are not settled.
    """

    def __init__(self, connections: Sequence[socket.socket], *, most_bytes: int) -> None:
        self.lines = [Line(connection) for connection in connections]
        self._most_bytes = most_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self.rows = 0

    @property
    def full(self) -> bool:
        """Whether there is room for no more."""
        return self._bytes >= self._most_bytes

    def read(self, line: Line, now: float) -> bool:
        """Take some of what a worker has sent.

        Returns:
            Whether anybody still holds the other end.
        """
        for _ in range(_PARCELS_AT_ONCE):
            if self.full:
                break
            try:
                content = line.connection.recv(4 * MOST_BYTES)
            except BlockingIOError:
                break
            except OSError:
                return False
            if not content:
                return False
            parcel = open_parcel(content)
            if parcel is not None:
                self._items.append(Item(line, parcel, now))
                self._bytes += len(parcel.rows)
                self.rows += parcel.held
        return True

    def waiting(self) -> Iterator[Item]:
        """Yield what is not settled, oldest first."""
        return (item for item in self._items if not item.settled)

    def since(self) -> float | None:
        """Return when the oldest item that is not settled came; None if all are."""
        oldest = next(self.waiting(), None)
        return None if oldest is None else oldest.arrived

    def batch(self, *, most_rows: int, most_bytes: int) -> list[Item]:
        """Return the oldest items that are not settled, at least one if there is any."""
        items: list[Item] = []
        rows = held = 0
        for item in self.waiting():
            rows += item.parcel.held
            held += len(item.parcel.rows)
            if items and (rows > most_rows or held > most_bytes):
                break
            items.append(item)
        return items

    def settle(self, items: Sequence[Item]) -> int:
        """Mark items and answer for those before which everything is settled too.

        Returns:
            Number of rows that were not settled before.
        """
        rows = 0
        for item in items:
            if not item.settled:
                rows += item.parcel.held
                item.settled = True
        self.rows -= rows
        while self._items and self._items[0].settled:
            item = self._items.popleft()
            self._bytes -= len(item.parcel.rows)
            item.line.durable = Durable(item.parcel.incarnation, item.parcel.number)
        return rows


class Ears:
    """Hears the workers, and threads that have something to tell.

    Args:
        connections: The writer's ends of all workers' pairs.
        most_bytes: What the inbox holds at most.
        clock: Monotonic time.

    Attributes:
        inbox: What was heard.
    """

    def __init__(
        self, connections: Sequence[socket.socket], *, most_bytes: int, clock: Clock
    ) -> None:
        self.inbox = Inbox(connections, most_bytes=most_bytes)
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        for end in (self._woken, self._waker):
            end.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._open = list(self.inbox.lines)
        self._listening = False

    def wake(self) -> None:
        """End `listen` early; any thread may call it."""
        try:
            self._waker.send(b"w")
        except OSError:
            return  # it has been woken often enough, or has stopped listening

    def listen(self, timeout_s: float) -> bool:
        """Take what workers have sent; wait for it if there is nothing yet.

        Returns:
            Whether there was something, or something was left for lack of room.
        """
        self._attend(not self.inbox.full)
        heard = not self._listening
        for key, _ in self._selector.select(timeout_s):
            line = key.data
            if line is None:
                self._woken.recv(4096)
            elif not self.inbox.read(line, self._clock.monotonic()):
                self._selector.unregister(line.connection)
                self._open.remove(line)
            else:
                heard = True
        return heard

    def close(self) -> None:
        """Stop listening; the workers' connections stay open."""
        self._selector.close()
        self._woken.close()
        self._waker.close()

    def _attend(self, listening: bool) -> None:
        if listening is self._listening:
            return
        self._listening = listening
        for line in self._open:
            if listening:
                self._selector.register(line.connection, selectors.EVENT_READ, line)
            else:
                self._selector.unregister(line.connection)
