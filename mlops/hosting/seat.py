"""A seat: what a forked process of the service is given to take part in it."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from mlops.hosting import control
from mlops.hosting.shared import Shared


@dataclass(frozen=True, slots=True)
class Seat:
    """A member's place; its successor gets the same number and the same memory.

    Attributes:
        member: Its number.
        shared: The memory that all share.
        control: Its end of the socket to the supervisor, which does not block. It ends with the
            supervisor.
    """

    member: int
    shared: Shared
    control: socket.socket

    @property
    def told_to_stop(self) -> bool:
        """Whether a SIGTERM came from the supervisor.

        One from elsewhere (systemd sends one to each process of a unit) may come too early for a
        member that others need until they ended.
        """
        return self.shared.is_told_to_stop(self.member)

    def beat(self, now: float) -> None:
        """Give a heartbeat at monotonic seconds `now`."""
        self.shared.beat(self.member, now)

    def send(self, content: bytes) -> bool:
        """Send a message of 1 to 65,536 bytes to the supervisor; returns whether it went out."""
        return control.send(self.control, content)

    def receive(self) -> list[bytes] | None:
        """Return the supervisor's messages that have come; None if the supervisor is gone."""
        return control.receive(self.control)


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of member.

    Attributes:
        name: Such as `worker`.
        count: How many of them run.
        run: What each does, in its own process, from its start to its end. Returning is exit
            status 0, raising 1. SIGTERM is left at its default and means to finish and return;
            SIGINT is ignored, since the supervisor turns it into a drain.
        listens: Whether it needs the listening sockets; who does not gets none, so that a port
            refuses connections as soon as those that listen have closed it.
    """

    name: str
    count: int
    run: Callable[[Seat], None]
    listens: bool = True
