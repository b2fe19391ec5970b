"""A soak: under steady load no process grows, and no connection, file or process is left over.

Five minutes by default; `--soak-minutes N` makes it longer or shorter.
"""

import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.load import Step
from benchmarks.processes import open_files, smaps, tree
from tests.components.prometheus import eventually
from tests.e2e.faults.ground import Ground
from tests.e2e.faults.scene import Scene
from tests.e2e.faults.verdicts import count

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(4000)]

RATE = 200.0
WARM_SHARE = 0.3
"""Part of the time in which pools and caches fill, and nothing is judged."""
MOST_KB_A_REQUEST = 0.05
"""A leak of one small object for each request takes more: 50 bytes."""
MORE_FILES = 1
"""Descriptors that a process may have opened once and for all after it was ready."""


def test_memory_is_flat_and_nothing_is_left_over(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    seconds = 60.0 * float(request.config.getoption("--soak-minutes"))
    memory: dict[int, list[tuple[float, int]]] = defaultdict(list)
    with ExitStack() as stack:
        ground = Ground.laid(tmp_path / "ground", stack)
        scene = Scene(ground, tmp_path, {"faults_allowed": False, "drain_s": 5.0})
        server = stack.enter_context(scene.serve(wait_for_model=False))
        while not server.model_answers():
            time.sleep(0.05)
        # The decision log opens its database with the first rows.
        stack.enter_context(scene.traffic(server, Step(2.0, RATE), name="warm")).finish()
        time.sleep(1.0)
        files = {pid: open_files(pid) for pid in tree(server.pid)}
        load = stack.enter_context(scene.traffic(server, Step(seconds, RATE)))
        load.wait_until(seconds * WARM_SHARE)
        began = set(tree(server.pid))
        while time.monotonic() < load.began + seconds - 1.0:
            for pid in tree(server.pid):
                memory[pid].append((time.monotonic() - load.began, smaps(pid)["Private_Dirty"]))
            server.metrics()
            time.sleep(0.5)
        samples = load.finish()
        assert set(tree(server.pid)) == began, "processes came or went"

        def nothing_is_open() -> bool:
            return all(open_files(pid) <= had + MORE_FILES for pid, had in files.items())

        eventually(nothing_is_open, within_s=10, what="the end of what was opened")
    counts = count(samples, ground.expected)
    assert (counts.lost, counts.wrong) == (0, 0)
    grown = {pid: slope(seen) / RATE for pid, seen in memory.items() if len(seen) > 10}
    assert grown
    assert max(grown.values()) < MOST_KB_A_REQUEST, f"KiB a request by process: {grown}"


def slope(seen: list[tuple[float, int]]) -> float:
    """Return KiB a second: the median of the slopes between all pairs, which no jump moves.

    Source: Theil, A rank-invariant method of linear and polynomial regression analysis, 1950.
    """
    at, size = np.array(seen, dtype=np.float64).T
    first, second = np.triu_indices(len(at), k=1)
    return float(np.median((size[second] - size[first]) / (at[second] - at[first])))
