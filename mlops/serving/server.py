"""The server: joins a bundle, a model process and the app, and runs them until told to stop.

`python -m mlops.serving.server SETTINGS.json` starts it from resolved settings; `mlops serve`
resolves them and becomes this process.
"""

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
import sys
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from pydantic import ValidationError

from mlops.base.clock import Clock, SystemClock
from mlops.base.errors import ConfigError, MlopsError, UnavailableError
from mlops.contracts.openapi import document
from mlops.contracts.row import RowDecoder
from mlops.hosting.log import ALWAYS, configure
from mlops.models.artifact import Bundle, load
from mlops.serving.admin import AdminApp
from mlops.serving.app import App, Receive, Scope, Send
from mlops.serving.breaker import Breaker, State
from mlops.serving.chain import Chain
from mlops.serving.faults import FaultKind, parse
from mlops.serving.guard import Limits
from mlops.serving.instruments import Instruments
from mlops.serving.model_client import ModelClient
from mlops.serving.settings import ServeSettings

_log = logging.getLogger(__name__)
_MODEL_WAIT_S = 30.0
_BACKLOG = 2048


def run(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        ConfigError: A fault is asked for that the config does not allow, or a fallback's
            heuristic is not in the bundle.
        BundleError: The bundle cannot be loaded.
        UnavailableError: The port is taken.
    """
    fault = parse(settings.faults)
    if fault.kind is not FaultKind.NONE and not settings.serving.faults_allowed:
        raise ConfigError(
            f"faults={settings.faults} is not allowed",
            hint="drills need serving.faults_allowed=true",
        )
    bundle = load(Path(settings.bundle), packages=settings.packages)
    heuristics = bundle.parts.heuristics
    missing = [name for name in settings.serving.rungs if name not in heuristics]
    if missing:
        raise ConfigError(
            f"serving.fallback names {', '.join(missing)}, which the bundle does not hold",
            hint=f"it holds: {', '.join(heuristics)}",
        )
    public = _listen(settings.serving.host, settings.serving.port)
    with contextlib.closing(public):
        port = settings.serving.admin_port
        if settings.serving.faults_allowed and port is not None:
            with contextlib.closing(_listen("127.0.0.1", port)) as admin:
                _run(_serve(settings, bundle, public, admin))
        else:
            _run(_serve(settings, bundle, public, None))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    """Run on the loop that uvicorn prefers, which is uvloop where it is installed."""
    factory = uvicorn.Config(app="none", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serving)


async def _serve(
    settings: ServeSettings, bundle: Bundle, public: socket.socket, admin: socket.socket | None
) -> None:
    spec = settings.serving
    clock = SystemClock()
    instruments = Instruments(settings.service)
    instruments.bundle_loaded(digest=bundle.ref.digest, model=bundle.parts.model)

    def breaker_changed(old: State, new: State) -> None:
        instruments.breaker_changed(old, new)
        _log.warning("breaker: %s, was %s", new.value, old.value, extra=ALWAYS)

    breaker = Breaker(spec.breaker, clock, breaker_changed)
    model = ModelClient(
        Path(settings.bundle),
        settings.packages,
        hang_s=spec.hang_ms / 1000,
        clock=clock,
        watcher=_Watcher(instruments, breaker),
    )
    model.fault = parse(settings.faults)
    chain = _chain(settings, bundle, model=model, breaker=breaker, instruments=instruments)
    app = _app(settings, bundle, chain=chain, instruments=instruments, clock=clock)
    await model.start()
    try:
        await model.wait_ready(_MODEL_WAIT_S)
        _announce(settings, public, admin, model_ready=model.ready)
        await _run_until_stopped(app, public, AdminApp(model), admin, drain_s=spec.drain_s)
    finally:
        await model.stop()


class _Watcher:
    """Tells the instruments and the breaker about the model process.

    Args:
        instruments: Count it.
        breaker: Forgets the old process when a new one is ready.
    """

    def __init__(self, instruments: Instruments, breaker: Breaker) -> None:
        self._instruments = instruments
        self._breaker = breaker

    def model_ready(self, *, ready: bool) -> None:
        self._instruments.model_ready(ready=ready)
        if ready:
            self._breaker.renew()

    def model_restarted(self, cause: str) -> None:
        self._instruments.model_restarted(cause)


def _chain(
    settings: ServeSettings,
    bundle: Bundle,
    *,
    model: ModelClient,
    breaker: Breaker,
    instruments: Instruments,
) -> Chain:
    heuristics = bundle.parts.heuristics
    return Chain(
        settings.serving,
        {name: fitted.heuristic for name, fitted in heuristics.items()},
        model=model,
        limits=Limits.of(bundle.parts.certificate, bundle.ref.digest),
        breaker=breaker,
        instruments=instruments,
    )


def _app(
    settings: ServeSettings,
    bundle: Bundle,
    *,
    chain: Chain,
    instruments: Instruments,
    clock: Clock,
) -> App:
    spec, parts, digest = settings.serving, bundle.parts, bundle.ref.digest
    openapi = document(
        parts.domain,
        service=settings.service,
        version=digest,
        max_candidates=settings.max_candidates,
    )
    return App(
        decoder=RowDecoder(parts.domain, max_candidates=settings.max_candidates),
        chain=chain,
        instruments=instruments,
        clock=clock,
        new_id=lambda: secrets.token_hex(8),
        model=digest,
        openapi=msgspec.json.encode(openapi),
        max_body_bytes=spec.http.max_body_bytes,
    )


async def _run_until_stopped(
    app: App,
    public: socket.socket,
    admin_app: AdminApp,
    admin: socket.socket | None,
    *,
    drain_s: float,
) -> None:
    listeners: list[tuple[App | AdminApp, socket.socket]] = [(app, public)]
    if admin is not None:
        listeners.append((admin_app, admin))
    servers = [_Server(_config(each, drain_s)) for each, _ in listeners]

    def stop() -> None:
        _log.info("told to stop: answering what is in flight", extra=ALWAYS)
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as group:
        for server, (_, listener) in zip(servers, listeners, strict=True):
            group.create_task(server.serve(sockets=[listener]))


class _Server(uvicorn.Server):
    """A server that leaves signals to us: uvicorn's own way ends in dying by the signal."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def _config(app: App | AdminApp, drain_s: float) -> uvicorn.Config:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return uvicorn.Config(
        asgi,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(drain_s)),
    )


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # An answer is written as head and body: without this the body waits for the head's ACK, 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)  # from the announcement on, a connection waits to be accepted
    except OSError as error:
        listener.close()
        raise UnavailableError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            hint="stop what uses the port, or set serving.port=0 for a free one",
        ) from error
    listener.set_inheritable(False)
    return listener


def _announce(
    settings: ServeSettings,
    public: socket.socket,
    admin: socket.socket | None,
    *,
    model_ready: bool,
) -> None:
    """Print one line of JSON to stdout: where the server listens."""
    line: dict[str, object] = {
        "service": settings.service,
        "url": _url(public),
        "model_ready": model_ready,
        "admin_url": None if admin is None else _url(admin),
    }
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()
    _log.info("serving at %s with bundle %s", line["url"], settings.bundle, extra=ALWAYS)


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{host}:{port}"


def main() -> int:
    """Start from a settings file; returns the exit code."""
    try:
        path = Path(sys.argv[1])
        settings = ServeSettings.model_validate_json(path.read_bytes())
        configure(settings.service, SystemClock())
        run(settings)
    except (IndexError, OSError, ValidationError) as error:
        sys.stderr.write(f"error: settings {' '.join(sys.argv[1:])} cannot be read: {error}\n")
        return 2
    except MlopsError as error:
        hint = f"      {error.hint}\n" if error.hint else ""
        sys.stderr.write(f"error: {error.message}\n{hint}")
        return 3 if isinstance(error, UnavailableError) else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
