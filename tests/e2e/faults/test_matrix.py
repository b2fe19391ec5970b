"""The fault matrix: under each fault the service reaches its goal, and without its guard it fails.

Real processes under an open-loop load. The table is printed at the end, and lies in the temporary
folder of the run as `fault-matrix.txt`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.faults import (
    rows_bundle,
    rows_callers,
    rows_heuristic,
    rows_life,
    rows_log,
    rows_model,
    rows_overload,
    rows_process,
)
from tests.e2e.faults.ground import Ground
from tests.e2e.faults.scene import Row
from tests.e2e.faults.table import Table

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROUNDS = 5
ROWS = (
    *rows_model.ROWS,
    *rows_heuristic.ROWS,
    *rows_process.ROWS,
    *rows_bundle.ROWS,
    *rows_log.ROWS,
    *rows_callers.ROWS,
    *rows_overload.ROWS,
    *rows_life.ROWS,
)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ExitStack() as stack:
        yield Ground.laid(tmp_path_factory.mktemp("ground"), stack)


@pytest.fixture(scope="module")
def table(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Table]:
    found = Table(tmp_path_factory.getbasetemp() / "fault-matrix.txt")
    yield found
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.write_line("\n" + found.text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.fault)
def test_goal_is_reached_under_the_fault(
    row: Row, ground: Ground, table: Table, tmp_path: Path
) -> None:
    rounds = []
    for number in range(ROUNDS):
        seen = row.play(row.scene(ground, tmp_path / str(number), guarded=True))
        misses = row.goal.misses(seen)
        table.add(row.fault, seen, misses, guarded=True)
        # What the code causes is in every round; what a busy machine causes is not.
        if not misses:
            return
        rounds.append(misses)
    pytest.fail(f"missed in each round: {rounds}")


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.unguarded is not None], ids=lambda row: row.fault
)
def test_goal_is_missed_without_the_guard(
    row: Row, ground: Ground, table: Table, tmp_path: Path
) -> None:
    seen = row.play(row.scene(ground, tmp_path, guarded=False))
    misses = row.goal.misses(seen)
    table.add(row.fault, seen, misses, guarded=False)
    assert misses, "the guard is not what reached the goal"
