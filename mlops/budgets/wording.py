"""A wording: how shares and times of budgets are written for people."""

from datetime import UTC, datetime


def percent(share: float | None, places: int = 2) -> str:
    """Return a share in percent; without one, that there is no data.

    >>> percent(0.9995), percent(None)
    ('99.95%', 'no data')
    """
    return "no data" if share is None else f"{share:.{places}%}"


def stamp(at: datetime) -> str:
    """Return a time to the minute, in UTC.

    >>> stamp(datetime(2026, 1, 1, tzinfo=UTC))
    '2026-01-01 00:00 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
