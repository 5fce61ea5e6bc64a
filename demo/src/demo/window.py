"""When a person may be texted, worked out anew from where the generated file says they live.

Deliberately not the product's own rules: this is what their results are held against. Hours are the campaign's, within
those of the states that are narrower than 8 a.m. to 9 p.m. (47 CFR 64.1200(c)(1)).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo

SATURDAY, SUNDAY = 5, 6
FEDERAL_HOURS = (time(8), time(21))
STATE_HOURS = {
    "MA": (time(8), time(20)),
    "FL": (time(8), time(20)),
    "WA": (time(8), time(20)),
    "CT": (time(9), time(20)),
    "CA": (time(9), time(21)),
    "IL": (time(9), time(21)),
    "TX": (time(9), time(21)),
    "RI": (time(9), time(18)),
}
WEEKEND_HOURS = {
    ("RI", SATURDAY): (time(10), time(17)),
    ("RI", SUNDAY): (time(10), time(17)),
    ("TX", SUNDAY): (time(12), time(21)),
}


@dataclass(frozen=True, slots=True)
class Window:
    """The campaign's own choice, in the recipient's local time; `end` is late."""

    weekdays: Collection[int]
    start: time
    end: time

    def is_open(self, instant: datetime, *, zone: str, state: str) -> bool:
        local = instant.astimezone(ZoneInfo(zone))
        day, clock = local.weekday(), local.time()
        opens, closes = WEEKEND_HOURS.get((state, day)) or STATE_HOURS.get(state, FEDERAL_HOURS)
        return day in self.weekdays and max(opens, self.start) <= clock < min(closes, self.end)
