"""A flag: a number that all processes of a service share, read on every request."""

from enum import IntEnum


class Flag(IntEnum):
    """Where a flag lies in the shared memory."""

    EPOCH = 0
    """Number of the plan that serves."""
    CHANGES = 1
    """Counts changes of the flags below, so that a request looks at one number."""
    FAULT_KIND = 2
    """Number of the fault that is played."""
    FAULT_AMOUNT = 3
    """Its amount in milliseconds."""
    BREAKER_MODE = 4
    """Place of the breakers' mode among the kinds of `BreakerMode`."""
    FALLBACK = 5
    """Place of the latch's state among the kinds of `LatchState`."""


COUNT = len(Flag)
