"""A lifeline: ties a process's life to its parent's."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # before any fork, which leaves as little as possible to the child


def die_with(parent: int, *, even_hanging: bool = True) -> None:
    """Have this process end with its parent; to be called first of all in a child.

    Args:
        parent: The parent's process id.
        even_hanging: Whether the kernel kills this process when the parent ends, whatever it does
            then (Linux only).

    Raises:
        SystemExit: The parent has ended already.
    """
    if even_hanging and sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call above, and its signal will not come
        sys.exit(0)
