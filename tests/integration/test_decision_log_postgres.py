"""The decision log in PostgreSQL: the same rows, what it may not do, and the documented SQL."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from mlops.base.errors import ConfigError, UnavailableError
from mlops.decision_log.database import DECISIONS, Database
from mlops.decision_log.read import decisions
from mlops.decision_log.target import SqliteTarget, Target, parse_url
from tests.components.decisions import SERVICE, row
from tests.components.postgres import RunningPostgres, running_postgres
from tests.components.prometheus import eventually

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "decision-log.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?);\n```", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def postgres() -> Iterator[RunningPostgres]:
    with running_postgres() as server:
        yield server


def target(url: str) -> Target:
    parsed = parse_url(url, Path())
    assert parsed is not None
    return parsed


Connect = Callable[[Target], Database]


@pytest.fixture
def connect() -> Iterator[Connect]:
    made: list[Database] = []

    def database(at: Target) -> Database:
        made.append(Database(at))
        return made[-1]

    yield database
    for each in made:
        each.close()


def found(url: str) -> list[str]:
    return [each.decision_id for each in decisions(url, service=SERVICE, folder=Path())]


def test_rows_come_out_as_they_went_in_once_and_bad_ones_cost_no_other(
    postgres: RunningPostgres, connect: Connect
) -> None:
    url = postgres.create("rows")
    database = connect(target(url))
    rows = [row(number, candidates=number % 60) for number in range(1200)]
    assert database.insert(rows) == (1200, 0)
    assert list(decisions(url, service=SERVICE, folder=Path())) == rows
    more = [row(number, prefix="e") for number in range(9)]
    more[4] = msgspec.structs.replace(more[4], epoch=2**63)
    more[5] = msgspec.structs.replace(more[5], request_id="a\0b", ids=["\0", "y", "z"])
    assert database.insert([*rows[:10], *more]) == (8, 1)
    assert database.delete_before(row(5).at, SERVICE, most=3) == 3
    assert database.count(SERVICE) == 1205


def test_a_user_that_may_not_write_is_told_so_without_a_password(
    postgres: RunningPostgres, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    url = postgres.create("closed")
    connect(target(url)).check()
    postgres.sql("CREATE ROLE reader LOGIN")
    postgres.sql("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", database="closed")
    reader = url.replace("//log@", "//reader@")
    with pytest.raises(ConfigError, match="permission denied for table decisions") as caught:
        connect(target(reader)).insert([row()])
    assert "s3cret" not in f"{caught.value} {caught.value.__cause__}"
    assert list(decisions(reader, service=SERVICE, folder=Path())) == []


def test_a_database_that_is_not_there_is_named(postgres: RunningPostgres, connect: Connect) -> None:
    with pytest.raises((ConfigError, UnavailableError), match='database "absent" does not exist'):
        connect(target(postgres.url("absent"))).check()


def test_a_server_that_is_not_there_is_unavailable(connect: Connect) -> None:
    with pytest.raises(UnavailableError, match="cannot be written now"):
        connect(target("postgresql://log@127.0.0.1:1/decisions")).check()


def test_commits_are_durable_on_a_server_that_is_set_otherwise(
    postgres: RunningPostgres, connect: Connect
) -> None:
    url = postgres.create("hasty")
    postgres.sql("ALTER DATABASE hasty SET synchronous_commit = off")
    database = connect(target(url))
    database.check()
    asked = database._connected().exec_driver_sql("SHOW synchronous_commit").scalar_one()
    assert asked == "on"


def test_a_call_that_hangs_can_be_cut_and_the_next_one_connects_anew(
    postgres: RunningPostgres, connect: Connect
) -> None:
    url = postgres.create("cut")
    database = connect(target(url))
    database.check()
    failed: list[Exception] = []

    def insert() -> None:
        try:
            database.insert([row(1)])
        except UnavailableError as error:
            failed.append(error)

    postgres.freeze()
    try:
        thread = threading.Thread(target=insert)
        thread.start()
        time.sleep(0.3)
        assert thread.is_alive()
        database.abort()
        thread.join(20)
        assert not thread.is_alive()
        assert failed
    finally:
        postgres.thaw()
    assert sum(database.insert([row(1), row(2)])) in (1, 2)  # the cut commit may have got through
    eventually(lambda: found(url) == [row(1).decision_id, row(2).decision_id], within_s=20, what="")


def test_the_documented_schema_is_the_table() -> None:
    schema = DOCUMENT.partition("## Schema")[2].partition("### ")[0]
    named = [
        name
        for line in schema.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert named == list(DECISIONS.c.keys())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_documented_questions_are_answered(
    kind: str, tmp_path: Path, connect: Connect, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        database = connect(SqliteTarget(tmp_path / "decisions.sqlite"))
    else:
        server: RunningPostgres = request.getfixturevalue("postgres")
        database = connect(target(server.create("asked")))
    mine = {"service": "search_ranking", "subject_hash": "0" * 32}
    rows = [msgspec.structs.replace(row(number), **mine) for number in range(4)]
    rows[1] = msgspec.structs.replace(rows[1], source="heuristic", reason="deadline")
    rows[2] = msgspec.structs.replace(
        rows[2], source="heuristic", reason="holdout", arm="holdout", arm_propensity=0.01
    )
    database.insert(rows)
    connection = database._connected()
    shares, reasons, weights, shown = (
        [tuple(each) for each in connection.exec_driver_sql(query)] for query in QUERIES
    )
    hour = int(rows[0].at) // 3600 * 3600
    assert [tuple(map(str, each[:2])) for each in shares] == [
        (str(hour), "heuristic"), (str(hour), "model"),
    ]  # fmt: skip
    assert [float(each[2]) for each in shares] == [0.5, 0.5]
    assert sorted(each[:2] for each in reasons) == [("deadline", 1), ("holdout", 1)]
    assert [(each[0], each[1], round(each[2], 6)) for each in weights] == [
        ("holdout", 1, 100.0), ("model", 3, round(3 / 0.99, 6)),
    ]  # fmt: skip
    assert len(shown) == 4
