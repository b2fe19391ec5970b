"""A worker: one process that answers, on one event loop that runs only bounded code of ours."""

import asyncio
import logging
import random
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from mlops.base.clock import Clock
from mlops.base.errors import MlopsError
from mlops.decision_log.client import LogClient
from mlops.hosting.http import HttpServer, Unwatched
from mlops.hosting.seat import Seat
from mlops.models.refusal import Refusal, RefusedBundleError
from mlops.serving.admin import AdminApp, ReloadOrder
from mlops.serving.app import App
from mlops.serving.desk import Desk
from mlops.serving.engine import Engine, Ports, open_engine
from mlops.serving.guard import Breach
from mlops.serving.instruments import Instruments
from mlops.serving.loading import FileLoader
from mlops.serving.messages import (
    Answered,
    Asked,
    Forget,
    Listening,
    Prepare,
    Prepared,
    Settled,
    to_worker,
)
from mlops.serving.plan import Plan
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection

_LINGER_S = 1.0
_SETTLE_S = 15.0
_CATCH_UP_S = 30.0
_LOOK_S = 0.01
_CLOSE_LOG_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker is forked with.

    Attributes:
        current: The plan that serves.
        previous: The one before it; None if there is none.
        loader: Reads what is prepared later.
        public: Where decisions are asked for.
        admin: The admin port; None if there is none.
        token: What admin requests must bear; None for nothing.
        log: The way to the decision log's writer; None if there is no log.
    """

    current: Plan
    previous: Plan | None
    loader: FileLoader
    public: socket.socket
    admin: socket.socket | None
    token: bytes | None
    log: socket.socket | None


def run_worker(seat: Seat, start: Start, clock: Clock) -> None:
    """Answer until told to stop, then drain; runs in the forked process.

    Args:
        seat: Its place among the members.
        start: What it begins with.
        clock: The time.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(seat, start, clock))


async def _live(seat: Seat, start: Start, clock: Clock) -> None:
    await _Worker(seat, start, clock).run()


class _Watch:
    """Passes on what engines tell: figures to the instruments, changes to the desk."""

    def __init__(self, instruments: Instruments, desk: Desk) -> None:
        self.observe_model = instruments.observe_model
        self.heuristic_failed = instruments.heuristic_failed
        self.model_restarted = instruments.model_restarted
        self.breaker_changed = desk.breaker_changed
        self.model_ready = desk.model_ready
        self.count_guard: Callable[[Breach], None] = instruments.count_guard
        self.count_breach = instruments.count_breach


class _Callers:
    """Counts what the HTTP protocol does by itself."""

    def __init__(self, instruments: Instruments) -> None:
        self.connections = instruments.connections
        self.refused = instruments.count_request
        self.closed = instruments.connection_closed


class _Worker:
    """The worker's parts and its life.

    Args:
        seat: Its place among the members.
        start: What it begins with.
        clock: The time.
    """

    def __init__(self, seat: Seat, start: Start, clock: Clock) -> None:
        settings = start.current.settings
        self._seat = seat
        self._start = start
        self._clock = clock
        self._settings = settings
        self._instruments = Instruments(
            settings.service, seat.shared.numbers(seat.member), seat.shared.totals
        )
        self._desk = Desk(
            seat, settings, instruments=self._instruments, clock=clock,
            prefix=secrets.token_hex(8),
        )  # fmt: skip
        self._ports = Ports(
            _Watch(self._instruments, self._desk), clock, random.Random().random,  # noqa: S311 - no secret hangs on it
            lambda: self._desk.fault,
        )  # fmt: skip
        self._app = App(
            self._desk,
            settings.serving,
            instruments=self._instruments,
            clock=clock,
            new_id=lambda: secrets.token_hex(8),
            call_soon=asyncio.get_running_loop().call_soon,
        )
        self._stopped = asyncio.Event()
        self._asks: dict[int, Callable[[int, bytes], None]] = {}
        self._last_ask = 0
        self._missing = 0
        self._missing_since = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[HttpServer] = []

    async def run(self) -> None:
        """Live from the first heartbeat to the end of the drain."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        self._beat()
        loop.add_reader(self._seat.control, self._hear)
        serving = self._settings.serving
        if self._start.log is not None:
            self._desk.log = LogClient(
                self._start.log, serving.decision_log, clock=self._clock,
                counted=self._instruments.log_rows,
                blocking=not serving.protects(Protection.LOG_QUEUE),
            )  # fmt: skip
        self._open_first()
        await self._catch_up()
        self._listen()
        self._spawn(self._settle())
        await self._stopped.wait()
        await self._drain()

    def _beat(self) -> None:
        """Give a heartbeat from the event loop: a thread's would tell nothing about the loop."""
        self._seat.beat(self._clock.monotonic())
        self._desk.heed()
        self._keep_up()
        engine = self._desk.engine
        if engine is not None and engine.model is not None:
            outside = engine.model.process is not None
            limiter = engine.model.limiter if outside else self._app.limiter
            self._instruments.model_limit(limiter.limit)
        every_s = self._settings.serving.supervision.heartbeat_ms / 1000
        asyncio.get_running_loop().call_later(every_s, self._beat)

    def _open_first(self) -> None:
        start = self._start
        engine: Engine | None = None
        for plan in (start.previous, start.current):
            if plan is not None and plan.domain is not None:
                engine = open_engine(plan, engine, self._ports)
                self._desk.add(engine)

    async def _catch_up(self) -> None:
        """Wait, before anyone is answered, for a plan that took over since this was forked."""
        self._keep_up()
        while self._desk.engines.missing and not self._stopped.is_set():
            await asyncio.sleep(_LOOK_S)

    def _keep_up(self) -> None:
        """Ask for a plan that took over before the supervisor knew that this process is up."""
        missing, now = self._desk.engines.missing, self._clock.monotonic()
        if missing != self._missing:
            self._missing, self._missing_since = missing, now
            if missing:
                self._desk.tell(Asked(0, "catch_up"))
        elif missing and now - self._missing_since > _CATCH_UP_S:
            _log.error("the plan that serves cannot be had: a new process is forked with it")
            self._stopped.set()

    def _listen(self) -> None:
        start, serving = self._start, self._settings.serving
        limits = serving.http
        if not serving.protects(Protection.SENDER_DEADLINE):
            limits = limits.model_copy(update={"request_s": 600.0, "idle_s": 600.0})
        public = HttpServer(
            self._app, limits, clock=self._clock, watcher=_Callers(self._instruments)
        )
        public.listen(start.public)
        self._servers.append(public)
        if start.admin is not None:
            face = AdminApp(
                self._desk, self.ask, faults_allowed=serving.faults_allowed, token=start.token
            )
            admin = HttpServer(face, limits, clock=self._clock, watcher=Unwatched())
            admin.listen(start.admin)
            self._servers.append(admin)
        engine = self._desk.engine
        answers = None if engine is None else engine.answers
        self._desk.tell(Listening("none" if answers is None else answers.value))

    async def _settle(self) -> None:
        for engine in self._desk.engines.all():
            await engine.start()
        serving = self._desk.engine
        ready = serving is not None and await serving.settle(_SETTLE_S)
        self._desk.tell(Settled(ready))

    async def _drain(self) -> None:
        drain_s = self._settings.serving.drain_s
        until = self._clock.monotonic() + drain_s
        for server in self._servers:
            server.stop_listening()
        linger_s = min(_LINGER_S, drain_s / 2)
        if not self._settings.serving.protects(Protection.DRAIN):
            until, linger_s = self._clock.monotonic(), 0.0
        await asyncio.gather(*(each.drain(until, linger_s=linger_s) for each in self._servers))
        for engine in self._desk.engines.all():
            await engine.stop()
        if self._desk.log is not None:
            await self._desk.log.close(_CLOSE_LOG_S)

    def ask(self, what: str, order: ReloadOrder, then: Callable[[int, bytes], None]) -> None:
        """Ask the supervisor; `then` gets status and body."""
        self._last_ask += 1
        self._asks[self._last_ask] = then
        asked = Asked(self._last_ask, what, order.bundle, order.allow_downgrade)
        if not self._desk.tell(asked):
            del self._asks[self._last_ask]
            then(503, b'{"error":"the supervisor cannot be asked now; try again"}')

    def _hear(self) -> None:
        messages = self._seat.receive()
        if messages is None:  # the supervisor is gone, and so will this process be
            asyncio.get_running_loop().remove_reader(self._seat.control)
            if self._settings.serving.protects(Protection.DEATH_SIGNAL):
                self._stopped.set()
            return
        for content in messages:
            match to_worker(content):
                case Answered(ask_id, code, body):
                    then = self._asks.pop(ask_id, None)
                    if then is not None:
                        then(code, body)
                case Prepare() as order:
                    self._spawn(self._prepare(order))
                case Forget(current, previous):
                    self._spawn(self._forget(current, previous))

    async def _prepare(self, order: Prepare) -> None:
        """Load a plan beside the one that serves, in a thread, so that answers go on."""
        try:
            engine = await asyncio.to_thread(self._load, order)
            await engine.start()
            await engine.settle(_SETTLE_S)
            if engine.model is not None and not engine.model.runs:
                await engine.stop()
                raise RefusedBundleError("its model does not run", reason=Refusal.INVALID)
        except Exception as error:
            text = error.message if isinstance(error, MlopsError) else type(error).__name__
            self._desk.tell(Prepared(order.epoch, text))
            return
        self._desk.add(engine)
        self._desk.tell(Prepared(order.epoch))

    def _load(self, order: Prepare) -> Engine:
        settings = ServeSettings.model_validate_json(order.settings)
        serving = self._desk.engine
        before = self._start.current if serving is None else serving.plan
        bundle = self._start.loader.accept(
            Path(settings.bundle), before, allow_downgrade=True, golden=False
        )
        if bundle.ref.digest != order.digest:
            message = f"{settings.bundle} changed while it was loaded"
            raise RefusedBundleError(message, reason=Refusal.CHANGED)
        return open_engine(Plan(order.epoch, settings, bundle, order.lane), serving, self._ports)

    async def _forget(self, current: int, previous: int) -> None:
        self._desk.heed()
        for engine in self._desk.engines.keep((current, previous)):
            await engine.stop()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
