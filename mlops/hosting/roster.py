"""A roster: the open connections of one server, the idle ones longest idle first."""

from collections.abc import Callable
from typing import Protocol

from mlops.base.clock import Clock
from mlops.hosting.exchange import Handler
from mlops.hosting.reply_heads import ReplyHeads
from mlops.hosting.request_head import HeadParser
from mlops.hosting.settings import HttpSettings

NEVER = float("inf")
"""A time that does not come."""

SWEEP_S = 0.25
"""Seconds between two sweeps."""

_MOST_LINGERING = 64
_MOST_HELD = 64 << 20
"""Bytes of unfinished requests that are held, of all connections together."""
_MOST_BODIES = 8
"""That many bodies of the largest size are held in any case."""
_PATIENCE_S = 0.25
"""Seconds that an unfinished request is safe from making way for a newcomer."""


class HttpWatcher(Protocol):
    """Learns what happens to connections."""

    def connections(self, open_now: int) -> None:
        """Learn how many connections are open."""
        ...

    def refused(self, code: int) -> None:
        """Learn that the protocol itself answered: 400, 408, 413, 415, 431, 500 or 503."""
        ...

    def closed(self, cause: str) -> None:
        """Learn that a connection was closed: `idle`, `slow`, `evicted` or `malformed`."""
        ...


class Member(Protocol):
    """A connection, as the roster sees it."""

    due: float
    """Monotonic seconds from which `expire` is to be called."""

    def expire(self, now: float) -> None:
        """Act on a time that is over."""
        ...

    def dismiss(self) -> None:
        """Close while idle."""
        ...

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        ...


class Roster:
    """Knows a server's connections, and what they share.

    One sweep four times a second looks at all of them, so that no request sets a timer.

    Attributes:
        idle: Connections between two requests, longest idle first.
        receiving: Connections whose request has begun and is not whole, longest begun first, with
            the bytes of it that are held.
        lingering: Connections that were refused and are read until their sender has the answer.
        leaving: Whether the server drains, so that each answer is its connection's last.

    Args:
        handler: Answers requests.
        settings: Limits.
        clock: The time.
        watcher: Learns of connections.
    """

    __slots__ = (
        "_held", "_most_held", "_swept", "clock", "handler", "head_parser", "heads", "idle",
        "leaving", "lingering", "monotonic", "open", "receiving", "settings", "watcher",
    )  # fmt: skip

    def __init__(
        self, handler: Handler, settings: HttpSettings, *, clock: Clock, watcher: HttpWatcher
    ) -> None:
        self.handler = handler
        self.settings = settings
        self.clock = clock
        self.monotonic: Callable[[], float] = clock.monotonic
        self.watcher = watcher
        self.head_parser = HeadParser(settings.max_body_bytes)
        self.heads = ReplyHeads(clock.now())
        self.open: set[Member] = set()
        self.idle: dict[Member, None] = {}
        self.receiving: dict[Member, int] = {}
        self.lingering: dict[Member, None] = {}
        self.leaving = False
        self._held = 0
        self._most_held = max(_MOST_HELD, _MOST_BODIES * settings.max_body_bytes)
        self._swept = clock.monotonic()

    def enter(self, member: Member) -> bool:
        """Let a new connection in; if there are too many, in the place of another.

        The one idle the longest makes way, else the one whose request has been under way the
        longest: connections that only hold a place cannot keep out those that ask.

        Returns:
            Whether there is room for its requests.
        """
        room = True
        while len(self.open) - len(self.lingering) >= self.settings.max_connections:
            if not self._evict():
                room = False
                break
        self.open.add(member)
        self.watcher.connections(len(self.open))
        return room

    def _evict(self) -> bool:
        """Close one connection for a newcomer; returns whether there was one to close."""
        longest = next(iter(self.idle), None)
        if longest is not None:
            self.watcher.closed("evicted")
            longest.dismiss()
            self.leave(longest)
            return True
        slowest = next(iter(self.receiving), None)
        now = self.monotonic()
        if slowest is None or slowest.due - now > self.settings.request_s - _PATIENCE_S:
            return False
        self.received(slowest)
        slowest.expire(now)
        if slowest not in self.lingering:
            self.leave(slowest)
        return True

    def receive(self, member: Member, size: int) -> None:
        """Note how much of an unfinished request is held.

        If all together are too much, those whose request began first are refused as too slow.

        Args:
            member: Whose it is.
            size: Bytes.
        """
        self._held += size - self.receiving.get(member, 0)
        self.receiving[member] = size
        while self._held > self._most_held:
            slowest = next(iter(self.receiving))
            self.received(slowest)
            slowest.expire(self.monotonic())

    def received(self, member: Member) -> None:
        """Note that nothing of an unfinished request is held any more."""
        self._held -= self.receiving.pop(member, 0)

    def leave(self, member: Member) -> None:
        """Strike off a connection."""
        self.idle.pop(member, None)
        self.received(member)
        self.lingering.pop(member, None)
        if member in self.open:
            self.open.remove(member)
            self.watcher.connections(len(self.open))

    def linger(self, member: Member) -> None:
        """Let a refused connection stay a while outside of the limit, in a limited number."""
        self.idle.pop(member, None)
        self.received(member)
        self.lingering[member] = None
        if len(self.lingering) > _MOST_LINGERING:
            oldest = next(iter(self.lingering))
            self.leave(oldest)
            oldest.abort()

    def sweep(self) -> None:
        """Let the time be over for connections that are slow, silent or idle for too long."""
        self.heads.tick(self.clock.now())
        now = self.monotonic()
        since = now - self._swept
        self._swept = now
        for member in tuple(self.open):
            if since > 2 * SWEEP_S and member.due > 0:
                # This process stood still, and what was sent to it meanwhile is not read yet.
                member.due += since
            if member.due <= now:
                member.expire(now)

    def dismiss_idle(self) -> None:
        """Close all connections on which nothing is under way."""
        for member in tuple(self.idle):
            member.dismiss()
