"""The plan: when which sending number may text whom. Pure; the planner job and the simulation both run it.

Chosen weekdays and the daily window hold in the recipient's zone, and so do the quiet hours; the daily cap is
counted in the sending number's zone. What is not sent today is still waiting tomorrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from shared.rules import quiet_hours
from shared.rules.pacing import day_bounds, day_in_zone
from shared.rules.quiet_hours import SendingWindow

TEXT_LIFETIME = timedelta(minutes=15)
SHORTEST_LIFETIME = timedelta(minutes=1)
"""Nothing is asked for so close to the end of a window that it would probably come back."""
LOOK_AHEAD = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """From `start` until just before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a recipient may be: all plausible zones, and the US state if known."""

    zones: tuple[str, ...]
    region: str | None = None

    @property
    def key(self) -> str:
        return f"{','.join(self.zones)}|{self.region or ''}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """`weekdays` as in date.weekday(): Monday is 0."""

    weekdays: frozenset[int]
    window_start: time
    window_end: time
    starts_at: datetime | None = None
    deadline_at: datetime | None = None

    @property
    def window(self) -> SendingWindow:
        return SendingWindow(self.weekdays, self.window_start, self.window_end)


@dataclass(frozen=True, slots=True)
class Line:
    """A sending number and how many texts it may still send on its current local day."""

    number_id: UUID
    zone: str
    remaining: int


@dataclass(frozen=True, slots=True)
class Pace:
    """`most`: how many texts may be on their way at once, less those that are."""

    rate_per_second: Decimal
    most: int
    horizon: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Slot:
    """One text's turn; `day` is the number's local day whose cap it uses."""

    at: datetime
    number_id: UUID
    day: date


@dataclass(frozen=True, slots=True)
class Opening:
    """A place that may be texted now, and until when."""

    place: Place
    until: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """`openings` are ordered by their end: who can wait least goes first."""

    slots: tuple[Slot, ...]
    openings: tuple[Opening, ...]
    next_slot_at: datetime
    next_plan_at: datetime | None
    opens_next_at: datetime | None
    """When the next of the places that are closed now opens."""


def plan_texts(
    now: datetime,
    schedule: Schedule,
    *,
    places: Iterable[Place],
    lines: Sequence[Line],
    pace: Pace,
    next_slot_at: datetime | None,
) -> Plan:
    """The turns from `now` to the pace's horizon, and the instant after it at which to plan again (None: never)."""
    upcoming = {place: following for place in places if (following := next_opening(schedule, place, now))}
    openings = sorted(
        (Opening(place, found.end) for place, found in upcoming.items() if found.start <= now),
        key=lambda opening: (opening.until, opening.place.key),
    )
    first_slot_at = max(now, next_slot_at or now)
    latest = max((opening.until for opening in openings), default=now) - SHORTEST_LIFETIME
    slots = _slots(first_slot_at, min(now + pace.horizon, latest), lines, pace)
    after = first_slot_at + _interval(pace) * len(slots)
    left = _subtract(lines, slots)
    again = _plan_again_at(now, after, len(slots) >= pace.most, upcoming=upcoming, lines=left)
    if again is None and any(line.remaining <= 0 for line in left):
        again = _after_midnight(now, schedule, upcoming, left)
    opens_next_at = min((found.start for found in upcoming.values() if found.start > now), default=None)
    return Plan(tuple(slots), tuple(openings), after, _until_deadline(again, schedule), opens_next_at)


def expires_at(now: datetime, opening: Opening) -> datetime:
    """When the text's turn ends: 15 minutes from now at the latest, and inside the window."""
    return min(now + TEXT_LIFETIME, opening.until)


def next_opening(schedule: Schedule, place: Place, now: datetime) -> Interval | None:
    """The first span with time left in it at which this place may be texted; it may have begun already."""
    at = max(now, schedule.starts_at or now)
    while (found := quiet_hours.next_opening(at, place.zones, place.region, schedule.window)) is not None:
        end = min(found.closes_at, schedule.deadline_at or found.closes_at)
        if end - SHORTEST_LIFETIME > found.opens_at:
            return Interval(found.opens_at, end)
        if end < found.closes_at:
            return None
        at = found.closes_at
    return None


def _interval(pace: Pace) -> timedelta:
    return timedelta(microseconds=int(1_000_000 / pace.rate_per_second))


def _slots(first: datetime, end: datetime, lines: Sequence[Line], pace: Pace) -> list[Slot]:
    """Turns spread evenly at the rate; each goes to the number with the most left, so that numbers drain alike."""
    remaining = {line.number_id: line.remaining for line in lines}
    days = {line.number_id: day_in_zone(first, line.zone) for line in lines}
    midnights = {line.number_id: day_bounds(days[line.number_id], line.zone)[1] for line in lines}
    order = {line.number_id: place for place, line in enumerate(lines)}
    slots: list[Slot] = []
    at = first
    while at < end and len(slots) < pace.most:
        usable = [n for n, left in remaining.items() if left > 0 and at < midnights[n]]
        if not usable:
            break
        number = max(usable, key=lambda n: (remaining[n], -order[n]))
        remaining[number] -= 1
        slots.append(Slot(at, number, days[number]))
        at += _interval(pace)
    return slots


def _subtract(lines: Sequence[Line], slots: Sequence[Slot]) -> list[Line]:
    used: dict[UUID, int] = {}
    for slot in slots:
        used[slot.number_id] = used.get(slot.number_id, 0) + 1
    return [Line(line.number_id, line.zone, line.remaining - used.get(line.number_id, 0)) for line in lines]


def _plan_again_at(
    now: datetime, after: datetime, is_full: bool, *, upcoming: Mapping[Place, Interval], lines: Sequence[Line]
) -> datetime | None:
    """When there may be more turns today: None if no place opens or every number has used up its day."""
    if not upcoming or all(line.remaining <= 0 for line in lines):
        return None
    if is_full:
        return now + timedelta(seconds=2)
    opens_at = min(found.start for found in upcoming.values())
    if opens_at > now:
        return opens_at
    return max(after - LOOK_AHEAD, now + timedelta(seconds=1))


def _after_midnight(
    now: datetime,
    schedule: Schedule,
    upcoming: Mapping[Place, Interval],
    lines: Sequence[Line],
) -> datetime | None:
    """When caps are used up: the first opening of any place once a number's new day has begun."""
    midnight = min(day_bounds(day_in_zone(now, line.zone), line.zone)[1] for line in lines)
    later = (next_opening(schedule, place, midnight) for place in upcoming)
    return min((max(found.start, midnight) for found in later if found), default=None)


def _until_deadline(again: datetime | None, schedule: Schedule) -> datetime | None:
    """The deadline is an instant at which something happens: who still waits then has expired."""
    if schedule.deadline_at is None:
        return again
    return min(again or schedule.deadline_at, schedule.deadline_at)
