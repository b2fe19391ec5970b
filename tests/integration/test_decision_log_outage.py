"""What a database that is down, hung, locked or full costs: rows wait in files, and no more."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops.decision_log.read import decisions
from mlops.decision_log.settings import DecisionLogSettings, Durability
from tests.components.decisions import SERVICE
from tests.components.log_processes import Lab, Process, log_lab
from tests.components.postgres import RunningPostgres, running_postgres
from tests.components.prometheus import eventually

WITHIN_S = 60.0
COMMIT = Durability.GROUP_COMMIT


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    with running_postgres() as server:
        yield server


def stored(lab: Lab) -> Counter[str]:
    found = decisions(lab.settings.url, service=SERVICE, folder=lab.folder)
    return Counter(row.decision_id for row in found)


def state(writer: Process) -> bool | None:
    events = writer.events("available")
    return bool(events[-1][1]) if events else None


def spooled(writer: Process) -> int:
    events = writer.events("spool")
    return int(str(events[-1][1])) if events else 0


def wait(probe: object, what: str) -> None:
    assert callable(probe)
    eventually(probe, within_s=WITHIN_S, what=what)


def durable(worker: Process) -> set[str]:
    return {str(name) for _, name in worker.events("durable")}


def goes_on(worker: Process, rows: int = 100) -> None:
    """Wait until rows become durable that were not before."""
    before = len(worker.events("durable"))
    wait(lambda: len(worker.events("durable")) > before + rows, "further durable rows")


def ends_well(lab: Lab, writer: Process, worker: Process) -> None:
    """Wait until the spool is empty, stop, and hold what is stored against what was promised."""
    wait(lambda: state(writer) is True, "the database takes rows")
    goes_on(worker, 20)
    worker.kill()
    wait(lambda: spooled(writer) == 0, "the spool is drained")
    writer.stop()
    found = stored(lab)
    assert durable(worker) <= set(found)
    assert set(found.values()) == {1}
    assert worker.counted("lost") == worker.counted("late") == writer.counted("lost") == 0
    assert float(str(writer.events("longest beat")[-1][1])) < 0.9  # it is killed after a second


@contextmanager
def at_work(lab: Lab) -> Iterator[tuple[Process, Process]]:
    """Start both processes and wait until rows go to the database."""
    writer, worker = lab.writer(), lab.worker()
    wait(lambda: state(writer) is True and writer.counted("stored") > 50, "stored rows")
    yield writer, worker


def test_rows_outlive_a_postgresql_that_crashes_and_returns(
    postgres: RunningPostgres, tmp_path: Path
) -> None:
    settings = DecisionLogSettings(url=postgres.create("crashes"), durability=COMMIT)
    with log_lab(tmp_path, settings) as lab, at_work(lab) as (writer, worker):
        postgres.crash()
        try:
            wait(lambda: state(writer) is False, "the outage noticed")
            goes_on(worker)
            wait(lambda: spooled(writer) > 0 and writer.counted("spooled") > 50, "spooled rows")
        finally:
            postgres.start()
        ends_well(lab, writer, worker)


def test_rows_outlive_a_postgresql_that_hangs(postgres: RunningPostgres, tmp_path: Path) -> None:
    settings = DecisionLogSettings(url=postgres.create("hangs"), durability=COMMIT)
    with log_lab(tmp_path, settings) as lab, at_work(lab) as (writer, worker):
        postgres.freeze()
        try:
            wait(lambda: state(writer) is False, "the hang noticed")
            goes_on(worker)
            time.sleep(6)  # long enough for the hung connection to be cut and made anew
            goes_on(worker)
        finally:
            postgres.thaw()
        ends_well(lab, writer, worker)


def test_writer_boots_without_its_database_and_a_killed_one_leaves_its_spool(
    postgres: RunningPostgres, tmp_path: Path
) -> None:
    settings = DecisionLogSettings(url=postgres.create("absent"), durability=COMMIT)
    with log_lab(tmp_path, settings) as lab:
        postgres.crash()
        try:
            writer, worker = lab.writer(), lab.worker()
            wait(lambda: writer.counted("spooled") > 50, "spooled rows")
            writer.kill()
            writer = lab.writer()
            wait(lambda: writer.counted("spooled") > 50, "spooled rows of the second writer")
            assert state(writer) is False
        finally:
            postgres.start()
        wait(lambda: state(writer) is True, "the database takes rows")
        worker.kill()
        wait(lambda: spooled(writer) == 0, "the spool is drained")
        writer.stop()
        found = stored(lab)
    assert durable(worker) <= set(found)
    assert set(found.values()) == {1}


def test_rows_outlive_a_locked_sqlite(tmp_path: Path) -> None:
    import sqlite3

    settings = DecisionLogSettings(durability=COMMIT)
    with log_lab(tmp_path, settings) as lab, at_work(lab) as (writer, worker):
        holder = sqlite3.connect(tmp_path / "decisions.sqlite", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        wait(lambda: state(writer) is False, "the lock noticed")
        goes_on(worker)
        holder.execute("ROLLBACK")
        holder.close()
        ends_well(lab, writer, worker)


def test_writer_that_stands_still_costs_nothing_but_time(tmp_path: Path) -> None:
    with log_lab(tmp_path, DecisionLogSettings(durability=COMMIT)) as lab, at_work(lab) as both:
        writer, worker = both
        os.kill(writer.process.pid, signal.SIGSTOP)
        time.sleep(0.5)
        writer.kill()
        ends_well(lab, lab.writer(), worker)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a disk of 32 megabytes, which only root can make."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)],
        capture_output=True, check=False,
    )  # fmt: skip
    if mounted.returncode:
        pytest.skip("no disk can be mounted here, only root can")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_full_disk_keeps_what_was_acknowledged_and_heals(tmp_path: Path) -> None:
    settings = DecisionLogSettings(durability=COMMIT)
    with small_disk(tmp_path) as disk, log_lab(disk, settings) as lab:
        lab.logs = tmp_path
        with at_work(lab) as (writer, worker):
            ballast = disk / "ballast"
            fill(ballast)
            wait(lambda: state(writer) is False, "the full disk noticed")
            before = len(worker.events("durable"))
            time.sleep(1.0)
            assert len(worker.events("durable")) <= before + 1000  # there may be some room left
            assert worker.process.poll() is None
            ballast.unlink()
            ends_well(lab, writer, worker)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 65536, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_file_that_may_not_grow_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    settings = DecisionLogSettings(durability=COMMIT)
    with log_lab(tmp_path, settings) as lab:
        writer, worker = lab.writer(file_bytes=400_000), lab.worker()
        wait(lambda: state(writer) is True, "the database takes rows")
        wait(lambda: state(writer) is False, "the full disk noticed")
        goes_on(worker)
        writer.kill()
        ends_well(lab, lab.writer(), worker)
