"""Signals as input: they come in through a pipe that a selector watches.

So none is missed between a look and a wait, and none interrupts anything.
"""

import os
import signal
from types import FrameType

_READ_AT_ONCE = 4096


class Signals:
    """The signals of this process, from `install` on; used in its main thread.

    Args:
        watched: Those that are taken instead of what they would do.
    """

    def __init__(self, *watched: signal.Signals) -> None:
        self._watched = watched
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def install(self) -> None:
        """Take the signals from now on."""
        signal.set_wakeup_fd(self._in, warn_on_full_buffer=False)
        for number in self._watched:
            signal.signal(number, _nothing)

    def fileno(self) -> int:
        """Return what is readable when a signal came."""
        return self._out

    def take(self) -> list[signal.Signals]:
        """Return the signals that came since the last call, in order."""
        try:
            return [signal.Signals(number) for number in os.read(self._out, _READ_AT_ONCE)]
        except BlockingIOError:
            return []

    def leave(self) -> None:
        """Let go of the pipe and give each signal its default; in a child after a fork."""
        signal.set_wakeup_fd(-1)
        for number in self._watched:
            signal.signal(number, signal.SIG_DFL)
        self.close()

    def close(self) -> None:
        """Close the pipe; the signals then do nothing, so that a late one changes nothing."""
        signal.set_wakeup_fd(-1)
        os.close(self._out)
        os.close(self._in)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Stand in for a signal's action; the interpreter has written its number into the pipe."""
