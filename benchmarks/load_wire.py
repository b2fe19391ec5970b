"""The load's wire: HTTP/1.1 connections that carry one request at a time, on a raw protocol."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from benchmarks.load_records import Failure, Sample

_SWEEP_S = 0.1
_REOPEN_S = 0.01


class Ended(Protocol):
    """Told when a request came to its end, answered or not."""

    def __call__(self, sample: Sample) -> None:
        """Take a sample whose end is filled in."""
        ...


class Pool:
    """A bounded number of connections, opened when first needed and again when lost.

    Requests go to the connection that has been idle the longest, so that all of a server's
    processes get their share; what finds none idle waits in order.

    Args:
        host: Address of the server.
        port: Its port.
        most: Most connections.
        give_up_s: Seconds after which a request that has no answer, or no connection, has failed.
        ended: Told of each request's end.
        keep: What of an answer's body is kept.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        most: int,
        give_up_s: float,
        ended: Ended,
        keep: Callable[[bytes], bytes],
    ) -> None:
        self._address = (host, port)
        self._most = most
        self._give_up_s = give_up_s
        self._ended = ended
        self.keep = keep
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._waiting: deque[tuple[Sample, bytes]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._closed = False
        self.owed = 0

    def send(self, sample: Sample, content: bytes) -> None:
        """Send a request now, or as soon as a connection is free."""
        self.owed += 1
        idle = self._idle
        while idle:
            connection = idle.popleft()
            if connection.usable:
                connection.send(sample, content)
                return
        self._waiting.append((sample, content))
        self._reopen()

    def open(self, count: int) -> None:
        """Open connections ahead of need, up to the bound."""
        for _ in range(min(count, self._most - len(self._open) - len(self._opening))):
            task = asyncio.get_running_loop().create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    @property
    def ready(self) -> int:
        """Number of idle connections."""
        return len(self._idle)

    async def sweep(self) -> None:
        """End what has waited too long, again and again."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            limit = time.monotonic() - self._give_up_s
            while self._waiting and self._waiting[0][0].issued < limit:
                self.end(self._waiting.popleft()[0], Failure.NOT_SENT)
            for connection in tuple(self._open):
                connection.give_up(limit)

    def close(self) -> None:
        """Close all connections; what is under way or waits has failed."""
        self._closed = True
        for task in tuple(self._opening):
            task.cancel()
        while self._waiting:
            self.end(self._waiting.popleft()[0], Failure.NOT_SENT)
        for connection in tuple(self._open):
            connection.abort(Failure.NO_ANSWER)

    def opened(self, connection: "Connection") -> None:
        """Take a new connection into use."""
        self._open.add(connection)
        self.free(connection)

    def free(self, connection: "Connection") -> None:
        """Give an idle connection the request that has waited the longest."""
        if self._waiting:
            connection.send(*self._waiting.popleft())
        else:
            self._idle.append(connection)

    def gone(self, connection: "Connection") -> None:
        """Forget a connection, and open another if requests wait."""
        self._open.discard(connection)
        if self._waiting and not self._closed:
            self._reopen()

    def end(self, sample: Sample, failure: Failure) -> None:
        """Count a request without an answer."""
        sample.failure = failure
        sample.done = time.monotonic()
        self.answered(sample)

    def answered(self, sample: Sample) -> None:
        """Hand on a request that came to its end."""
        self.owed -= 1
        self._ended(sample)

    def _reopen(self) -> None:
        if len(self._opening) < len(self._waiting):
            self.open(1)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Connection(self), *self._address)
        except OSError:
            if self._waiting:
                self.end(self._waiting.popleft()[0], Failure.REFUSED)
            await asyncio.sleep(_REOPEN_S)


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        pool: Whose.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sample: Sample | None = None
        self._chunks: list[bytes] = []

    @property
    def usable(self) -> bool:
        """Whether it is open, as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, sample: Sample, content: bytes) -> None:
        """Send a request; there must be none under way."""
        assert self._transport is not None
        self._sample = sample
        sample.sent = time.monotonic()
        self._transport.write(content)

    def give_up(self, limit: float) -> None:
        """End a request that was sent before a time, with its connection."""
        if self._sample is not None and self._sample.sent < limit:
            self.abort(Failure.NO_ANSWER)

    def abort(self, failure: Failure) -> None:
        """Close, and fail what is under way."""
        self._fail(failure)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._pool.opened(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort(Failure.MALFORMED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is under way."""
        del exc
        self._fail(Failure.RESET)
        self._transport = None
        self._pool.gone(self)

    def on_body(self, body: bytes) -> None:
        """Gather a piece of the answer."""
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        """Hand on the answer, and go on to the next request."""
        sample, self._sample = self._sample, None
        chunks = self._chunks
        if sample is None:  # an answer to nothing, such as the 408 to an idle connection
            chunks.clear()
            return
        sample.done = time.monotonic()
        sample.code = self._parser.get_status_code()
        sample.answer = self._pool.keep(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        chunks.clear()
        stays = self._parser.should_keep_alive()
        self._pool.answered(sample)
        if stays:
            self._pool.free(self)
        elif self._transport is not None:
            self._transport.close()

    def _fail(self, failure: Failure) -> None:
        sample, self._sample = self._sample, None
        if sample is not None:
            self._pool.end(sample, failure)
