"""A person is erased whom QuickBooks never got: what was drafted for them stands in no books, and goes too."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
import svcs
from billing.models import Customer, Estimate, Invoice, MatchCandidate
from billing.services.claiming import Claim, PushService
from billing.services.customers import CustomerService
from billing.services.people import PeopleService
from billing.states import EstimateStatus
from shared.errors import ProviderOutcomeUnknown
from shared.events.contacts import ContactErased
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .customers import ANA
from .office import Office
from .sales import post
from .test_drafts_integration import discard

TOLD = ("ana", "lima", "6175550142", "elm st", "quincy", "02169", "her mat")
"""What tells who it was, in lower case."""
WRITES = "quickbooks/writes"


async def draft(office: Office, contact: UUID) -> dict[str, Any]:
    items = (await office.api.get("/api/v1/items")).json()["items"]
    line = {"item_id": items[0]["id"], "quantity": "2", "unit_price": "100", "description": "The wall behind her mat"}
    return await post(office, "estimates", contact_id=str(contact), memo="For Ana", lines=[line])


async def refuse_customer(office: Office) -> None:
    await office.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})


async def opened(office: Office, contact: UUID) -> dict[str, Any]:
    """An estimate that waits for a customer whom QuickBooks refused."""
    await refuse_customer(office)
    made = await draft(office, contact)
    await post(office, f"estimates/{made['id']}/send")
    await office.settle()
    return made


async def failed(office: Office) -> dict[str, Any]:
    (found,) = (await office.api.get(f"/api/v1/{WRITES}", params={"state": "failed"})).json()["items"]
    return dict(found)


async def drop(office: Office) -> None:
    await post(office, f"{WRITES}/{(await failed(office))['id']}/drop")
    await office.settle()


async def given_up(office: Office, contact: UUID) -> dict[str, Any]:
    """A draft again, of a customer whose write was given up."""
    made = await opened(office, contact)
    await drop(office)
    await drop(office)
    return dict((await office.api.get(f"/api/v1/estimates/{made['id']}")).json())


async def erase(office: Office, contact: UUID) -> None:
    async with office.begin() as tx:
        await (await tx.aget(PeopleService)).record_erasure(ContactErased(contact_id=contact, phone_hashes=[]))


async def traces(office: Office, *tables: str) -> list[str]:
    """Rows that tell who it was."""
    found: list[str] = []
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        for table in tables or ("customer", "estimate", "invoice", "push", "contact_copy", "job"):
            rows = await session.scalars(text(f"SELECT CAST(row_to_json(one) AS text) FROM {table} AS one"))
            found += [f"{table} {row}" for row in rows if any(word in row.lower() for word in TOLD)]
    return found


async def test_of_a_customer_who_was_given_up_and_discarded_nothing_is_kept(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await discard(connected, await given_up(connected, contact))
    assert await traces(connected, "customer") == []
    await erase(connected, contact)
    assert await traces(connected) == []


async def test_of_a_customer_who_gave_way_nothing_is_kept(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await given_up(connected, contact)
    theirs = await connected.new_customer("Somebody")
    await connected.settle()
    kept = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    await post(connected, f"customers/{kept.id}/link", contact_id=str(contact))
    gone = await connected.one(Customer, Customer.id == UUID(made["customer"]["id"]))
    assert (gone.is_active, gone.merged_into_id) == (False, kept.id)
    assert await traces(connected, "customer") == []


async def test_of_a_customer_whom_quickbooks_had_already_nothing_is_kept(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    theirs = await connected.new_customer("L.", PrimaryPhone={"FreeFormNumber": "(617) 555-0142"})
    made = await draft(connected, contact)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    gone = await connected.one(Customer, Customer.qb_id.is_(None))
    kept = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    assert (gone.merged_into_id, kept.contact_id) == (kept.id, contact)
    assert (gone.display_name, gone.phone, gone.email, gone.street) == ("Erased", None, None, None)


async def test_who_was_unlinked_from_them_by_hand_is_erased_with_its_drafts(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    await post(connected, f"customers/{made['customer']['id']}/unlink")
    await connected.settle()
    await erase(connected, contact)
    assert await connected.rows(Customer) == []
    assert await connected.rows(MatchCandidate) == []
    assert await traces(connected) == []


async def test_whom_somebody_said_not_to_be_them_keeps_what_is_theirs(connected: Office) -> None:
    other = await connected.knows(first_name="Anna", last_name="Lima", phones=["+16175550142"])
    made = await draft(connected, other)
    await post(connected, f"customers/{made['customer']['id']}/unlink")
    await connected.settle()
    ana = await connected.knows(**ANA)
    await connected.settle()
    (doubt,) = (await connected.api.get("/api/v1/customers/matches")).json()["items"]
    await post(connected, f"customers/matches/{doubt['id']}/refuse")
    await erase(connected, ana)
    assert (await connected.one(Customer)).display_name == "Anna Lima"


@pytest.mark.parametrize("has_invoice", [False, True])
async def test_what_waits_for_a_customer_who_was_given_up_is_given_up_with_them(
    connected: Office, has_invoice: bool
) -> None:
    contact = await connected.knows(**ANA)
    made = await opened(connected, contact)
    if has_invoice:
        await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima", note="Mind her mat")
        await post(connected, "invoices", estimate_id=made["id"])
    await drop(connected)
    push = await failed(connected)
    assert push["kind"] == "create_estimate"
    await erase(connected, contact)
    refused = await connected.api.post(f"/api/v1/{WRITES}/{push['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    await connected.settle()
    assert await connected.ledger() == []
    assert {state for _, state in await connected.pushes()} == {"dropped"}
    assert await traces(connected) == []
    # Others may have been told of it.
    row = await connected.one(Estimate)
    assert (row.status, row.is_deleted, row.total_cents) == (EstimateStatus.DELETED, True, 0)
    assert [(one.is_deleted, one.balance_cents) for one in await connected.rows(Invoice)] == [(True, 0)] * has_invoice


async def test_a_customer_whom_quickbooks_refused_is_not_written_once_they_are_erased(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await opened(connected, contact)
    push = await failed(connected)
    assert push["kind"] == "create_customer"
    await erase(connected, contact)
    assert (await connected.api.post(f"/api/v1/{WRITES}/{push['id']}/retry")).status_code == 409
    await connected.settle()
    assert await connected.ledger() == []
    assert await traces(connected) == []


async def test_what_nobody_began_to_write_is_not_written_once_they_are_erased(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await waiting(connected, contact)
    await erase(connected, contact)
    await connected.settle()
    assert await connected.ledger() == []
    assert {state for _, state in await connected.pushes()} == {"dropped"}
    assert await traces(connected) == []


async def test_what_was_begun_before_they_are_erased_is_written_whole(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await waiting(connected, contact)
    async with connected.begin() as tx:
        claim = await begun(tx)
    await put_off(connected, claim)
    await erase(connected, contact)
    await connected.settle()
    await is_written_whole(connected)


async def test_what_is_begun_while_they_are_erased_is_written_whole(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await waiting(connected, contact)
    await post(connected, f"customers/{made['customer']['id']}/unlink")
    async with connected.begin() as tx:
        claim = await begun(tx)
        erasing = asyncio.create_task(erase(connected, contact))
        await connected.somebody_waits()
    await erasing
    await put_off(connected, claim)
    await connected.settle()
    await is_written_whole(connected)


async def waiting(office: Office, contact: UUID) -> dict[str, Any]:
    """An estimate that is to be written, and its customer before it."""
    made = await draft(office, contact)
    await post(office, f"estimates/{made['id']}/push")
    return made


async def begun(tx: svcs.Container) -> Claim:
    claim = await (await tx.aget(PushService)).claim(await tx.aget(CustomerService))
    assert claim is not None
    return claim


async def put_off(office: Office, claim: Claim) -> None:
    """Nobody knows what came of the try."""
    async with office.begin() as tx:
        error = ProviderOutcomeUnknown("QuickBooks did not answer.", provider="quickbooks", operation="write")
        await (await tx.aget(PushService)).put_off(claim.intent.push_id, claim.attempt, error)


async def is_written_whole(office: Office) -> None:
    row = await office.one(Customer)
    assert (row.display_name, row.contact_id, row.qb_id is None) == ("Ana Lima", None, False)
    assert (await office.one(Estimate)).qb_id is not None


async def test_of_a_customer_who_was_on_the_way_nothing_is_kept_once_it_is_given_up(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await refuse_customer(connected)
    await waiting(connected, contact)
    async with connected.begin() as tx:
        claim = await begun(tx)
    await put_off(connected, claim)
    await erase(connected, contact)
    await connected.settle()
    assert await traces(connected, "customer") != []
    await drop(connected)
    assert {state for _, state in await connected.pushes()} == {"dropped"}
    assert await traces(connected) == []


async def test_who_was_unlinked_by_hand_is_kept_where_its_write_is_given_up(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await opened(connected, contact)
    await post(connected, f"customers/{made['customer']['id']}/unlink")
    await drop(connected)
    assert (await connected.one(Customer)).display_name == "Ana Lima"
    await erase(connected, contact)
    assert await traces(connected) == []


async def test_a_given_up_invoice_leads_to_its_estimate(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await opened(connected, contact)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await post(connected, "invoices", estimate_id=made["id"])
    await drop(connected)
    await drop(connected)
    assert (await connected.one(Estimate)).status is EstimateStatus.DRAFT
    await erase(connected, contact)
    invoice = await connected.one(Invoice)
    assert (await connected.one(Estimate)).id == invoice.estimate_id
    assert await traces(connected) == []
