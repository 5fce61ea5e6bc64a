"""What billing reports in these tests, and what became of it: over events and HTTP."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from campaigns.models import AttributionRequest
from shared.events import billing, messaging
from shared.events.campaigns import RevenueAttributed, TextRequested
from shared.events.envelope import Event, Money
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from .neighbours import person
from .office import MONDAY_NOON, Office

TUESDAY = date(2026, 11, 24)


def contact(n: int) -> UUID:
    return UUID(person(n)["contact_id"])


def customer(n: int) -> UUID:
    return UUID(int=0xCA5000 + n)


def invoice(n: int) -> UUID:
    return UUID(int=0x1A5000 + n)


def payment(n: int = 1, cents: int = 50_000, *, version: int = 1, **changes: Any) -> billing.PaymentMoved:
    """Money of customer `of` on the day `on`; `applied` maps invoices to cents; `kind` is the event's class."""
    currency = changes.pop("currency", "USD")
    applied = changes.pop("applied", {1: cents})
    values = {
        "payment_id": UUID(int=0xFA7000 + n),
        "version": version,
        "customer_id": customer(changes.pop("of", 0)),
        "amount": Money(amount_cents=cents, currency=currency),
        "applied": [
            billing.AppliedItem(invoice_id=invoice(i), amount=Money(amount_cents=part, currency=currency))
            for i, part in applied.items()
        ],
        "received_on": changes.pop("on", TUESDAY),
        "occurred_at": MONDAY_NOON,
    }
    kind = changes.pop("kind", billing.PaymentReceived if version == 1 else billing.PaymentChanged)
    return kind(**values, **changes)


def voided(n: int = 1, *, version: int = 2, **changes: Any) -> billing.PaymentMoved:
    return payment(n, 0, version=version, kind=billing.PaymentVoided, applied={}, **changes)


def link(
    customer_number: int = 0, contact_number: int = 0, *, version: int = 1, linked: bool = True, **more: Any
) -> Event:
    return (billing.CustomerLinked if linked else billing.CustomerUnlinked)(
        customer_id=customer(customer_number),
        contact_id=contact(contact_number),
        version=version,
        occurred_at=MONDAY_NOON,
        **more,
    )


class Books:
    """The books of the office."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.client = office.client

    async def tell(self, *events: Event) -> None:
        """All at once, so that they may come in one batch."""
        for event in events:
            await self.office.bus.publish_event(event)
        await self.office.worker.run_until_idle()

    async def requested(self, *people: int, **changes: Any) -> list[TextRequested]:
        """A campaign to these people that has asked for their texts."""
        draft = await self.office.draft(number_ids=[await self.office.add_number()], **changes)
        await self.office.build(draft["id"], [person(n) for n in people], recontact_days=0)
        assert (await self.office.launch(draft["id"])).status_code == 200
        await self.office.worker.run_until_idle()
        return await self.office.requested(draft["id"])

    async def texted(self, *people: int, **changes: Any) -> str:
        """A campaign whose texts have left."""
        texts = await self.requested(*people, **changes)
        await self.office.report(messaging.MessageAccepted, texts)
        return str(texts[0].campaign_id)

    async def revenue(self, **days: str) -> dict[str, Any]:
        """By currency; whatever it shows, the parts add up."""
        answer = await self.client.get("/api/v1/revenue", params=days)
        assert answer.status_code == 200, answer.text
        for found in answer.json()["currencies"]:
            for model in found["models"]:
                _check_sums(found, model)
        return {found["currency"]: found for found in answer.json()["currencies"]}

    async def earned(self, campaign_id: str, currency: str = "USD") -> dict[str, int]:
        """Model → cents, as the campaign's own page has it, which has to agree with the results and the overview."""
        answer = await self.client.get(f"/api/v1/campaigns/{campaign_id}/revenue")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert (await self.office.results(campaign_id))["revenue"] == page["revenue"]
        overview = (await self.revenue()).get(currency, {"campaigns": []})["campaigns"]
        for found in page["revenue"]:
            for model in ("first_touch", "last_touch", "assisted"):
                assert found[model]["amount_cents"] == sum(
                    other[model]["amount_cents"]
                    for variant in page["variants"]
                    for other in variant["revenue"]
                    if other["currency"] == found["currency"]
                )
        shown = {model: c["amount_cents"] for model, c in _of(page["revenue"], "currency", currency).items()}
        assert shown == {model: c["amount_cents"] for model, c in _of(overview, "campaign_id", campaign_id).items()}
        return {model: cents for model, cents in shown.items() if cents}

    async def unattributed(self, currency: str = "USD") -> dict[str, int]:
        """Reason → cents."""
        last = (await self.revenue())[currency]["models"][-1]
        return {part["reason"]: part["amount_cents"] for part in last["unattributed"] if part["amount_cents"]}

    async def entries(self, **wanted: Any) -> list[dict[str, Any]]:
        """All pages, oldest first."""
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = await self.client.get("/api/v1/revenue/entries", params={"limit": 200, **wanted, **cursor})
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                return found[::-1]
            cursor = {"cursor": answer.json()["next_cursor"]}

    async def sums(self) -> dict[tuple[str, ...], int]:
        sums: Counter[tuple[str, ...]] = Counter()
        for entry in await self.entries():
            names = ("payment_id", "model", "recipient_id", "invoice_id", "currency")
            sums[tuple(str(entry[name]) for name in names)] += entry["amount_cents"]
        return {key: cents for key, cents in sums.items() if cents}

    async def published(self) -> list[RevenueAttributed]:
        found = await self.office.bus.envelopes(RevenueAttributed.type)
        return [RevenueAttributed.model_validate(envelope.data) for envelope in found]

    async def open_requests(self) -> int:
        async with self.office.begin() as tx:
            session = await tx.aget(AsyncSession)
            return await session.scalar(select(func.count()).select_from(AttributionRequest)) or 0


def _check_sums(found: dict[str, Any], model: dict[str, Any]) -> None:
    assert model["attributed_cents"] + model["unattributed_cents"] == found["total_cents"]
    assert model["unattributed_cents"] == sum(part["amount_cents"] for part in model["unattributed"])
    assert model["attributed_cents"] == sum(c[model["model"]]["amount_cents"] for c in found["campaigns"])


def _of(items: Sequence[dict[str, Any]], name: str, value: str) -> dict[str, Any]:
    found = next((item for item in items if item[name] == value), {})
    return {model: found[model] for model in ("first_touch", "last_touch", "assisted") if found}
