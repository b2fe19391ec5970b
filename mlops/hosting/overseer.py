"""An overseer: who is told what becomes of a service's processes, in the supervisor's process."""

from typing import Protocol


class Overseer(Protocol):
    """What the supervisor calls, in its loop: nothing here may wait for anything.

    What one of these raises is logged and otherwise without effect.
    """

    def started(self, member: int, role: str) -> None:
        """A member gave its first heartbeat: from now on it can be sent messages."""
        ...

    def ended(self, member: int, role: str, cause: str) -> None:
        """A member is dead, and will be replaced unless the service is stopping.

        Its vector of numbers has no writer until its successor starts, so that gauges of what
        died with it can be cleared here.

        Args:
            member: Its number.
            role: Name of its role.
            cause: `died`; `silent`, killed since it gave no more heartbeats; `not_started`, ended
                or killed before its first; `stopped`, as the service stops.
        """
        ...

    def message(self, member: int, content: bytes) -> None:
        """A member sent a message."""
        ...

    def hangup(self) -> None:
        """SIGHUP came: configuration and bundle may have changed."""
        ...

    def tick(self, now: float) -> None:
        """Some 50 milliseconds went by; `now` is in monotonic seconds."""
        ...
