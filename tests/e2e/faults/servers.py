"""A server of the matrix: the real process tree, its admin port, its processes and its log."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import alive, children, stop, tree
from mlops.decision_log.read import decisions
from mlops.serving.settings import ServeSettings
from mlops.serving.spec import Protection
from tests.components.prometheus import eventually

ROOT = Path(__file__).resolve().parents[3]
READY_S = 30.0


@dataclass(frozen=True)
class Event:
    """A change of state that the server told.

    Attributes:
        at: Monotonic seconds, to a millisecond.
        kind: What kind.
        fields: What and why.
    """

    at: float
    kind: str
    fields: Mapping[str, str]


@dataclass
class Server:
    """A running server.

    Attributes:
        process: The supervisor.
        port: Where decisions are asked for.
        admin_port: Where it is moved.
        settings: What it was started with.
        log: Its log lines.
        ready_s: Seconds from its start until it answered.
    """

    process: "subprocess.Popen[bytes]"
    port: int
    admin_port: int
    settings: ServeSettings
    log: Path
    ready_s: float
    seen: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str) -> tuple[int, bytes]:
        return _call(self.port, "GET", path)

    def admin(self, method: str, path: str, body: str = "") -> tuple[int, Any]:
        code, content = _call(self.admin_port, method, path, body, timeout_s=20)
        return code, json.loads(content or b"{}")

    def fault(self, text: str) -> None:
        code, told = self.admin("PUT", "/faults", text)
        assert code == 200, told

    def reload(self, bundle: str = "", *, allow_downgrade: bool = False) -> tuple[int, Any]:
        order = {"bundle": bundle, "allow_downgrade": allow_downgrade}
        return self.admin("POST", "/reload", json.dumps(order))

    def events(self) -> list[Event]:
        _, told = self.admin("GET", "/events")
        ahead = time.time() - time.monotonic()
        return [
            Event(_seconds(each["at"]) - ahead, each["kind"], each["fields"])
            for each in told["events"]
        ]

    def status(self) -> Any:
        return self.admin("GET", "/status")[1]

    def metrics(self) -> dict[str, float]:
        """Return the value of each series by name and labels."""
        lines = self.get("/metrics")[1].decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def workers(self) -> list[int]:
        """Return the process ids of the workers: the members that have a model's process."""
        return [pid for pid in children(self.pid) if children(pid)]

    def models(self) -> list[int]:
        """Return the process ids of what workers started."""
        return [pid for worker in self.workers() for pid in children(worker)]

    def model_answers(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/readyz?require=model")[0] == 200
        return False

    def is_warm(self) -> bool:
        """Tell whether models are ready, each with its standby, if it may have one."""
        serving = self.settings.serving
        each = 2 if serving.protects(Protection.STANDBY) else 1
        lines = self.log.read_text().splitlines()
        ready = sum('"model process ' in line and ' ready"' in line for line in lines)
        return ready >= each * serving.workers and self.model_answers()

    def rows(self) -> int:
        """Return how many decisions are in its database."""
        settings = self.settings
        url = settings.serving.decision_log.url
        found = decisions(url, service=settings.service, folder=Path(settings.state))
        return sum(1 for _ in found)

    def left_alive(self, pids: list[int], *, within_s: float) -> list[int]:
        """Return which processes still live after a while."""
        limit = time.monotonic() + within_s
        while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < limit:
            time.sleep(0.02)
        return left


@contextlib.contextmanager
def serving(
    settings: ServeSettings,
    folder: Path,
    *,
    wait_for_model: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Run a server, and end all its processes by their ids."""
    server = start(settings, folder, environment=environment)
    try:
        if wait_for_model:
            eventually(server.is_warm, within_s=READY_S, what="the models are ready")
        yield server
    finally:
        close(server)


def start(
    settings: ServeSettings, folder: Path, *, environment: Mapping[str, str] | None = None
) -> Server:
    """Start a server and wait until it says where it listens."""
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / "settings.json", folder / "server.log"
    path.write_text(settings.model_dump_json())
    started = time.monotonic()
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops.serving.server", str(path)],
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.stdout.close()
        stop(process)
        raise AssertionError(log.read_text()[-4000:])
    said = json.loads(line)
    ready_s = time.monotonic() - started
    port, admin_port = (int(said[name].rpartition(":")[2]) for name in ("url", "admin_url"))
    return Server(process, port, admin_port, settings, log, ready_s, tree(process.pid))


def close(server: Server) -> None:
    """End a server with all that it started."""
    members = {*server.seen, *tree(server.pid)}
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    stop(server.process)
    if server.process.stdout is not None:
        server.process.stdout.close()
    for pid in server.left_alive(sorted(members - {server.pid}), within_s=3.0):
        if _is_ours(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_ours(pid: int) -> bool:
    """Tell whether a process id still names a process of a server, not one that came after it."""
    with contextlib.suppress(OSError):
        return b"mlops" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _call(
    port: int, method: str, path: str, body: str = "", *, timeout_s: float = 5.0
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body=body.encode())
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()
