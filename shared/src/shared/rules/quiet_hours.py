"""When a person may be texted: every plausible zone and state is inside its hours, and the sender's own window too.

Nothing here asks what time it is or sleeps: an instant goes in, a decision or an instant comes out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.rules.place_tables import STATE_ZONES
from shared.rules.state_windows import FEDERAL, Hours, StateHours, hours_of
from shared.rules.zones import ALL_US_ZONES, Zones

_DAY = timedelta(days=1)
# Past the longest run of closed days that any state, holiday and weekday choice can make together.
_HORIZON_DAYS = 60

Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class SendingWindow:
    """The sender's own choice, within the law: weekdays (Monday is 0) and local hours, `end` excluded.

    The hours are those of the recipient, or of `zone` when it is given (an office that wants to answer replies).
    """

    weekdays: frozenset[int]
    start: time
    end: time
    zone: str | None = None

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise ValueError("a sending window has weekdays from 0 (Monday) to 6")
        if self.start >= self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError("a sending window starts before it ends, in local times of one day")

    def on(self, day: date) -> Hours | None:
        return (self.start, self.end) if day.weekday() in self.weekdays else None


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of time, `closes_at` excluded, in which a text may leave; both in UTC."""

    opens_at: datetime
    closes_at: datetime


def is_within_window(
    now: datetime, zones: Iterable[str], region: str | None, window: SendingWindow | None = None
) -> bool:
    """Whether a text may leave at this instant. `zones` and `region` come from `rules.zones`.

    No zone counts as every zone; no region (or an unknown one) as every state that has one of the zones.
    """
    _check_aware(now)
    return any(
        opens <= now < closes for opens, closes in _openings(tuple(zones), region, window, now.astimezone(UTC).date())
    )


def next_opening(
    now: datetime, zones: Iterable[str], region: str | None, window: SendingWindow | None = None
) -> Opening | None:
    """The present opening from `now` on, else the next one; None if the window never meets the law's hours."""
    _check_aware(now)
    moment, place = now.astimezone(UTC), tuple(zones)
    for days in range(_HORIZON_DAYS):
        for opens, closes in _openings(place, region, window, moment.date() + days * _DAY):
            if moment < closes:
                return Opening(max(opens, moment), _end_of_run(closes, place, region, window))
    return None


def next_allowed(
    now: datetime, zones: Iterable[str], region: str | None, window: SendingWindow | None = None
) -> datetime | None:
    """`now` itself if a text may leave, else the next instant when it may; None for never."""
    opening = next_opening(now, zones, region, window)
    return opening.opens_at if opening else None


def closes_at(
    now: datetime, zones: Iterable[str], region: str | None, window: SendingWindow | None = None
) -> datetime | None:
    """The end of the opening that holds `now`; None if it is closed now."""
    opening = next_opening(now, zones, region, window)
    return opening.closes_at if opening and opening.opens_at == now else None


def _end_of_run(closes: datetime, zones: Zones, region: str | None, window: SendingWindow | None) -> datetime:
    # Openings are kept by UTC day; an evening in Honolulu goes on past its midnight.
    for _ in range(_HORIZON_DAYS):
        following = _openings(zones, region, window, closes.date())
        joined = next((end for start, end in following if start == closes), None)
        if joined is None:
            break
        closes = joined
    return closes


@lru_cache(maxsize=20_000)
def _openings(zones: Zones, region: str | None, window: SendingWindow | None, utc_day: date) -> tuple[Interval, ...]:
    """The disjoint openings within one UTC day, in order. Ten thousand recipients share a handful of these."""
    midnight = datetime.combine(utc_day, time.min, tzinfo=UTC)
    open_now: Sequence[Interval] = [(midnight, midnight + _DAY)]
    for zone, hours in _constraints(zones, region, window):
        open_now = _intersect(open_now, _local_openings(zone, hours, utc_day))
    return tuple(open_now)


@lru_cache(maxsize=2_000)
def _constraints(
    zones: Zones, region: str | None, window: SendingWindow | None
) -> tuple[tuple[str, StateHours | SendingWindow], ...]:
    """Every (zone, hours) pair that has to be open at once."""
    places = zones or ALL_US_ZONES
    pairs: dict[tuple[str, StateHours | SendingWindow], None] = {}
    for zone in places:
        pairs.update(dict.fromkeys((zone, hours) for hours in _plausible_hours(zone, region)))
        if window is not None:
            pairs[(window.zone or zone, window)] = None
    return tuple(pairs)


def _plausible_hours(zone: str, region: str | None) -> list[StateHours]:
    if region in STATE_ZONES:
        return [hours_of(region)]
    return [FEDERAL, *(hours_of(state) for state, zones in STATE_ZONES.items() if zone in zones)]


def _local_openings(zone: str, hours: StateHours | SendingWindow, utc_day: date) -> list[Interval]:
    """The openings of all local days that touch this UTC day (a zone is at most 14 hours away from it)."""
    openings: list[Interval] = []
    for day in (utc_day - _DAY, utc_day, utc_day + _DAY):
        if (span := hours.on(day)) is not None:
            openings.extend(_instants(zone, day, span))
    return _merge(openings)


def _merge(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for opens, closes in sorted(intervals):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closes, merged[-1][1]))
        else:
            merged.append((opens, closes))
    return merged


def _intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    pairs = [(max(a, c), min(b, d)) for a, b in left for c, d in right]
    return [(opens, closes) for opens, closes in pairs if opens < closes]


def _instants(zone: str, day: date, span: Hours) -> list[Interval]:
    """All instants whose wall clock there shows this day within `span`.

    Each UTC offset in force around the day yields the instants that show so under it, cut to where it is in force:
    so hours skipped in spring vanish and hours repeated in autumn count twice, as a wall clock shows them.
    """
    return [
        (opens, closes)
        for begins, ends, offset in _offsets(zone, day)
        if (opens := max(begins, datetime.combine(day, span[0], tzinfo=UTC) - offset))
        < (closes := min(ends, datetime.combine(day, span[1], tzinfo=UTC) - offset))
    ]


@lru_cache(maxsize=5_000)
def _offsets(zone: str, day: date) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """The UTC offsets in force around a local day with their bounds; no zone changes twice within three days."""
    there = ZoneInfo(zone)
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    begins, ends = noon - 1.5 * _DAY, noon + 1.5 * _DAY
    before, after = _offset_at(begins, there), _offset_at(ends, there)
    if before == after:
        return ((begins, ends, before),)
    change = _change_between(begins, ends, there)
    return ((begins, change, before), (change, ends, after))


def _change_between(begins: datetime, ends: datetime, zone: ZoneInfo) -> datetime:
    before, second = _offset_at(begins, zone), timedelta(seconds=1)
    low, high = 0, int((ends - begins) / second)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset_at(begins + middle * second, zone) == before else (low, middle)
    return begins + high * second


def _offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _check_aware(now: datetime) -> None:
    if now.tzinfo is None:
        raise ValueError("a naive time is in nobody's zone")
