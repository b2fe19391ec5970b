"""The server: the supervisor of a service's workers and of its decision log's writer.

`python -m mlops.serving.server SETTINGS.json` starts it from resolved settings; `mlops serve`
resolves them and becomes this process.
"""

import contextlib
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mlops.base.clock import Clock, SystemClock
from mlops.base.errors import ConfigError, MlopsError, UnavailableError
from mlops.decision_log.message import socket_pair
from mlops.decision_log.target import parse_url
from mlops.decision_log.writer import WriterPlan, run_writer
from mlops.hosting.log import configure
from mlops.hosting.seat import Role, Seat
from mlops.hosting.settings import SupervisionSettings
from mlops.hosting.shared import Shared
from mlops.hosting.supervisor import Supervisor
from mlops.serving.faults import Fault, FaultKind, parse
from mlops.serving.flags import COUNT, Flag
from mlops.serving.instruments import Instruments
from mlops.serving.loading import FileLoader, read_settings, trust_of
from mlops.serving.overseer import WORKER, Overseer
from mlops.serving.series import SIZE
from mlops.serving.settings import ONE_THREAD, ServeSettings
from mlops.serving.spec import Protection, ServingSpec
from mlops.serving.worker import Start, run_worker

_BACKLOG = 2048
_NEVER_MS = 600_000.0
_MORE_S = 2.0
"""Seconds that the writer of the decision log gets on top of the workers' drain."""
_TOKEN_BYTES = 4096
_SILENT_S = 5
"""Seconds after which Linux hands over a connection on which nothing came, for us to close."""
_log = logging.getLogger(__name__)


def run(settings: ServeSettings, settings_path: Path, clock: Clock) -> int:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        settings: What to serve.
        settings_path: Where they stand, to be read again with each reload.
        clock: The time.

    Returns:
        The exit code: 0 if all was drained, 1 if a process had to be killed.

    Raises:
        ConfigError: A fault is asked for that the config does not allow; a key or the token
            cannot be read; the decision log's address is none.
        UnavailableError: A port is taken.
    """
    fault = _fault(settings)
    serving = settings.serving
    logs = parse_url(serving.decision_log.url, Path(settings.state)) is not None
    token = _token(serving.admin_token_file)
    loader = FileLoader(settings_path, trust=trust_of(serving), clock=clock)
    with contextlib.ExitStack() as stack:
        public = stack.enter_context(_listen(serving.host, serving.port, "port"))
        admin = _admin(serving)
        if admin is not None:
            stack.enter_context(admin)
        shared = Shared(members=serving.workers + logs, numbers=SIZE, flags=COUNT)
        shared.flags[Flag.FAULT_KIND], shared.flags[Flag.FAULT_AMOUNT] = fault.to_numbers()
        ways = [socket_pair() for _ in range(serving.workers if logs else 0)]
        overseer = _overseer(settings, shared, loader, clock, [public, admin])

        def work(seat: Seat) -> None:
            rollover = overseer.rollover
            way = ways[seat.member][0] if logs else None
            start = Start(rollover.current, rollover.previous, loader, public, admin, token, way)
            run_worker(seat, start, clock)

        def write(seat: Seat) -> None:
            _write(seat, [way[1] for way in ways], settings, clock)

        supervisor = Supervisor(
            [
                Role(WORKER, serving.workers, work),
                *([Role("decision_log", 1, write, listens=False)] if logs else []),
            ],
            shared,
            _supervision(settings),
            clock=clock,
            overseer=overseer,
            listeners=[public] if admin is None else [public, admin],
            drain_s=serving.drain_s + _MORE_S,
            die_together=serving.protects(Protection.DEATH_SIGNAL),
            replaces=serving.protects(Protection.REPLACEMENT),
        )
        overseer.attach(supervisor)
        return supervisor.run()


def _fault(settings: ServeSettings) -> Fault:
    fault = parse(settings.faults)
    if fault.kind is not FaultKind.NONE and not settings.serving.faults_allowed:
        raise ConfigError(
            f"faults={settings.faults} is not allowed",
            hint="drills need serving.faults_allowed=true",
        )
    return fault


def _overseer(
    settings: ServeSettings,
    shared: Shared,
    loader: FileLoader,
    clock: Clock,
    listeners: Sequence[socket.socket | None],
) -> Overseer:
    """Return the overseer of the plan to begin with, which has told what was refused for it."""
    first, refused = loader.first(settings)
    public, admin = (None if each is None else _url(each) for each in listeners)
    line: dict[str, object] = {"service": settings.service, "url": public, "admin_url": admin}
    overseer = Overseer(first, shared=shared, loader=loader, clock=clock, line=line)
    if parse_url(settings.serving.decision_log.url, Path(settings.state)) is None:
        overseer.instruments.log_available(True)  # no log is asked for, so none is missing
    if not (first.digest or refused):
        missing = "no bundle to start with: the heuristic or the static order answers"
        fields = {"outcome": "refused", "reason": "missing", "problem": missing}
        overseer.events.add("swap", fields, level=logging.CRITICAL)
        overseer.instruments.swap("refused")
    for error in refused:
        reason = str(getattr(error, "reason", "invalid"))
        fields = {"outcome": "refused", "reason": reason, "problem": error.message}
        overseer.events.add("swap", fields, level=logging.CRITICAL)
        overseer.instruments.swap("refused")
    return overseer


class _LogWatch:
    """Tells the supervisor's memory what the decision log's writer does."""

    def __init__(self, seat: Seat, service: str, clock: Clock) -> None:
        instruments = Instruments(service, seat.shared.numbers(seat.member))
        self._seat = seat
        self._clock = clock
        self.counted = instruments.log_rows
        self.available = instruments.log_available
        self.spool = instruments.log_spool

    def beat(self) -> None:
        """Give a heartbeat."""
        self._seat.beat(self._clock.monotonic())


def _write(
    seat: Seat, connections: list[socket.socket], settings: ServeSettings, clock: Clock
) -> None:
    """Be the decision log's writer until told to stop."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    serving = settings.serving
    plan = WriterPlan(
        settings.service,
        serving.decision_log,
        Path(settings.state),
        spool=serving.protects(Protection.SPOOL),
    )
    watch = _LogWatch(seat, settings.service, clock)
    # A SIGTERM to the whole group comes too early: workers still have rows to hand over.
    run_writer(
        connections,
        plan,
        clock=clock,
        watcher=watch,
        stop=lambda: bool(stopped) and seat.told_to_stop,
    )


def _supervision(settings: ServeSettings) -> SupervisionSettings:
    serving = settings.serving
    if serving.protects(Protection.HEARTBEAT):
        return serving.supervision
    return serving.supervision.model_copy(update={"silent_ms": _NEVER_MS})


def _token(file: str | None) -> bytes | None:
    if file is None:
        return None
    try:
        with Path(file).open("rb") as opened:
            token = opened.read(_TOKEN_BYTES).strip()
    except OSError as error:
        raise ConfigError(f"admin_token_file {file} cannot be read: {error.strerror}") from error
    if len(token) < 16:
        raise ConfigError(
            f"admin_token_file {file} holds fewer than 16 bytes",
            hint="write one with: openssl rand -hex 32",
        )
    return token


def _admin(serving: ServingSpec) -> socket.socket | None:
    if serving.admin_port is None:
        return None
    return _listen(serving.admin_host, serving.admin_port, "admin_port")


def _listen(host: str, port: int, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        taken = error.errno in (errno.EADDRINUSE, errno.EACCES)
        where = f"set serving.{key.replace('port', 'host')} to an address of this machine"
        raise UnavailableError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint=f"stop what uses the port, or set serving.{key}=0 for a free one"
            if taken
            else where,
        ) from error
    listener.setblocking(False)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # Linux hands a connection over with its first bytes: who only connects takes no place.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _SILENT_S)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _WallClock(SystemClock):
    """A drill's clock: it measures durations by the time of day, which can be set."""

    def monotonic(self) -> float:
        """Return seconds since 1970."""
        return self.now().timestamp()


def _leave(number: int, frame: FrameType | None) -> None:
    """End a boot that is told to stop: nothing was promised yet."""
    del number, frame
    sys.exit(0)


def main() -> int:
    """Start from a settings file; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what it asks to be read again is being read
    if len(sys.argv) != 2:
        sys.stderr.write("error: name one settings file\n")
        return 2
    if not ONE_THREAD.items() <= os.environ.items():  # numpy has read it by now
        os.environ.update(ONE_THREAD)
        command = [sys.executable, "-m", "mlops.serving.server", sys.argv[1]]
        os.execv(sys.executable, command)  # noqa: S606 - no shell, fixed program
    path = Path(sys.argv[1])
    clock: Clock = SystemClock()
    try:
        settings = read_settings(path)
        configure(settings.service, clock)
        if not settings.serving.protects(Protection.MONOTONIC_CLOCK):
            clock = _WallClock()
        return run(settings, path, clock)
    except MlopsError as error:
        hint = f"      {error.hint}\n" if error.hint else ""
        sys.stderr.write(f"error: {error.message}\n{hint}")
        return 3 if isinstance(error, UnavailableError) else 2


if __name__ == "__main__":
    sys.exit(main())
