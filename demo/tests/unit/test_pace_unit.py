"""Reading rest from a health report, and how far the clock may be moved."""

from datetime import UTC, datetime, timedelta
from typing import Any

from demo.pace import LUMP, STRIDE, Rest, read_rest

NOW = datetime(2026, 1, 13, 17, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def health(*, is_idle: bool = True, due: dict[str, datetime | None] | None = None) -> dict[str, Any]:
    due = due or {}

    def part(name: str) -> dict[str, Any]:
        at = due.get(name)
        return {"backlog": {"idle": is_idle, "now": NOW.isoformat(), "next_due_at": at.isoformat() if at else None}}

    return {
        "is_idle": is_idle,
        "services": {name: part(name) for name in ("campaigns", "messaging")},
        "sandbox": part("sandbox"),
    }


def test_a_busy_system_is_not_at_rest() -> None:
    assert read_rest(health(is_idle=False)) is None


def test_the_next_due_moment_is_the_earliest_of_all_services() -> None:
    rest = read_rest(
        health(due={"campaigns": NOW + 3 * MINUTE, "messaging": NOW + MINUTE, "sandbox": NOW + 2 * MINUTE})
    )
    assert rest == Rest(NOW, NOW + MINUTE, NOW + 2 * MINUTE)


def test_nothing_planned_anywhere_is_over() -> None:
    rest = read_rest(health())
    assert rest is not None
    assert rest.is_over


def test_a_step_ends_a_minute_after_what_a_service_has_planned() -> None:
    assert Rest(NOW, NOW + MINUTE, NOW + 2 * MINUTE).next_step() == NOW + 2 * MINUTE
    assert Rest(NOW, NOW + 5 * MINUTE, NOW + MINUTE).next_step() == NOW + 5 * MINUTE + LUMP


def test_people_outside_are_waited_for_in_strides() -> None:
    assert Rest(NOW, None, NOW + MINUTE).next_step() == NOW + STRIDE + LUMP
    assert Rest(NOW, NOW + 60 * MINUTE, NOW + MINUTE).next_step() == NOW + STRIDE + LUMP


def test_a_long_pause_of_the_people_outside_is_one_step() -> None:
    assert Rest(NOW, NOW + 600 * MINUTE, NOW + 90 * MINUTE).next_step() == NOW + 90 * MINUTE + LUMP


def test_a_moment_that_has_passed_meanwhile_moves_nothing_back() -> None:
    assert Rest(NOW, NOW - MINUTE, None).next_step() == NOW + LUMP
