"""A fork: a child that begins clean, lives no longer than its parent and is found when it ends."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import NoReturn

from mlops.hosting.lifeline import die_with
from mlops.hosting.log import ALWAYS

_log = logging.getLogger(__name__)


def fork(run: Callable[[], None], *, die_together: bool) -> int:
    """Start a child that does something and exits, and return its process id.

    The child gets a process group of its own: what is sent to the parent's group (Ctrl-C) then
    reaches only the parent, which knows in what order to stop, and whatever the child starts can
    be killed with it. All its signals are blocked until `begin` is called in it.

    Args:
        run: What it does; to call `begin` first. Returning is exit status 0, raising is logged
            and 1.
        die_together: Whether the kernel kills it when this process ends (Linux only).

    Raises:
        OSError: There is no memory or no process left.
    """
    sys.stdout.flush()  # or the child would write what is buffered a second time
    sys.stderr.flush()
    parent = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _live(run, parent if die_together else 0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    with contextlib.suppress(OSError):  # both do it, since either may come first
        os.setpgid(pid, pid)
    return pid


def begin() -> None:
    """Let signals through, in a child that has set up how it takes them."""
    # SIGINT and SIGHUP are for the parent, which turns them into what concerns its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # In a group of its own it is no foreground process, which may write to its terminal all the
    # same, where the terminal is set to ask (`stty tostop`).
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def kill(pid: int) -> None:
    """Kill a child that is not reaped yet, with all that it started; works on stopped ones."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def is_stopped(pid: int) -> bool:
    """Tell whether somebody stopped a process (SIGSTOP, a debugger); False where unknown."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] in ("T", "t")


def was_stopped(pid: int) -> bool:
    """Tell whether a child was stopped since this was last asked; it may run again."""
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG) is not None
    except ChildProcessError:
        return False


def reap(children: Container[int]) -> Iterator[tuple[int, int]]:
    """Collect all children that ended.

    The first process of a container has strange ones too: they are collected and left at that.

    Args:
        children: Own ones; what they started and left behind is killed.

    Yields:
        Process id and exit status, or minus the number of the signal that ended it.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None:
            return
        pid = found.si_pid
        if pid in children:  # before it is reaped, while its group's number cannot be another's
            kill(pid)
        yield pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def ending(status: int) -> str:
    """Return an exit status in words.

    >>> ending(1), ending(-11)
    ('exit status 1', 'signal SIGSEGV')
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def _live(run: Callable[[], None], parent: int) -> NoReturn:
    status = 1
    try:
        os.setpgid(0, 0)
        if parent:
            die_with(parent)
        run()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        _log.critical("process %d failed", os.getpid(), exc_info=True, extra=ALWAYS)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # the parent's clean-up is not the child's
