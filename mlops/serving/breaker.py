"""A breaker: leaves a failing model alone, and lets it back in after probes.

Closed, it counts the calls of a sliding time window and opens when enough of them failed. Open,
it refuses all. Half open, it lets one probe through at a time; a row of successes closes it, one
failure opens it again. Source of the pattern: Nygard, "Release It!", 2nd ed., ch. 5.

An answer that was proved impossible trips it at once, for longer, whatever the window says.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import NewType

from mlops.base.clock import Clock
from mlops.serving.spec import BreakerSpec

_LONGEST_TRIP_S = 3600.0

Ticket = NewType("Ticket", int)
"""Names the stay in one state during which a call was let through."""


class State(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One model's breaker; used from one thread.

    Args:
        spec: Its limits.
        clock: Monotonic time.
        on_change: Called with the old and the new state.
    """

    def __init__(
        self, spec: BreakerSpec, clock: Clock, on_change: Callable[[State, State], None]
    ) -> None:
        self._spec = spec
        self._clock = clock
        self._on_change = on_change
        self._state = State.CLOSED
        self._calls: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._opened_at = 0.0
        self._pause_s = 0.0
        self._trips = 0  # since it was closed last
        self._tripped = False
        self._ticket = Ticket(0)
        self._probing = False
        self._passed_probes = 0

    @property
    def state(self) -> State:
        """The present state; an open breaker turns half open at the next `allow`."""
        return self._state

    @property
    def resting(self) -> bool:
        """Whether it is open and its pause is not over: the next call would be refused."""
        rested_s = self._clock.monotonic() - self._opened_at
        return self._state is State.OPEN and rested_s < self._pause_s

    @property
    def tripped(self) -> bool:
        """Whether it rests because of an answer that was proved impossible."""
        return self._tripped and self.resting

    def allow(self) -> Ticket | None:
        """Return a ticket if a call may go to the model now, else None.

        Whoever holds a ticket owes exactly one `record` with it.
        """
        if self.resting:
            return None
        if self._state is State.OPEN:
            self._change(State.HALF_OPEN)
        if self._state is State.HALF_OPEN:
            if self._probing:
                return None
            self._probing = True
        return self._ticket

    def record(self, ticket: Ticket, *, ok: bool) -> None:
        """Record how a call ended: in time with a valid output, or not.

        A call that was let through before the last change of state says nothing new and is
        not counted, so that stragglers can neither open nor close the breaker.
        """
        if ticket != self._ticket:
            return
        now = self._clock.monotonic()
        if self._state is State.HALF_OPEN:
            self._record_probe(now, ok=ok)
        else:
            self._calls.append((now, ok))
            self._failures += not ok
            self._forget_before(now - self._spec.window_s)
            enough = len(self._calls) >= self._spec.min_calls
            most = self._spec.failure_ratio * len(self._calls)
            # A success is no reason to open, even if it is the call that makes them enough.
            if not ok and enough and self._failures >= most:
                self._open(now, self._spec.open_s)

    def trip(self) -> None:
        """Open at once: an answer was proved impossible, and one is enough.

        Further ones while it rests come from the same fault and change nothing; one after it
        rested doubles the pause. The call's ticket still has to be recorded, and is too late.
        """
        if self.tripped:
            return
        pause_s = min(self._spec.trip_s * 2.0**self._trips, _LONGEST_TRIP_S)
        self._trips += 1
        self._open(self._clock.monotonic(), pause_s)
        self._tripped = True

    def renew(self) -> None:
        """Forget the calls of a process that was replaced: they say nothing about the new one."""
        if self._state is State.CLOSED:
            self._ticket = Ticket(self._ticket + 1)
            self._calls.clear()
            self._failures = 0

    def _record_probe(self, now: float, *, ok: bool) -> None:
        self._probing = False
        if not ok:
            self._open(now, self._spec.open_s)
            return
        self._passed_probes += 1
        if self._passed_probes >= self._spec.probes:
            self._trips = 0
            self._change(State.CLOSED)

    def _forget_before(self, limit: float) -> None:
        while self._calls and self._calls[0][0] < limit:
            _, ok = self._calls.popleft()
            self._failures -= not ok

    def _open(self, now: float, pause_s: float) -> None:
        self._opened_at = now
        self._pause_s = pause_s
        self._tripped = False
        self._change(State.OPEN)

    def _change(self, new: State) -> None:
        old, self._state = self._state, new
        self._ticket = Ticket(self._ticket + 1)
        self._calls.clear()
        self._failures = 0
        self._probing = False
        self._passed_probes = 0
        if old is not new:
            self._on_change(old, new)
