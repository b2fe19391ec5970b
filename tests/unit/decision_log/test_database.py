"""A database: rows go in once and come out as they were; what is wrong with it is said."""

import math
import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from mlops.base.errors import ConfigError, UnavailableError
from mlops.decision_log.database import Database
from mlops.decision_log.read import decisions
from mlops.decision_log.row import Row
from mlops.decision_log.target import SqliteTarget
from tests.components.decisions import SERVICE, row
from tests.unit.decision_log.test_message import ROWS

NUMBERS = count()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "decisions.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    made = Database(SqliteTarget(path))
    yield made
    made.close()


def found(path: Path, *, since: float = 0.0, service: str = SERVICE) -> list[Row]:
    url = f"sqlite:///{path}"
    return list(decisions(url, service=service, folder=path.parent, since=since))


def test_rows_come_out_as_they_went_in_oldest_first(database: Database, path: Path) -> None:
    rows = [row(number, candidates=number) for number in range(5)]
    assert database.insert(rows[::-1]) == (5, 0)
    assert found(path) == rows
    assert found(path, since=rows[3].at) == rows[3:]
    assert found(path, service="other") == []
    assert database.count(SERVICE) == 5


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(any_row=ROWS)
def test_any_row_comes_out_as_it_went_in(database: Database, any_row: Row) -> None:
    number = next(NUMBERS)
    own = msgspec.structs.replace(
        any_row,
        decision_id=f"d{number}",
        service=f"s{number}",
        request_id=any_row.request_id.replace("\0", ""),
        ids=[name.replace("\0", "") for name in any_row.ids],
    )
    assert database.insert([own]) == (1, 0)
    assert list(database.rows(own.service, since=-math.inf)) == [own]


def test_a_row_that_comes_again_is_stored_once_and_left_as_it_is(
    database: Database, path: Path
) -> None:
    assert database.insert([row(1), row(2)]) == (2, 0)
    changed = msgspec.structs.replace(row(2), source="static")
    assert database.insert([changed, row(3), row(3)]) == (1, 0)
    assert found(path) == [row(1), row(2), row(3)]
    assert database.insert([]) == (0, 0)


@pytest.mark.parametrize("bad", [{"epoch": 2**63}, {"total_ms": math.nan}, {"rows": 2**70}])
def test_a_row_that_can_never_be_stored_costs_no_other(
    database: Database, path: Path, bad: dict[str, float]
) -> None:
    rows = [row(number) for number in range(9)]
    rows[4] = msgspec.structs.replace(rows[4], **bad)
    assert database.insert(rows) == (8, 1)
    assert found(path) == rows[:4] + rows[5:]


def test_nul_characters_are_replaced(database: Database, path: Path) -> None:
    database.insert([msgspec.structs.replace(row(), request_id="a\0b", ids=["\0", "y", "z"])])
    (stored,) = found(path)
    assert (stored.request_id, stored.ids) == ("a\ufffdb", ["\ufffd", "y", "z"])


def test_many_rows_are_read_in_pages_even_if_their_times_are_equal(
    database: Database, path: Path
) -> None:
    rows = [msgspec.structs.replace(row(number), at=5.0) for number in range(1203)]
    database.insert(rows)
    assert found(path) == rows


def test_the_oldest_rows_of_a_service_are_deleted_a_few_at_a_time(
    database: Database, path: Path
) -> None:
    other = msgspec.structs.replace(row(0), decision_id="other", service="other")
    database.insert([row(number) for number in range(10)] + [other])
    before = row(6).at
    assert [database.delete_before(before, SERVICE, most=4) for _ in range(3)] == [4, 2, 0]
    assert found(path) == [row(number) for number in range(6, 10)]
    assert found(path, service="other") == [other]


def test_a_commit_survives_a_power_cut_and_only_the_service_reads_it(
    database: Database, path: Path
) -> None:
    database.check()
    connection = database._connected()
    assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_a_locked_file_is_unavailable_and_then_is_not(database: Database, path: Path) -> None:
    database.check()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for task in (database.check, lambda: database.insert([row()])):
        with pytest.raises(UnavailableError, match="locked"):
            task()
    holder.execute("ROLLBACK")
    holder.close()
    assert database.insert([row()]) == (1, 0)


def test_a_file_that_somebody_removed_is_made_anew(database: Database, path: Path) -> None:
    database.insert([row(1)])
    for file in list(path.parent.iterdir()):
        file.unlink()
    assert database.insert([row(2)]) == (1, 0)
    assert found(path) == [row(2)]
    database.close()
    path.unlink()
    assert database.insert([row(3)]) == (1, 0)  # nor does it need a new process
    assert found(path) == [row(3)]


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, though long enough to look like one " * 40)
    with pytest.raises(ConfigError, match="file is not a database") as caught:
        Database(SqliteTarget(path)).check()
    assert caught.value.key == ("decision_log", "url")


def test_a_folder_that_is_none_is_unavailable(path: Path) -> None:
    path.parent.write_text("")
    with pytest.raises(UnavailableError, match="cannot be written now"):
        Database(SqliteTarget(path)).check()


def test_a_schema_of_another_version_is_refused(database: Database, path: Path) -> None:
    database.check()
    database.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT schema_version FROM decision_log_schema").fetchall() == [
            (1,)
        ]
        connection.execute("UPDATE decision_log_schema SET schema_version = 2")
    connection.close()
    with pytest.raises(ConfigError, match="schema version 2, not 1"):
        database.insert([row()])


def test_messages_hold_no_rows(database: Database, path: Path) -> None:
    database.check()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    secret = msgspec.structs.replace(row(), request_id="secret")
    with pytest.raises(UnavailableError) as caught:
        database.insert([secret])
    holder.close()
    assert "secret" not in f"{caught.value} {caught.value.__cause__}"


def test_reading_says_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no decision log at"):
        found(tmp_path / "decisions.sqlite")
    with pytest.raises(ConfigError, match="no decision was written"):
        list(decisions("none", service=SERVICE, folder=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_aborting_without_a_connection_does_nothing(database: Database) -> None:
    database.abort()
    database.check()
    database.abort()
    assert database.insert([row()]) == (1, 0)
