"""Once a night, in the company's zone, also where the clocks change."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from billing.nights import next_night
from hypothesis import given
from hypothesis import strategies as st

# On the stations of Antarctica, clocks are moved by two hours and more.
ZONES = sorted(zone for zone in available_timezones() if "/" in zone and "Antarctica/" not in zone)
BOSTON = "America/New_York"
BEGINNING, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)


@lru_cache
def changes(zone: str) -> list[datetime]:
    """The days of two years before which clocks are moved there; the first day of all where none are."""
    days = [BEGINNING + number * DAY for number in range(730)]
    offsets = [day.astimezone(ZoneInfo(zone)).utcoffset() for day in days]
    found = [day for day, (before, after) in zip(days[1:], pairwise(offsets), strict=True) if before != after]
    return found or [BEGINNING]


@st.composite
def moments(draw: st.DrawFn) -> tuple[datetime, str]:
    """An instant and a zone: any time, or about a change of the clocks there."""
    zone = draw(st.sampled_from(ZONES))
    if draw(st.booleans()):
        return draw(st.sampled_from(changes(zone))) + draw(st.timedeltas(-3 * DAY, 3 * DAY)), zone
    return BEGINNING + draw(st.timedeltas(timedelta(), 7300 * DAY)), zone


def existing(night: datetime, zone: str) -> bool:
    """Whether the clocks there showed the hour of the night on that day."""
    wall = night.astimezone(ZoneInfo(zone)).replace(hour=2, minute=0)
    return wall.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall.replace(tzinfo=None)


@given(moments())
def test_it_is_the_next_two_oclock_there_or_the_end_of_the_hour_that_was_skipped(moment: tuple[datetime, str]) -> None:
    now, zone = moment
    night = next_night(now, zone)
    assert night.tzinfo is UTC
    assert now < night <= now + DAY + timedelta(hours=1)
    there = night.astimezone(ZoneInfo(zone))
    if existing(night, zone):
        assert (there.hour, there.minute, there.second, there.fold) == (2, 0, 0, 0)
    else:
        before = (night - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
        assert (before.utcoffset() != there.utcoffset(), before.hour) == (True, 1)


@given(moments())
def test_each_day_has_one_and_no_two_instants_disagree_about_it(moment: tuple[datetime, str]) -> None:
    now, zone = moment
    nights = [next_night(now, zone)]
    for _ in range(9):
        nights.append(next_night(nights[-1], zone))
    days = [night.astimezone(ZoneInfo(zone)).date() for night in nights]
    assert days == [days[0] + number * DAY for number in range(10)]
    for night, following in pairwise(nights):
        assert next_night(following - timedelta(microseconds=1), zone) == following
        assert next_night(night + (following - night) / 2, zone) == following


@pytest.mark.parametrize(
    ("now", "night"),
    [
        (datetime(2031, 3, 4, 17, 0, tzinfo=UTC), datetime(2031, 3, 5, 7, 0, tzinfo=UTC)),
        (datetime(2031, 3, 5, 6, 59, tzinfo=UTC), datetime(2031, 3, 5, 7, 0, tzinfo=UTC)),
        (datetime(2031, 3, 5, 7, 0, tzinfo=UTC), datetime(2031, 3, 6, 7, 0, tzinfo=UTC)),
        # On the 9th the clocks go from 02:00 to 03:00.
        (datetime(2031, 3, 8, 7, 0, tzinfo=UTC), datetime(2031, 3, 9, 7, 0, tzinfo=UTC)),
        (datetime(2031, 3, 9, 7, 0, tzinfo=UTC), datetime(2031, 3, 10, 6, 0, tzinfo=UTC)),
        # On 2 November they go from 02:00 back to 01:00.
        (datetime(2031, 11, 1, 6, 0, tzinfo=UTC), datetime(2031, 11, 2, 7, 0, tzinfo=UTC)),
        (datetime(2031, 11, 2, 7, 0, tzinfo=UTC), datetime(2031, 11, 3, 7, 0, tzinfo=UTC)),
    ],
)
def test_nights_of_boston(now: datetime, night: datetime) -> None:
    assert next_night(now, BOSTON) == night


def test_an_hour_that_comes_twice_is_meant_the_first_time() -> None:
    # In Berlin the clocks go from 03:00 back to 02:00.
    first = datetime(2031, 10, 26, 0, 0, tzinfo=UTC)
    assert next_night(first - timedelta(hours=1), "Europe/Berlin") == first
    again = next_night(first + timedelta(hours=1), "Europe/Berlin")
    assert again.astimezone(ZoneInfo("Europe/Berlin")).date() == date(2031, 10, 27)
