"""Billing and its QuickBooks as a test handles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import httpx
import orjson
import svcs
from billing.models import Base, Push
from billing.services.people import PeopleService
from shared.database import Begin
from shared.events.contacts import AddressItem, ContactChanged, ContactItem, PhoneItem
from shared.testing.plugin import FakeClock
from shared.testing.streams import TestBus
from shared.testing.waiting import settle_beside, until
from shared.worker import Worker
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

CLIENT_SECRET = "test-quickbooks-secret"
VERIFIER_TOKEN = "test-verifier-token"
CONTROL_KEY = "test-control-key"
REALM = "9130350000000001"
API = f"/v3/company/{REALM}"
COMPANY = f"/sandbox/v1/quickbooks/companies/{REALM}"
LOST = {"shares": {"missing": 1.0}}
"""No webhook tells of what happens in QuickBooks."""
_WAITING = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
Row = TypeVar("Row", bound=Base)


@dataclass
class Office:
    registry: svcs.Registry
    begin: Begin
    worker: Worker
    bus: TestBus
    control: httpx.AsyncClient
    api: httpx.AsyncClient
    clocks: tuple[FakeClock, FakeClock]
    person_token: str = ""

    # QuickBooks's side

    async def turn(self, **changes: Any) -> None:
        """Controls below `quickbooks`."""
        answer = await self.control.patch("/sandbox/v1/controls", json={"quickbooks": changes})
        assert answer.is_success, answer.text

    async def people_do(self, path: str, **body: Any) -> dict[str, Any]:
        """What somebody does inside QuickBooks: `payments`, `invoice/12/void`, `merge-customers` …"""
        answer = await self.control.post(f"{COMPANY}/{path}", json=body or None)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def ledger(self, kind: str | None = None) -> list[dict[str, Any]]:
        found = (await self.control.get(f"{COMPANY}/ledger")).json()["items"]
        return [line for line in found if kind in (None, line["kind"])]

    async def grants(self) -> dict[str, Any]:
        return dict((await self.control.get(f"{COMPANY}/grants")).json())

    async def quickbooks(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A call of another app, which has its own consent."""
        if not self.person_token:
            self.person_token = (await self.people_do("access-token"))["access_token"]
        answer = await self.control.request(
            method,
            f"{API}/{path}",
            headers={"Authorization": f"Bearer {self.person_token}", "Accept": "application/json"},
            content=None if body is None else orjson.dumps(body, default=_plain),
        )
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def new_customer(self, name: str = "Ana Lima", **more: Any) -> dict[str, Any]:
        return dict((await self.quickbooks("POST", "customer", {"DisplayName": name, **more}))["Customer"])

    async def new_invoice(self, customer: str, amount: str = "500.00", **more: Any) -> dict[str, Any]:
        """Typed into QuickBooks by somebody, taxable."""
        line = {
            "DetailType": "SalesItemLineDetail",
            "Amount": Decimal(amount),
            "SalesItemLineDetail": {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}},
        }
        body = {"CustomerRef": {"value": customer}, "Line": [line], **more}
        return dict((await self.quickbooks("POST", "invoice", body))["Invoice"])

    # Our side

    async def connect(self) -> dict[str, Any]:
        """Consent as a browser would, and bring back what it was given."""
        begun = await self.api.post("/api/v1/quickbooks/connect")
        assert begun.status_code == 201, begun.text
        back = (await self.control.get(begun.json()["authorize_url"])).headers["location"]
        given = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        answer = await self.api.post(
            "/api/v1/quickbooks/callback",
            json={"code": given["code"], "state": given["state"], "realm_id": given["realmId"]},
        )
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def health(self) -> dict[str, Any]:
        return dict((await self.api.get("/api/v1/quickbooks/connection")).json())

    async def settle(self) -> None:
        await settle_beside(self.worker, self.control)

    async def now(self) -> datetime:
        return await self.clocks[0].now()

    async def set_clock(self, at: datetime) -> None:
        for clock in self.clocks:
            await clock.set(at)

    async def advance(self, by: timedelta) -> None:
        self.person_token = ""  # It lasts an hour.
        await self.set_clock(await self.now() + by)

    async def somebody_waits(self) -> None:
        """Return once a transaction waits for a lock that another one holds."""

        async def waits() -> bool:
            async with self.begin() as tx:
                return bool((await (await tx.aget(AsyncSession)).execute(_WAITING)).first())

        await until(waits, what="a transaction waits for a lock")

    async def rows(self, model: type[Row], *conditions: Any) -> Sequence[Row]:
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            return (await session.scalars(select(model).where(*conditions))).all()

    async def one(self, model: type[Row], *conditions: Any) -> Row:
        (row,) = await self.rows(model, *conditions)
        return row

    async def pushes(self) -> list[tuple[str, str]]:
        return [
            (push.kind.value, push.state.value) for push in sorted(await self.rows(Push), key=lambda push: push.seq)
        ]

    async def published(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The data of the events that were written to the outbox, in their order, each with its `type`."""
        async with self.begin() as tx:
            session = await tx.aget(AsyncSession)
            rows = await session.execute(text("SELECT type, envelope FROM outbox ORDER BY seq"))
            found = [{"type": row.type, **orjson.loads(row.envelope)["data"]} for row in rows]
        return [event for event in found if event_type in (None, event["type"])]

    async def knows(self, **person: Any) -> UUID:
        """Contacts tells of a person."""
        contact_id = person.pop("contact_id", None) or uuid4()
        phones = [PhoneItem(e164=phone) for phone in person.pop("phones", [])]
        address = person.pop("address", None)
        item = ContactItem(
            contact_id=contact_id,
            version=person.pop("version", 1),
            phones=phones,
            address=AddressItem(**address) if address else None,
            **person,
        )
        async with self.begin() as tx:
            await (await tx.aget(PeopleService)).record_changes([ContactChanged(contacts=[item])])
        return UUID(str(contact_id))


def _plain(value: Any) -> Any:
    # Only the tests' own amounts, written with two places: QuickBooks reads them as they stand.
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(value)
