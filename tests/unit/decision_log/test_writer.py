"""A writer: it stores, spools, gives back, and counts what it cannot keep."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops.base.clock import SystemClock
from mlops.base.errors import ConfigError
from mlops.decision_log.database import Database
from mlops.decision_log.message import (
    Durable,
    append_row,
    decode_answer,
    new_parcel,
    seal,
    socket_pair,
)
from mlops.decision_log.read import decisions
from mlops.decision_log.settings import DecisionLogSettings, Durability
from mlops.decision_log.spool import Spool
from mlops.decision_log.target import SqliteTarget
from mlops.decision_log.writer import SPOOL_FOLDER, WriterPlan, run_writer
from tests.components.decisions import SERVICE, Watcher, row

SOON_S = 30.0


class Bench:
    """A writer in a thread, and a worker played by the test."""

    def __init__(self, folder: Path, settings: DecisionLogSettings, *, spool: bool = True) -> None:
        self.folder = folder
        self.watcher = Watcher()
        self.worker, self.writer = socket_pair()
        self.plan = WriterPlan(SERVICE, settings, folder, spool=spool)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._number = 0

    def start(self) -> None:
        self._thread.start()

    def send(self, *numbers: int) -> None:
        self._number += 1
        parcel = new_parcel()
        for number in numbers:
            append_row(parcel, row(number, at=time.time()))
        seal(parcel, incarnation=1, number=self._number, count=len(numbers))
        self.worker.send(parcel)

    def told(self) -> list[object]:
        found: list[object] = []
        while True:
            try:
                found.append(decode_answer(self.worker.recv(64)))
            except BlockingIOError:
                return found

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(SOON_S)
        assert not self._thread.is_alive()

    def stored(self) -> list[str]:
        url = self.plan.settings.url
        return [each.decision_id for each in decisions(url, service=SERVICE, folder=self.folder)]

    def _run(self) -> None:
        run_writer(
            [self.writer], self.plan, clock=SystemClock(), watcher=self.watcher,
            stop=self._stop.is_set,
        )  # fmt: skip


def ids(*numbers: int) -> list[str]:
    return [row(number).decision_id for number in numbers]


def eventually(probe: Callable[[], object]) -> None:
    end = time.monotonic() + SOON_S
    while not probe():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def bench(folder: Path, settings: DecisionLogSettings, *, spool: bool = True) -> Iterator[Bench]:
    made = Bench(folder, settings, spool=spool)
    try:
        yield made
    finally:
        if made._thread.is_alive():
            made.stop()
        made.worker.close()
        made.writer.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a database as a stuck backup would."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


COMMIT = DecisionLogSettings(durability=Durability.GROUP_COMMIT)


def test_rows_are_stored_and_answered_for(tmp_path: Path) -> None:
    with bench(tmp_path, COMMIT) as it:
        it.start()
        eventually(lambda: it.watcher.states[-1:] == [True])
        it.send(1, 2)
        it.send(3)
        eventually(lambda: Durable(1, 2) in it.told())
        assert sorted(it.stored()) == ids(1, 2, 3)
        assert it.watcher.rows == {"stored": 3}
        assert it.watcher.beats > 3


def test_what_the_workers_sent_before_the_end_is_stored(tmp_path: Path) -> None:
    with bench(tmp_path, DecisionLogSettings(commit_ms=60_000)) as it:
        it.start()
        for number in range(50):
            it.send(number)
        it.stop()
        assert sorted(it.stored()) == ids(*range(50))


def test_a_spool_left_behind_is_drained_first_thing(tmp_path: Path) -> None:
    parcel = new_parcel()
    append_row(parcel, row(7, at=time.time()))
    seal(parcel, incarnation=1, number=1, count=1)
    left = Spool(tmp_path / SPOOL_FOLDER, most_bytes=2**20, fsync=False)
    left.append([bytes(parcel[21:]), b"\xdd\x00\x00\x00\x02damaged"])
    with bench(tmp_path, COMMIT) as it:
        it.start()
        eventually(lambda: it.watcher.sizes[-1:] == [0])
        eventually(lambda: it.watcher.rows["stored"])
        assert it.stored() == ids(7)
        assert it.watcher.rows == {"stored": 1, "lost": 2}
        assert max(it.watcher.sizes) > 0


def test_a_spool_is_drained_before_the_end_if_the_database_takes_it(tmp_path: Path) -> None:
    left = Spool(tmp_path / SPOOL_FOLDER, most_bytes=2**24, fsync=False)
    for number in range(100):
        parcel = new_parcel()
        append_row(parcel, row(number, candidates=1000, at=time.time()))
        seal(parcel, incarnation=1, number=1, count=1)
        left.append([bytes(parcel[21:])])
    assert left.size > 4 * 2**18  # more than one transaction takes
    with bench(tmp_path, COMMIT) as it:
        it.start()
        it.stop()
        assert sorted(it.stored()) == ids(*range(100))


def test_rows_wait_in_files_while_the_database_is_locked(tmp_path: Path) -> None:
    with bench(tmp_path, COMMIT) as it, locked(tmp_path / "decisions.sqlite"):
        it.send(1)
        it.start()
        eventually(lambda: Durable(1, 1) in it.told())
        assert it.watcher.rows == {"spooled": 1}
        assert it.watcher.states == [False]
        it.send(2)
        eventually(lambda: Durable(1, 2) in it.told())
        assert it.watcher.sizes[-1] > 0


def test_without_a_spool_rows_wait_in_memory_and_are_lost_at_the_end(tmp_path: Path) -> None:
    """What the drill takes away is worth something."""
    with bench(tmp_path, COMMIT, spool=False) as it, locked(tmp_path / "decisions.sqlite"):
        it.send(1)
        it.start()
        eventually(lambda: it.watcher.states)
        time.sleep(0.5)
        assert Durable(1, 1) not in it.told()
        it.stop()
        assert it.watcher.rows == {"lost": 1}


def test_a_full_spool_and_a_full_memory_leave_rows_with_the_worker(tmp_path: Path) -> None:
    settings = DecisionLogSettings(
        durability=Durability.GROUP_COMMIT, spool_bytes=2**16, memory_bytes=2**16
    )
    with bench(tmp_path, settings) as it, locked(tmp_path / "decisions.sqlite"):
        it.start()
        sent = 0
        end = time.monotonic() + SOON_S
        refusals = 0
        while refusals < 20:
            assert time.monotonic() < end
            try:
                it.send(*range(sent, sent + 100))
                sent += 100
            except BlockingIOError:
                refusals += 1
                time.sleep(0.05)
        spooled = it.watcher.rows["spooled"]
        assert 0 < spooled < sent
        assert it.watcher.sizes[-1] <= 2**16
        assert it.watcher.rows["lost"] == 0
        beats = it.watcher.beats
        eventually(lambda: it.watcher.beats > beats + 2)


def test_old_rows_are_deleted_and_new_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops.decision_log.writer._FIRST_DELETION_S", 0.0)
    now = time.time()
    database = Database(SqliteTarget(tmp_path / "decisions.sqlite"))
    # More than are deleted in one transaction.
    database.insert([row(number, at=now - 3 * 86_400) for number in range(600)])
    database.insert([row(1000, at=now - 86_400)])
    database.close()
    with bench(tmp_path, DecisionLogSettings(retention_days=2.0)) as it:
        it.start()
        eventually(lambda: it.stored() == ids(1000))


def test_a_log_that_is_switched_off_has_no_writer(tmp_path: Path) -> None:
    plan = WriterPlan(SERVICE, DecisionLogSettings(url="none"), tmp_path)
    with pytest.raises(ConfigError, match="nothing to write to"):
        run_writer([], plan, clock=SystemClock(), watcher=Watcher(), stop=lambda: True)


def test_only_the_writers_thread_imports_the_database_library() -> None:
    import subprocess
    import sys

    program = (
        "import sys, mlops.decision_log.writer, mlops.decision_log.client;"
        "import mlops.decision_log.read;"
        "print([m for m in sys.modules if m.partition('.')[0] in ('sqlalchemy', 'psycopg')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
