"""The simulation is the planner in fast time."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from campaigns.pacing import Place, Schedule
from campaigns.services.simulation import Number, simulate
from hypothesis import given, settings
from hypothesis import strategies as st

MONDAY_NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)
EAST, WEST = Place(("America/New_York",), "NY"), Place(("America/Los_Angeles",), "OR")
OFFICE_HOURS = Schedule(frozenset(range(5)), time(9), time(19))


def numbers(*caps: int) -> list[Number]:
    return [Number(UUID(int=n + 1), "America/New_York", cap) for n, cap in enumerate(caps)]


def forecast(waiting: dict[Place, int], *caps: int, schedule: Schedule = OFFICE_HOURS, rate: str = "5"):
    return simulate(MONDAY_NOON, schedule, waiting=waiting, numbers=numbers(*caps), rate_per_second=Decimal(rate))


def test_the_cap_spreads_it_over_weekdays() -> None:
    found = forecast({EAST: 620}, 125)
    assert dict(found.texts_by_day) == {
        date(2026, 11, 23): 125,
        date(2026, 11, 24): 125,
        date(2026, 11, 25): 125,
        date(2026, 11, 26): 125,
        date(2026, 11, 27): 120,
    }
    assert found.left_over == 0


def test_what_others_used_today_is_missing_today() -> None:
    used = [Number(UUID(int=1), "America/New_York", 10, used_today=8)]
    found = simulate(MONDAY_NOON, OFFICE_HOURS, waiting={EAST: 5}, numbers=used, rate_per_second=Decimal(5))
    assert dict(found.texts_by_day) == {date(2026, 11, 23): 2, date(2026, 11, 24): 3}


def test_two_numbers_send_twice_as_much() -> None:
    assert forecast({EAST: 1000}, 500, 500).texts_by_day == {date(2026, 11, 23): 1000}


def test_the_rate_decides_when_it_is_done() -> None:
    found = forecast({EAST: 3601}, 5000, rate="1")
    assert found.finishes_at == MONDAY_NOON + timedelta(hours=1)


def test_who_is_not_reached_by_the_deadline_is_left_over() -> None:
    tight = Schedule(frozenset(range(5)), time(9), time(19), deadline_at=MONDAY_NOON + timedelta(days=1))
    assert forecast({EAST: 300}, 125, schedule=tight).left_over == 50


@pytest.mark.parametrize("caps", [(), (0,)])
def test_without_numbers_nobody_is_reached(caps) -> None:
    assert forecast({EAST: 3}, *caps).left_over == 3


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 80), st.integers(0, 80), st.lists(st.integers(1, 40), min_size=1, max_size=3))
def test_everybody_is_texted_once_and_no_day_is_overdrawn(east, west, caps) -> None:
    found = forecast({EAST: east, WEST: west}, *caps)
    assert sum(found.texts_by_day.values()) + found.left_over == east + west
    assert found.left_over == 0
    assert all(texts <= sum(caps) for texts in found.texts_by_day.values())
