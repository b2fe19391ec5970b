"""The model process, for real: it answers, and whatever it does the server goes on."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from mlops.base.clock import SystemClock
from mlops.contracts.domain import Table
from mlops.models.artifact import BundleRef
from mlops.serving.faults import parse
from mlops.serving.model_client import ModelClient, ModelFailedError, ModelGoneError
from tests.components.bundles import write_bundle
from tests.components.toys import program, rows_of

SERVICE, MODEL = "search_ranking", "logistic"
ROWS = 20
CLOCK = SystemClock()
HANG_S = 0.4
START_S = 30.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    return write_bundle(SERVICE, tmp_path_factory.mktemp("bundles"), MODEL)


class Told:
    """Remembers what it is told about the process."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def model_ready(self, *, ready: bool) -> None:
        self.events.append("ready" if ready else "lost")

    def model_restarted(self, cause: str) -> None:
        self.events.append(cause)


class Running:
    """A client with its watcher and rows to ask about."""

    def __init__(self, folder: Path) -> None:
        self.told = Told()
        self.client = ModelClient(folder, (), hang_s=HANG_S, clock=CLOCK, watcher=self.told)
        self.table: Table = rows_of(SERVICE, MODEL, ROWS)

    async def ask(self, within_s: float = 10.0) -> list[float]:
        deadline = CLOCK.monotonic() + within_s
        scores, seconds = await self.client.score(self.table, ROWS, deadline=deadline)
        assert 0 <= seconds < within_s
        found: list[float] = scores.tolist()
        return found

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(START_S):
            while not happened():
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncGenerator[Running, None]:
    it = Running(folder)
    await it.client.start()
    try:
        assert await it.client.wait_ready(START_S)
        yield it
    finally:
        await it.client.stop()


def with_process(ref: BundleRef, test: Callable[[Running], Awaitable[None]]) -> None:
    async def run() -> None:
        async with running(ref.path) as it:
            await test(it)

    asyncio.run(run())
    assert children() == []


def children() -> list[int]:
    """Return processes of ours that still run the model worker."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            status = (entry / "status").read_text()
            parent = int(status.split("PPid:")[1].split()[0])
            command = (entry / "cmdline").read_bytes()
            if parent == os.getpid() and b"mlops.serving.model_worker" in command:
                found.append(int(entry.name))
    return found


def test_answers_are_the_programs_and_faults_pass(bundle: BundleRef) -> None:
    """One process, one drill after the other: what each looks like to the caller."""
    wanted = program(SERVICE, MODEL).score(rows_of(SERVICE, MODEL, ROWS)).tolist()

    async def test(it: Running) -> None:
        assert await it.ask() == wanted
        many = await asyncio.gather(*(it.ask() for _ in range(30)))
        assert many == [wanted] * 30

        it.client.fault = parse("model_error")
        with pytest.raises(ModelFailedError, match="drill: model_error"):
            await it.ask()

        it.client.fault = parse("model_nan")
        assert np.isnan(await it.ask()).all()

        it.client.fault = parse("model_out_of_range")
        assert await it.ask() == [np.finfo(float).max] * ROWS

        it.client.fault = parse("slow_ms:60")
        scores, seconds = await it.client.score(it.table, ROWS, deadline=CLOCK.monotonic() + 10)
        assert scores.tolist() == wanted
        assert 0.06 <= seconds < 5

        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.02)
        assert it.client.waiting == 0

        # Work that nobody waits for any more is dropped: the queue behind a slow page is short.
        it.client.fault = parse("slow_ms:100")
        began = CLOCK.monotonic()
        late = await asyncio.gather(
            *(it.ask(within_s=0.05) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(each, TimeoutError) for each in late)
        it.client.fault = parse("none")
        assert await it.ask() == wanted
        assert CLOCK.monotonic() - began < 1.5  # all twenty would have taken two seconds

        with pytest.raises(ModelFailedError, match=r"KeyError|ContractError"):
            await it.client.score({}, 0, deadline=CLOCK.monotonic() + 5)
        assert await it.ask() == wanted
        assert it.told.events == ["ready"]

    with_process(bundle, test)


def test_hang_is_cut_off_and_the_process_replaced(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        (first,) = children()
        it.client.fault = parse("model_hang")
        began = CLOCK.monotonic()
        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.05)
        assert CLOCK.monotonic() - began < HANG_S
        it.client.fault = parse("none")
        await it.until(lambda: "hung" in it.told.events)
        assert CLOCK.monotonic() - began >= HANG_S
        with pytest.raises(ModelGoneError):
            await it.ask()
        await it.until(lambda: it.client.ready)
        assert len(await it.ask()) == ROWS
        assert it.told.events == ["ready", "lost", "hung", "ready"]
        assert first not in children()

    with_process(bundle, test)


def test_killed_process_is_replaced_and_its_questions_are_answered(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        it.client.fault = parse("slow_ms:300")
        question = asyncio.create_task(it.ask())
        await it.until(lambda: it.client.waiting == 1)
        (first,) = children()
        os.kill(first, signal.SIGKILL)
        with pytest.raises(ModelGoneError):
            await question
        assert (it.client.ready, it.client.waiting) == (False, 0)
        await it.until(lambda: it.client.ready)
        it.client.fault = parse("none")
        assert len(await it.ask()) == ROWS
        assert it.told.events == ["ready", "lost", "died", "ready"]

    with_process(bundle, test)


def test_process_that_cannot_be_trusted_is_replaced(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        (first,) = children()
        it.client.replace()
        it.client.replace()  # by another answer of the same process
        await it.until(lambda: "corrupted" in it.told.events)
        await it.until(lambda: it.client.ready)
        assert len(await it.ask()) == ROWS
        assert it.told.events == ["ready", "lost", "corrupted", "ready"]
        assert first not in children()

    with_process(bundle, test)


def test_stop_ends_a_process_that_hangs(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        it.client.fault = parse("model_hang")
        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.01)

    with_process(bundle, test)


@pytest.mark.parametrize("pause_s", [0.0, 0.001, 0.05, 0.3])
def test_stop_while_it_starts_leaves_no_process(bundle: BundleRef, pause_s: float) -> None:
    async def run() -> None:
        it = Running(bundle.path)
        await it.client.start()
        await asyncio.sleep(pause_s)
        await it.client.stop()
        assert not it.client.ready

    asyncio.run(run())
    assert children() == []


def test_stop_before_start_is_nothing(bundle: BundleRef) -> None:
    asyncio.run(Running(bundle.path).client.stop())


def test_bundle_that_cannot_be_loaded_is_told_at_once(
    bundle: BundleRef, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = shutil.copytree(bundle.path, tmp_path / "broken")
    (broken / "program.npz").write_bytes(b"")

    async def run() -> None:
        it = Running(broken)
        await it.client.start()
        began = CLOCK.monotonic()
        assert not await it.client.wait_ready(START_S)
        assert CLOCK.monotonic() - began < START_S / 2
        await it.until(lambda: "not_loaded" in it.told.events)
        with pytest.raises(ModelGoneError):
            await it.ask()
        await it.client.stop()
        assert "ready" not in it.told.events

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert "program.npz" in caplog.text
    assert children() == []


def test_interpreter_that_cannot_be_started_is_tried_again(
    bundle: BundleRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")

    async def run() -> None:
        it = Running(bundle.path)
        await it.client.start()
        assert not await it.client.wait_ready(START_S)
        await it.until(lambda: it.told.events.count("not_loaded") >= 2)
        await it.client.stop()

    asyncio.run(run())
    assert "cannot be started" in caplog.text
