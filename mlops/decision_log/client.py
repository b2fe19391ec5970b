"""A client: a worker's end of the decision log, which never blocks and never raises.

Rows are gathered into parcels, sent to the writer, and kept until it says that they are durable:
a new writer gets again what the one before did not answer for. If the writer takes nothing, what
waits is bounded; then the oldest is forgotten, and counted.
"""

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mlops.base.clock import Clock
from mlops.decision_log.message import (
    MOST_BYTES,
    Durable,
    Hello,
    append_row,
    decode_answer,
    new_parcel,
    seal,
)
from mlops.decision_log.row import Row
from mlops.decision_log.settings import DecisionLogSettings, Durability

LOG = logging.getLogger(__name__)

_RETRY_S = 0.1
_POLL_S = 0.005
_ANSWER_BYTES = 64


@dataclass(slots=True, eq=False)
class _Waiting:
    """A row whose answer waits until it is durable."""

    then: Callable[[], None]
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class _Parcel:
    content: bytearray = field(default_factory=new_parcel)
    number: int = 0
    count: int = 0
    waiting: list[_Waiting] = field(default_factory=list)


class LogClient:
    """Sends a worker's rows to the writer; belongs to the running event loop.

    Args:
        connection: The worker's end of a pair from `socket_pair`.
        settings: How long rows are gathered and how many bytes are kept.
        clock: Monotonic time.
        counted: Takes an outcome, `lost` or `late`, and a number of rows.
        blocking: Take the queue away, for a drill: then a writer that stands still stops answers.
    """

    def __init__(
        self,
        connection: socket.socket,
        settings: DecisionLogSettings,
        *,
        clock: Clock,
        counted: Callable[[str, int], None],
        blocking: bool = False,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._counted = counted
        self._blocking = blocking
        self._flush_s = settings.flush_ms / 1000
        self._at_once = settings.durability is Durability.GROUP_COMMIT
        self._most_bytes = settings.memory_bytes
        # Unlike any that a client before this one had on the same connection.
        self._incarnation = int(clock.monotonic() * 1e6)
        self._number = 0
        self._open = _Parcel()
        self._unsent: deque[_Parcel] = deque()
        self._sent: deque[_Parcel] = deque()
        self._bytes = 0
        self._flush: asyncio.Handle | None = None
        self._soon = False
        self._retry: asyncio.TimerHandle | None = None
        self._writing = False
        self._loop = asyncio.get_running_loop()
        connection.setblocking(blocking)
        self._loop.add_reader(connection, self._read)

    @property
    def held_bytes(self) -> int:
        """Bytes of the rows that are not yet known to be durable, the open parcel excluded."""
        return self._bytes

    def write(self, row: Row) -> None:
        """Hand over a row; it is sent with others within `flush_ms`."""
        parcel = self._open
        try:
            append_row(parcel.content, row)
        except Exception as error:  # the answer is worth more than its row
            LOG.warning("a decision cannot be encoded for the log: %s", type(error).__name__)
            self._counted("lost", 1)
            return
        parcel.count += 1
        if len(parcel.content) >= MOST_BYTES:
            self._flush_now()
        elif self._flush is None:
            self._soon = self._at_once
            self._flush = (
                self._loop.call_soon(self._flush_now)
                if self._soon
                else self._loop.call_later(self._flush_s, self._flush_now)
            )

    def write_durably(self, row: Row, *, until: float, then: Callable[[], None]) -> None:
        """Hand over a row and be called once it is durable, at the latest at `until`.

        Rows of the same turn of the event loop are sent together.

        Args:
            row: The row.
            until: Monotonic seconds after which waiting is given up, which counts as `late`; the
                row is still written.
            then: Called exactly once, never from within this call.
        """
        waiting = _Waiting(then)
        waiting.timer = self._loop.call_later(
            max(until - self._clock.monotonic(), 0.0), self._late, waiting
        )
        parcel = self._open
        before = parcel.count
        self.write(row)
        if parcel.count == before:  # it cannot be written, so there is nothing to wait for
            self._loop.call_soon(self._release, waiting)
            return
        parcel.waiting.append(waiting)
        if self._flush is not None and not self._soon:
            self._flush.cancel()
            self._flush = self._loop.call_soon(self._flush_now)
            self._soon = True

    async def close(self, within_s: float) -> None:
        """Send what is left, then stop; what could not be sent in time is lost.

        What is sent stays in the socket until a writer reads it, so nothing is awaited beyond.
        """
        self._flush_now()
        end = self._clock.monotonic() + within_s
        while self._unsent and self._clock.monotonic() < end:
            await asyncio.sleep(_POLL_S)
        lost = sum(parcel.count for parcel in self._unsent)
        if lost:
            self._counted("lost", lost)
        self._unsent.clear()
        self._loop.remove_reader(self._connection)
        self._stop_writing()
        for handle in (self._flush, self._retry):
            if handle is not None:
                handle.cancel()

    def _flush_now(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        parcel = self._open
        if not parcel.count:
            return
        self._open = _Parcel()
        self._number += 1
        parcel.number = self._number
        self._seal(parcel)
        self._bytes += len(parcel.content)
        self._unsent.append(parcel)
        if not self._writing and self._retry is None:
            self._send()
        if self._bytes > self._most_bytes:
            self._forget()

    def _seal(self, parcel: _Parcel) -> None:
        seal(
            parcel.content,
            incarnation=self._incarnation,
            number=parcel.number,
            count=parcel.count,
        )

    def _send(self) -> None:
        self._retry = None
        while self._unsent:
            parcel = self._unsent[0]
            try:
                self._connection.send(parcel.content)
            except BlockingIOError:
                if not self._writing:
                    self._writing = True
                    self._loop.add_writer(self._connection, self._send)
                return
            except OSError as error:  # out of buffers, or nobody holds the other end any more
                LOG.warning("the decision log takes no rows: %s", error.strerror)
                self._stop_writing()
                self._retry = self._loop.call_later(_RETRY_S, self._send)
                return
            self._sent.append(self._unsent.popleft())
        self._stop_writing()

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._connection)

    def _forget(self) -> None:
        """Make room: trust the writer with what it was sent, then lose all but the newest."""
        lost = 0
        while self._bytes > self._most_bytes and len(self._sent) + len(self._unsent) > 1:
            if self._sent:
                parcel = self._sent.popleft()
            else:
                parcel = self._unsent.popleft()
                lost += parcel.count
            self._bytes -= len(parcel.content)
        if lost:
            self._counted("lost", lost)

    def _read(self) -> None:
        while True:
            try:
                content = self._connection.recv(_ANSWER_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                content = b""
            if not content:  # nobody holds the other end any more
                self._loop.remove_reader(self._connection)
                return
            match decode_answer(content):
                case Durable(incarnation, number) if incarnation == self._incarnation:
                    self._durable(number)
                case Hello():
                    self._send_again()

    def _durable(self, number: int) -> None:
        sent = self._sent
        while sent and sent[0].number <= number:
            parcel = sent.popleft()
            self._bytes -= len(parcel.content)
            for waiting in parcel.waiting:
                self._release(waiting)

    def _send_again(self) -> None:
        """Send a new writer all that the one before did not answer for.

        Numbered anew: of the old numbers it still finds some in the socket, and when it answers
        for those, that says nothing of the ones before them, which the old writer had read.
        """
        self._incarnation += 1
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        for parcel in self._unsent:
            self._seal(parcel)
        if not self._writing and self._retry is None:
            self._send()

    def _late(self, waiting: _Waiting) -> None:
        self._counted("late", 1)
        waiting.timer = None
        self._call(waiting)

    def _release(self, waiting: _Waiting) -> None:
        if waiting.timer is not None:
            waiting.timer.cancel()
            waiting.timer = None
            self._call(waiting)

    def _call(self, waiting: _Waiting) -> None:
        try:
            waiting.then()
        except Exception:  # one answer that fails must not keep the others of its parcel back
            LOG.exception("an answer failed after its row was written")
