"""The plan never exceeds caps, window, quiet hours or rate; checked by an oracle that only looks at clock faces."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from campaigns.pacing import (
    SHORTEST_LIFETIME,
    TEXT_LIFETIME,
    Interval,
    Line,
    Pace,
    Place,
    Schedule,
    expires_at,
    next_opening,
    plan_texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ZONES = ("America/New_York", "America/Chicago", "America/Phoenix", "America/Los_Angeles", "Pacific/Honolulu")
WEEKDAYS = frozenset(range(5))
# New York and Oregon have the federal hours, which is what the oracle knows.
EAST = Place(("America/New_York",), "NY")
WEST = Place(("America/Los_Angeles",), "OR")
MONDAY_NOON_EAST = datetime(2026, 11, 23, 17, tzinfo=UTC)


def schedule(**changes: object) -> Schedule:
    values: dict = {"weekdays": WEEKDAYS, "window_start": time(9), "window_end": time(19), **changes}
    return Schedule(**values)


def lines(*remaining: int, zone: str = "America/New_York") -> list[Line]:
    return [Line(UUID(int=n + 1), zone, left) for n, left in enumerate(remaining)]


def pace(rate: str = "1", most: int = 500) -> Pace:
    return Pace(Decimal(rate), most)


def plan(now: datetime, **changes: object):
    values: dict = {
        "places": [EAST],
        "lines": lines(125),
        "pace": pace(),
        "next_slot_at": None,
        **changes,
    }
    return plan_texts(now, values.pop("schedule", schedule()), **values)


def oracle_allows(at: datetime, rule: Schedule, place: Place) -> bool:
    faces = [at.astimezone(ZoneInfo(zone)) for zone in place.zones]
    in_window = all(rule.window_start <= f.time() < rule.window_end and f.weekday() in rule.weekdays for f in faces)
    in_time = (rule.starts_at is None or at >= rule.starts_at) and (rule.deadline_at is None or at < rule.deadline_at)
    return in_window and in_time and all(8 <= face.hour < 21 for face in faces)


# The spring and autumn changes of 2026 lie inside, and so do year's end and a leap day's eve.
instants = st.integers(0, 1_140_000).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes))
changes_of_clock = st.sampled_from([date(2026, 3, 8), date(2026, 11, 1), date(2027, 3, 14)]).flatmap(
    lambda day: st.integers(-600, 3000).map(lambda m: datetime.combine(day, time(6), tzinfo=UTC) + timedelta(minutes=m))
)
places = st.builds(
    lambda zones: Place(tuple(zones), "NY"), st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True)
)
schedules = st.builds(
    lambda days, start, hours: schedule(
        weekdays=frozenset(days), window_start=time(start), window_end=time(min(start + hours, 23), 30)
    ),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 21),
    st.integers(1, 12),
)


@settings(deadline=None)
@given(
    now=instants | changes_of_clock,
    rule=schedules,
    where=st.lists(places, min_size=1, max_size=3, unique=True),
    left=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    number_zone=st.sampled_from(ZONES),
    rate=st.sampled_from(["0.5", "1", "3", "100"]),
    most=st.integers(0, 60),
)
def test_no_turn_breaks_a_cap_a_window_quiet_hours_or_the_rate(now, rule, where, left, number_zone, rate, most):
    numbers = lines(*left, zone=number_zone)
    found = plan(now, schedule=rule, places=where, lines=numbers, pace=pace(rate, most))

    assert len(found.slots) <= most
    for number in numbers:
        turns = [slot for slot in found.slots if slot.number_id == number.number_id]
        assert len(turns) <= number.remaining
        assert all(slot.day == slot.at.astimezone(ZoneInfo(number.zone)).date() for slot in turns)
    gaps = [later.at - slot.at for slot, later in zip(found.slots, found.slots[1:], strict=False)]
    assert all(gap >= timedelta(seconds=1) / float(rate) - timedelta(microseconds=1) for gap in gaps)
    for slot in found.slots:
        open_then = [opening for opening in found.openings if slot.at < opening.until - SHORTEST_LIFETIME]
        assert open_then, "a turn nobody may use"
        for opening in open_then:
            last = expires_at(now, opening) - timedelta(seconds=1)
            assert last - now <= TEXT_LIFETIME
            assert oracle_allows(slot.at, rule, opening.place)
            assert oracle_allows(last, rule, opening.place)


@settings(deadline=None)
@given(now=instants | changes_of_clock, rule=schedules, where=st.lists(places, min_size=1, max_size=2, unique=True))
def test_the_plan_never_sleeps_through_an_opening(now, rule, where):
    found = plan(now, schedule=rule, places=where, lines=lines(10))
    assert found.next_plan_at is None or found.next_plan_at > now
    if found.openings:
        return
    until = min(found.next_plan_at or now + timedelta(days=13), now + timedelta(days=13))
    probe = now
    while probe < until - timedelta(minutes=2):
        # Too little time left in a window is no opening, so both ends of two minutes have to be allowed.
        later = probe + timedelta(minutes=2)
        assert not any(oracle_allows(probe, rule, p) and oracle_allows(later, rule, p) for p in where), probe
        probe += timedelta(minutes=13)


def test_turns_are_spread_at_the_rate_until_the_horizon() -> None:
    found = plan(MONDAY_NOON_EAST, pace=pace("2"))
    assert [slot.at - MONDAY_NOON_EAST for slot in found.slots] == [timedelta(seconds=n / 2) for n in range(60)]
    assert found.next_slot_at == MONDAY_NOON_EAST + timedelta(seconds=30)


def test_the_rate_survives_a_restart() -> None:
    last_planned = MONDAY_NOON_EAST + timedelta(seconds=25)
    found = plan(MONDAY_NOON_EAST, next_slot_at=last_planned)
    assert found.slots[0].at == last_planned
    assert len(found.slots) == 5


def test_two_numbers_take_turns_and_drain_alike() -> None:
    found = plan(MONDAY_NOON_EAST, lines=lines(3, 3))
    assert [slot.number_id.int for slot in found.slots] == [1, 2, 1, 2, 1, 2]


def test_a_used_up_cap_waits_for_the_next_day_in_the_numbers_zone() -> None:
    found = plan(MONDAY_NOON_EAST, lines=lines(0))
    assert found.slots == ()
    assert found.next_plan_at == datetime(2026, 11, 24, 14, tzinfo=UTC)


def test_friday_evening_carries_over_to_monday_morning() -> None:
    friday_evening = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)
    found = plan(friday_evening)
    assert (found.slots, found.next_plan_at) == ((), datetime(2026, 11, 30, 14, tzinfo=UTC))


def test_the_coast_that_closes_first_goes_first() -> None:
    found = plan(datetime(2026, 11, 23, 20, tzinfo=UTC), places=[WEST, EAST])
    assert [opening.place for opening in found.openings] == [EAST, WEST]


def test_several_plausible_zones_must_all_be_open() -> None:
    either = Place(("America/New_York", "America/Los_Angeles"), "NY")
    opening = next_opening(schedule(), either, MONDAY_NOON_EAST - timedelta(hours=2))
    assert opening == Interval(MONDAY_NOON_EAST, datetime(2026, 11, 24, tzinfo=UTC))


def test_a_window_wider_than_the_permitted_hours_is_narrowed() -> None:
    early = schedule(window_start=time(5), window_end=time(23))
    opening = next_opening(early, EAST, datetime(2026, 11, 23, 6, tzinfo=UTC))
    assert opening == Interval(datetime(2026, 11, 23, 13, tzinfo=UTC), datetime(2026, 11, 24, 2, tzinfo=UTC))


def test_nothing_is_asked_for_in_the_last_minute_of_a_window() -> None:
    closing = datetime(2026, 11, 24, 0, tzinfo=UTC)
    found = plan(closing - timedelta(seconds=70))
    assert len(found.slots) == 10
    assert plan(closing - timedelta(seconds=59)).slots == ()


def test_a_text_expires_with_its_window_or_after_a_quarter_of_an_hour() -> None:
    found = plan(MONDAY_NOON_EAST)
    assert expires_at(MONDAY_NOON_EAST, found.openings[0]) == MONDAY_NOON_EAST + TEXT_LIFETIME
    late = datetime(2026, 11, 23, 23, 55, tzinfo=UTC)
    found = plan(late)
    assert expires_at(late, found.openings[0]) == datetime(2026, 11, 24, tzinfo=UTC)


def test_too_many_texts_on_their_way_pauses_the_plan_for_a_moment() -> None:
    found = plan(MONDAY_NOON_EAST, pace=pace(most=0))
    assert (found.slots, found.next_plan_at) == ((), MONDAY_NOON_EAST + timedelta(seconds=2))


def test_the_deadline_is_planned_for_even_if_nothing_opens_before_it() -> None:
    deadline = MONDAY_NOON_EAST + timedelta(hours=1)
    rule = schedule(weekdays=frozenset({6}), deadline_at=deadline)
    assert plan(MONDAY_NOON_EAST, schedule=rule).next_plan_at == deadline


def test_a_start_in_a_month_is_found() -> None:
    start = MONDAY_NOON_EAST + timedelta(days=30)
    opening = next_opening(schedule(starts_at=start), EAST, MONDAY_NOON_EAST)
    assert opening is not None
    assert opening.start == start


@pytest.mark.parametrize("numbers", [[], lines(0)])
def test_without_a_number_that_may_send_nothing_is_planned_now(numbers) -> None:
    assert plan(MONDAY_NOON_EAST, lines=numbers).slots == ()


def test_without_any_number_there_is_nothing_to_wait_for() -> None:
    assert plan(MONDAY_NOON_EAST, lines=[]).next_plan_at is None
