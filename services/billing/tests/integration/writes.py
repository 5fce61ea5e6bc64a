"""Estimates that are to be written into QuickBooks, and the tries of writing them."""

from typing import Any

import svcs
from billing.models import Push
from billing.services.pushing import PushProcess
from billing.states import PushKind, PushState
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .office import Office
from .sales import ANA, post

BEN: dict[str, Any] = {"first_name": "Ben", "phones": ["+16175550144"], "emails": ["ben@example.com"]}


async def draft(office: Office, **person: Any) -> dict[str, Any]:
    contact = await office.knows(**{**ANA, **person})
    items = (await office.api.get("/api/v1/items")).json()["items"]
    line = {"item_id": items[0]["id"], "quantity": "2", "unit_price": "100"}
    return await post(office, "estimates", contact_id=str(contact), lines=[line])


async def pushed(office: Office, **person: Any) -> dict[str, Any]:
    """An estimate that stands in QuickBooks."""
    made = await draft(office, **person)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    return made


async def shown(office: Office, path: str) -> dict[str, Any]:
    return dict((await office.api.get(f"/api/v1/{path}")).json())


async def decide(office: Office, what: str, push_id: Any) -> None:
    await post(office, f"quickbooks/writes/{push_id}/{what}")
    await office.settle()


async def failed(office: Office) -> Push:
    return await office.one(Push, Push.state == PushState.FAILED)


async def written(office: Office) -> list[tuple[str, str]]:
    return [(line["kind"], line["operation"]) for line in await office.ledger() if line["by"] == "api"]


async def step(office: Office) -> int:
    """One try of one write, and nothing else."""
    async with svcs.Container(office.registry) as container:
        return await (await container.aget(PushProcess)).run_once()


async def free_leases(office: Office) -> None:
    """Time passes: whoever died holds nothing any more."""
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(leased_until=None))


async def change_marks(office: Office, **values: Any) -> None:
    async with office.begin() as tx:
        marks = update(Push).where(Push.kind == PushKind.MARK_ESTIMATE)
        await (await tx.aget(AsyncSession)).execute(marks.values(**values))
