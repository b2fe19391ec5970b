"""A calendar: the period of a budget that begins anew with each week, month or quarter."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Unit = Literal["d", "w", "M", "Q", "Y"]
_NOMINAL_S = {"d": 86_400, "w": 604_800, "M": 30 * 86_400, "Q": 91 * 86_400, "Y": 365 * 86_400}


@dataclass(frozen=True, slots=True)
class Calendar:
    """Periods that follow each other without a gap from a first one on.

    Attributes:
        count: Units in a period.
        unit: Day, week, month, quarter or year.
        start: Beginning of the first period, as a wall clock in `zone` shows it; without zone.
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
