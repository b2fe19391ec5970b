"""A log line: one JSON object on stderr, and not one for each request of a failing hour."""

import contextlib
import json
import logging
import os
import socket
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from mlops.base.clock import Clock

ALWAYS = {"always": True}
"""`extra=ALWAYS` marks a change of state, which is never held back."""

_STDERR = 2
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
        lost = getattr(record, "lines_lost", 0)
        if lost:
            line["lines_lost"] = lost
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-_LONGEST:]
        return json.dumps(line, ensure_ascii=False)


class Throttle(logging.Filter):
    """Lets one record of a kind through every ten seconds and counts those held back.

    A kind is the message before its arguments are filled in, so that a model that fails on every
    request costs one line in ten seconds, which says how many there were. Of a message without
    arguments it is the line of code: what an event loop says of a failed callback holds addresses,
    and is new each time.

    Args:
        clock: Monotonic time.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str | int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is let through."""
        if getattr(record, "always", False):
            return True
        now = self._clock.monotonic()
        kind = record.name, str(record.msg) if record.args else record.lineno
        last_s, held = self._seen.get(kind, (now - _EVERY_S, 0))
        if now - last_s < _EVERY_S:
            self._seen[kind] = last_s, held + 1
            return False
        self._seen[kind] = now, 0
        record.held_back = held
        return True


class Descriptor(logging.Handler):
    """Writes lines to a descriptor, and never waits for who reads it.

    A collector that stands still would fill the pipe, and then stop the workers and the supervisor
    one after the other. Lines are lost instead, and the next one tells how many. Nothing is kept
    in a buffer either, which a fork would have to flush.

    Args:
        descriptor: Where to, such as that of stderr.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._write, self._let_go = _without_waiting(descriptor)
        self._lost = 0
        self._torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it as lost."""
        try:
            record.lines_lost = self._lost
            line = f"{self.format(record)}\n".encode(errors="replace")
            content = b"\n" + line if self._torn else line
            self._torn = self._write(content) < len(content)
            self._lost = int(self._torn)
        except OSError:  # it is full, or nobody holds the other end any more
            self._lost += 1
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Let go of the descriptor, which stays open."""
        self._let_go()
        self._let_go = _nothing
        super().close()


def configure(service: str, clock: Clock) -> None:
    """Send all log records to stderr as lines.

    Args:
        service: Name of the service.
        clock: Monotonic time.
    """
    handler = Descriptor(_STDERR)
    handler.setFormatter(Lines(service))
    handler.addFilter(Throttle(clock))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _without_waiting(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], None]]:
    """Return what writes to a descriptor without waiting, and what lets go of it.

    The former tells how many bytes it took, and raises OSError if it took none. The descriptor
    stays as it is, since other processes share it.
    """
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(mode):
        connection = socket.socket(fileno=os.dup(descriptor))
        return lambda content: connection.send(content, socket.MSG_DONTWAIT), connection.close
    if stat.S_ISFIFO(mode) or os.isatty(descriptor):
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with contextlib.suppress(OSError):  # opened once more, it has flags of its own (Linux)
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            return partial(os.write, own), partial(os.close, own)
    return partial(os.write, descriptor), _nothing


def _nothing() -> None:
    """Let go of what is not one's own."""
