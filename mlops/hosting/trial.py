"""A trial: something risky, done by a child that may die of it, for one message that it sends."""

import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass

from mlops.hosting import control
from mlops.hosting.forking import kill

Done = Callable[[bytes | None], None]


@dataclass(frozen=True, slots=True)
class _Trial:
    pid: int
    end: socket.socket
    until: float
    done: Done


class Trials:
    """The trials under way.

    Args:
        selector: Is asked to tell when a result is there; its data are called without arguments.
    """

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._by_pid: dict[int, _Trial] = {}

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return list(self._by_pid)

    @property
    def ends(self) -> list[socket.socket]:
        """Our ends of their sockets."""
        return [trial.end for trial in self._by_pid.values()]

    def add(self, pid: int, end: socket.socket, *, until: float, done: Done) -> None:
        """Wait for a trial's result.

        Args:
            pid: Its process.
            end: Our end of its socket.
            until: Monotonic seconds at which it is too late.
            done: Gets what it sent, or None; called exactly once.
        """
        self._by_pid[pid] = _Trial(pid, end, until, done)
        self._selector.register(end, selectors.EVENT_READ, lambda: self.finish(pid))

    def finish(self, pid: int, *, reaped: bool = False) -> None:
        """Take the result of a trial that sent one or ended, and end it."""
        trial = self._by_pid.pop(pid, None)
        if trial is None:
            return
        messages = control.receive(trial.end)
        self._selector.unregister(trial.end)
        trial.end.close()
        if not reaped:
            kill(pid)
        trial.done(messages[0] if messages else None)

    def expire(self, now: float) -> None:
        """End those that are too late."""
        for pid in [each.pid for each in self._by_pid.values() if now >= each.until]:
            self.finish(pid)
