"""A customer that was merged and is active in QuickBooks again stands for itself, and nothing older undoes a merge."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from billing.models import Customer, Notice
from billing.provider import CustomerSeen
from billing.services.marks import own_notice
from shared.database import UnitOfWork
from sqlalchemy import insert, update

from .books import by_id, changed, execute, reader
from .office import REALM, Office
from .sales import item

ANA: dict[str, Any] = {"first_name": "Ana", "last_name": "Lima", "emails": ["ana@example.com"]}
THEIR_ANA = {"PrimaryEmailAddr": {"Address": "ana@example.com"}}
MINUTE = timedelta(minutes=1)


async def two_customers(office: Office) -> tuple[dict[str, Any], dict[str, Any]]:
    kept, gone = await office.new_customer("Ana Brooks"), await office.new_customer("Ana Lima", **THEIR_ANA)
    await office.settle()
    return kept, gone


async def seen_now(office: Office, made: dict[str, Any]) -> CustomerSeen:
    (seen,) = await (await reader(office)).read(REALM, "Customer", [made["Id"]])
    assert isinstance(seen, CustomerSeen)
    return seen


async def take(office: Office, seen: CustomerSeen) -> None:
    await (await reader(office)).take(REALM, {"Customer": [seen]})
    await office.settle()


async def merge(office: Office, *, kept: dict[str, Any], gone: dict[str, Any]) -> None:
    await office.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await office.settle()


async def tell_merge(office: Office, *, kept: dict[str, Any], gone: dict[str, Any], at: datetime) -> None:
    """A notice of a merge, of which QuickBooks shows nothing any more."""
    await execute(
        office, insert(Notice).values(own_notice(REALM, "Customer", kept["Id"], "merged", at=at, gone_id=gone["Id"]))
    )
    async with office.begin() as tx:
        (await tx.aget(UnitOfWork)).wake("notices")
    await office.settle()


def text_of(at: datetime) -> str:
    return at.isoformat()


async def test_who_is_active_again_after_a_merge_stands_for_themselves(connected: Office) -> None:
    kept, gone = await two_customers(connected)
    before = await seen_now(connected, gone)
    await merge(connected, kept=kept, gone=gone)
    row = await by_id(connected, Customer, gone)
    assert (row.merged_into_id, row.is_active) == ((await by_id(connected, Customer, kept)).id, False)
    contact = await connected.knows(**ANA)
    later = await connected.now() + MINUTE
    await take(connected, replace(before, sync_token=before.sync_token + 9, updated_at=text_of(later)))
    row = await by_id(connected, Customer, gone)
    assert (row.merged_into_id, row.is_active, row.contact_id) == (None, True, contact)
    line = {"item_id": str((await item(connected)).id)}
    made = await connected.api.post("/api/v1/estimates", json={"contact_id": str(contact), "lines": [line]})
    assert made.json()["customer"]["id"] == str(row.id)


@pytest.mark.parametrize("is_changed", [False, True])
async def test_a_page_from_before_a_merge_undoes_nothing_of_it(connected: Office, is_changed: bool) -> None:
    kept, gone = await two_customers(connected)
    before = await seen_now(connected, gone)
    moment = await connected.now()
    await connected.advance(MINUTE)
    await merge(connected, kept=kept, gone=gone)
    late = replace(before, sync_token=before.sync_token + 1, updated_at=text_of(moment)) if is_changed else before
    await take(connected, late)
    row = await by_id(connected, Customer, gone)
    assert (row.merged_into_id, row.is_active) == ((await by_id(connected, Customer, kept)).id, False)


async def test_a_merge_that_is_told_after_it_was_undone_is_over(connected: Office) -> None:
    kept, gone = await two_customers(connected)
    merged_at = await connected.now()
    await connected.advance(MINUTE)
    await changed(connected, "Customer", gone, CompanyName="Lima Homes")
    await connected.settle()
    await tell_merge(connected, kept=kept, gone=gone, at=merged_at)
    row = await by_id(connected, Customer, gone)
    assert (row.merged_into_id, row.is_active) == (None, True)


async def test_customers_that_were_merged_one_way_and_then_the_other_are_one(connected: Office) -> None:
    kept, gone = await two_customers(connected)
    first = await connected.now()
    await connected.advance(MINUTE)
    await changed(connected, "Customer", gone, CompanyName="Lima Homes")
    await connected.settle()
    await tell_merge(connected, kept=kept, gone=gone, at=first)
    await tell_merge(connected, kept=gone, gone=kept, at=await connected.now())
    stays, went = await by_id(connected, Customer, gone), await by_id(connected, Customer, kept)
    assert (stays.merged_into_id, stays.is_active) == (None, True)
    assert (went.merged_into_id, went.is_active) == (stays.id, False)


async def test_two_customers_that_stand_as_each_other_keep_nobody_waiting(connected: Office) -> None:
    kept, gone = await two_customers(connected)
    contact = await connected.knows(**ANA)
    rows = [await by_id(connected, Customer, made) for made in (kept, gone)]
    for row, other in (rows, rows[::-1]):
        values = {"merged_into_id": other.id, "is_active": False, "contact_id": contact}
        await execute(connected, update(Customer).where(Customer.id == row.id).values(values))
    answer = await connected.api.post("/api/v1/estimates", json={"contact_id": str(contact)})
    assert (answer.status_code, answer.json()["code"]) == (409, "customer_gone")
