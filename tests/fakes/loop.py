"""A fake event loop: runs callbacks and timers in order, and its time passes only by their work."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tests.fakes.clock import ManualClock


class _NoSelector:
    """Waits by moving the clock.

    Args:
        clock: The loop's time.
    """

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def select(self, timeout: float | None) -> list[Any]:
        assert timeout is not None, "everybody waits for something that never comes"
        self._clock.advance(max(0.0, timeout))
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """An asyncio loop on a manual clock: what takes no time in the test takes none at all.

    Args:
        clock: Its time; callbacks advance it by the work that they stand for.
    """

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self._manual = clock
        self._selector = _NoSelector(clock)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._manual.monotonic()

    def arrivals(self, at: Sequence[float], arrive: Callable[[int, float], None]) -> None:
        """Let requests arrive: in each iteration all whose time has come, as a socket is read.

        Args:
            at: Times, ascending.
            arrive: Called with the place and the time of each.
        """

        def read(first: int) -> None:
            last = first
            while last < len(at) and at[last] <= self.time():
                arrive(last, at[last])
                last += 1
            if last < len(at):
                # A loop that is busy reads again in its next iteration, an idle one sleeps.
                self.call_at(max(at[last], self.time()), read, last)

        self.call_at(at[0], read, 0)

    def _process_events(self, event_list: list[Any]) -> None:
        del event_list

    def _write_to_self(self) -> None:
        pass
