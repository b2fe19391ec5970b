"""A stop: the members of one role after the other are told to end, and in the end made to."""

import os
import signal
from collections.abc import Sequence

from mlops.hosting.forking import kill
from mlops.hosting.member import Member
from mlops.hosting.shared import Shared

_LEAST_S = 1.0
"""Seconds for a role whose predecessors used up the time: what they handed to it is at stake."""


class Stopping:
    """A stop under way.

    Args:
        members: All of them.
        roles: Names of the roles in the order in which they are stopped.
        shared: Where members are told.
        now: Monotonic seconds.
        drain_s: Seconds for all together.
    """

    def __init__(
        self,
        members: Sequence[Member],
        roles: Sequence[str],
        shared: Shared,
        *,
        now: float,
        drain_s: float,
    ) -> None:
        self._members = members
        self._waiting = list(roles)
        self._shared = shared
        self.began = now
        self._until = now + drain_s
        self._turn: list[Member] = []
        self._turn_until = self._until
        self.over = False
        """Whether no member is left."""
        self.rough = False
        """Whether one had to be killed or failed."""
        self._hurried = False

    def go_on(self, now: float) -> None:
        """Do what is to be done at a time."""
        while not any(each.pid is not None for each in self._turn):
            if not self._waiting:
                self.over = True
                return
            first = not self._turn
            self._tell(self._waiting.pop(0))
            self._turn_until = self._until if first else max(self._until, now + _LEAST_S)
        if self._hurried or now >= self._turn_until:
            for member in self._turn:
                if member.pid is not None:
                    self.rough = True
                    kill(member.pid)

    def ended(self, status: int) -> None:
        """Note how a member ended that was told to stop."""
        # By SIGTERM itself dies who has not begun yet, and so has nothing to lose.
        self.rough |= status not in (0, -signal.SIGTERM)

    def hurry(self) -> None:
        """Kill who is left; each further role is killed as its turn comes."""
        self._hurried = True

    def _tell(self, role: str) -> None:
        self._turn = [each for each in self._members if each.role.name == role]
        for member in self._turn:
            member.stopping = True
            member.restart_at = None
            if member.pid is not None:
                self._shared.tell_to_stop(member.number)
                os.kill(member.pid, signal.SIGTERM)
