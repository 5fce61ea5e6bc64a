"""What billing may tell of a customer, and what contacts shows of it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from shared.events.billing import (
    CustomerLinked,
    CustomerUnlinked,
)
from shared.events.envelope import Money
from shared.ids import uuid7

CONTACTS = "/api/v1/contacts"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ISSUED_ON, DUE_ON = date(2026, 3, 2), date(2026, 4, 1)
NOTHING_KNOWN = {
    "currency": "USD",
    "customers": 1,
    "invoiced_cents": 0,
    "paid_cents": 0,
    "balance_cents": 0,
    "overdue_cents": 0,
    "is_overdue": False,
    "last_paid_on": None,
    "open_estimates": 0,
    "open_estimate_cents": 0,
    "has_other_currency": False,
}

Tell = Callable[..., Awaitable[None]]


async def create(client: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.post(CONTACTS, json={"first_name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def timeline(client: httpx.AsyncClient, contact: dict[str, Any]) -> list[dict[str, Any]]:
    """Oldest first, as things happened."""
    answer = await client.get(f"{CONTACTS}/{contact['id']}/timeline")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"][::-1]  # type: ignore[no-any-return]


async def moves(client: httpx.AsyncClient, contact: dict[str, Any]) -> list[str]:
    return [
        f"{entry['kind']} {entry['details'].get('status', '')}".strip() for entry in await timeline(client, contact)
    ]


async def money(client: httpx.AsyncClient, contact: dict[str, Any]) -> dict[str, Any] | None:
    return (await client.get(f"{CONTACTS}/{contact['id']}")).json()["money"]  # type: ignore[no-any-return]


async def names(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(CONTACTS, params=params)
    assert answer.status_code == 200, answer.text
    return [item["first_name"] for item in answer.json()["items"]]


async def merge(client: httpx.AsyncClient, primary: dict[str, Any], secondary: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"{CONTACTS}/{primary['id']}/merge", json={"secondary_id": secondary["id"]})
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def at(hours: int) -> datetime:
    return NOON + timedelta(hours=hours)


def linked(customer: UUID, contact: dict[str, Any], version: int = 1, *, hours: int = -1) -> CustomerLinked:
    return CustomerLinked(
        customer_id=customer, contact_id=UUID(contact["id"]), version=version, reason="phone", occurred_at=at(hours)
    )


def unlinked(customer: UUID, contact: dict[str, Any], version: int, *, hours: int = 9) -> CustomerUnlinked:
    return CustomerUnlinked(
        customer_id=customer, contact_id=UUID(contact["id"]), version=version, reason="desk", occurred_at=at(hours)
    )


def invoice(
    kind: Any,
    customer: UUID,
    version: int,
    cents: int = 50_000,
    *,
    invoice_id: UUID,
    balance: int | None = None,
    currency: str = "USD",
    **fields: Any,
) -> Any:
    left = cents if balance is None else balance
    return kind(
        invoice_id=invoice_id,
        version=version,
        number="1042",
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=currency),
        balance=Money(amount_cents=left, currency=currency),
        issued_on=ISSUED_ON,
        **{"due_on": DUE_ON, "occurred_at": at(version), **fields},
    )


def payment(
    kind: Any, customer: UUID, version: int, cents: int, *, payment_id: UUID | None = None, **fields: Any
) -> Any:
    return kind(
        payment_id=payment_id or uuid7(),
        version=version,
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=fields.pop("currency", "USD")),
        **{"received_on": date(2026, 3, 5), "occurred_at": at(version), **fields},
    )


def estimate(kind: Any, customer: UUID, version: int, *, estimate_id: UUID, cents: int = 60_000, **fields: Any) -> Any:
    return kind(
        estimate_id=estimate_id,
        version=version,
        number="E-7",
        customer_id=customer,
        amount=Money(amount_cents=cents, currency=fields.pop("currency", "USD")),
        **{"occurred_at": at(version), **fields},
    )


def job(kind: Any, contact: dict[str, Any] | None, version: int, *, job_id: UUID, **fields: Any) -> Any:
    contact_id = UUID(contact["id"]) if contact else None
    return kind(
        job_id=job_id,
        version=version,
        contact_id=contact_id,
        title="Cellar wall",
        kind="repair",
        starts_at=at(30),
        occurred_at=at(version),
        **fields,
    )
