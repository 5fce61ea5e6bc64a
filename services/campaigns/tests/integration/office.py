"""What staff and messaging do in these tests, over HTTP and events."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
from campaigns.models import Recipient
from shared.database import Begin
from shared.events import messaging
from shared.events.campaigns import TextRequested
from shared.testing.streams import TestBus
from shared.worker import Worker
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .neighbours import Neighbours, person

MONDAY_NOON = datetime(2026, 11, 23, 17, tzinfo=UTC)


class Office:
    def __init__(
        self, client: httpx.AsyncClient, worker: Worker, bus: TestBus, begin: Begin, neighbours: Neighbours
    ) -> None:
        self.client = client
        self.worker = worker
        self.bus = bus
        self.begin = begin
        self.neighbours = neighbours

    async def add_number(self, *, daily_cap: int = 500, version: int = 1, **changes: Any) -> str:
        number_id = changes.pop("number_id", None) or uuid4()
        await self.bus.publish_event(
            messaging.PhoneNumberChanged(
                number_id=number_id,
                version=version,
                e164=changes.pop("e164", f"+1617555{number_id.int % 10000:04d}"),
                zone="America/New_York",
                daily_cap=daily_cap,
                is_active=changes.pop("is_active", True),
            )
        )
        await self.worker.run_until_idle()
        return str(number_id)

    async def draft(self, **changes: Any) -> dict[str, Any]:
        wording = {} if "variants" in changes else {"message": "Hello {first_name}"}
        body = {"name": "Cracks", "rate_per_second": 20, **wording, **changes}
        answer = await self.client.post("/api/v1/campaigns", json=body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def build(self, campaign_id: str, people: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        wanted = {"lists": [self.neighbours.add_list(people)], **options}
        answer = await self.client.post(f"/api/v1/campaigns/{campaign_id}/audience", json=wanted)
        assert answer.status_code == 202, answer.text
        await self.worker.run_until_idle()
        return (await self.client.get(answer.headers["location"])).json()

    async def launch(self, campaign_id: str, version: int = 1) -> httpx.Response:
        return await self.move(campaign_id, "launch", audience_version=version)

    async def move(self, campaign_id: str, verb: str, **body: Any) -> httpx.Response:
        return await self.client.post(f"/api/v1/campaigns/{campaign_id}/{verb}", json=body or None)

    async def running(self, count: int = 3, **changes: Any) -> str:
        """A campaign to `count` people that was launched and has asked for its first texts."""
        changes.setdefault("number_ids", [await self.add_number()])
        people = changes.pop("people", None) or [person(n) for n in range(count)]
        campaign = await self.draft(**changes)
        await self.build(campaign["id"], people)
        answer = await self.launch(campaign["id"])
        assert answer.status_code == 200, answer.text
        await self.worker.run_until_idle()
        return str(campaign["id"])

    async def requested(self, campaign_id: str | None = None) -> list[TextRequested]:
        found = await self.bus.envelopes(TextRequested.type)
        texts = [TextRequested.model_validate(envelope.data) for envelope in found]
        return [text for text in texts if campaign_id in (None, str(text.campaign_id))]

    async def report(
        self,
        kind: type[messaging.MessageMoved],
        texts: Sequence[TextRequested],
        *,
        after: timedelta = timedelta(seconds=5),
        **changes: Any,
    ) -> None:
        """Messaging reports the same of each of these texts; this service has taken it in when this returns."""
        for text in texts:
            await self.bus.publish_event(report_of(kind, text, after=after, **changes))
        await self.worker.run_until_idle()

    async def results(self, campaign_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/campaigns/{campaign_id}/results")
        assert answer.status_code == 200, answer.text
        found = answer.json()
        # I16, in every test that looks: the states add up to the audience, per variant too.
        assert sum(found["counts"].values()) == found["total"]
        assert sum(found["exclusions"].values()) == found["counts"]["excluded"]
        assert sum(variant["total"] for variant in found["variants"]) == found["total"]
        return found

    async def counts(self, campaign_id: str) -> dict[str, int]:
        return {status: n for status, n in (await self.results(campaign_id))["counts"].items() if n}

    async def recipient(self, recipient_id: UUID) -> Recipient:
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            return (await session.execute(select(Recipient).where(Recipient.id == recipient_id))).scalar_one()


def report_of(
    kind: type[messaging.MessageMoved],
    text: TextRequested,
    *,
    after: timedelta = timedelta(seconds=5),
    **changes: Any,
) -> messaging.MessageMoved:
    values: dict[str, Any] = {
        "message_id": text.message_id,
        "version": 1,
        "kind": "campaign",
        "campaign_id": text.campaign_id,
        "recipient_id": text.recipient_id,
        "variant": text.variant,
        "turn": text.turn,
        "to": text.to,
        "occurred_at": text.not_before + after,
        **changes,
    }
    return kind(**values)
