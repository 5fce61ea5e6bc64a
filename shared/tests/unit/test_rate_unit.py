"""Slots of the provider's rate that need no database."""

import time

from shared.database import Begin
from shared.rate import RateLimiter


def limiter(rate: float = 9.0) -> RateLimiter:
    return RateLimiter(_no_database, "key", rate)


_no_database: Begin = None  # type: ignore[assignment]


async def test_a_slot_that_is_missed_is_lost() -> None:
    assert await limiter().wait(time.monotonic() - 0.5) is False


async def test_a_slot_that_comes_is_awaited() -> None:
    slot = time.monotonic() + 0.02
    assert await limiter().wait(slot)
    assert time.monotonic() >= slot


async def test_without_a_limit_every_moment_is_a_slot() -> None:
    assert await limiter(0).wait(0.0)
    await limiter(0).turn()
