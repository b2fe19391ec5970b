"""The calendar: periods meet without a gap, and clocks that are changed move no beginning."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.slo.calendar import Calendar, Unit

VIENNA = "Europe/Vienna"
DECADES = datetime.fromisoformat("2005-01-01"), datetime.fromisoformat("2035-01-01")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(count: int, unit: Unit, start: str, zone: str = "UTC") -> Calendar:
    return Calendar(count, unit, datetime.fromisoformat(start), zone)


PERIODS: dict[str, tuple[Calendar, str, str, str]] = {
    "a month of UTC": (
        calendar(1, "M", "2026-01-01"), "2026-02-28 12:00", "2026-02-01", "2026-03-01",
    ),
    "its beginning belongs to a period": (
        calendar(1, "M", "2026-01-01"), "2026-02-01", "2026-02-01", "2026-03-01",
    ),
    "its end belongs to the next": (
        calendar(1, "M", "2026-01-01"), "2026-01-31 23:59:59", "2026-01-01", "2026-02-01",
    ),
    "a month that begins in winter and ends in summer": (
        calendar(1, "M", "2026-01-01", VIENNA),
        "2026-03-15", "2026-02-28 23:00", "2026-03-31 22:00",
    ),
    "a day of 23 hours": (
        calendar(1, "d", "2026-01-01", VIENNA),
        "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00",
    ),
    "a day of 25 hours": (
        calendar(1, "d", "2026-01-01", VIENNA),
        "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00",
    ),
    "a beginning that the clocks skip": (
        calendar(1, "d", "2026-01-01 02:30", VIENNA),
        "2026-03-29 12:00", "2026-03-29 01:30", "2026-03-30 00:30",
    ),
    "a beginning that comes twice is the first": (
        calendar(1, "d", "2026-01-01 02:30", VIENNA),
        "2026-10-25 01:00", "2026-10-25 00:30", "2026-10-26 01:30",
    ),
    "weeks that begin on a Monday": (
        calendar(1, "w", "2026-01-05"), "2026-11-24 17:00", "2026-11-23", "2026-11-30",
    ),
    "two weeks": (calendar(2, "w", "2026-01-05"), "2026-01-12", "2026-01-05", "2026-01-19"),
    "a quarter": (calendar(1, "Q", "2025-01-01"), "2026-11-24", "2026-10-01", "2027-01-01"),
    "two years": (calendar(2, "Y", "2024-01-01"), "2027-06-01", "2026-01-01", "2028-01-01"),
    "a month without a 31st begins on its last day": (
        calendar(1, "M", "2026-01-31"), "2026-03-30", "2026-02-28", "2026-03-31",
    ),
    "a leap day in other years": (
        calendar(1, "Y", "2024-02-29"), "2026-06-01", "2026-02-28", "2027-02-28",
    ),
    "a time before the beginning that is named": (
        calendar(1, "M", "2026-12-01"), "2026-11-24", "2026-11-01", "2026-12-01",
    ),
    "a zone east of the date": (
        calendar(1, "d", "2026-01-01", "Pacific/Auckland"),
        "2026-01-01 12:00", "2026-01-01 11:00", "2026-01-02 11:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("sentence", PERIODS)
def test_period(sentence: str) -> None:
    periods, at, began, ends = PERIODS[sentence]
    assert periods.began(utc(at)) == utc(began)
    assert periods.ends(utc(at)) == utc(ends)


@settings(deadline=None)
@given(
    count=st.integers(1, 5),
    unit=st.sampled_from(["d", "w", "M", "Q", "Y"]),
    start=st.datetimes(*DECADES),
    zone=st.sampled_from(
        ["UTC", VIENNA, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
    ),
    at=st.datetimes(*DECADES),
)
def test_periods_meet_and_hold_the_time(
    count: int, unit: Unit, start: datetime, zone: str, at: datetime
) -> None:
    periods = Calendar(count, unit, start, zone)
    now = at.replace(tzinfo=UTC)
    began, ends = periods.began(now), periods.ends(now)
    assert began <= now < ends
    assert periods.began(ends) == ends
    assert periods.began(ends - timedelta(microseconds=1)) == began
    shown = began.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if shown.time() == start.time():
        assert unit != "w" or shown.weekday() == start.weekday()
    else:  # only a time that the clocks skipped
        wanted = datetime.combine(shown.date(), start.time())
        assert any(skipped(wall, zone) for wall in (wanted, wanted - timedelta(days=1)))


def skipped(wall: datetime, zone: str) -> bool:
    there = wall.replace(tzinfo=ZoneInfo(zone))
    return there.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) != wall
