"""The day that caps count in."""

from datetime import UTC, date, datetime, timedelta

import pytest
from shared.rules.pacing import day_bounds, day_in_zone


def test_the_day_is_the_one_on_the_wall_there() -> None:
    now = datetime(2027, 3, 1, 4, 30, tzinfo=UTC)
    assert day_in_zone(now, "America/New_York") == date(2027, 2, 28)
    assert day_in_zone(now, "UTC") == date(2027, 3, 1)
    with pytest.raises(ValueError, match="naive"):
        day_in_zone(now.replace(tzinfo=None), "UTC")


@pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 14), 23), (date(2027, 11, 7), 25), (date(2027, 6, 1), 24)])
def test_days_are_as_long_as_the_clock_makes_them(day: date, hours: int) -> None:
    first, following = day_bounds(day, "America/New_York")
    assert following - first == timedelta(hours=hours)
    assert day_in_zone(first, "America/New_York") == day
    assert day_in_zone(following, "America/New_York") == day + timedelta(days=1)
