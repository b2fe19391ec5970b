"""An event: a change of state with its reason, kept for people and told to the log."""

import logging
from collections import deque
from collections.abc import Mapping

import msgspec

from mlops.base.clock import Clock

_MOST = 500
_log = logging.getLogger(__name__)


class Event(msgspec.Struct):
    """One change of state.

    Attributes:
        at: UTC, ISO 8601.
        kind: `breaker`, `swap`, `worker`, `fault`, `drain`, `boot`, `fallback` or `policy`.
        fields: What changed and why, by name; never anything of a request.
    """

    at: str
    kind: str
    fields: dict[str, str]


class Events:
    """The last events of a service.

    Args:
        clock: Time of day.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=_MOST)

    def add(self, kind: str, fields: Mapping[str, str], *, level: int = logging.WARNING) -> None:
        """Keep an event and log it, never throttled.

        Args:
            kind: What kind of change.
            fields: What changed and why, by name.
            level: Level of the log line.
        """
        at = self._clock.now().isoformat(timespec="milliseconds")
        self._kept.append(Event(at, kind, dict(fields)))
        text = ", ".join(f"{name} {value}" for name, value in fields.items())
        _log.log(level, "%s: %s", kind, text, extra={"always": True, "event_kind": kind})

    def recent(self) -> list[Event]:
        """Return the last events, oldest first."""
        return list(self._kept)
