"""A target: which database a URL names, and what is wrong with one that names none."""

from pathlib import Path

import pytest

from mlops.base.errors import ConfigError
from mlops.decision_log.target import PostgresTarget, SqliteTarget, Target, parse_url

FOLDER = Path("state")

NAMED: dict[str, Target] = {
    "sqlite": SqliteTarget(FOLDER / "decisions.sqlite"),
    "sqlite:///logs/shop.db": SqliteTarget(Path("logs/shop.db")),
    "sqlite:////var/shop%20log.db": SqliteTarget(Path("/var/shop log.db")),
    "postgresql://log@db/decisions": PostgresTarget("log", "db", None, "decisions"),
    "postgres://db:5433/decisions": PostgresTarget(None, "db", 5433, "decisions"),
    "postgresql+psycopg://log@db/decisions": PostgresTarget("log", "db", None, "decisions"),
    "postgresql:///decisions?host=/run/pg": PostgresTarget(
        None, None, None, "decisions", (("host", "/run/pg"),)
    ),
    "postgresql://db/d?sslmode=verify-full&passfile=/etc/pass": PostgresTarget(
        None, "db", None, "d", (("passfile", "/etc/pass"), ("sslmode", "verify-full"))
    ),
}  # fmt: skip

WRONG = {
    "": "names no database",
    "sqlite://relative.db": "three slashes",
    "sqlite:///": "three slashes",
    "sqlite:///:memory:": "three slashes",
    "sqlite:///x.db?mode=ro": "three slashes",
    "mysql://log@db/decisions": "names no database",
    "postgresql://log@db": "one database",
    "postgresql://log@db/a/b": "one database",
    "postgresql://log@db:port/decisions": "malformed",
    "postgresql://log@[::1/decisions": "malformed",
    "postgresql://log:s3cret@db/decisions": "password",
    "postgresql://log:@db/decisions": "password",
    "postgresql://log@db/decisions?password=s3cret": "password",
    "postgresql://log@db/decisions?sslpassword=s3cret": "password",
    "postgresql://log@db/decisions?options=-c%20fsync=off": "`options` is not known",
}


@pytest.mark.parametrize("text", NAMED)
def test_url_names_a_database(text: str) -> None:
    assert parse_url(text, FOLDER) == NAMED[text]


def test_none_names_no_database() -> None:
    assert parse_url("none", FOLDER) is None


@pytest.mark.parametrize("text", WRONG)
def test_other_urls_are_refused_and_never_repeat_a_password(text: str) -> None:
    with pytest.raises(ConfigError, match=WRONG[text]) as caught:
        parse_url(text, FOLDER)
    assert caught.value.key == ("decision_log", "url")
    assert caught.value.hint
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"
    # A chained error could print it.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("text", NAMED)
def test_what_names_a_database_in_a_log_line_names_it_again(text: str) -> None:
    target = NAMED[text]
    again = parse_url(str(target), FOLDER)
    if isinstance(target, PostgresTarget):
        assert again == PostgresTarget(target.user, target.host, target.port, target.name)
    else:
        assert again == target
