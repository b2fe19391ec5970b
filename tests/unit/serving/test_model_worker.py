"""What runs inside a model process: limits, a user's own heuristics, and the end of its worker."""

import asyncio
import dataclasses
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.json import encode

from mlops.models.artifact import BundleRef, write
from mlops.models.golden import make_golden
from mlops.models.heuristics import FittedHeuristic
from mlops.serving.lane import ModelFailedError, ModelGoneError
from mlops.serving.model_worker import WorkerSettings
from tests.components.bundles import parts, write_bundle
from tests.components.model_processes import (
    MODEL,
    ROWS,
    SERVICE,
    START_S,
    Running,
    children,
    lives,
    settings_of,
    with_processes,
)
from tests.fakes.counted_heuristic import Counted

PATH = f"{Counted.__module__}.{Counted.__qualname__}"
RISING = [float(at) for at in range(ROWS)]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    return write_bundle(SERVICE, tmp_path_factory.mktemp("bundles"), MODEL)


class Own:
    """A bundle with a user's own heuristic, and the file into which that writes its calls."""

    def __init__(self, folder: Path, **how: Any) -> None:
        self.file = folder / "calls"
        mine = FittedHeuristic("custom", PATH, Counted(self.file, **how))
        whole = dataclasses.replace(parts(SERVICE, MODEL), heuristics={"mine": mine})
        self.settings = settings_of(
            write(whole, folder), packages=("tests.fakes",), heuristic="mine"
        )
        self.file.write_text("")  # the golden batch was scored by it

    @property
    def calls(self) -> int:
        return len(self.file.read_text().splitlines())


# a user's own heuristic


def test_heuristic_of_a_users_own_answers_from_its_process(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    own = Own(tmp_path)
    capfd.readouterr()

    async def test(it: Running) -> None:
        assert await it.ask() == RISING

        it.play("model_error")  # of another part
        assert await it.ask() == RISING

        it.play("heuristic_error")
        with pytest.raises(ModelFailedError, match="drill"):
            await it.ask()

        it.play("heuristic_hang")
        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.05)
        await it.until(lambda: "hung" in it.told.events)
        it.play("none")
        await it.until(lambda: it.lane.ready)
        assert await it.ask() == RISING

    with_processes(own.settings, test)
    printed = capfd.readouterr()
    assert printed.out == ""  # stdout is the server's
    assert "scored 20" in printed.err


@pytest.mark.parametrize(("how", "told"), [("exits", "SystemExit"), ("matrix", "shape")])
def test_heuristic_that_misbehaves_fails_and_its_process_goes_on(
    tmp_path: Path, how: str, told: str
) -> None:
    async def test(it: Running) -> None:
        for _ in range(2):
            with pytest.raises(ModelFailedError, match=told):
                await it.ask()
        assert it.told.events == ["ready"]

    with_processes(Own(tmp_path, how=how).settings, test, standby=False)


def test_heuristic_that_is_not_there_is_told(
    bundle: BundleRef, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        it = Running(settings_of(bundle, heuristic="other"))
        await it.lane.start()
        assert not await it.lane.wait_ready(START_S)
        await it.lane.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "holds no heuristic 'other'" in caplog.text


def test_work_that_nobody_waits_for_is_never_begun(tmp_path: Path) -> None:
    """Twenty pages of 0.1 s each, all given up after 0.15 s: the process begins two of them."""
    own = Own(tmp_path, takes_s=0.1)

    async def test(it: Running) -> None:
        late = await asyncio.gather(
            *(it.ask(within_s=0.15) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(each, TimeoutError) for each in late[2:])
        assert it.lane.waiting == 0
        assert await it.ask() == RISING  # right behind what was dropped
        assert it.lane.owed == 0
        assert 1 <= own.calls <= 3

    with_processes(own.settings, test, standby=False)


# limits


def test_memory_is_limited_and_pages_need_little_of_it(
    bundle: BundleRef, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(it: Running) -> None:
        assert len(await it.ask()) == ROWS
        (child,) = children()
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[0])
        (limit,) = re.findall(
            r"Max address space +(\d+) ", Path(f"/proc/{child}/limits").read_text()
        )
        spare = int(limit) - pages * os.sysconf("SC_PAGE_SIZE")
        assert 0 < spare <= 1 << 25
        it.play("model_oom")
        with pytest.raises((ModelFailedError, ModelGoneError)):
            await it.ask()
        it.play("none")
        await it.until(lambda: "out of memory" in caplog.text)

    with caplog.at_level(logging.WARNING):
        with_processes(settings_of(bundle, spare_bytes=1 << 25), test, standby=False)


def test_process_is_modest_and_runs_on_one_thread(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        await it.ask()
        (child,) = children()
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, child) == min(19, mine + 5)
        status = Path(f"/proc/{child}/status").read_text()
        assert "Threads:\t1\n" in status
        environment = Path(f"/proc/{child}/environ").read_bytes()
        assert b"OPENBLAS_NUM_THREADS=1" in environment

    with_processes(settings_of(bundle), test, standby=False)


def test_program_that_no_longer_scores_as_it_did_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = parts(SERVICE, MODEL)
    ref = write(whole, tmp_path / "right")
    assert (ref.path / "golden.npz").exists()
    golden = make_golden(whole.program, whole.domain, whole.heuristics)
    wrong = dataclasses.replace(golden, score=np.nextafter(golden.score, np.inf) + 1.0)
    other = write(dataclasses.replace(whole, golden=wrong), tmp_path / "wrong")

    async def run(*, golden: bool) -> bool:
        it = Running(settings_of(other, golden=golden))
        await it.lane.start()
        ready = await it.lane.wait_ready(START_S)
        await it.lane.stop()
        return ready

    with caplog.at_level(logging.ERROR):
        assert not asyncio.run(run(golden=True))
    assert other.digest in caplog.text
    assert asyncio.run(run(golden=False))


# the worker's end


WORKER = """
import asyncio, json, sys
from pathlib import Path
import msgspec
from mlops.base.clock import SystemClock
from mlops.models.artifact import load
from mlops.serving.faults import parse
from mlops.serving.model_worker import WorkerSettings
from mlops.serving.process import ModelProcess

class Told:
    events = []
    def model_ready(self, *, ready): self.events.append("ready" if ready else "lost")
    def model_restarted(self, cause): self.events.append(cause)

async def main():
    settings, fault = msgspec.json.decode(sys.argv[1], type=WorkerSettings), parse(sys.argv[2])
    golden, clock, told = load(Path(settings.bundle)).parts.golden, SystemClock(), Told()
    lane = ModelProcess(
        settings, hang_s=0.4, clock=clock, watcher=told, faults=lambda: fault,
    )
    await lane.start()
    while not lane.standby_ready:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    while True:
        try:
            await lane.score(golden.table, golden.rows, deadline=clock.monotonic() + 5)
            print("answered", *told.events, flush=True)
        except Exception as error:
            print(type(error).__name__, *told.events, flush=True)

asyncio.run(main())
"""


class Worker:
    """A worker in a process group of its own, with a model process and its standby."""

    def __init__(self, settings: WorkerSettings, fault: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, encode(settings).decode(), fault],
            cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.lines: Iterator[str] = iter(self.process.stdout)
        assert next(self.lines) == "ready\n"
        self.children = children(self.process.pid)
        assert len(self.children) == 2

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.parametrize("fault", ["none", "model_hang", "model_lock"])
def test_no_process_outlives_a_worker_that_is_killed(bundle: BundleRef, fault: str) -> None:
    worker = Worker(settings_of(bundle), fault)
    asyncio.run(asyncio.sleep(0.05))
    worker.end()
    asyncio.run(_until_gone(worker.children))


def test_without_the_death_signal_a_process_that_hangs_outlives_its_worker(
    bundle: BundleRef,
) -> None:
    worker = Worker(settings_of(bundle, death_signal=False), "model_hang")
    asyncio.run(asyncio.sleep(0.1))
    hanging, idle = worker.children
    worker.end()
    try:
        asyncio.run(_until_gone([idle]))  # its socket tells it
        assert lives(hanging)
    finally:
        os.kill(hanging, signal.SIGKILL)


def test_pause_of_worker_and_model_together_ends_no_process(bundle: BundleRef) -> None:
    worker = Worker(settings_of(bundle), "slow_ms:100")
    try:
        next(worker.lines)
        os.killpg(worker.process.pid, signal.SIGSTOP)
        asyncio.run(asyncio.sleep(1.2))  # three times what counts as a hang
        os.killpg(worker.process.pid, signal.SIGCONT)
        after = {next(worker.lines) for _ in range(8)}
        assert after == {"answered ready\n"}
        assert all(lives(child) for child in worker.children)
    finally:
        worker.end()
    asyncio.run(_until_gone(worker.children))


async def _until_gone(pids: list[int]) -> None:
    try:
        async with asyncio.timeout(START_S):
            while any(lives(pid) for pid in pids):
                await asyncio.sleep(0.01)
    finally:
        for pid in filter(lives, pids):
            os.kill(pid, signal.SIGKILL)  # what outlives a failing test would spin for ever
