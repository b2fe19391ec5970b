"""A child: one model process of a worker, from its start to its end, with the socket to it."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from typing import Protocol

import msgspec

from mlops.base.clock import Clock
from mlops.contracts.domain import Table
from mlops.serving.faults import Fault
from mlops.serving.lane import ModelGoneError
from mlops.serving.model_worker import OUT_OF_MEMORY, WorkerSettings
from mlops.serving.settings import ONE_THREAD
from mlops.serving.wire import Answer, AnswerStream, Ask, NoMessageError, pack, split_table

_log = logging.getLogger(__name__)
_NICENESS = 5  # a model that spins must not take the CPU from the worker that cuts it off
_STDERR = 2  # what a user's own class prints has no place on the worker's stdout
_READ_BYTES = 1 << 16
_DYING_S = 0.2  # from the end of its socket to its own; a kill in between would hide the cause
_REAP_S = 5.0


class Owner(Protocol):
    """Who keeps children, and is told in the same step of the event loop."""

    def child_ready(self, child: "Child") -> None:
        """It can be asked."""
        ...

    def child_ended(self, child: "Child", cause: str) -> None:
        """It is gone: `died`, `hung`, `not_loaded` or `corrupted`; its questions have failed."""
        ...


class Child:
    """One process. It is started at once and needs a running event loop.

    Args:
        settings: What it runs.
        clock: Monotonic time.
        owner: Is told when it is ready and when it is gone.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, settings: WorkerSettings, *, clock: Clock, owner: Owner) -> None:
        self._columns = settings.columns
        self._clock = clock
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._stream = AnswerStream()
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self._unsent = bytearray()
        self._ended = False
        self.ready = False
        """Whether it has loaded."""
        self.owed = 0
        """Number of questions that it has not answered, abandoned ones included."""
        self._quiet_since = self.started = clock.monotonic()
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _start(settings, theirs.fileno())
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket, self._readable)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def waiting(self) -> int:
        """Number of questions that somebody waits for."""
        return len(self._waiting)

    def ask(
        self, table: Table, rows: int, *, deadline: float, fault: Fault
    ) -> tuple[int, asyncio.Future[Answer]]:
        """Send a question.

        Args:
            table: The request's columns.
            rows: Number of candidates.
            deadline: Monotonic seconds after which it need not be answered.
            fault: What it shall play.

        Returns:
            Its number, for `forget`, and its answer, which fails with ModelGoneError if the
            process ends.
        """
        self._last_id += 1
        numbers, matrix, texts = split_table(table, self._columns)
        kind, amount_ms = fault.to_numbers()
        ask = Ask(self._last_id, deadline, kind, amount_ms, rows, numbers, matrix, texts)
        future: asyncio.Future[Answer] = self._loop.create_future()
        if self._ended:
            future.set_exception(ModelGoneError())
            return ask.ask_id, future
        self._waiting[ask.ask_id] = future
        if self.owed == 0:
            self._quiet_since = self._clock.monotonic()
        self.owed += 1
        self._send(pack(ask))
        return ask.ask_id, future

    def forget(self, ask_id: int) -> None:
        """Wait no longer for an answer."""
        self._waiting.pop(ask_id, None)

    def quiet_s(self, now: float) -> float:
        """Return for how many seconds an answer, or its first word, has been owed."""
        return now - self._quiet_since if self.owed or not self.ready else 0.0

    def pardon(self, seconds: float, now: float) -> None:
        """Leave out of account the last seconds, in which nobody could have heard it."""
        self._quiet_since = min(self._quiet_since + seconds, now)

    def end(self, cause: str, *, kill: bool = True) -> None:
        """End it; whoever waits for it gets ModelGoneError.

        Args:
            cause: What the owner is told.
            kill: Whether to kill it at once; if not, `reaped` does, should it be there still.
        """
        if self._ended:
            return
        self._ended = True
        self.ready = False
        self.owed = 0
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()  # what it still had to say reaches nobody
        if kill:
            self._process.kill()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ModelGoneError())
        self._waiting.clear()
        self._owner.child_ended(self, cause)

    async def reaped(self) -> str:
        """Wait until the ended process is gone for good, and return how it went."""
        pause_s, waited_s = 0.002, 0.0
        while self._process.poll() is None and waited_s < _REAP_S:
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, 0.1)
            if waited_s > _DYING_S:
                self._process.kill()
        return _told(self._process.poll())

    def _send(self, message: bytearray) -> None:
        sent = 0
        if not self._unsent:
            try:
                sent = self._socket.send(message)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lost()
                return
        if sent < len(message):
            if not self._unsent:
                self._loop.add_writer(self._socket, self._writable)
            self._unsent += memoryview(message)[sent:]

    def _writable(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._lost()
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        try:
            content = self._socket.recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            content = b""
        if not content:
            self._lost()
            return
        try:
            for answer in self._stream.feed(content):
                self._take(answer)
        except NoMessageError:
            _log.exception("a model process sent what is no answer")
            self.end("corrupted")

    def _take(self, answer: Answer) -> None:
        if self._ended:
            return
        self._quiet_since = self._clock.monotonic()
        if not self.ready:
            if answer.error:
                _log.error("the model process cannot load the bundle: %s", answer.error)
                self.end("not_loaded")
                return
            self.ready = True
            self._owner.child_ready(self)
            return
        self.owed -= 1
        future = self._waiting.pop(answer.ask_id, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def _lost(self) -> None:
        self.end("died" if self.ready else "not_loaded", kill=False)


def _start(settings: WorkerSettings, connection: int) -> subprocess.Popen[bytes]:
    settings = msgspec.structs.replace(settings, parent=os.getpid())
    process = subprocess.Popen(  # noqa: S603 - our own module
        [
            sys.executable,
            "-m",
            "mlops.serving.model_worker",
            str(connection),
            msgspec.json.encode(settings).decode(),
        ],
        pass_fds=[connection],
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,
        env={**os.environ, **ONE_THREAD},
    )
    with contextlib.suppress(OSError):  # from outside, so that loading is as modest
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process.pid, mine + _NICENESS)
    return process


def _told(status: int | None) -> str:
    if status is None:
        return "not gone yet"
    if status == OUT_OF_MEMORY:
        return "out of memory"
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
