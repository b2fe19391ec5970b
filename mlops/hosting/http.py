"""An HTTP server: accepts connections, answers requests through one handler, and drains.

A constant answer, as the limit that no handler can pass:

    def constant(exchange: Exchange) -> None:
        exchange.reply(Reply(200, CONTENT))

    async def serve(listener: socket.socket) -> None:
        server = HttpServer(constant, HttpSettings(), clock=SystemClock(), watcher=Unwatched())
        server.listen(listener)
        await asyncio.Event().wait()

    uvloop.run(serve(socket.create_server(("127.0.0.1", 8000), backlog=2048)))
"""

import asyncio
import logging
import socket

from mlops.base.clock import Clock
from mlops.hosting.acceptor import Acceptor
from mlops.hosting.connection import Connection
from mlops.hosting.exchange import Handler
from mlops.hosting.roster import SWEEP_S, HttpWatcher, Roster
from mlops.hosting.settings import HttpSettings

__all__ = ["HttpServer", "HttpWatcher", "Unwatched"]

_log = logging.getLogger(__name__)
_LOOK_S = 0.01
_MOST_AT_ONCE = 64


class Unwatched:
    """A watcher that notes nothing."""

    def connections(self, open_now: int) -> None:
        """Ignore how many connections are open."""

    def refused(self, code: int) -> None:
        """Ignore a refusal."""

    def closed(self, cause: str) -> None:
        """Ignore a closed connection."""


class HttpServer:
    """Answers the requests of all its connections.

    It belongs to the running event loop. Requests make no task and set no timer.

    Args:
        handler: Is given each request that is whole and within the limits.
        settings: Limits.
        clock: The time.
        watcher: Learns of connections and refusals.
    """

    def __init__(
        self, handler: Handler, settings: HttpSettings, *, clock: Clock, watcher: HttpWatcher
    ) -> None:
        self._roster = Roster(handler, settings, clock=clock, watcher=watcher)
        self._acceptors: list[Acceptor] = []
        self._arriving: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._roster.open)

    def listen(self, listener: socket.socket) -> None:
        """Accept connections.

        Args:
            listener: A socket that listens already, which other processes may share. The server
                closes its copy in the end.
        """
        self._acceptors.append(Acceptor(listener, self._welcome, self._at_once))
        if self._sweep is None:
            self._sweep_later()

    def stop_listening(self) -> None:
        """Take the connections that wait in the backlog, then close this process's sockets."""
        while self._acceptors:
            self._acceptors.pop().close()

    async def drain(self, until: float, *, linger_s: float) -> None:
        """Answer what is in flight, take no more, and close all connections.

        Each answer from now on says `Connection: close`. A connection that is idle lives on for a
        while, since a request may be on its way.

        Args:
            until: Monotonic seconds at which whatever is left is cut off.
            linger_s: Seconds that idle connections live on.
        """
        roster = self._roster
        self.stop_listening()
        roster.leaving = True
        idle_until = roster.monotonic() + linger_s
        while self._arriving or roster.open:
            now = roster.monotonic()
            if now >= until:
                _log.warning("%d connections were cut off at the end", len(roster.open))
                for member in tuple(roster.open):
                    member.abort()
                return
            if now >= idle_until:
                roster.dismiss_idle()
            await asyncio.sleep(min(_LOOK_S, max(0.0, until - now)))

    def _at_once(self) -> int:
        """Return one more for each sixteen open: shares stay even, and bursts are taken soon."""
        return min(_MOST_AT_ONCE, 1 + len(self._roster.open) // 16)

    def _welcome(self, accepted: socket.socket) -> None:
        task = asyncio.get_running_loop().create_task(self._arrive(accepted))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _arrive(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: Connection(self._roster), accepted)
        except OSError as error:
            _log.error("a connection could not be taken over: %s", error.strerror)
            accepted.close()

    def _sweep_later(self) -> None:
        self._sweep = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        try:
            self._roster.sweep()
        finally:
            if self._acceptors or self._arriving or self._roster.open:
                self._sweep_later()
