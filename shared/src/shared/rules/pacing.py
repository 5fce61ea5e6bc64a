"""The local day that daily caps count in."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def day_in_zone(now: datetime, zone: str) -> date:
    """The calendar day there; `now` must be aware."""
    _check_aware(now)
    return now.astimezone(ZoneInfo(zone)).date()


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """First instant of the day and of the next one, in UTC: 23 or 25 hours apart when the clocks change."""
    there = ZoneInfo(zone)
    return _midnight(day, there), _midnight(day + timedelta(days=1), there)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def _check_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("a naive time has no day in a zone")
