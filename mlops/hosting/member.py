"""A member: what the supervisor knows of one seat and the process that has it."""

import math
import socket
from dataclasses import dataclass

from mlops.hosting.backoff import Backoff
from mlops.hosting.seat import Role


@dataclass(slots=True)
class Member:
    """One seat, and its process if there is one.

    Attributes:
        number: Of the seat.
        role: What its process does.
        backoff: How long it is left alone.
        restart_at: Monotonic seconds at which it is to be started; None while it runs, and once it
            is not to be started again.
        pid: Its process; None if there is none.
        control: The supervisor's end of the socket to it.
        started_at: Monotonic seconds of its start.
        first_beat: Its first heartbeat, monotonic seconds; 0 before.
        beat: The last heartbeat that the supervisor saw; 0 before the first.
        felt: Watch time (`mlops.hosting.watch`) at its start or of the last new heartbeat.
        killed: Why the supervisor killed it; empty if it did not.
        blameless: Whether it fell silent since somebody stopped it, which is no request's doing.
        stopping: Whether it was told to stop.
        stopped_until: Monotonic seconds at which it is replaced if it is still stopped (SIGSTOP);
            infinity while it is not.
    """

    number: int
    role: Role
    backoff: Backoff
    restart_at: float | None
    pid: int | None = None
    control: socket.socket | None = None
    started_at: float = 0.0
    first_beat: float = 0.0
    beat: float = 0.0
    felt: float = 0.0
    killed: str = ""
    blameless: bool = False
    stopping: bool = False
    stopped_until: float = math.inf

    @property
    def beats(self) -> bool:
        """Whether it lives, as far as anyone knows."""
        return self.pid is not None and self.beat > 0 and not self.killed

    def begin(self, pid: int, control: socket.socket, *, now: float, felt: float) -> None:
        """Note a new process."""
        self.pid = pid
        self.control = control
        self.started_at = now
        self.felt = felt
        self.restart_at = None
        self.first_beat = self.beat = 0.0
        self.killed = ""
        self.blameless = False
        self.stopped_until = math.inf

    def cause(self) -> str:
        """Return why its process ended, as `Overseer.ended` names it."""
        if self.stopping:
            return "stopped"
        return self.killed or ("died" if self.beat else "not_started")
