"""A reading: decisions as they were written down, read back oldest first."""

from collections.abc import Iterator
from pathlib import Path

from mlops.base.errors import ConfigError
from mlops.decision_log.row import Row
from mlops.decision_log.target import SqliteTarget, parse_url


def decisions(url: str, *, service: str, folder: Path, since: float = 0.0) -> Iterator[Row]:
    """Yield a service's decisions, oldest first, without holding the table up for writers.

    Args:
        url: `decision_log.url`.
        service: Whose decisions.
        folder: The service's own state, where `sqlite` has its file.
        since: Seconds since 1970 of the first one.

    Raises:
        ConfigError: The URL names no database, or it has no table of decisions.
        UnavailableError: The database cannot be reached.
    """
    target = parse_url(url, folder)
    if target is None:
        raise ConfigError("decision_log.url is `none`: no decision was written down")
    if isinstance(target, SqliteTarget) and not target.path.is_file():
        raise ConfigError(f"there is no decision log at {target.path}")
    from mlops.decision_log.database import Database

    database = Database(target, read_only=True)
    try:
        yield from database.rows(service, since=since)
    finally:
        database.close()
