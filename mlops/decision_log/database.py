"""A database: the table of decisions in SQLite or PostgreSQL; the one file that knows SQLAlchemy.

SQLite runs in WAL mode with `synchronous=FULL` whatever the durability: a commit survives a killed
process and a power cut, and costs one flush of the disk for a whole batch. PostgreSQL does the
same; a server set to `synchronous_commit=off` is told otherwise for this connection.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mlops.base.errors import ConfigError, MlopsError, UnavailableError
from mlops.decision_log.row import Row
from mlops.decision_log.target import PostgresTarget, SqliteTarget, Target

SCHEMA_VERSION = 1

_METADATA = sa.MetaData()
DECISIONS = sa.Table(
    "decisions",
    _METADATA,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("service", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("subject_hash", sa.Text, nullable=False),
    sa.Column("arm", sa.Text, nullable=False),
    sa.Column("arm_propensity", sa.Double, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("bundle", sa.Text, nullable=False),
    sa.Column("candidates", sa.JSON, nullable=False),
    sa.Column("scores", sa.LargeBinary, nullable=False),
    sa.Column("candidate_count", sa.Integer, nullable=False),
    sa.Column("queue_ms", sa.Double, nullable=False),
    sa.Column("model_ms", sa.Double, nullable=False),
    sa.Column("total_ms", sa.Double, nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Index("decisions_by_time", "service", "at"),
)
_SCHEMA = sa.Table(
    "decision_log_schema",
    _METADATA,
    sa.Column("schema_version", sa.Integer, primary_key=True, autoincrement=False),
)
_log = logging.getLogger(__name__)
_BUSY_S = 1.0
_STATEMENT_MS = 5000
_CONNECT_S = 3
_READ_ROWS = 500
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_COUNTED = {"preserve_rowcount": True}  # or psycopg's count is thrown away
_REFUSED = (sa.exc.DataError, sa.exc.IntegrityError, OverflowError, ValueError)


class Database:
    """The table of decisions, over one connection that is made anew when it is lost.

    Args:
        target: Which database.
        read_only: Whether it is only read; then it must be there, and is left as it is.
    """

    def __init__(self, target: Target, *, read_only: bool = False) -> None:
        self._target = target
        self._read_only = read_only
        self._engine: sa.Engine | None = None
        self._connection: sa.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lifeline: socket.socket | None = None
        self._lock = threading.Lock()
        dialect = sqlite_insert if isinstance(target, SqliteTarget) else postgres_insert
        self._insert = dialect(DECISIONS).on_conflict_do_nothing(index_elements=["decision_id"])

    def check(self) -> None:
        """Connect and see whether the database can be written.

        Raises:
            UnavailableError: It cannot be reached, is locked, or has no room, now.
            ConfigError: It does not allow it, or holds another schema.
        """
        with _Mapped(self):
            connection = self._connected()
            if isinstance(self._target, SqliteTarget):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("SELECT 1")
            connection.rollback()

    def insert(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Store rows in transactions; one that is there already is left as it is.

        Returns:
            Number of rows that are new, and of those that the database can never take.

        Raises:
            UnavailableError: As for `check`; what was stored before stays.
            ConfigError: As for `check`.
        """
        if not rows:
            return 0, 0
        with _Mapped(self):
            connection = self._connected()
            try:
                with connection.begin():
                    records = [_record(row) for row in rows]
                    done = connection.execute(self._insert, records, execution_options=_COUNTED)
                return max(done.rowcount, 0), 0
            except _REFUSED:
                if len(rows) == 1:
                    return 0, 1
        middle = len(rows) // 2  # one row in it is to blame: the others shall not suffer
        first, second = self.insert(rows[:middle]), self.insert(rows[middle:])
        return first[0] + second[0], first[1] + second[1]

    def delete_before(self, at: float, service: str, *, most: int) -> int:
        """Delete some of a service's oldest rows.

        Args:
            at: Seconds since 1970; older rows go.
            service: Whose rows.
            most: Most rows to delete in this transaction.

        Returns:
            Number of rows deleted.
        """
        oldest = (
            sa.select(DECISIONS.c.decision_id)
            .where(DECISIONS.c.service == service, DECISIONS.c.at < at)
            .order_by(DECISIONS.c.at)
            .limit(most)
        )
        with _Mapped(self):
            connection = self._connected()
            with connection.begin():
                done = connection.execute(
                    sa.delete(DECISIONS).where(DECISIONS.c.decision_id.in_(oldest))
                )
            return max(done.rowcount, 0)

    def count(self, service: str) -> int:
        """Return the number of a service's rows."""
        query = sa.select(sa.func.count()).where(DECISIONS.c.service == service)
        with _Mapped(self):
            connection = self._connected()
            found: int = connection.execute(query.select_from(DECISIONS)).scalar_one()
            connection.rollback()
            return found

    def rows(self, service: str, *, since: float) -> Iterator[Row]:
        """Yield a service's rows from a time on, oldest first."""
        after: tuple[float, str] = since, ""
        while True:
            page = self._page(service, after)
            yield from page
            if len(page) < _READ_ROWS:
                return
            after = page[-1].at, page[-1].decision_id

    def abort(self) -> None:
        """Cut the connection, from another thread, so that a call that hangs on it ends."""
        with self._lock:
            if self._lifeline is not None:
                with suppress(OSError):
                    self._lifeline.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        connection, self._connection = self._connection, None
        with self._lock:
            if self._lifeline is not None:
                self._lifeline.close()
                self._lifeline = None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()  # it may be in the middle of something: nobody gets it back
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()

    def _page(self, service: str, after: tuple[float, str]) -> list[Row]:
        table = DECISIONS.c
        query = (
            sa.select(DECISIONS)
            .where(table.service == service, table.at >= after[0])
            .where(sa.or_(table.at > after[0], table.decision_id > after[1]))
            .order_by(table.at, table.decision_id)
            .limit(_READ_ROWS)
        )
        with _Mapped(self):
            connection = self._connected()
            page = [Row(*found) for found in connection.execute(query)]
            connection.rollback()
            return page

    def _connected(self) -> sa.Connection:
        if self._connection is not None and _file(self._target) != self._file:
            # What goes into a file that has no name any more can be read by nobody.
            _log.error("%s was removed or replaced: it is opened anew", self._target)
            self.close()
        if self._connection is None:
            if self._engine is None:
                self._engine = _engine(self._target, read_only=self._read_only)
            if isinstance(self._target, SqliteTarget) and not self._read_only:
                _create_file(self._target)
            self._connection = self._engine.connect()
            self._file = _file(self._target)
            if isinstance(self._target, PostgresTarget):
                self._hold_lifeline(self._connection)
            if not self._read_only:
                _prepare(self._connection)
        return self._connection

    def _hold_lifeline(self, connection: sa.Connection) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        number: int = driver.pgconn.socket
        with self._lock:
            self._lifeline = socket.socket(fileno=os.dup(number))


class _Mapped:
    """Turns the libraries' errors into ours and lets go of a connection that had one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        self._database.close()
        if isinstance(error, sa.exc.SQLAlchemyError | OSError):
            raise _mapped(error) from error


def _mapped(error: Exception) -> MlopsError:
    cause = getattr(error, "orig", None) or error
    reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
    state = getattr(cause, "sqlstate", None) or ""
    forbidden = isinstance(error, sa.exc.ProgrammingError) or state[:2] in ("28", "3D")
    forbidden = forbidden or reason.startswith(("attempt to write a readonly", "file is not a"))
    if forbidden:
        return ConfigError(
            f"the decision database does not take rows: {reason}",
            hint="check decision_log.url, and what its user may do there",
            key=("decision_log", "url"),
        )
    return UnavailableError(f"the decision database cannot be written now: {reason}")


def _engine(target: Target, *, read_only: bool) -> sa.Engine:
    if isinstance(target, SqliteTarget):
        mode = "ro" if read_only else "rw"
        path = target.path.absolute().as_uri()
        url = sa.URL.create("sqlite", database=path, query={"mode": mode, "uri": "true"})
        arguments: dict[str, object] = {"timeout": _BUSY_S}
    else:
        url = sa.URL.create(
            "postgresql+psycopg",
            username=target.user,
            host=target.host,
            port=target.port,
            database=target.name,
            query=dict(target.options),
        )
        arguments = _postgres_arguments()
    engine = sa.create_engine(
        url,
        connect_args=arguments,
        poolclass=sa.NullPool,
        hide_parameters=True,  # rows must not get into messages
        json_serializer=_json,
        json_deserializer=msgspec.json.decode,
    )
    if isinstance(target, SqliteTarget) and not read_only:
        sa.event.listen(engine, "connect", _tune_sqlite)
    return engine


def _postgres_arguments() -> dict[str, object]:
    return {
        "connect_timeout": _CONNECT_S,
        "tcp_user_timeout": _STATEMENT_MS,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "application_name": "mlops decision log",
        "options": f"-c statement_timeout={_STATEMENT_MS} -c lock_timeout={_STATEMENT_MS}",
    }


def _create_file(target: SqliteTarget) -> None:
    """Make the file, which nobody else may read: SQLite gives its further files the same mode."""
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(target.path, os.O_RDWR | os.O_CREAT, 0o600))
    except PermissionError as error:
        raise ConfigError(
            f"the decision log {target.path} cannot be created: {error.strerror}",
            hint="check the folder's owner, or set decision_log.url",
            key=("decision_log", "url"),
        ) from error


def _file(target: Target) -> tuple[int, int] | None:
    """Return what tells the file at SQLite's path from any other; None if there is none."""
    if not isinstance(target, SqliteTarget):
        return None
    try:
        found = target.path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _tune_sqlite(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined] # a DBAPI connection has no type
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _prepare(connection: sa.Connection) -> None:
    """Create what is missing and see that the schema is the one written here."""
    postgres = connection.dialect.name == "postgresql"
    insert = postgres_insert if postgres else sqlite_insert
    with connection.begin():
        if postgres:
            asked = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            if asked == "off":
                connection.exec_driver_sql("SET synchronous_commit = on")
        _METADATA.create_all(connection)
        versions = connection.execute(sa.select(_SCHEMA.c.schema_version)).scalars().all()
        if not versions:
            first = insert(_SCHEMA).on_conflict_do_nothing()
            connection.execute(first, {"schema_version": SCHEMA_VERSION})
    if versions and max(versions) != SCHEMA_VERSION:
        raise ConfigError(
            f"the decision database has schema version {max(versions)}, not {SCHEMA_VERSION}",
            hint="use the version of mlops that wrote it, or another database",
            key=("decision_log", "url"),
        )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _record(row: Row) -> dict[str, object]:
    """Return a row by column; NUL, which PostgreSQL cannot store in a text, is replaced."""
    values = dict(zip(DECISIONS.c.keys(), msgspec.structs.astuple(row), strict=True))
    if "\0" in row.request_id:
        values["request_id"] = row.request_id.replace("\0", _REPLACEMENT)
    if any("\0" in name for name in row.ids):
        values["candidates"] = [name.replace("\0", _REPLACEMENT) for name in row.ids]
    return values
