"""What people type into QuickBooks, and what is known and told of it here."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import svcs
from billing.services.reading import Reader
from sqlalchemy.ext.asyncio import AsyncSession

from .office import Office


async def reader(office: Office) -> Reader:
    async with svcs.Container(office.registry) as container:
        return await container.aget(Reader)


def sold(amount: str, **more: Any) -> dict[str, Any]:
    """A line of so much, without tax."""
    detail = {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}}
    return {"DetailType": "SalesItemLineDetail", "Amount": Decimal(amount), "SalesItemLineDetail": detail, **more}


async def typed(office: Office, entity: str, **body: Any) -> dict[str, Any]:
    """Somebody types it into QuickBooks, or with Id and SyncToken changes it there."""
    return dict((await office.quickbooks("POST", entity.lower(), body))[entity])


async def form(office: Office, entity: str, customer: str, amount: str, **more: Any) -> dict[str, Any]:
    return await typed(office, entity, CustomerRef={"value": customer}, Line=[sold(amount)], **more)


async def changed(office: Office, entity: str, made: dict[str, Any], **body: Any) -> dict[str, Any]:
    newest = (await office.quickbooks("GET", f"{entity.lower()}/{made['Id']}"))[entity]
    return await typed(office, entity, Id=made["Id"], SyncToken=newest["SyncToken"], sparse=True, **body)


async def pay(office: Office, customer: str, total: str, *shares: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """`shares`: (amount, kind, id)."""
    lines = [
        {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": id_, "TxnType": kind}]} for amount, kind, id_ in shares
    ]
    return await typed(office, "Payment", CustomerRef={"value": customer}, TotalAmt=Decimal(total), Line=lines, **more)


async def told(office: Office) -> list[str]:
    """The events about money, without what they have in common."""
    types = [event["type"].removeprefix("billing.").removesuffix(".v1") for event in await office.published()]
    return sorted(one for one in types if not one.startswith(("connection", "customer")))


async def money(office: Office) -> list[tuple[str, int, list[int]]]:
    """What was told of payments, in its order: kind, amount, what of it went to invoices."""
    events = [event for event in await office.published() if event["type"].startswith("billing.payment.")]
    return [
        (
            event["type"].split(".")[2],
            event["amount"]["amount_cents"],
            [item["amount"]["amount_cents"] for item in event["applied"]],
        )
        for event in events
    ]


async def by_id(office: Office, model: Any, made: dict[str, Any]) -> Any:
    return await office.one(model, model.qb_id == made["Id"])


async def compared(office: Office) -> Sequence[tuple[str, str, str | None, str | None, str]]:
    """Compare now, and say what differed."""
    assert (await office.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await office.settle()
    (newest, *_) = (await office.api.get("/api/v1/quickbooks/differences")).json()["items"]
    return [
        (line["entity"], line["what"], line["ours"], line["theirs"], line["explanation"]) for line in newest["lines"]
    ]


async def execute(office: Office, statement: Any) -> None:
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(statement)
