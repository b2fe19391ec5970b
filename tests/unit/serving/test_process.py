"""The model process, for real: it answers, and whatever it does the worker goes on."""

import asyncio
import logging
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uvloop

from mlops.models.artifact import BundleRef
from mlops.serving.lane import ModelFailedError, ModelGoneError
from tests.components.bundles import write_bundle
from tests.components.model_processes import (
    CLOCK,
    HANG_S,
    MODEL,
    ROWS,
    SERVICE,
    START_S,
    Running,
    children,
    running,
    settings_of,
    with_processes,
)
from tests.components.toys import program, rows_of


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> BundleRef:
    return write_bundle(SERVICE, tmp_path_factory.mktemp("bundles"), MODEL)


@pytest.fixture(scope="module")
def wanted() -> list[float]:
    scores: list[float] = program(SERVICE, MODEL).score(rows_of(SERVICE, MODEL, ROWS)).tolist()
    return scores


# answers


def test_answers_are_the_programs_and_faults_pass(bundle: BundleRef, wanted: list[float]) -> None:
    """One process, one drill after the other: what each looks like to the caller."""

    async def test(it: Running) -> None:
        assert await it.ask() == wanted
        many = await asyncio.gather(*(it.ask() for _ in range(30)))
        assert many == [wanted] * 30

        it.play("model_error")
        with pytest.raises(ModelFailedError, match="drill: it raises"):
            await it.ask()

        it.play("model_nan")
        assert np.isnan(await it.ask()).all()

        it.play("model_out_of_range")
        assert await it.ask() == [np.finfo(float).max] * ROWS

        it.play("model_constant")
        assert await it.ask() == [np.mean(wanted)] * ROWS

        it.play("heuristic_error")  # of another part
        assert await it.ask() == wanted

        it.play("slow_ms:60")
        scores, seconds = await it.lane.score(it.table, ROWS, deadline=CLOCK.monotonic() + 10)
        assert scores.tolist() == wanted
        assert 0.06 <= seconds < 5

        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.02)
        assert it.lane.waiting == 0
        it.play("none")

        with pytest.raises(ModelFailedError, match=r"KeyError|ContractError"):
            await it.lane.score({}, 0, deadline=CLOCK.monotonic() + 5)
        assert await it.ask() == wanted
        assert it.told.events == ["ready"]

    with_processes(settings_of(bundle), test, standby=False)


def test_each_question_gets_its_own_answer(bundle: BundleRef, wanted: list[float]) -> None:
    """Pages of different sizes at once, some given up: a late answer is nobody else's."""

    async def test(it: Running) -> None:
        sizes = [1 + at % ROWS for at in range(60)]
        found = await asyncio.gather(*(it.ask(rows=rows) for rows in sizes))
        assert found == [wanted[:rows] for rows in sizes]

        it.play("slow_ms:100")
        late = asyncio.create_task(it.ask(within_s=0.02, rows=3))
        await it.until(lambda: it.lane.owed == 1)
        it.play("none")
        assert await it.ask(rows=5) == wanted[:5]
        with pytest.raises(TimeoutError):
            await late
        assert it.lane.owed == 0

    with_processes(settings_of(bundle), test, standby=False)


def test_page_larger_than_the_sockets_buffer_is_answered(bundle: BundleRef) -> None:
    rows = 20_000
    table = rows_of(SERVICE, MODEL, rows)
    scores = program(SERVICE, MODEL).score(table).tolist()

    async def test(it: Running) -> None:
        async def ask() -> list[float]:
            deadline = CLOCK.monotonic() + 20
            return list((await it.lane.score(table, rows, deadline=deadline))[0])

        assert [*await asyncio.gather(ask(), ask())] == [scores, scores]

    with_processes(settings_of(bundle), test, standby=False)


def test_lane_works_on_the_loop_that_serves(bundle: BundleRef, wanted: list[float]) -> None:
    async def run() -> None:
        async with running(settings_of(bundle)) as it:
            await it.standby()
            it.lane.replace()
            assert await it.ask() == wanted

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
    assert children() == []


# the standby


def _kill(it: Running) -> None:
    os.kill(children()[0], signal.SIGKILL)


def _stop(it: Running) -> None:
    os.kill(children()[0], signal.SIGSTOP)


ENDS: dict[str, tuple[str, Callable[[Running], None] | None, str, str]] = {
    "it is killed": ("slow_ms:300", _kill, "died", "SIGKILL"),
    "it is stopped": ("slow_ms:300", _stop, "hung", "SIGKILL"),
    "it spins": ("model_hang", None, "hung", "SIGKILL"),
    "it holds the interpreter lock": ("model_lock", None, "hung", "SIGKILL"),
    "it crashes": ("model_segfault", None, "died", "SIGSEGV"),
    "it ends": ("model_exit", None, "died", "exit status 3"),
    "it is out of memory": ("model_oom", None, "died", "out of memory"),
    "its answers are impossible": (
        "slow_ms:300", lambda it: it.lane.replace(), "corrupted", "SIGKILL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", ENDS)
def test_standby_answers_at_once_when(
    sentence: str, bundle: BundleRef, wanted: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    fault, strike, cause, status = ENDS[sentence]

    async def test(it: Running) -> None:
        await it.standby()
        (first, second) = children()
        it.play(fault)
        question = asyncio.create_task(it.ask())
        if strike is not None:
            await it.until(lambda: it.lane.owed == 1)
            strike(it)
        with pytest.raises((ModelGoneError, ModelFailedError)):
            await question
        it.play("none")
        await it.until(lambda: cause in it.told.events)
        # Not one step of the event loop lies between the loss and the standby.
        assert it.told.events == ["ready", cause, "ready"]
        assert (it.lane.ready, it.lane.owed, it.lane.waiting) == (True, 0, 0)
        assert await it.ask() == wanted
        await it.until(lambda: first not in children())
        await it.until(lambda: f", {status}," in caplog.text)
        await it.standby()
        assert second in children()
        assert len(children()) == 2

    with caplog.at_level(logging.WARNING):
        with_processes(settings_of(bundle), test)
    (line,) = re.findall("model process .* ended: .*", caplog.text)
    assert f"ended: {cause}, {status}, after " in line
    assert "a standby took over" in line


def test_hang_is_cut_off_at_the_deadline_long_before_it_is_noticed(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        it.play("model_lock")
        began = CLOCK.monotonic()
        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.05)
        assert CLOCK.monotonic() - began < HANG_S
        it.play("none")
        await it.until(lambda: "hung" in it.told.events)
        assert CLOCK.monotonic() - began >= HANG_S

    with_processes(settings_of(bundle), test)


def test_without_a_standby_the_model_is_away_until_a_new_one_has_loaded(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        assert len(children()) == 1
        _kill(it)
        await it.until(lambda: "died" in it.told.events)
        with pytest.raises(ModelGoneError):
            await it.ask()
        await it.until(lambda: it.lane.ready)
        assert len(await it.ask()) == ROWS
        assert it.told.events == ["ready", "died", "lost", "ready"]

    with_processes(settings_of(bundle), test, standby=False)


def test_standby_that_dies_is_replaced_and_nobody_notices(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        await it.standby()
        first, second = children()
        os.kill(second, signal.SIGKILL)
        await it.until(lambda: "died" in it.told.events)
        assert len(await it.ask()) == ROWS
        await it.standby()
        assert it.told.events == ["ready", "died"]
        assert first in children()

    with_processes(settings_of(bundle), test)


def test_late_answer_of_a_killed_process_is_not_believed(
    bundle: BundleRef, wanted: list[float]
) -> None:
    """Both processes number their questions alike; each answer counts only where it was asked."""

    async def test(it: Running) -> None:
        await it.standby()
        it.play("slow_ms:50")
        question = asyncio.create_task(it.ask(rows=3))
        await it.until(lambda: it.lane.owed == 1)
        it.play("none")
        while CLOCK.monotonic() - began < 0.2:
            pass  # the answer arrives while nobody looks
        it.lane.replace()
        assert await it.ask(rows=5) == wanted[:5]
        with pytest.raises(ModelGoneError):
            await question

    began = CLOCK.monotonic()
    with_processes(settings_of(bundle), test)


# pauses


def test_pause_of_the_worker_is_no_hang(bundle: BundleRef, wanted: list[float]) -> None:
    async def test(it: Running) -> None:
        (child,) = children()
        it.play("slow_ms:20")
        question = asyncio.create_task(it.ask())
        await it.until(lambda: it.lane.owed == 1)
        os.kill(child, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(0.01, os.kill, child, signal.SIGCONT)
        _sleep_blocking(3 * HANG_S)
        assert await question == wanted
        assert it.told.events == ["ready"]

    with_processes(settings_of(bundle), test, standby=False)


def _sleep_blocking(seconds: float) -> None:
    """Stand still as a process does that was stopped."""
    until = CLOCK.monotonic() + seconds
    while CLOCK.monotonic() < until:
        pass


# what cannot be loaded


def test_replaced_folder_is_not_served_under_the_old_name(
    bundle: BundleRef, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shutil.copytree(bundle.path, tmp_path / "bundle")
    other = write_bundle("open_bandit", tmp_path / "other", MODEL)
    served = BundleRef(bundle.digest, folder)

    async def test(it: Running) -> None:
        await it.standby()
        shutil.rmtree(folder)
        shutil.copytree(other.path, folder)
        it.lane.replace()
        await it.until(lambda: "not_loaded" in it.told.events)
        assert len(await it.ask()) == ROWS  # by the standby, which had loaded the old one
        assert not it.lane.standby_ready

    with caplog.at_level(logging.ERROR):
        with_processes(settings_of(served), test)
    assert f"holds bundle {other.digest}, not {bundle.digest}" in caplog.text


def test_bundle_that_cannot_be_loaded_is_told_at_once(
    bundle: BundleRef, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = shutil.copytree(bundle.path, tmp_path / "broken")
    (broken / "program.npz").write_bytes(b"")

    async def run() -> None:
        it = Running(settings_of(BundleRef(bundle.digest, broken)))
        await it.lane.start()
        began = CLOCK.monotonic()
        assert not await it.lane.wait_ready(START_S)
        assert CLOCK.monotonic() - began < START_S / 2
        await it.until(lambda: "not_loaded" in it.told.events)
        with pytest.raises(ModelGoneError):
            await it.ask()
        await it.lane.stop()
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
        it = Running(settings_of(bundle))
        await it.lane.start()
        assert not await it.lane.wait_ready(START_S)
        await it.until(lambda: it.told.events.count("not_loaded") >= 2)
        await it.lane.stop()

    asyncio.run(run())
    assert "cannot be started" in caplog.text


STRANGE = {
    "it talks nonsense": ("os.write(connection, b'\\xff' * 4)", "corrupted"),
    "it hangs up and lives on": ("os.close(connection)", "not_loaded"),
}


@pytest.mark.parametrize("sentence", STRANGE)
def test_process_is_ended_if(
    sentence: str, bundle: BundleRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    does, cause = STRANGE[sentence]
    program = f"import os, sys, time; connection = int(sys.argv[3]); {does}; time.sleep(60)"
    strange = tmp_path / "strange"
    strange.write_text(f"#!{sys.executable}\n{program}\n")
    strange.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(strange))

    async def run() -> None:
        it = Running(settings_of(bundle))
        await it.lane.start()
        assert not await it.lane.wait_ready(START_S)
        assert it.told.events[0] == cause
        await it.lane.stop()

    asyncio.run(run())
    assert children() == []


# its end


def test_stop_ends_a_process_that_hangs(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        it.play("model_hang")
        with pytest.raises(TimeoutError):
            await it.ask(within_s=0.01)

    with_processes(settings_of(bundle), test)


@pytest.mark.parametrize("pause_s", [0.0, 0.001, 0.05, 0.3])
def test_stop_while_it_starts_leaves_no_process(bundle: BundleRef, pause_s: float) -> None:
    async def run() -> None:
        it = Running(settings_of(bundle))
        await it.lane.start()
        await asyncio.sleep(pause_s)
        await it.lane.stop()
        assert not it.lane.ready

    asyncio.run(run())
    assert children() == []


def test_stop_before_start_is_nothing(bundle: BundleRef) -> None:
    async def run() -> None:
        await Running(settings_of(bundle)).lane.stop()

    asyncio.run(run())


def test_terminating_the_group_leaves_the_answer_to_the_worker(bundle: BundleRef) -> None:
    async def test(it: Running) -> None:
        (child,) = children()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(child, number)
        assert len(await it.ask()) == ROWS
        assert it.told.events == ["ready"]

    with_processes(settings_of(bundle), test, standby=False)
