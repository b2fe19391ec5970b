"""A calendar: the period of a budget that begins anew with each week, month or quarter."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Unit = Literal["d", "w", "M", "Q", "Y"]
_NOMINAL_S = {"d": 86_400, "w": 604_800, "M": 30 * 86_400, "Q": 91 * 86_400, "Y": 365 * 86_400}
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"M": 1, "Q": 3, "Y": 12}
_NAMES = {"d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"}


@dataclass(frozen=True, slots=True)
class Calendar:
    """Periods that follow each other without a gap, before and after the one that is named.

    Each begins when a clock on the wall shows the same time: at the same hour, also where clocks
    were changed in between, and at the same day of the month, or at the month's last where it has
    no such day. A time that a change of clocks skips is taken as if they had not been changed yet.

    Attributes:
        count: Units in a period.
        unit: Day, week, month, quarter or year.
        start: Beginning of one of the periods, as a wall clock in `zone` shows it; without zone.
        zone: IANA time zone, such as `Europe/Vienna`: a day with a change of clocks has 23 or 25
            hours.
    """

    count: int
    unit: Unit
    start: datetime
    zone: str

    @property
    def nominal_s(self) -> int:
        """Return about how many seconds a period has."""
        return self.count * _NOMINAL_S[self.unit]

    @property
    def words(self) -> str:
        """Return the length of a period for people.

        >>> Calendar(3, "w", datetime(2026, 1, 1), "UTC").words
        'calendar 3 weeks'
        """
        name = _NAMES[self.unit]
        return f"calendar {name}" if self.count == 1 else f"calendar {self.count} {name}s"

    def began(self, at: datetime) -> datetime:
        """Return when the period that holds a time began, in UTC.

        Args:
            at: Timezone-aware; a period holds its beginning and not its end.

        >>> june = datetime(2026, 6, 17, tzinfo=UTC)
        >>> Calendar(1, "M", datetime(2026, 1, 1), "Europe/Vienna").began(june).isoformat()
        '2026-05-31T22:00:00+00:00'
        """
        return self._beginning(self._index(at))

    def ends(self, at: datetime) -> datetime:
        """Return when the period that holds a time ends and the next begins, in UTC.

        Args:
            at: Timezone-aware.
        """
        return self._beginning(self._index(at) + 1)

    def _index(self, at: datetime) -> int:
        """Number of the period that holds a time; 0 is the one that begins at `start`."""
        wall = at.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        if self.unit in _DAYS:
            index = (wall - self.start) // timedelta(days=self.count * _DAYS[self.unit])
        else:
            months = 12 * (wall.year - self.start.year) + wall.month - self.start.month
            index = months // (self.count * _MONTHS[self.unit])
        # The estimate is one off where the hour, the day or a change of clocks lies between.
        while self._beginning(index) > at:
            index -= 1
        while self._beginning(index + 1) <= at:
            index += 1
        return index

    def _beginning(self, index: int) -> datetime:
        if self.unit in _DAYS:
            wall = self.start + index * timedelta(days=self.count * _DAYS[self.unit])
        else:
            month = 12 * self.start.year + self.start.month - 1
            year, past = divmod(month + index * self.count * _MONTHS[self.unit], 12)
            day = min(self.start.day, monthrange(year, past + 1)[1])
            wall = self.start.replace(year=year, month=past + 1, day=day)
        return wall.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
