"""A poison record: which requests ended processes, so that equal ones are refused for a while."""

import signal

from mlops.hosting.shared import Shared

DEATHS = 2
"""Deaths at work on equal requests that make them poison: one may be chance."""
FORGET_S = 600.0
"""Seconds after which a death is forgotten and a request is let in again."""
_MOST_SUSPECTS = 1000
_CRASHES = frozenset(
    {
        signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS,
        signal.SIGTRAP,
    }
)  # fmt: skip


class Poison:
    """What the supervisor remembers of deaths at work.

    Args:
        shared: Where the list is that workers read.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._deaths: dict[int, list[float]] = {}  # by fingerprint, in the order of the last death
        self._listed: dict[int, float] = {}

    def died(self, fingerprint: int, now: float) -> bool:
        """Count a death at work.

        Args:
            fingerprint: What was worked on; 0 counts nothing.
            now: Monotonic seconds.

        Returns:
            Whether that put the request on the list.
        """
        if not fingerprint:
            return False
        deaths = [at for at in self._deaths.pop(fingerprint, []) if now - at < FORGET_S]
        self._deaths[fingerprint] = [*deaths, now][-DEATHS:]
        if len(self._deaths) > _MOST_SUSPECTS:
            del self._deaths[next(iter(self._deaths))]
        if len(deaths) + 1 < DEATHS:
            return False
        self._listed.pop(fingerprint, None)
        self._listed[fingerprint] = now
        if len(self._listed) > self._shared.poison_room:
            del self._listed[next(iter(self._listed))]
        self._shared.list_poison(list(self._listed))
        return True

    def forget(self, now: float) -> None:
        """Let in again what was listed long ago."""
        old = [each for each, at in self._listed.items() if now - at >= FORGET_S]
        if not old:
            return
        for fingerprint in old:
            del self._listed[fingerprint]
            self._deaths.pop(fingerprint, None)
        self._shared.list_poison(list(self._listed))


def blames(cause: str, status: int, *, stopped: bool) -> bool:
    """Tell whether what a process worked on may have been what ended it.

    A process that somebody else killed or stopped dies of that, whatever it did at the moment;
    under load it nearly always does something, and often the same.

    Args:
        cause: As `Overseer.ended` names it.
        status: Exit status, or minus the signal's number.
        stopped: Whether a silent process had been stopped from outside.

    >>> blames("died", -11, stopped=False), blames("died", -9, stopped=False)
    (True, False)
    """
    if cause == "silent":
        return not stopped
    return cause == "died" and (status >= 0 or -status in _CRASHES)
