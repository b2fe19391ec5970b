"""A watch: looks at heartbeats, and does not take a pause of the whole machine for silence."""

from collections.abc import Iterable

from mlops.hosting.member import Member
from mlops.hosting.settings import SupervisionSettings
from mlops.hosting.shared import Shared

_LONGEST_TICK_S = 0.05


class Watch:
    """Tells which members are silent.

    Its time is what this process lived through: of a stretch in which it did not run itself (the
    group was stopped, the machine paused or swapped out) at most a tick and a heartbeat count, so
    that others are not blamed for what happened to all. After a stretch in which a heartbeat could
    have been missed altogether, everyone is given the full time again.

    Args:
        shared: Where the heartbeats are.
        settings: How long silence may be.
        now: Monotonic seconds.
    """

    def __init__(self, shared: Shared, settings: SupervisionSettings, now: float) -> None:
        self._shared = shared
        self._silent_s = settings.silent_ms / 1000
        self._boot_s = settings.boot_s
        self.tick_s = min(_LONGEST_TICK_S, self._silent_s / 4)
        """Seconds between two looks."""
        self._most_s = self.tick_s + settings.heartbeat_ms / 1000
        self._last = now
        self._patient_until = now
        self.felt = 0.0
        """Seconds that this process lived through."""

    def pass_time(self, now: float, members: Iterable[Member]) -> bool:
        """Go on to a time; returns whether the members were given their full time again."""
        step = now - self._last
        self._last = now
        self.felt += min(step, self._most_s)
        if step <= self._silent_s:
            return False
        self._patient_until = now + self._silent_s
        for member in members:
            member.felt = self.felt
        return True

    def stopped_s(self, now: float) -> float:
        """Return the seconds that a member may stay stopped.

        A process does not stop by itself. What is given is for whoever stops and continues all
        of them, this one included, one after the other.
        """
        return self._silent_s if now < self._patient_until else self._silent_s / 20

    def look(self, member: Member) -> str:
        """Return what a member is to be killed for, `silent` or `not_started`; empty for nothing.

        Takes over a new heartbeat.
        """
        beat = self._shared.last_beat(member.number)
        if beat != member.beat:
            member.first_beat = member.first_beat or beat
            member.beat = beat
            member.felt = self.felt
            return ""
        quiet_s = self.felt - member.felt
        if beat:
            return "silent" if quiet_s > self._silent_s else ""
        return "not_started" if quiet_s > self._boot_s else ""
