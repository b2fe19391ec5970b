"""A handle on `tests.components.supervised_service`: sends it orders and waits for its events."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
SETTINGS = {"heartbeat_ms": 50.0, "silent_ms": 600.0, "boot_s": 20.0, "longest_pause_s": 1.0}


class Supervised:
    """The service's supervisor, running.

    Args:
        log: Where its stderr goes.
        workers: Number of workers; the writer is the member after them.
        drain_s: Its drain.
        lasts_s: Seconds that a worker takes to stop.
        die_together: Whether members die with it.
        unborn: Whether the first process of member 0 never comes up.
        settings: Of its supervision.
    """

    def __init__(
        self,
        log: Path,
        *,
        workers: int = 2,
        drain_s: float = 10.0,
        lasts_s: float = 0.0,
        die_together: bool = True,
        unborn: bool = False,
        **settings: float,
    ) -> None:
        given = {
            "workers": workers,
            "drain_s": drain_s,
            "lasts_s": lasts_s,
            "die_together": die_together,
            "unborn": unborn,
            "settings": SETTINGS | settings,
        }
        self.members = workers + 1
        self.log = log
        self._stderr = log.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.components.supervised_service", json.dumps(given)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )
        self.events: list[dict[str, Any]] = []
        self.seen = 0
        self._held = b""
        self.port: int = self.wait("listening")["port"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _t: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None
    ) -> None:
        for pid in [self.process.pid, *self.pids().values()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            assert stream is not None
            stream.close()

    def order(self, order: str, **details: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"order": order, **details}).encode() + b"\n")
        self.process.stdin.flush()

    def send(self, member: int, content: str) -> None:
        self.order("send", member=member, content=content)

    def wait(self, event: str, **wanted: Any) -> dict[str, Any]:
        """Return the next event of a kind, after the one that was waited for last."""
        until = time.monotonic() + PATIENCE_S
        wanted["event"] = event
        while True:
            for at in range(self.seen, len(self.events)):
                found = self.events[at]
                if wanted.items() <= found.items():
                    self.seen = at + 1
                    return found
            self._read(until, wanted)

    def wait_up(self) -> dict[int, int]:
        """Wait until all members gave heartbeats; return their processes."""
        until = time.monotonic() + PATIENCE_S
        while not self._all_up():
            self._read(until, {"event": "started"})
        self.seen = len(self.events)
        return self.pids()

    def wait_started(self, member: int) -> int:
        """Wait until a member's next process gave a heartbeat; return it."""
        self.wait("started", member=member)
        until = time.monotonic() + PATIENCE_S
        ended = self._last("ended", member)
        while self._last("message", member, "hello") <= ended:
            self._read(until, {"event": "message"})
        return self.pids()[member]

    def wait_replaced(self, before: dict[int, int]) -> dict[int, int]:
        """Wait until all members have other processes than before, which give heartbeats."""
        until = time.monotonic() + PATIENCE_S
        while not all(
            self.pids()[member] != pid
            and self._last("started", member) > self._last("ended", member)
            for member, pid in before.items()
        ):
            self._read(until, {"event": "started"})
        self.seen = len(self.events)
        return self.pids()

    def pids(self) -> dict[int, int]:
        """Return the last known process of each member."""
        return {
            each["member"]: int(each["content"].split()[1])
            for each in self.events
            if each["event"] == "message" and each["content"].startswith("hello")
        }

    def children(self) -> set[int]:
        """Return all children of the supervisor, those that wait to be reaped included."""
        pid = self.process.pid
        return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        """Read events to the end; return the exit code."""
        until = time.monotonic() + PATIENCE_S
        try:
            while True:
                self._read(until, {"event": "the end"})
        except EOFError:
            return self.process.wait(PATIENCE_S)

    def ask(self) -> int:
        """Ask on the listener; return the process that answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as caller:
            return int(caller.makefile("rb").readline())

    def _all_up(self) -> bool:
        started = {each["member"] for each in self.events if each["event"] == "started"}
        return len(started) == len(self.pids()) == self.members

    def _last(self, event: str, member: int, content: str = "") -> int:
        found = [
            at
            for at, each in enumerate(self.events)
            if each["event"] == event
            and each["member"] == member
            and each.get("content", "").startswith(content)
        ]
        return max(found, default=-1)

    def _read(self, until: float, wanted: dict[str, Any]) -> None:
        assert self.process.stdout is not None
        stdout = self.process.stdout.fileno()
        left_s = until - time.monotonic()
        if left_s <= 0 or not select.select([stdout], [], [], left_s)[0]:
            told = self.log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"no {wanted} in {self.events[-5:]}; it said: {told}")
        chunk = os.read(stdout, 65536)
        if not chunk:
            raise EOFError(f"it ended before {wanted}")
        *lines, self._held = (self._held + chunk).split(b"\n")
        self.events += [json.loads(line) for line in lines]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def all_dead(pids: list[int]) -> bool:
    """Wait for processes to end; returns whether they did."""
    until = time.monotonic() + PATIENCE_S
    while any(is_alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not any(is_alive(pid) for pid in pids)
