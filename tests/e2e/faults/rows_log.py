"""Rows of the decision log: its database locked, hung or down, a full disk, a boot without."""

import contextlib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.load import Step
from mlops.contracts import search_ranking
from mlops.contracts.schema import read_domain
from tests.components.postgres import RunningPostgres
from tests.components.prometheus import free_port
from tests.e2e.faults.ground import merged
from tests.e2e.faults.scene import Row, Scene, observe
from tests.e2e.faults.servers import Server
from tests.e2e.faults.verdicts import Goal, Observed

_RATE, _BEFORE_S, _OUT_S, _AFTER_S = 200.0, 1.0, 2.5, 2.5
_BOOT_S = 5.0
_DISK_MB = 8
_GOAL = Goal(in_time=0.999, lost=0, lost_rows=0)
_WAITS = {
    "without": ["spool"],
    "deadline_ms": 5000.0,
    "decision_log": {"durability": "group_commit"},
}
"""What a server does that answers when the row is stored: without files to put it in meanwhile,
and without a deadline to its patience. Rows alone would wait in memory for longer than this."""

Outage = Callable[[Server], contextlib.AbstractContextManager[object]]


def _out(scene: Scene, outage: Outage) -> Observed:
    """Play an outage of the database under load; afterwards every row must be there."""
    with (
        scene.serve() as server,
        scene.traffic(server, Step(_BEFORE_S + _OUT_S + _AFTER_S, _RATE)) as load,
    ):
        began = load.wait_until(_BEFORE_S)
        with outage(server):
            load.wait_until(_BEFORE_S + _OUT_S)
        ended = time.monotonic()
        samples = load.finish()
        back = _available_again(server, ended)
        events = server.events()
    return observe(scene, server, samples, events=events, began=began, recover_s=back)


def _available_again(server: Server, since: float) -> float | None:
    """Wait until the spool is empty."""
    while time.monotonic() < since + 20.0:
        values = server.metrics()
        spooled = [v for name, v in values.items() if "decision_log" in name and "bytes" in name]
        if spooled and not any(spooled):
            return time.monotonic() - since
        time.sleep(0.05)
    return None


def _sqlite_locked(scene: Scene) -> Observed:
    @contextlib.contextmanager
    def locked(server: Server) -> Iterator[None]:
        (path,) = Path(server.settings.state).rglob("decisions.sqlite")
        holder = sqlite3.connect(path, isolation_level=None, timeout=5)
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")
        holder.close()

    return _out(scene, locked)


def _with_postgres(
    scene: Scene, outage: Callable[[RunningPostgres], contextlib.AbstractContextManager[object]]
) -> Observed:
    postgres = scene.ground.postgres()
    url = postgres.create(f"row_{time.monotonic_ns()}")
    there = Scene(scene.ground, scene.folder, merged(scene.changes, {"decision_log": {"url": url}}))
    return _out(there, lambda server: outage(postgres))


@contextlib.contextmanager
def _frozen(postgres: RunningPostgres) -> Iterator[None]:
    postgres.freeze()
    try:
        yield
    finally:
        postgres.thaw()


@contextlib.contextmanager
def _down(postgres: RunningPostgres) -> Iterator[None]:
    postgres.crash()
    try:
        yield
    finally:
        postgres.start()


def _disk_full(scene: Scene) -> Observed:
    state = scene.folder / "state"
    with _small_disk(state):
        return _out(scene, lambda server: _filled(state))


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """Put a small file system of its own under a folder, which only root can."""
    folder.mkdir(parents=True)
    options = f"size={_DISK_MB}m"
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mount.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mount.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def _filled(folder: Path) -> Iterator[None]:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


def _boot_without(scene: Scene) -> Observed:
    """Boot without a bundle, and with a database that nobody serves."""
    nowhere = {"decision_log": {"url": f"postgresql://log@127.0.0.1:{free_port()}/decisions"}}
    scene = Scene(scene.ground, scene.folder, merged(scene.changes, nowhere))
    domain = read_domain(search_ranking.Request).model_dump(mode="json")
    began = time.monotonic()
    empty = str(scene.folder / "nothing" / "here")
    with scene.serve(wait_for_model=False, bundle=empty, domain=domain) as server:
        ready_s = _until_ready(server, began)
        with scene.traffic(server, Step(3.0, _RATE)) as load:
            samples = load.finish()
    return observe(scene, server, samples, recover_s=ready_s, count_rows=False)


def _until_ready(server: Server, began: float) -> float | None:
    while time.monotonic() < began + 20.0:
        with contextlib.suppress(OSError):
            if server.get("/readyz")[0] == 200:
                return time.monotonic() - began
        time.sleep(0.02)
    return None


ROWS = (
    Row("decision database locked (SQLite)", _GOAL, _sqlite_locked,
        unguarded=_WAITS),
    Row("decision database hung (PostgreSQL)", _GOAL, lambda s: _with_postgres(s, _frozen),
        unguarded=_WAITS),
    Row("decision database down (PostgreSQL)", _GOAL, lambda s: _with_postgres(s, _down),
        unguarded=_WAITS),
    Row("boot without bundle and database", Goal(in_time=0.999, lost=0, back_s=_BOOT_S),
        _boot_without, unguarded={"fallback": "error", "holdout": {"share": 0}}),
    Row("disk full", Goal(in_time=0.999, lost=0, lost_rows=0), _disk_full,
        unguarded=_WAITS),
)  # fmt: skip
