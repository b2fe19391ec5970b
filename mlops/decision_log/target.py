"""A target: the database that a decision log's URL names, checked before anything connects."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mlops.base.errors import ConfigError

FILE_NAME = "decisions.sqlite"

_OPTIONS = frozenset(
    {"host", "passfile", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"}
)
_FORMS = "`sqlite`, `sqlite:///PATH`, `postgresql://USER@HOST/NAME` or `none`"


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    """A file of SQLite.

    Attributes:
        path: Where it is.
    """

    path: Path
    kind: Literal["sqlite"] = "sqlite"

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """A database of a PostgreSQL server.

    Attributes:
        user: Who connects; None leaves it to PGUSER.
        host: Server; None leaves it to PGHOST or the option `host`.
        port: TCP port; None leaves it to PGPORT.
        name: The database.
        options: Further parameters of the connection.
    """

    user: str | None
    host: str | None
    port: int | None
    name: str
    options: tuple[tuple[str, str], ...] = ()
    kind: Literal["postgresql"] = "postgresql"

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        return f"postgresql://{user}{self.host or ''}{port}/{self.name}"


Target = SqliteTarget | PostgresTarget


def parse_url(text: str, folder: Path) -> Target | None:
    """Return the database that a URL names.

    Args:
        text: `decision_log.url`.
        folder: The service's own state, where `sqlite` puts its file.

    Returns:
        The database, or None for `none`.

    Raises:
        ConfigError: It names none. A password is never repeated.

    >>> str(parse_url("postgresql://log@db.internal/decisions", Path("state")))
    'postgresql://log@db.internal/decisions'
    """
    if text == "none":
        return None
    if text == "sqlite":
        return SqliteTarget(folder / FILE_NAME)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _wrong("its address or port is malformed") from None
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        return _sqlite(parts)
    if scheme in ("postgresql", "postgres"):
        return _postgres(parts, port)
    raise _wrong("it names no database that decisions can go to")


def _sqlite(parts: SplitResult) -> SqliteTarget:
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or not path or path == ":memory:":
        raise _wrong("a SQLite URL has three slashes and the path of a file: `sqlite:///PATH`")
    return SqliteTarget(Path(path))


def _postgres(parts: SplitResult, port: int | None) -> PostgresTarget:
    name = unquote(parts.path.removeprefix("/"))
    options = tuple(sorted(parse_qsl(parts.query)))
    secret = parts.password is not None or any("password" in key for key, _ in options)
    if secret:
        raise _wrong(
            "it holds a password, which then stands in settings files and process lists",
            hint="take it out and set PGPASSWORD, or name a file by `?passfile=PATH`",
        )
    unknown = sorted({key for key, _ in options} - _OPTIONS)
    if unknown:
        raise _wrong(
            f"the option `{unknown[0]}` is not known", hint=f"one of {', '.join(sorted(_OPTIONS))}"
        )
    if not name or "/" in name:
        raise _wrong("it does not name one database after the host")
    user = unquote(parts.username) if parts.username else None
    return PostgresTarget(user, parts.hostname, port, name, options)


def _wrong(why: str, *, hint: str = f"write {_FORMS}") -> ConfigError:
    return ConfigError(
        f"decision_log.url cannot be used: {why}", hint=hint, key=("decision_log", "url")
    )
