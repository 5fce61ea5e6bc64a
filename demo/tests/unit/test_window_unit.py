"""The oracle of hours: local time of the recipient, weekdays, and the states that are stricter."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from demo.window import Window

EVERY_DAY = Window(weekdays=range(7), start=time(9), end=time(20))
LAWFUL = Window(weekdays=range(7), start=time(0), end=time(23, 59))


@pytest.mark.parametrize(
    ("utc_hour", "minute", "zone", "is_open"),
    [
        (13, 59, "America/New_York", False),
        (14, 0, "America/New_York", True),
        (16, 59, "America/Los_Angeles", False),
        (17, 0, "America/Los_Angeles", True),
        (18, 59, "Pacific/Honolulu", False),
        (19, 0, "Pacific/Honolulu", True),
        (0, 59, "America/New_York", True),
        (1, 0, "America/New_York", False),
    ],
)
def test_the_hours_are_those_of_the_recipient(utc_hour: int, minute: int, zone: str, is_open: bool) -> None:
    instant = datetime(2026, 1, 13, utc_hour, minute, tzinfo=UTC)
    assert EVERY_DAY.is_open(instant, zone=zone, state="NH") is is_open


def test_summer_time_moves_the_hours() -> None:
    assert not EVERY_DAY.is_open(datetime(2026, 3, 6, 13, 30, tzinfo=UTC), zone="America/New_York", state="NH")
    assert EVERY_DAY.is_open(datetime(2026, 3, 9, 13, 30, tzinfo=UTC), zone="America/New_York", state="NH")


def test_only_chosen_weekdays_by_the_local_day() -> None:
    tuesdays = Window(weekdays=[1], start=time(9), end=time(20))
    wednesday_in_utc = datetime(2026, 1, 14, 0, 30, tzinfo=UTC)
    assert tuesdays.is_open(wednesday_in_utc, zone="America/New_York", state="NH")
    assert not tuesdays.is_open(wednesday_in_utc.replace(hour=18), zone="America/New_York", state="NH")


@pytest.mark.parametrize(
    ("state", "zone", "day", "hour", "minute", "is_open"),
    [
        ("NH", "America/New_York", 13, 20, 59, True),
        ("NH", "America/New_York", 13, 21, 0, False),
        ("MA", "America/New_York", 13, 20, 0, False),
        ("RI", "America/New_York", 13, 17, 59, True),
        ("RI", "America/New_York", 13, 18, 0, False),
        ("RI", "America/New_York", 17, 9, 30, False),
        ("TX", "America/Denver", 18, 11, 59, False),
        ("TX", "America/Denver", 18, 12, 0, True),
    ],
)
def test_states_may_be_stricter(state: str, zone: str, day: int, hour: int, minute: int, is_open: bool) -> None:
    local = datetime(2026, 1, day, hour, minute, tzinfo=ZoneInfo(zone))
    assert LAWFUL.is_open(local.astimezone(UTC), zone=zone, state=state) is is_open
