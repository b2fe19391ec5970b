"""The decision log's writer, and a worker that only writes rows, as processes that can be killed.

`python -m tests.components.log_processes writer|worker FD FOLDER SETTINGS` is what they run.
"""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops.base.clock import SystemClock
from mlops.decision_log.client import LogClient
from mlops.decision_log.message import socket_pair
from mlops.decision_log.settings import DecisionLogSettings, Durability
from mlops.decision_log.writer import WriterPlan, run_writer
from tests.components.decisions import SERVICE, row
from tests.components.prometheus import eventually

ROOT = Path(__file__).parents[2]
ROW_EVERY_S = 0.001


class Process:
    """A process that says what happens to it in lines of JSON."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, kind: str) -> list[list[object]]:
        """Return what it said of a kind, each with the monotonic time."""
        lines = self._log.read_text().splitlines()
        said = [json.loads(line) for line in lines if line.endswith("]")]
        return [event[1:] for event in said if event[0] == kind]

    def counted(self, outcome: str) -> int:
        """Return the rows of an outcome."""
        return sum(int(str(n)) for _, name, n in self.events("counted") if name == outcome)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ask it to end, once it listens to that, and wait until it has."""
        eventually(lambda: self.events("started"), within_s=30.0, what="the writer has begun")
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


class Lab:
    """Both ends of one connection, held open as a supervisor does, and processes on them."""

    def __init__(self, folder: Path, settings: DecisionLogSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.logs = folder
        self.worker_end, self.writer_end = socket_pair()
        self._processes: list[Process] = []

    def writer(self, *, file_bytes: int | None = None) -> Process:
        """Start a writer.

        Args:
            file_bytes: Largest file that it may write, as if the disk were full beyond.
        """
        return self._start("writer", self.writer_end, file_bytes)

    def worker(self) -> Process:
        """Start a worker that writes a row every millisecond until it is killed."""
        return self._start("worker", self.worker_end, None)

    def close(self) -> None:
        for each in self._processes:
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGCONT)
                each.kill()
        self.worker_end.close()
        self.writer_end.close()

    def _start(self, role: str, end: socket.socket, file_bytes: int | None) -> Process:
        log = self.logs / f"{role}-{len(self._processes)}.log"
        command = [
            sys.executable, "-m", "tests.components.log_processes", role, str(end.fileno()),
            str(self.folder), self.settings.model_dump_json(), str(file_bytes or 0),
        ]  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, pass_fds=[end.fileno()], cwd=ROOT)
        self._processes.append(Process(process, log))
        return self._processes[-1]


@contextmanager
def log_lab(folder: Path, settings: DecisionLogSettings) -> Iterator[Lab]:
    """Give a test a connection and processes on it, and end them afterwards."""
    lab = Lab(folder, settings)
    try:
        yield lab
    finally:
        lab.close()


def say(kind: str, *values: object) -> None:
    os.write(1, f"{json.dumps([kind, time.monotonic(), *values])}\n".encode())


class _Teller:
    def __init__(self) -> None:
        self._last = time.monotonic()
        self.longest = 0.0

    def beat(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last)
        self._last = now

    def counted(self, outcome: str, rows: int) -> None:
        say("counted", outcome, rows)

    def available(self, takes_rows: bool) -> None:
        say("available", takes_rows)

    def spool(self, size: int) -> None:
        say("spool", size)


def _writer(end: socket.socket, folder: Path, settings: DecisionLogSettings) -> None:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    teller = _Teller()
    say("started")
    run_writer(
        [end],
        WriterPlan(SERVICE, settings, folder),
        clock=SystemClock(),
        watcher=teller,
        stop=lambda: bool(stopped),
    )
    say("longest beat", teller.longest)


async def _worker(end: socket.socket, settings: DecisionLogSettings) -> None:
    clock = SystemClock()
    client = LogClient(
        end, settings, clock=clock, counted=lambda name, rows: say("counted", name, rows)
    )
    durable = settings.durability is Durability.GROUP_COMMIT
    number = 0
    while True:
        number += 1
        mine = row(number, prefix=f"w{os.getpid()}-", at=time.time())
        if durable:
            client.write_durably(
                mine, until=clock.monotonic() + 60.0, then=_says_durable(mine.decision_id)
            )
        else:
            client.write(mine)
            say("written", mine.decision_id)
        await asyncio.sleep(ROW_EVERY_S)


def _says_durable(name: str) -> Callable[[], None]:
    return lambda: say("durable", name)


def main(role: str, number: str, folder: str, settings: str, file_bytes: str) -> None:
    """Run a role."""
    end = socket.socket(fileno=int(number))
    parsed = DecisionLogSettings.model_validate_json(settings)
    if int(file_bytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes),) * 2)
    if role == "writer":
        _writer(end, Path(folder), parsed)
    else:
        asyncio.run(_worker(end, parsed))


if __name__ == "__main__":
    main(*sys.argv[1:])
