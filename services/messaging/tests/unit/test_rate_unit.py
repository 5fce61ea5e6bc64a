"""Slots of the provider's rate that need no database."""

import time

from messaging.services.rate import RateLimiter
from messaging.settings import MessagingSettings
from shared.database import Begin


def limiter(rate: float = 9.0) -> RateLimiter:
    settings = MessagingSettings(database_url="postgresql+asyncpg://x", openphone_api_key="key", rate_per_second=rate)
    return RateLimiter(_no_database, settings)


_no_database: Begin = None  # type: ignore[assignment]


async def test_a_slot_that_is_missed_is_lost() -> None:
    assert await limiter().wait(time.monotonic() - 0.5) is False


async def test_a_slot_that_comes_is_awaited() -> None:
    slot = time.monotonic() + 0.02
    assert await limiter().wait(slot)
    assert time.monotonic() >= slot


async def test_without_a_limit_every_moment_is_a_slot() -> None:
    assert await limiter(0).wait(0.0)
