"""The launch in fast time: the planner's own rules run over the audience's places until nobody waits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from shared.rules.pacing import day_in_zone

from campaigns.pacing import SHORTEST_LIFETIME, Line, Pace, Place, Plan, Schedule, plan_texts

HORIZON = timedelta(hours=1)
MAX_DAYS = 730


@dataclass(frozen=True, slots=True)
class Number:
    """A sending number: its cap a day, and what other campaigns have used of today's."""

    number_id: UUID
    zone: str
    cap: int
    used_today: int = 0


@dataclass
class Forecast:
    """Texts per day of the sending numbers' zone; `left_over` would not be sent before the deadline, or ever."""

    texts_by_day: Counter[date] = field(default_factory=Counter)
    finishes_at: datetime | None = None
    left_over: int = 0


def simulate(
    now: datetime,
    schedule: Schedule,
    *,
    waiting: dict[Place, int],
    numbers: Sequence[Number],
    rate_per_second: Decimal,
) -> Forecast:
    """What the planner would do from `now` on, if every text went out in its turn."""
    remaining = {place: count for place, count in waiting.items() if count > 0}
    used = Counter({(n.number_id, day_in_zone(now, n.zone)): n.used_today for n in numbers})
    forecast = Forecast()
    at: datetime | None = now
    next_slot_at: datetime | None = None
    while remaining and at is not None and at < now + timedelta(days=MAX_DAYS):
        lines = [_line(number, at, used) for number in numbers]
        plan = plan_texts(
            at,
            schedule,
            places=list(remaining),
            lines=lines,
            pace=Pace(rate_per_second, sum(remaining.values()), HORIZON),
            next_slot_at=next_slot_at,
        )
        _fill(plan, remaining, used, forecast)
        next_slot_at, at = plan.next_slot_at, _later(plan, at, schedule)
    forecast.left_over = sum(remaining.values())
    return forecast


def _line(number: Number, at: datetime, used: Counter[tuple[UUID, date]]) -> Line:
    today = day_in_zone(at, number.zone)
    return Line(number.number_id, number.zone, max(0, number.cap - used[number.number_id, today]))


def _fill(plan: Plan, remaining: dict[Place, int], used: Counter[tuple[UUID, date]], forecast: Forecast) -> None:
    slots = iter(plan.slots)
    slot = next(slots, None)
    for opening in plan.openings:
        while slot and remaining.get(opening.place) and slot.at < opening.until - SHORTEST_LIFETIME:
            remaining[opening.place] -= 1
            used[slot.number_id, slot.day] += 1
            forecast.texts_by_day[slot.day] += 1
            forecast.finishes_at = slot.at
            slot = next(slots, None)
        if not remaining[opening.place]:
            del remaining[opening.place]


def _later(plan: Plan, at: datetime, schedule: Schedule) -> datetime | None:
    if plan.next_plan_at is None or (schedule.deadline_at and plan.next_plan_at >= schedule.deadline_at):
        return None
    return max(plan.next_plan_at, at + timedelta(seconds=1))
