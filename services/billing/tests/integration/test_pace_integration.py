"""One limit a company for all workers together, and what happens when QuickBooks counts too many all the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import cast

import svcs
from billing.models import ProviderRate
from shared.database import Begin
from shared.rate import RateLimiter
from shared.testing import until

from .office import REALM, Office

RATE = 40.0


async def test_workers_share_the_turns_of_a_company(office: Office) -> None:
    workers = [RateLimiter(office.begin, REALM, RATE) for _ in range(4)]
    at: list[float] = []

    async def work(limiter: RateLimiter) -> None:
        for _ in range(6):
            await limiter.turn()
            at.append(time.monotonic())

    await asyncio.gather(*map(work, workers))
    at.sort()
    # A turn that comes late is lost, never caught up: no window of time holds more turns than the rate allows.
    for first, last in zip(at, at[10:], strict=False):
        assert last - first >= 10 / RATE - 0.08
    assert at[-1] - at[0] >= 23 / RATE - 0.08


async def test_companies_do_not_wait_for_each_other(office: Office) -> None:
    slow, other = RateLimiter(office.begin, REALM, 0.5), RateLimiter(office.begin, "another", 0.5)
    began = time.monotonic()
    await slow.turn()
    await other.turn()
    assert time.monotonic() - began < 1.5


async def test_whoever_is_told_to_wait_makes_all_wait(office: Office) -> None:
    one, other = (RateLimiter(office.begin, REALM, RATE) for _ in range(2))
    await one.turn()
    await one.back_off(0.3)
    began = time.monotonic()
    await other.turn()
    assert time.monotonic() - began >= 0.25


async def next_at(office: Office) -> datetime:
    return (await office.one(ProviderRate, ProviderRate.key == REALM)).next_at


async def waiting(office: Office, limiter: RateLimiter) -> asyncio.Task[None]:
    """A turn that lies ahead."""
    before = await next_at(office)
    turn = asyncio.create_task(limiter.turn())

    async def is_reserved() -> bool:
        return await next_at(office) > before

    await until(is_reserved)
    return turn


async def given_up(turn: asyncio.Task[None]) -> bool:
    """Whether it was still waited for: on a slow machine, the turn may have come by then."""
    turn.cancel()
    await asyncio.wait([turn])
    return turn.cancelled()


async def test_whoever_gives_up_a_turn_leaves_it_to_the_next(office: Office) -> None:
    limiter = RateLimiter(office.begin, REALM, 0.5)
    await limiter.turn()
    free = await next_at(office)
    while not await given_up(await waiting(office, limiter)):
        free = await next_at(office)
    assert await next_at(office) == free


async def test_a_turn_that_is_given_up_moves_nothing_that_comes_later(office: Office) -> None:
    limiter = RateLimiter(office.begin, REALM, 0.5)
    await limiter.turn()
    turn = await waiting(office, limiter)
    await limiter.back_off(30)
    free = await next_at(office)
    await given_up(turn)
    assert await next_at(office) == free


async def test_whoever_is_cancelled_while_the_database_is_away_is_cancelled_all_the_same(office: Office) -> None:
    is_away = False

    @asynccontextmanager
    async def begin() -> AsyncIterator[svcs.Container]:
        if is_away:
            raise ConnectionRefusedError
        async with office.begin() as tx:
            yield tx

    limiter = RateLimiter(cast(Begin, begin), REALM, 0.5)
    await limiter.turn()
    turn = await waiting(office, limiter)
    is_away = True
    # Either it had come by then, or it was cancelled: what keeps the slot from being given back is no end of it.
    if not await given_up(turn):
        assert turn.exception() is None
