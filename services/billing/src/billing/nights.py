"""The nights of a company, in which its books are compared. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BEGINS = time(2)
"""When nobody works who would have to share QuickBooks's limits with a long reading."""


def next_night(now: datetime, zone: str) -> datetime:
    """The first 02:00 after `now` there: one on each day, whatever the clocks do."""
    there = ZoneInfo(zone)
    today = now.astimezone(there).date()
    tonight = _begin(today, there)
    return tonight if tonight > now else _begin(today + timedelta(days=1), there)


def _begin(day: date, zone: ZoneInfo) -> datetime:
    # An hour that is repeated is meant the first time; of one that is skipped, its end (PEP 495: fold=0 is read with
    # the offset from before the change).
    return datetime.combine(day, BEGINS, tzinfo=zone).astimezone(UTC)
