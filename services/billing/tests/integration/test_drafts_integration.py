"""A draft is ours alone, and so is the customer that is made for it: QuickBooks gets both with the first form."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from billing.models import Customer, Estimate, MatchCandidate, Notice
from billing.services.people import PeopleService
from billing.states import EstimateStatus
from shared.events.contacts import ContactErased, ContactMerged
from shared.testing import until

from .books import compared
from .office import Office
from .sales import post

ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Lima",
    "phones": ["+16175550142"],
    "emails": ["ana@example.com"],
}
THEIR_ANA = {"PrimaryPhone": {"FreeFormNumber": "(617) 555-0142"}}
WRITTEN = [("create_customer", "done"), ("create_estimate", "done")]


async def draft(office: Office, contact: UUID) -> dict[str, Any]:
    items = (await office.api.get("/api/v1/items")).json()["items"]
    line = {"item_id": items[0]["id"], "quantity": "2", "unit_price": "100"}
    return await post(office, "estimates", contact_id=str(contact), lines=[line])


async def push(office: Office, *drafts: dict[str, Any]) -> None:
    await asyncio.gather(*(post(office, f"estimates/{made['id']}/push") for made in drafts))
    await office.settle()


async def discard(office: Office, made: dict[str, Any]) -> None:
    answer = await office.api.delete(f"/api/v1/estimates/{made['id']}", headers={"If-Match": f'"{made["version"]}"'})
    assert answer.status_code == 204, answer.text


async def customers(office: Office) -> list[dict[str, Any]]:
    return list((await office.api.get("/api/v1/customers")).json()["items"])


async def links(office: Office) -> list[tuple[str, str]]:
    """What was told of who is whose, in its order: what, and of which customer."""
    events = [event for event in await office.published() if event["type"].startswith("billing.customer.")]
    return [(event["type"].split(".")[2], event["customer_id"]) for event in events]


async def test_a_draft_writes_nothing_and_discarded_it_leaves_nothing(connected: Office) -> None:
    made = await draft(connected, await connected.knows(**ANA))
    await connected.settle()
    (shown,) = await customers(connected)
    assert (shown["id"], shown["qb_id"], shown["display_name"]) == (made["customer"]["id"], None, "Ana Lima")
    assert await compared(connected) == []
    await discard(connected, made)
    await connected.settle()
    assert (await connected.pushes(), await connected.ledger()) == ([], [])
    assert (await connected.rows(Customer), await connected.rows(Estimate)) == ([], [])
    # Nobody was told of a customer who is no more.
    assert await links(connected) == []


async def test_the_first_form_that_is_opened_brings_its_customer_along(connected: Office) -> None:
    made = await draft(connected, await connected.knows(**ANA))
    await push(connected, made)
    assert await connected.pushes() == WRITTEN
    assert [line["kind"] for line in await connected.ledger()] == ["Customer", "Estimate"]
    assert await links(connected) == [("linked", made["customer"]["id"])]
    again = await draft(connected, UUID(made["customer"]["contact_id"]))
    await discard(connected, again)
    assert [row["id"] for row in await customers(connected)] == [made["customer"]["id"]]


async def test_two_drafts_that_are_opened_at_once_make_one_customer(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await push(connected, await draft(connected, contact), await draft(connected, contact))
    assert sorted(kind for kind, _ in await connected.pushes()) == [
        "create_customer", "create_estimate", "create_estimate"
    ]  # fmt: skip
    assert len(await connected.ledger("Customer")) == 1
    assert {row.qb_id is None for row in await connected.rows(Estimate)} == {False}


async def test_a_customer_is_kept_as_long_as_a_draft_names_it(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    first, second = await draft(connected, contact), await draft(connected, contact)
    await discard(connected, first)
    assert [row["id"] for row in await customers(connected)] == [second["customer"]["id"]]
    await discard(connected, second)
    assert await customers(connected) == []


async def test_a_draft_that_is_begun_while_the_last_one_is_discarded_has_a_customer(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    first = await draft(connected, contact)
    _, second = await asyncio.gather(discard(connected, first), draft(connected, contact))
    assert [row["id"] for row in await customers(connected)] == [second["customer"]["id"]]


async def test_whoever_is_wanted_in_quickbooks_is_written_with_or_without_a_form(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    wanted = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert (wanted.status_code, wanted.json()["id"]) == (200, made["customer"]["id"])
    await discard(connected, made)
    await connected.settle()
    assert await connected.pushes() == [("create_customer", "done")]
    assert [row["id"] for row in await customers(connected)] == [made["customer"]["id"]]


async def test_what_is_edited_before_is_written_with_the_customer(connected: Office) -> None:
    made = await draft(connected, await connected.knows(**ANA))
    path = f"/api/v1/customers/{made['customer']['id']}"
    tag = {"If-Match": (await connected.api.get(path)).headers["ETag"]}
    edited = await connected.api.patch(path, json={"city": "Quincy"}, headers=tag)
    assert (edited.status_code, edited.json()["writes"]) == (200, [])
    await push(connected, made)
    assert await connected.pushes() == WRITTEN
    qb_id = (await connected.one(Customer)).qb_id
    assert (await connected.quickbooks("GET", f"customer/{qb_id}"))["Customer"]["BillAddr"]["City"] == "Quincy"


async def test_after_a_customer_was_given_up_its_estimate_can_be_discarded_whole(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await draft(connected, await connected.knows(**ANA))
    await push(connected, made)
    for _ in range(2):
        (failed,) = (await connected.api.get("/api/v1/quickbooks/writes", params={"state": "failed"})).json()["items"]
        await post(connected, f"quickbooks/writes/{failed['id']}/drop")
        await connected.settle()
    assert {state for _, state in await connected.pushes()} == {"dropped"}
    await discard(connected, (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json())
    assert [row["is_active"] for row in await customers(connected)] == [False]
    assert [what for what, _ in await links(connected)] == ["linked", "unlinked"]
    # Whoever needs them again begins anew.
    again = await draft(connected, UUID(made["customer"]["contact_id"]))
    await push(connected, again)
    assert len(await connected.ledger("Customer")) == 1


@pytest.mark.parametrize("is_pushed_at_once", [True, False])
async def test_who_comes_to_stand_in_quickbooks_meanwhile_has_the_draft(
    connected: Office, is_pushed_at_once: bool
) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    theirs = await connected.new_customer("Lima, Ana Maria", **THEIR_ANA)
    if is_pushed_at_once:
        # Before we have read what the webhook tells: it is found where the write is begun.
        await post(connected, f"estimates/{made['id']}/push")
        await until(lambda: connected.rows(Notice, Notice.qb_id == theirs["Id"]), what="the webhook has come")
    await connected.settle()
    row = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    assert row.contact_id == contact
    assert (await connected.one(Estimate)).customer_id == row.id
    assert [one["id"] for one in await customers(connected) if one["is_active"]] == [str(row.id)]
    before = [("linked", made["customer"]["id"]), ("unlinked", made["customer"]["id"])] if is_pushed_at_once else []
    assert sorted(await links(connected)) == sorted([*before, ("linked", str(row.id))])
    assert (await connected.api.get("/api/v1/customers/matches")).json()["items"] == []
    await push(connected, made)
    assert len(await connected.ledger("Customer")) == 1
    form = (await connected.quickbooks("GET", f"estimate/{(await connected.one(Estimate)).qb_id}"))["Estimate"]
    assert form["CustomerRef"]["value"] == theirs["Id"]


async def test_whom_somebody_links_by_hand_has_the_draft(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await draft(connected, contact)
    theirs = await connected.new_customer("Somebody")
    await connected.settle()
    row = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    await post(connected, f"customers/{row.id}/link", contact_id=str(contact))
    assert [one["id"] for one in await customers(connected)] == [str(row.id)]
    await push(connected, made)
    assert await connected.pushes() == [("create_estimate", "done")]


async def test_drafts_of_two_contacts_that_turn_out_to_be_one_are_of_one_customer(connected: Office) -> None:
    primary = await connected.knows(**ANA)
    secondary = await connected.knows(first_name="Anna", last_name="Lima", emails=["anna@example.com"])
    drafts = [await draft(connected, contact) for contact in (primary, secondary)]
    async with connected.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    await push(connected, *drafts)
    assert len(await connected.ledger("Customer")) == 1
    (row,) = await connected.rows(Customer)
    assert {form.customer_id for form in await connected.rows(Estimate)} == {row.id}


async def test_of_an_erased_person_nothing_stays_that_was_only_drafted(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await draft(connected, contact)
    async with connected.begin() as tx:
        await (await tx.aget(PeopleService)).record_erasure(ContactErased(contact_id=contact, phone_hashes=[]))
    assert (await connected.rows(Customer), await connected.rows(Estimate)) == ([], [])
    # Nobody was told whose it was.
    assert await links(connected) == []


async def test_an_invoice_waits_for_a_customer_who_was_given_up_and_is_written_after_all(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await draft(connected, await connected.knows(**ANA))
    await push(connected, made)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await post(connected, "invoices", estimate_id=made["id"])
    for what in ("drop", "retry"):
        (failed,) = (await connected.api.get("/api/v1/quickbooks/writes", params={"state": "failed"})).json()["items"]
        await post(connected, f"quickbooks/writes/{failed['id']}/{what}")
        await connected.settle()
    assert [line["kind"] for line in await connected.ledger() if line["operation"] == "created"] == [
        "Customer", "Estimate", "Invoice"
    ]  # fmt: skip
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    assert await connected.rows(MatchCandidate) == []


async def test_what_waits_for_a_customer_who_became_another_one_brings_that_one_back(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"] * 3}})
    primary = await connected.knows(**ANA)
    secondary = await connected.knows(first_name="Anna", last_name="Lima", emails=["anna@example.com"])
    writes = "/api/v1/quickbooks/writes"

    async def failed(kind: str) -> list[str]:
        found = (await connected.api.get(writes, params={"state": "failed"})).json()["items"]
        return [push["id"] for push in found if push["kind"] == kind]

    async def open_without_customer(contact: UUID) -> None:
        await push(connected, await draft(connected, contact))
        for push_id in await failed("create_customer"):
            await post(connected, f"quickbooks/writes/{push_id}/drop")
        await connected.settle()

    await open_without_customer(primary)
    await open_without_customer(secondary)
    async with connected.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    await open_without_customer(primary)
    newest, of_the_second, oldest = await failed("create_estimate")
    await post(connected, f"quickbooks/writes/{of_the_second}/retry")
    await connected.settle()
    assert await failed("create_estimate") == [newest, oldest]
    assert [line["kind"] for line in await connected.ledger()] == ["Customer", "Estimate"]
