"""The matrix's traffic: the open-loop load in a process of its own, planned against one clock."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.load import Caller, Plan, Step, read_samples
from benchmarks.load_records import Sample
from tests.e2e.faults.servers import ROOT, Server

START_S = 1.2
"""Seconds that the load's process is given to start."""


@dataclass
class Traffic:
    """A load under way.

    Attributes:
        began: Monotonic seconds at which its first request is due.
        seconds: How long it lasts.
    """

    began: float
    seconds: float
    process: "subprocess.Popen[bytes]"
    samples_path: Path

    def wait_until(self, second: float) -> float:
        """Sleep until some seconds after its begin; returns the monotonic time."""
        time.sleep(max(0.0, self.began + second - time.monotonic()))
        return time.monotonic()

    def finish(self) -> list[Sample]:
        """Wait for its end, and return what came of each request."""
        _, errors = self.process.communicate(timeout=self.seconds + 40)
        assert self.process.returncode == 0, errors.decode()[-2000:]
        return read_samples(self.samples_path)

    def close(self) -> None:
        """End it early."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def begin(
    server: Server,
    bodies: Sequence[bytes],
    steps: Sequence[Step],
    folder: Path,
    *,
    callers: Sequence[Caller] = (Caller(),),
    connections: int = 16,
    name: str = "load",
) -> Traffic:
    """Start a load; what it measures counts from a moment that is known at once."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic() + START_S
    plan = Plan(
        port=server.port,
        bodies=tuple(bodies),
        steps=tuple(steps),
        connections=connections,
        callers=tuple(callers),
        keep="all",
        start_at=began,
    )
    path, samples = folder / f"{name}.plan", folder / f"{name}.samples"
    path.write_bytes(msgspec.msgpack.encode(plan))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.load", "--plan", str(path), "--samples", str(samples)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    return Traffic(began, sum(step.seconds for step in steps), process, samples)
