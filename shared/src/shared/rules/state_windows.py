"""The hours in which each US state lets a business solicit, and the holidays that close some of them.

Facts for a gate, not legal advice. The country's hours are 47 CFR 64.1200(c)(1); those of the states come from
published compliance tables, which differ among themselves: the narrower reading stands, and counsel should look
before one is widened. Sundays and holidays count as closed where any table says so (state-only holidays are not in).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache

SATURDAY, SUNDAY = 5, 6

# Half-open: a text at the closing minute is late.
Hours = tuple[time, time]


@dataclass(frozen=True, slots=True)
class StateHours:
    """Opening hours by kind of day, in the recipient's local time; None is closed all day."""

    weekday: Hours
    saturday: Hours
    sunday: Hours | None
    on_holidays: bool = True

    def on(self, day: date) -> Hours | None:
        if not self.on_holidays and is_holiday(day):
            return None
        if day.weekday() == SUNDAY:
            return self.sunday
        return self.saturday if day.weekday() == SATURDAY else self.weekday


def _daily(opens: int, closes: int) -> StateHours:
    hours = (time(opens), time(closes))
    return StateHours(weekday=hours, saturday=hours, sunday=hours)


def _closed_on_sundays_and_holidays(opens: int, closes: int) -> StateHours:
    hours = (time(opens), time(closes))
    return StateHours(weekday=hours, saturday=hours, sunday=None, on_holidays=False)


FEDERAL = _daily(8, 21)

STATE_HOURS: dict[str, StateHours] = {
    **dict.fromkeys(("FL", "OK", "MD", "WA", "MA", "NJ"), _daily(8, 20)),
    **dict.fromkeys(("CT", "NV"), _daily(9, 20)),
    **dict.fromkeys(("CA", "IL", "MI", "MN", "NM"), _daily(9, 21)),
    **dict.fromkeys(("AL", "LA", "MS"), _closed_on_sundays_and_holidays(8, 20)),
    "KY": _daily(10, 21),
    "PA": _closed_on_sundays_and_holidays(9, 21),
    "UT": _closed_on_sundays_and_holidays(8, 21),
    "TX": StateHours(weekday=(time(9), time(21)), saturday=(time(9), time(21)), sunday=(time(12), time(21))),
    "RI": StateHours(
        weekday=(time(9), time(18)), saturday=(time(10), time(17)), sunday=(time(10), time(17)), on_holidays=False
    ),
}


def hours_of(state: str) -> StateHours:
    return STATE_HOURS.get(state, FEDERAL)


def is_holiday(day: date) -> bool:
    """A federal holiday (5 U.S.C. 6103): the day itself and the day it is observed on, as states count either."""
    return day in federal_holidays(day.year) or day in _observed_from_next_year(day.year)


@lru_cache(maxsize=64)
def federal_holidays(year: int) -> frozenset[date]:
    fixed = [date(year, 1, 1), date(year, 6, 19), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    moving = [
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _last_monday_of_may(year),
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 10, 0, 2),
        _nth_weekday(year, 11, 3, 4),
    ]
    return frozenset([*moving, *(day for holiday in fixed for day in _with_observed(holiday))])


def _observed_from_next_year(year: int) -> set[date]:
    return set(_with_observed(date(year + 1, 1, 1)))


def _with_observed(holiday: date) -> Iterator[date]:
    yield holiday
    if holiday.weekday() == SATURDAY:
        yield holiday - timedelta(days=1)
    elif holiday.weekday() == SUNDAY:
        yield holiday + timedelta(days=1)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())
