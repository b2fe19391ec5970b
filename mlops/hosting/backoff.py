"""A back-off: how long a process that keeps ending is left alone before it is started again."""

FIRST_PAUSE_S = 0.05
CALM_S = 2.0
"""Seconds of heartbeats with which a process has earned a restart at once."""


class Backoff:
    """The pauses of one seat.

    Args:
        longest_s: Seconds that no pause exceeds.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._young = 0  # ends in a row of processes that had not lived long

    def pause_s(self, *, lived_s: float, at_work: bool) -> float:
        """Return the seconds to wait before the next start.

        Args:
            lived_s: Seconds from the first heartbeat to the last; 0 without any.
            at_work: Whether it ended at work on a request. That is the request's doing: it says
                nothing about whether a new process can live, and the poison list deals with it.

        >>> backoff = Backoff(0.15)
        >>> [backoff.pause_s(lived_s=0.0, at_work=False) for _ in range(4)]
        [0.0, 0.05, 0.1, 0.15]
        >>> backoff.pause_s(lived_s=60.0, at_work=False)
        0.0
        """
        if lived_s >= CALM_S:
            self._young = 0
        if at_work:
            return 0.0
        self._young += 1
        if self._young == 1:
            return 0.0
        return min(FIRST_PAUSE_S * 2.0 ** min(self._young - 2, 30), self._longest_s)
