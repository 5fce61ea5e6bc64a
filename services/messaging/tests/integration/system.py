"""Messaging and its provider as a test handles them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import svcs
from messaging.models import Message, MessageTransition, PhoneNumber, PhoneState
from messaging.services.queueing import RequestService
from shared.database import Begin
from shared.events.campaigns import TextRequested
from shared.testing.plugin import FakeClock
from shared.testing.streams import TestBus
from shared.testing.waiting import settle_beside
from shared.worker import Worker
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

PROVIDER_KEY = "test-openphone-key"
CONTROL_KEY = "test-control-key"
NUMBER = "+18575550110"
ANA = "+16175550143"
BEN = "+16175550144"
BOSTON = ["America/New_York"]


def phone(index: int) -> str:
    return f"+1617555{index:04d}"


@dataclass
class System:
    registry: svcs.Registry
    begin: Begin
    worker: Worker
    bus: TestBus
    control: httpx.AsyncClient
    api: httpx.AsyncClient
    clocks: tuple[FakeClock, FakeClock]
    campaign_id: UUID = field(default_factory=uuid4)

    # The provider's side

    async def turn(self, **changes: Any) -> None:
        (await self.control.patch("/sandbox/v1/controls", json=changes)).raise_for_status()

    async def at_once(self) -> None:
        """Texts are delivered, or fail, in the moment they are accepted."""
        await self.turn(life={"sent_after_seconds": 0, "final_after_seconds": [0, 0]})

    async def receives(self, sender: str, text: str) -> str:
        answer = await self.control.post("/sandbox/v1/inbound", json={"from": sender, "to": NUMBER, "text": text})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def ledger(self, **wanted: Any) -> list[dict[str, Any]]:
        answer = await self.control.get("/sandbox/v1/ledger", params={"limit": 200, **wanted})
        answer.raise_for_status()
        return list(answer.json()["items"])

    # Our side

    async def run(self) -> None:
        await self.worker.run_until_idle()

    async def settle(self) -> None:
        await settle_beside(self.worker, self.control)

    async def now(self) -> datetime:
        return await self.clocks[0].now()

    async def set_clock(self, at: datetime) -> None:
        for clock in self.clocks:
            await clock.set(at)

    async def advance(self, by: timedelta) -> None:
        await self.set_clock(await self.now() + by)

    async def number(self) -> PhoneNumber:
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            return (await session.scalars(select(PhoneNumber).where(PhoneNumber.e164 == NUMBER))).one()

    async def request(self, to: str = ANA, text: str = "Hi, we repair foundations.", **more: Any) -> UUID:
        """A campaign asks for a text, as its event would."""
        event = await self.requested(to, text, **more)
        async with self.begin() as tx:
            await (await tx.aget(RequestService)).queue([event])
        return event.message_id

    async def requested(self, to: str = ANA, text: str = "Hi, we repair foundations.", **more: Any) -> TextRequested:
        now = await self.now()
        values: dict[str, Any] = {
            "message_id": uuid4(),
            "campaign_id": self.campaign_id,
            "variant": "A",
            "recipient_id": uuid4(),
            "contact_id": uuid4(),
            "step": 1,
            "turn": 1,
            "to": to,
            "number_id": (await self.number()).id,
            "zones": BOSTON,
            "region": "MA",
            "text": text,
            "not_before": now,
            "expires_at": now + timedelta(minutes=15),
        }
        return TextRequested(**(values | more))

    async def message(self, message_id: UUID | str) -> Message:
        async with self.begin() as tx:
            return await (await tx.aget(AsyncSession)).get_one(Message, UUID(str(message_id)))

    async def messages(self, **wanted: Any) -> list[Message]:
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            return list(await session.scalars(select(Message).filter_by(**wanted).order_by(Message.created_at)))

    async def phone_state(self, phone: str) -> PhoneState:
        async with self.begin() as tx:
            return await (await tx.aget(AsyncSession)).get_one(PhoneState, phone)

    async def moves(self, message_id: UUID) -> list[str]:
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            statement = select(MessageTransition.to_status).where(MessageTransition.message_id == message_id)
            return list(await session.scalars(statement.order_by(MessageTransition.id)))

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """What has been published of a type, from the outbox through the stream."""
        await self.worker.run_until_idle()
        return [envelope.data for envelope in await self.bus.envelopes(event_type)]

    async def reply(self, to: str, body: str, **more: Any) -> httpx.Response:
        return await self.api.post("/api/v1/messages", json={"to": to, "body": body, **more})
