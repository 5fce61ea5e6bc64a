"""The one rate of all calls: nothing waits for a far slot, nothing leaves on a check that has gone stale."""

import asyncio
from typing import Any

import pytest
import svcs
from messaging.clients.openphone.client import OpenPhoneClient
from messaging.services.sender import SenderProcess
from messaging.settings import MessagingSettings
from messaging.states import Status
from shared.rate import RateLimiter
from shared.testing.waiting import until

from .system import ANA, BEN, System


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {"rate_per_second": 20.0}


class Late(RateLimiter):
    """Its first slots have passed before anybody can use them, as on a machine that stood still."""

    late = 1.0

    async def reserve(self, count: int) -> list[float]:
        late, self.late = self.late, 0.0
        return [slot - late for slot in await super().reserve(count)]


async def test_a_text_that_missed_its_slot_is_checked_again(system: System, settings: MessagingSettings) -> None:
    await system.turn(life={"stuck": 1.0})
    message_id = await system.request()
    async with svcs.Container(system.registry) as container:
        provider = await container.aget(OpenPhoneClient)
    sender = SenderProcess(system.begin, provider, Late(system.begin, "other", settings.rate_per_second), settings)
    while await sender.run_once():
        pass
    assert await system.moves(message_id) == ["queued", "in_flight", "queued", "in_flight", "accepted"]
    assert len(await system.ledger()) == 1


async def test_a_claim_is_half_a_seconds_allowance(system: System, settings: MessagingSettings) -> None:
    await system.turn(life={"stuck": 1.0})
    for i in range(14):
        await system.request(f"+1617555{i:04d}")
    async with svcs.Container(system.registry) as container:
        provider, rate = await container.aget(OpenPhoneClient), await container.aget(RateLimiter)
    sender = SenderProcess(system.begin, provider, rate, settings)
    while await sender.run_once():
        pass
    messages = await system.messages()
    fences = [message.fence for message in messages]
    assert max(fences.count(fence) for fence in fences) <= 10


async def test_a_far_slot_is_not_waited_for_and_what_comes_back_is_settled(system: System) -> None:
    await system.turn(
        life={"stuck": 1.0}, faults={"slow_seconds": 0.5, "recipients": {ANA: {"send": ["slow_after_accept"]}}}
    )
    first = await system.request(ANA)
    async with svcs.Container(system.registry) as container:
        sender, rate = await container.aget(SenderProcess), await container.aget(RateLimiter)
    run = asyncio.create_task(sender.run_once())

    async def is_at_the_provider() -> bool:
        return bool(await system.ledger())

    await until(is_at_the_provider)
    await rate.back_off(60)
    second = await system.request(BEN)
    async with asyncio.timeout(10):
        await run
        while await sender.run_once():
            pass
    assert (await system.message(first)).status is Status.ACCEPTED
    assert (await system.message(second)).status is Status.QUEUED
    assert await rate.reserve(1) == []
