"""A model client: the server's side of the model process, which it starts, asks and replaces."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from mlops.base.clock import Clock
from mlops.contracts.domain import Floats, Table
from mlops.hosting.log import ALWAYS
from mlops.serving.faults import Fault
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.wire import LENGTH, Answer, Ask, pack, split_table, unpack_answer

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_CALM_S = 10.0  # a process that lived this long has earned a quick restart
_LOAD_S = 60.0


class ModelGoneError(Exception):
    """The model process is not there, or died before it answered."""


class ModelFailedError(Exception):
    """The model raised; the message says what."""


class Watcher(Protocol):
    """Who is told about the model process."""

    def model_ready(self, *, ready: bool) -> None:
        """It can answer, or it no longer can."""
        ...

    def model_restarted(self, cause: str) -> None:
        """It is being replaced: `died`, `hung`, `not_loaded` or `corrupted`."""
        ...


class ModelClient:
    """Keeps one model process running and asks it.

    Args:
        bundle: Folder of the bundle.
        packages: Packages that custom code may come from.
        hang_s: Seconds without any answer after which it is killed.
        clock: Monotonic time.
        watcher: Is told of changes.
    """

    def __init__(
        self,
        bundle: Path,
        packages: Sequence[str],
        *,
        hang_s: float,
        clock: Clock,
        watcher: Watcher,
    ) -> None:
        self._settings = WorkerSettings(str(bundle), list(packages), os.getpid())
        self._hang_s = hang_s
        self._clock = clock
        self._watcher = watcher
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self._owed = 0  # every question gets one answer, also those that nobody waits for
        self._quiet_since = 0.0
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._settled = asyncio.Event()  # it was ready once, or failed once
        self._corrupted = False
        self.fault = Fault()

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return self._ready.is_set()

    @property
    def waiting(self) -> int:
        """Number of questions that somebody waits for."""
        return len(self._waiting)

    @property
    def owed(self) -> int:
        """Number of questions that the process has not answered, abandoned ones included."""
        return self._owed

    async def start(self) -> None:
        """Start the process and keep it running until `stop`."""
        self._task = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def replace(self) -> None:
        """End the present process, which gave what it cannot give; a new one is started."""
        if self._writer is not None:
            self._corrupted = True
            self._writer.transport.abort()

    async def wait_ready(self, timeout_s: float) -> bool:
        """Wait for the first process; returns False if it fails or takes too long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout_s)
        return self.ready

    async def score(self, table: Table, rows: int, *, deadline: float) -> tuple[Floats, float]:
        """Score a page of candidates.

        Args:
            table: The request's columns.
            rows: Number of candidates.
            deadline: Monotonic seconds at which the caller stops waiting.

        Returns:
            One score a candidate as the model gave them, unchecked, and the seconds it took.

        Raises:
            TimeoutError: No answer came in time.
            ModelGoneError: The process is not there or died.
            ModelFailedError: The model raised.
        """
        writer = self._writer
        if writer is None or not self.ready:
            raise ModelGoneError
        self._last_id += 1
        ask_id = self._last_id
        numbers, texts = split_table(table)
        ask = Ask(
            ask_id, deadline, self.fault.kind.value, self.fault.amount_ms, rows, numbers, texts
        )
        future = asyncio.get_running_loop().create_future()
        self._waiting[ask_id] = future
        now = self._clock.monotonic()
        if self._owed == 0:
            self._quiet_since = now
        self._owed += 1
        writer.write(pack(ask))
        try:
            answer = await asyncio.wait_for(future, max(0.0, deadline - now))
        finally:
            self._waiting.pop(ask_id, None)
        if answer.error:
            if self._clock.monotonic() >= deadline:  # the process has only dropped late work
                raise TimeoutError
            raise ModelFailedError(answer.error)
        return np.frombuffer(answer.scores, dtype=np.float64), answer.seconds

    async def _keep_running(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            started = self._clock.monotonic()
            try:
                cause = await self._run_once()
            except Exception:  # whatever it is, the next process may do better
                _log.exception("the model process was lost")
                cause = "died"
            self._settled.set()
            self._watcher.model_restarted(cause)
            lived_s = self._clock.monotonic() - started
            pause_s = _FIRST_PAUSE_S if lived_s > _CALM_S else min(2 * pause_s, _LONGEST_PAUSE_S)
            _log.warning(
                "model process ended: %s; the next starts in %.2f s", cause, pause_s, extra=ALWAYS
            )
            await asyncio.sleep(pause_s)

    async def _run_once(self) -> str:
        """Run one process to its end and return why it ended."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await self._begin(theirs.fileno())
        except OSError:
            _log.exception("the model process cannot be started")
            ours.close()
            return "not_loaded"
        except asyncio.CancelledError:
            ours.close()
            raise
        self._corrupted = False
        watch = asyncio.create_task(self._watch_for_hang(process))
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
            return await self._listen(reader, watch)
        finally:
            watch.cancel()
            self._lose(ours)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _begin(self, connection: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "mlops.serving.model_worker",
            str(connection),
            msgspec.json.encode(self._settings).decode(),
            pass_fds=[connection],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    async def _listen(self, reader: asyncio.StreamReader, watch: asyncio.Task[None]) -> str:
        try:
            first = await asyncio.wait_for(_read(reader), _LOAD_S)
            if first.error:
                _log.error("the model process cannot load the bundle: %s", first.error)
                return "not_loaded"
            self._ready.set()
            self._settled.set()
            self._watcher.model_ready(ready=True)
            _log.info("model process ready", extra=ALWAYS)
            while True:
                answer = await _read(reader)
                self._owed -= 1
                self._quiet_since = self._clock.monotonic()
                future = self._waiting.get(answer.ask_id)
                if future is not None and not future.done():
                    future.set_result(answer)
        except TimeoutError:
            return "not_loaded"
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            if self._corrupted:
                return "corrupted"
            if watch.done():
                return "hung"
            return "died" if self.ready else "not_loaded"

    async def _watch_for_hang(self, process: asyncio.subprocess.Process) -> None:
        """End when an answer has been owed for too long, having killed the process."""
        while True:
            await asyncio.sleep(self._hang_s / 10)
            quiet_s = self._clock.monotonic() - self._quiet_since
            if self._owed > 0 and quiet_s > self._hang_s:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return

    def _lose(self, connection: socket.socket) -> None:
        was_ready = self.ready
        self._ready.clear()
        if self._writer is None:
            connection.close()
        else:
            self._writer.transport.abort()  # what it still had to say reaches nobody
        self._writer = None
        self._owed = 0
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ModelGoneError())
        if was_ready:
            self._watcher.model_ready(ready=False)


async def _read(reader: asyncio.StreamReader) -> Answer:
    header = await reader.readexactly(LENGTH.size)
    return unpack_answer(await reader.readexactly(LENGTH.unpack(header)[0]))
