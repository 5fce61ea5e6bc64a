"""What is kept for a while, and webhooks that could not be processed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from messaging.models import ProviderReceipt, WebhookDelivery
from messaging.services.keeping import KeepingService
from messaging.services.webhooks import WebhookProcess
from messaging.settings import MessagingSettings
from messaging.states import Status
from shared.clock import wall_now
from shared.failpoints import configure
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from .system import ANA, System
from .test_webhooks_integration import KEY, count, event, post


@pytest.fixture
def more_settings() -> dict[str, object]:
    return {"openphone_webhook_keys": KEY}


async def test_raw_webhooks_are_kept_for_ninety_days(system: System) -> None:
    assert (await post(system, event())).status_code == 204
    await system.run()
    for days, kept in ((89, 1), (91, 0)):
        async with system.begin() as tx:
            await (await tx.aget(KeepingService)).forget(wall_now() + timedelta(days=days))
        assert await count(system, WebhookDelivery) == kept


async def test_reports_about_texts_that_never_were_ours_are_forgotten(system: System) -> None:
    async with system.begin() as tx:
        receipt = ProviderReceipt(provider_id="AC1", status=Status.DELIVERED, reported_at=await system.now())
        (await tx.aget(AsyncSession)).add(receipt)
    for hours, kept in ((71, 1), (2, 0)):
        await system.advance(timedelta(hours=hours))
        async with system.begin() as tx:
            await (await tx.aget(KeepingService)).forget(wall_now())
        assert await count(system, ProviderReceipt) == kept


async def test_a_webhook_that_failed_is_listed_and_processed_again_on_demand(
    system: System, settings: MessagingSettings
) -> None:
    await post(system, event())
    process = WebhookProcess(system.begin, settings)
    for _ in range(8):
        configure("webhook.before_process=raise")
        assert await process.run_once() == 1
        await _make_due(system)
    configure("")
    assert await process.run_once() == 0
    [failed] = (await system.api.get("/internal/v1/failed-webhooks")).json()["items"]
    assert (failed["attempts"], failed["event_type"]) == (8, "message.received")
    address = f"/internal/v1/failed-webhooks/{failed['id']}/replay"
    assert (await system.api.post(address)).status_code == 200
    assert (await system.api.post(address)).status_code == 409
    await system.run()
    assert (await system.api.get("/internal/v1/failed-webhooks")).json()["items"] == []
    [message] = await system.messages()
    assert message.body == "Hello"


async def _make_due(system: System) -> None:
    async with system.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(text("UPDATE webhook_delivery SET next_attempt_at = NULL"))


async def test_a_record_that_others_hold_uses_up_no_attempt(system: System, settings: MessagingSettings) -> None:
    await system.receives(ANA, "Hi there")
    await system.settle()

    @asynccontextmanager
    async def impatient() -> AsyncIterator[Any]:
        async with system.begin() as tx:
            await (await tx.aget(AsyncSession)).execute(text("SET LOCAL lock_timeout = '50ms'"))
            yield tx

    await post(system, event("STOP", event_id="EV2", message_id="AC901"))
    async with system.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(text("SELECT 1 FROM phone_state FOR UPDATE"))
        assert await WebhookProcess(impatient, settings).run_once() == 1
    delivery = await _delivery(system, "EV2")
    assert (delivery.state.value, delivery.attempts) == ("pending", 0)


async def _delivery(system: System, delivery_id: str) -> WebhookDelivery:
    async with system.begin() as tx:
        session = await tx.aget(AsyncSession)
        rows = await session.scalars(select(WebhookDelivery).where(WebhookDelivery.delivery_id == delivery_id))
        return rows.one()
