"""One limit a company for all workers together, and what happens when QuickBooks counts too many all the same."""

import asyncio
import time

from shared.rate import RateLimiter

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
