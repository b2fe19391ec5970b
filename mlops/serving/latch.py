"""A latch: holds serving below the model until the way back is open, whatever traffic there is.

    off ──burn, person──▶ latched ──waited, person──▶ recovering ──healed──▶ off
                             ▲                             │
                             └────────failed, burn─────────┘

What opens the way back is declared with what latched it: a wait and then the breaker's probes and
ramp, or a person. Both go through the probes; a way back that fails latches again, for twice as
long. Quiet is no reason: with no traffic nothing is proved, and a lull is when a budget looks best.
"""

import math
from collections.abc import Callable
from enum import StrEnum

import msgspec

from mlops.base.clock import Clock

_LONGEST_WAIT_S = 3600.0
_FORGOTTEN_S = 3600.0
_MOST_DOUBLINGS = 20


class LatchState(StrEnum):
    """Whether the model may be asked."""

    OFF = "off"
    """It may."""
    LATCHED = "latched"
    """It is not asked."""
    RECOVERING = "recovering"
    """It is on its way back, by the breakers' probes and ramp."""


class Cause(StrEnum):
    """Why the latch changed its state."""

    BURN = "burn"
    """A budget burnt too fast."""
    PERSON = "person"
    """Somebody said so."""
    WAITED = "waited"
    """The wait before the first probe is over."""
    FAILED = "failed"
    """A probe or a step of the ramp failed."""
    HEALED = "healed"
    """The breakers let all traffic through again."""
    RESTORED = "restored"
    """The service was started again."""
    UNDECLARED = "undeclared"
    """The policy has no such rule any more."""


TRANSITIONS: tuple[tuple[LatchState, LatchState, Cause], ...] = (
    *((LatchState.OFF, LatchState.LATCHED, why) for why in (Cause.BURN, Cause.PERSON)),
    (LatchState.OFF, LatchState.LATCHED, Cause.RESTORED),
    (LatchState.LATCHED, LatchState.LATCHED, Cause.PERSON),
    *(
        (LatchState.LATCHED, LatchState.RECOVERING, why)
        for why in (Cause.WAITED, Cause.PERSON, Cause.UNDECLARED)
    ),
    *(
        (LatchState.RECOVERING, LatchState.LATCHED, why)
        for why in (Cause.FAILED, Cause.BURN, Cause.PERSON)
    ),
    (LatchState.RECOVERING, LatchState.OFF, Cause.HEALED),
)
"""Every change that can happen, with its reason."""


class Hold(msgspec.Struct, frozen=True):
    """What holds a latch, and the way back from it.

    Attributes:
        rule: Name of the policy's rule; empty for a person.
        wait_s: Seconds before the first probe; None waits for a person.
    """

    rule: str = ""
    wait_s: float | None = None


class Record(msgspec.Struct, frozen=True):
    """A latch as it outlives its service.

    Attributes:
        held: What holds it; None if it is off.
        relapses: Ways back in a row that failed.
    """

    held: Hold | None = None
    relapses: int = 0


class Latch:
    """One service's latch.

    Args:
        clock: Monotonic time.
        on_change: Called with the old state, the new one, and why.
    """

    def __init__(
        self, clock: Clock, on_change: Callable[[LatchState, LatchState, Cause], None]
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._state = LatchState.OFF
        self._hold = Hold()
        self._relapses = 0
        self._since = -math.inf

    @property
    def state(self) -> LatchState:
        """The present state."""
        return self._state

    @property
    def hold(self) -> Hold | None:
        """What holds it; None while it is off."""
        return None if self._state is LatchState.OFF else self._hold

    @property
    def since(self) -> float:
        """Monotonic seconds at which the present state began."""
        return self._since

    @property
    def record(self) -> Record:
        """What has to be known after a restart."""
        return Record(self.hold, self._relapses)

    @property
    def wait_s(self) -> float | None:
        """Seconds from latching to the first probe; None if a person decides."""
        wait_s = self._hold.wait_s
        if wait_s is None:
            return None
        return min(wait_s * 2.0**self._relapses, max(_LONGEST_WAIT_S, wait_s))

    def restore(self, record: Record) -> None:
        """Latch again what was latched when the service ended; its wait begins anew."""
        if record.held is not None:
            self._hold, self._relapses = record.held, record.relapses
            self._change(LatchState.LATCHED, Cause.RESTORED)

    def engage(self, hold: Hold, cause: Cause) -> None:
        """Leave the model alone from now on.

        Args:
            hold: What holds it.
            cause: `burn` or `person`.
        """
        if cause is Cause.PERSON:
            self._relapses = 0
        elif self._state is LatchState.RECOVERING:
            self._relapse(cause)
            return
        elif self._clock.monotonic() - self._since < _FORGOTTEN_S:
            self._count_relapse()
        else:
            self._relapses = 0
        self._hold = hold
        self._change(LatchState.LATCHED, cause)

    def let_go(self, cause: Cause) -> bool:
        """Begin the way back; returns whether there is one to begin.

        Args:
            cause: `person` or `undeclared`.
        """
        if self._state is not LatchState.LATCHED:
            return False
        self._change(LatchState.RECOVERING, cause)
        return True

    def tick(self) -> None:
        """Begin the way back if the wait is over."""
        wait_s = self.wait_s
        if self._state is not LatchState.LATCHED or wait_s is None:
            return
        if self._clock.monotonic() - self._since >= wait_s:
            self._change(LatchState.RECOVERING, Cause.WAITED)

    def failed(self) -> None:
        """A probe or a step of the ramp failed."""
        if self._state is LatchState.RECOVERING:
            self._relapse(Cause.FAILED)

    def healed(self) -> None:
        """All traffic goes through again."""
        if self._state is LatchState.RECOVERING:
            self._change(LatchState.OFF, Cause.HEALED)

    def _relapse(self, cause: Cause) -> None:
        self._count_relapse()
        self._change(LatchState.LATCHED, cause)

    def _count_relapse(self) -> None:
        self._relapses = min(self._relapses + 1, _MOST_DOUBLINGS)

    def _change(self, new: LatchState, cause: Cause) -> None:
        old, self._state = self._state, new
        self._since = self._clock.monotonic()
        self._on_change(old, new, cause)
