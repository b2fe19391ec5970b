"""An acceptor: takes connections from a listening socket that several processes share."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

_log = logging.getLogger(__name__)
_PAUSE_S = 0.25
_MOST_AT_END = 8192


class Acceptor:
    """Takes connections while it is open.

    All processes that wait on the socket wake up for a connection, and the first takes it. Each
    takes few at once, so that the others get their share of a burst, and a busy one, which comes
    round more seldom, gets fewer.

    Args:
        listener: A listening socket; this process's copy is closed in the end.
        welcome: Takes a connection.
        at_once: Tells how many connections to take at one wake-up.
    """

    def __init__(
        self,
        listener: socket.socket,
        welcome: Callable[[socket.socket], None],
        at_once: Callable[[], int],
    ) -> None:
        self._listener = listener
        self._welcome = welcome
        self._at_once = at_once
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        if listener.family in (socket.AF_INET, socket.AF_INET6):
            # Connections inherit it.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.add_reader(listener.fileno(), self._wake)

    def close(self) -> None:
        """Take what has connected already, then close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._listener.fileno())
        with contextlib.suppress(OSError):  # no descriptor is left
            for _ in range(_MOST_AT_END):
                if not self._take():
                    break
        self._listener.close()

    def _wake(self) -> None:
        for _ in range(self._at_once()):
            try:
                if not self._take():
                    return
            except OSError as error:
                self._rest(error)
                return

    def _take(self) -> bool:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        self._welcome(connection)
        return True

    def _rest(self, error: OSError) -> None:
        """Leave connections in the backlog for a while; to try again at once would only burn time.

        The usual cause is that this process or the machine has no descriptor left.
        """
        _log.error("cannot take connections for now: %s", error.strerror)
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener.fileno(), self._wake)
