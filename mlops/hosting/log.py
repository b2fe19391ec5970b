"""A log line: one JSON object on stderr, and not one for each request of a failing hour."""

import json
import logging
from datetime import UTC, datetime

from mlops.base.clock import Clock

ALWAYS = {"always": True}
"""`extra=ALWAYS` marks a change of state, which is never held back."""

_EVERY_S = 10.0
_LONGEST = 2000


class Lines(logging.Formatter):
    """Formats a record as JSON: time, level, service, event, and an exception if there is one.

    Args:
        service: Name of the service.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage()[:_LONGEST],
        }
        held = getattr(record, "held_back", 0)
        if held:
            line["held_back"] = held
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(line, ensure_ascii=False)


class Throttle(logging.Filter):
    """Lets one record of a kind through every ten seconds and counts those held back.

    A kind is the message before its arguments are filled in, so that a model that fails on every
    request costs one line in ten seconds, which says how many there were.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is let through."""
        if getattr(record, "always", False):
            return True
        now = self._clock.monotonic()
        kind = record.name, str(record.msg)
        last_s, held = self._seen.get(kind, (now - _EVERY_S, 0))
        if now - last_s < _EVERY_S:
            self._seen[kind] = last_s, held + 1
            return False
        self._seen[kind] = now, 0
        record.held_back = held
        return True


def configure(service: str, clock: Clock) -> None:
    """Send all log records to stderr as lines.

    Args:
        service: Name of the service.
        clock: Monotonic time.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(service))
    handler.addFilter(Throttle(clock))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
