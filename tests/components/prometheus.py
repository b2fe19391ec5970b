"""A real Prometheus on a free loopback port, for tests that must see alerts fire."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from mlops.budgets.prometheus import HttpPrometheus, Sample

T = TypeVar("T")

READY_WITHIN_S = 30.0


def binary(name: str, package: str = "prometheus") -> str:
    """Return the path of a program of a Debian package.

    Where it is missing the test is skipped, but in CI (`CI=true`) it fails: there, a test that
    does not run must not look like one that passed.
    """
    path = shutil.which(name)
    if path is None:
        message = f"{name} is not installed: apt-get install {package}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(probe: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """Ask until there is something true and return it.

    Args:
        probe: Asked every 0.2 s; what it raises ends the wait.
        within_s: Seconds after which the test fails.
        what: What is waited for, for the failure's message.
    """
    end = time.monotonic() + within_s
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            pytest.fail(f"not within {within_s} s: {what}")
        time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as Prometheus' API shows it."""

    name: str
    state: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunningPrometheus:
    """A started server.

    Attributes:
        url: Base address.
        folder: Holds `prometheus.yml`, the rule files, the data and `prometheus.log`.
        pid: Its process.
    """

    url: str
    folder: Path
    pid: int

    def query(self, expr: str) -> tuple[Sample, ...]:
        """Return the instant vector of an expression, now."""
        return HttpPrometheus(self.url, timeout_s=10.0).query(expr, at=datetime.now(UTC))

    def value(self, expr: str) -> float | None:
        """Return the one value of an expression, or None if it has no series."""
        samples = self.query(expr)
        assert len(samples) <= 1, samples
        return samples[0].value if samples else None

    def alerts(self, *, state: str = "firing") -> tuple[Alert, ...]:
        """Return the active alerts in a state, `pending` or `firing`."""
        with urllib.request.urlopen(f"{self.url}/api/v1/alerts", timeout=10) as response:
            answer = json.load(response)
        return tuple(
            Alert(item["labels"]["alertname"], item["state"], item["labels"], item["annotations"])
            for item in answer["data"]["alerts"]
            if item["state"] == state
        )

    def firing(self, **labels: str) -> tuple[Alert, ...]:
        """Return the firing alerts with these labels."""
        return tuple(
            alert for alert in self.alerts() if labels.items() <= dict(alert.labels).items()
        )

    def reload(self) -> None:
        """Read the configuration and the rules again."""
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            pass

    def log(self) -> str:
        """Return what the server has logged, warnings and worse."""
        return (self.folder / "prometheus.log").read_text()


@contextmanager
def running_prometheus(
    folder: Path, *, config: str, rules: Mapping[str, str], flags: Sequence[str] = ()
) -> Iterator[RunningPrometheus]:
    """Start Prometheus, wait until it is ready, and stop it at the end.

    Args:
        folder: An empty folder for its files.
        config: Text of `prometheus.yml`; names rule files relative to the folder.
        rules: Text of each rule file by its name.
        flags: More of the program's own, such as `--storage.tsdb.retention.time=60d`.
    """
    program = binary("prometheus")
    for name, text in {"prometheus.yml": config, **rules}.items():
        (folder / name).write_text(text)
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-lifecycle",
        "--log.level=warn",
        *flags,
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            server = RunningPrometheus(f"http://{address}", folder, process.pid)
            _wait_ready(server, process)
            yield server
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """End a process that a test started: asked first, killed after five seconds."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_ready(server: RunningPrometheus, process: "subprocess.Popen[bytes]") -> None:
    def ready() -> bool:
        if process.poll() is not None:
            pytest.fail(f"prometheus ended with {process.returncode}:\n{server.log()}")
        try:
            with urllib.request.urlopen(f"{server.url}/-/ready", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    eventually(ready, within_s=READY_WITHIN_S, what=f"{server.url} ready")
