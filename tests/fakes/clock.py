"""A manual clock: time passes only when a test says so."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Stands in for `mlops.base.clock.SystemClock`.

    Args:
        at: Monotonic seconds to start at.
    """

    def __init__(self, at: float = 1000.0) -> None:
        self._start = at
        self._at = at

    def now(self) -> datetime:
        return START + timedelta(seconds=self._at - self._start)

    def monotonic(self) -> float:
        return self._at

    def advance(self, seconds: float) -> None:
        self._at += seconds
