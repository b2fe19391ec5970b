"""Rows of a service's life: told to stop, swapped and its clock set, all under load."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.load import Step
from benchmarks.load_records import Sample, told
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.verdicts import Goal, Observed, count

_LEAST = 5000
_SWAPS = 50
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib")


def _terminated(scene: Scene) -> Observed:
    """Tell a server to stop in the middle of a thousand requests a second."""
    with (
        scene.serve() as server,
        scene.traffic(server, Step(6.0, 1000.0), connections=32) as load,
    ):
        load.wait_until(5.0)
        server.fault("slow_ms:20")  # so that at any moment some are under way
        began = load.wait_until(5.3)
        server.process.terminate()
        status = server.process.wait(20)
        stopped_s = time.monotonic() - began
        samples = load.finish()
    # Who comes after the port is closed is told so at once, and asks another host.
    sent = [sample for sample in samples if sample.sent and sample.failure != "refused"]
    found = observe(scene, server, sent, recover_s=stopped_s)
    found.tally = count(sent, scene.ground.expected)
    found.told = {"exit": status, "refused": len(samples) - len(sent)}
    if status != 0:
        found.misses.append(f"exit status {status}")
    if len(sent) < _LEAST:
        found.misses.append(f"only {len(sent)} requests")
    return found


def _swapped(scene: Scene) -> Observed:
    """Swap two bundles fifty times under load."""
    ground = scene.ground
    digests = [ground.second.digest, ground.first.digest]
    swaps: list[tuple[float, float, str]] = []
    with (
        scene.serve() as server,
        scene.traffic(server, Step(22.0, 250.0), connections=32) as load,
    ):
        load.wait_until(0.5)
        for number in range(_SWAPS):
            asked = time.monotonic()
            code, said = server.reload(digests[number % 2])
            assert code == 200, said
            assert said["outcome"] == "swapped", said
            swaps.append((asked, time.monotonic(), digests[number % 2]))
        took_s = time.monotonic() - load.began
        samples = load.finish()
    found = observe(scene, server, samples)
    mixed = _mixed(samples, swaps)
    found.told = {"swaps": len(swaps), "swapping_s": took_s, "mixed": mixed}
    if mixed:
        found.misses.append(f"{mixed} answers of the bundle before")
    if len(samples) < _LEAST:
        found.misses.append(f"only {len(samples)} requests")
    return found


def _mixed(samples: Sequence[Sample], swaps: Sequence[tuple[float, float, str]]) -> int:
    """Return how many requests were answered by an old bundle after others got the new one.

    Within one swap: whatever is sent after the first answer of the new bundle has come, or after
    the swap was confirmed, must be answered by the new one, until the next swap is asked for.
    """
    mixed = 0
    for number, (asked, confirmed, digest) in enumerate(swaps):
        until = swaps[number + 1][0] if number + 1 < len(swaps) else float("inf")
        during = [s for s in samples if s.code == 200 and asked <= s.sent and s.done < until]
        new = [s.done for s in during if told(s).model == digest]
        since = min([confirmed, *new])
        mixed += sum(s.sent > since and told(s).model != digest for s in during)
    return mixed


def _clock_jumps(scene: Scene) -> Observed:
    """Set the time of day an hour ahead, a day back, and right again, while the breaker rests."""
    library = _libfaketime()
    offset = scene.folder / "offset"
    scene.folder.mkdir(parents=True, exist_ok=True)
    _set(offset, "+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    with (
        scene.serve(environment=environment) as server,
        scene.traffic(server, Step(8.0, 150.0)) as load,
    ):
        server.fault("model_error")
        load.wait_until(0.9)
        server.fault("none")
        began = load.wait_until(1.0)
        opened = [event for event in server.events() if event.kind == "breaker"]
        for second, text in ((1.0, "+3600"), (3.0, "-86400"), (5.0, "+0")):
            load.wait_until(second)
            _set(offset, text)
        samples = load.finish()
        # Their times are of the clock that was set, so they are told apart by their number.
        moves = [event for event in server.events() if event.kind == "breaker"][len(opened) :]
    found = observe(scene, server, samples, began=began)
    found.told = {"breaker_moves": len(moves)}
    if not opened:
        found.misses.append("the breaker never opened")
    if moves:
        found.misses.append(f"the breaker moved: {[dict(move.fields) for move in moves]}")
    return found


def _set(path: Path, text: str) -> None:
    """Write in one step: the library may read at any time."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text + "\n")
    os.replace(fresh, path)


def _libfaketime() -> Path:
    found = [Path(folder, "faketime", "libfaketime.so.1") for folder in _LIBRARIES]
    for path in found:
        if path.is_file():
            return path
    message = "libfaketime is not installed: apt-get install faketime"
    if os.environ.get("CI") == "true" and shutil.which("apt-get"):
        pytest.fail(message)
    pytest.skip(message)


ROWS = (
    Row("SIGTERM under load", Goal(lost=0, back_s=8.0), _terminated,
        unguarded={"without": ["drain"]}),
    Row("50 hot swaps under load", Goal(lost=0, lost_rows=0), _swapped,
        unguarded={"without": ["epoch"]}),
    Row("clock jumps", Goal(in_time=0.995, lost=0), _clock_jumps,
        changes={"breaker": {"open_s": 60.0}}, unguarded={"without": ["monotonic_clock"]}),
)  # fmt: skip
