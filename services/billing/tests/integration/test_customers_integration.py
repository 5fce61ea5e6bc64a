"""Customers: found or made for a contact, linked, edited, listed; and the price book."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from billing.models import CandidateStatus, Customer, Estimate, MatchCandidate, Push
from billing.services.customers import CustomerService
from billing.services.people import PeopleService
from billing.states import PushKind, PushState
from shared.clock import wall_now
from shared.errors import Conflict, NotFound
from shared.events.contacts import ContactErased, ContactMerged
from shared.testing.tokens import TokenIssuer
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import failpoints

from .books import reader
from .office import REALM, Office
from .sales import accepted, post

NOBODY = "9a3c8f50-0000-7000-8000-00000000000f"
ANA: dict[str, Any] = {
    "first_name": "Ana",
    "last_name": "Lima",
    "phones": ["+16175550142"],
    "emails": ["ana@example.com"],
    "address": {"street": "12 Elm St", "city": "Quincy", "state": "MA", "zip": "02169"},
}
TYPED_ANA: dict[str, Any] = {
    "name": "Lima, Ana",
    "PrimaryPhone": {"FreeFormNumber": "(617) 555-0142"},
}


async def ensure(office: Office, contact_id: UUID) -> Customer:
    async with office.begin() as tx:
        customer, _ = await (await tx.aget(CustomerService)).obtain(contact_id, by="anna")
        return customer


async def merge(office: Office, *, primary: UUID, secondary: UUID) -> None:
    async with office.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    await office.knows(contact_id=secondary, version=2, is_active=False, merged_into_id=primary)


async def typed(office: Office, **more: Any) -> Customer:
    """Somebody types a customer into QuickBooks, and we hear of it."""
    made = await office.new_customer(**{**TYPED_ANA, **more})
    await office.settle()
    return await office.one(Customer, Customer.qb_id == made["Id"])


async def listed(office: Office, **params: Any) -> list[str]:
    answer = await office.api.get("/api/v1/customers", params=params)
    assert answer.status_code == 200, answer.text
    return [row["display_name"] for row in answer.json()["items"]]


# --- Ensuring


async def test_a_contact_without_customer_becomes_one_in_quickbooks(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    answer = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["display_name"], body["contact_id"], body["qb_id"]) == ("Ana Lima", str(contact), None)
    assert body["link"]["reason"] == "Created here"
    assert [write["kind"] for write in body["writes"]] == ["create_customer"]
    await connected.settle()
    (line,) = (await connected.quickbooks("GET", "query?query=select * from Customer"))["QueryResponse"]["Customer"]
    assert (line["DisplayName"], line["PrimaryPhone"]["FreeFormNumber"]) == ("Ana Lima", "+16175550142")
    assert line["BillAddr"]["Line1"] == "12 Elm St"
    shown = (await connected.api.get(f"/api/v1/customers/{body['id']}")).json()
    assert (shown["qb_id"], shown["writes"]) == (line["Id"], [])
    (linked,) = await connected.published("billing.customer.linked.v1")
    assert (linked["customer_id"], linked["contact_id"]) == (body["id"], str(contact))


async def test_asked_again_it_is_the_same_customer(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    first = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    again = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert await connected.pushes() == [("create_customer", "pending")]


async def test_who_asks_at_the_same_time_waits_and_gets_the_same_one(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    async with connected.begin() as tx:
        first, _ = await (await tx.aget(CustomerService)).obtain(contact, by="anna")
        second = asyncio.create_task(ensure(connected, contact))
        await connected.somebody_waits()
        assert not second.done()
    assert (await second).id == first.id
    assert len(await connected.rows(Push, Push.kind == PushKind.CREATE_CUSTOMER)) == 1


async def test_a_customer_that_is_surely_this_person_is_taken_instead_of_a_second_one(connected: Office) -> None:
    row = await typed(connected)
    contact = await connected.knows(**ANA)
    found = await ensure(connected, contact)
    assert (found.id, found.contact_id) == (row.id, contact)
    assert found.link_score == 100
    assert await connected.pushes() == []


async def test_the_same_name_alone_is_another_customer(connected: Office) -> None:
    row = await typed(connected, PrimaryPhone={"FreeFormNumber": "617 555 0199"})
    found = await ensure(connected, await connected.knows(**ANA))
    assert found.id != row.id
    await connected.settle()
    ours = await connected.one(Customer, Customer.id == found.id)
    assert ours.qb_id not in (None, row.qb_id)
    assert await connected.pushes() == [("create_customer", "done")]


async def test_a_merged_contact_has_the_customer_of_both(connected: Office) -> None:
    primary, secondary = await connected.knows(**ANA), await connected.knows(first_name="Anna", last_name="Lima")
    row = await ensure(connected, secondary)
    await merge(connected, primary=primary, secondary=secondary)
    assert (await ensure(connected, primary)).id == row.id
    assert (await ensure(connected, secondary)).id == row.id
    by_primary = await connected.api.get("/api/v1/customers", params={"contact_id": str(primary)})
    assert [one["id"] for one in by_primary.json()["items"]] == [str(row.id)]


async def test_a_merged_contact_has_the_forms_of_both(connected: Office) -> None:
    other = await accepted(connected)
    await post(connected, "invoices", estimate_id=other["id"])
    secondary, primary = UUID(other["customer"]["contact_id"]), await connected.knows(first_name="Anna")
    await merge(connected, primary=primary, secondary=secondary)
    for resource in ("estimates", "invoices"):
        for contact in (primary, secondary):
            found = await connected.api.get(f"/api/v1/{resource}", params={"contact_id": str(contact)})
            assert len(found.json()["items"]) == 1, (resource, contact)
        unknown = await connected.api.get(f"/api/v1/{resource}", params={"contact_id": str(uuid4())})
        assert unknown.json()["items"] == []


async def test_a_customer_merged_in_quickbooks_leads_to_the_one_that_stayed(connected: Office) -> None:
    gone = await typed(connected)
    kept = await typed(connected, name="Somebody", PrimaryPhone=None)
    contact = await connected.knows(**ANA)
    assert (await ensure(connected, contact)).id == gone.id
    await connected.people_do("merge-customers", kept_id=kept.qb_id, gone_id=gone.qb_id)
    await connected.settle()
    assert (await ensure(connected, contact)).id == kept.id


async def test_whom_somebody_entered_in_quickbooks_a_moment_ago_is_not_entered_twice(connected: Office) -> None:
    await connected.turn(webhook_url="")
    made = await connected.new_customer(**{**TYPED_ANA, "name": "Ana Lima"})
    contact = await connected.knows(**ANA)
    ours = await ensure(connected, contact)
    await connected.settle()
    twin = await connected.one(Customer, Customer.qb_id == made["Id"])
    assert (twin.contact_id, (await ensure(connected, contact)).id) == (contact, twin.id)
    gone = await connected.one(Customer, Customer.id == ours.id)
    assert (gone.merged_into_id, gone.contact_id, gone.is_active) == (twin.id, None, False)
    assert await listed(connected, active=True) == ["Ana Lima"]
    assert (await connected.api.get("/api/v1/customers/matches")).json()["items"] == []
    assert await connected.rows(MatchCandidate, MatchCandidate.status == CandidateStatus.OPEN) == []


async def test_a_customer_that_was_made_inactive_is_not_made_anew(connected: Office) -> None:
    row = await typed(connected)
    contact = await connected.knows(**ANA)
    await ensure(connected, contact)
    await connected.quickbooks(
        "POST", "customer", {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "Active": False}
    )
    await connected.settle()
    with pytest.raises(Conflict, match="made inactive in QuickBooks"):
        await ensure(connected, contact)


async def test_whom_nothing_is_known_of_cannot_be_a_customer(connected: Office) -> None:
    with pytest.raises(NotFound, match="no such contact"):
        await ensure(connected, uuid4())
    with pytest.raises(Conflict, match="neither name nor phone nor e-mail"):
        await ensure(connected, await connected.knows())
    with pytest.raises(Conflict, match="archived"):
        await ensure(connected, await connected.knows(**ANA, is_active=False))
    answer = await connected.api.post("/api/v1/customers", json={"contact_id": str(uuid4())})
    assert answer.status_code == 404


async def test_without_a_company_there_are_no_customers(office: Office) -> None:
    contact = await office.knows(**ANA)
    answer = await office.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert (answer.status_code, answer.json()["code"]) == (409, "quickbooks_not_connected")
    assert (await office.api.get("/api/v1/customers")).json() == {"items": [], "next_cursor": None, "total": 0}
    assert (await office.api.get("/api/v1/items")).json()["items"] == []


# --- While the books are read for the first time


async def test_nobody_is_entered_who_stands_on_a_page_that_is_still_to_be_read(office: Office) -> None:
    await office.turn(webhook_url="")  # Of a company that is not connected nobody hears.
    made = await office.new_customer(
        "Lima, Ana Maria",
        PrimaryPhone={"FreeFormNumber": "(617) 555-0142"},
        PrimaryEmailAddr={"Address": "ana@example.com"},
    )
    contact = await office.knows(**ANA)
    # Terms and items are read by then; customers are not.
    failpoints.configure("pull.before_commit=raise@3")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
        answer = await office.api.post("/api/v1/customers", json={"contact_id": str(contact)})
        assert answer.status_code == 201, answer.text
        ours = answer.json()
        line = {"item_id": (await office.api.get("/api/v1/items")).json()["items"][0]["id"], "quantity": "2"}
        estimate = await office.api.post("/api/v1/estimates", json={"contact_id": str(contact), "lines": [line]})
        assert estimate.status_code == 201, estimate.text
        pushed = await office.api.post(f"/api/v1/estimates/{estimate.json()['id']}/push")
        assert pushed.is_success, pushed.text
        edited = await office.api.patch(
            f"/api/v1/customers/{ours['id']}", json={"city": "Boston"}, headers={"If-Match": answer.headers["ETag"]}
        )
        assert edited.status_code == 200, edited.text
        # Nothing of it can be done now, and nobody waits for it.
        await office.settle()
        assert {state for _, state in await office.pushes()} == {"pending"}
    finally:
        failpoints.configure("")
    await office.advance(timedelta(minutes=1))
    await office.settle()
    entered = (await office.quickbooks("GET", "query?query=select * from Customer"))["QueryResponse"]["Customer"]
    assert [one["DisplayName"] for one in entered] == ["Lima, Ana Maria"]
    theirs = await office.one(Customer, Customer.qb_id == made["Id"])
    assert (theirs.contact_id, theirs.link_reason) == (contact, "Same phone, same e-mail address, same full name")
    gone = await office.one(Customer, Customer.id == UUID(ours["id"]))
    assert (gone.merged_into_id, gone.contact_id, gone.is_active) == (theirs.id, None, False)
    form = await office.one(Estimate)
    assert form.customer_id == theirs.id
    there = (await office.quickbooks("GET", f"estimate/{form.qb_id}"))["Estimate"]
    assert there["CustomerRef"]["value"] == made["Id"]
    assert (await ensure(office, contact)).id == theirs.id
    assert (await office.api.get("/api/v1/customers/matches")).json()["items"] == []
    # What was edited is theirs to take over, where it is not what they say themselves.
    (edit,) = await office.rows(Push, Push.kind == PushKind.UPDATE_CUSTOMER)
    assert (edit.target_id, edit.error_code) == (theirs.id, "changed_in_quickbooks")


async def test_whom_a_person_linked_meanwhile_is_the_one(office: Office) -> None:
    made = await office.new_customer("Somebody")
    contact = await office.knows(**ANA)
    await office.connect()
    ours = await ensure(office, contact)
    # Everything but the writes is done by then.
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(next_try_at=wall_now() + timedelta(hours=1)))
    await office.worker.run_until_idle()
    theirs = await office.one(Customer, Customer.qb_id == made["Id"])
    linked = await office.api.post(f"/api/v1/customers/{theirs.id}/link", json={"contact_id": str(contact)})
    assert linked.status_code == 200, linked.text
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(next_try_at=None))
    await office.settle()
    assert await office.pushes() == [("create_customer", "dropped")]
    assert (await office.one(Customer, Customer.id == ours.id)).merged_into_id == theirs.id
    assert (await ensure(office, contact)).id == theirs.id


async def test_one_who_is_perhaps_somebody_there_is_entered_after_the_reading(office: Office) -> None:
    made = await office.new_customer("Lima, Benedito", PrimaryPhone={"FreeFormNumber": "(617) 555-0142"})
    contact = await office.knows(**ANA)
    await office.connect()
    ours = await ensure(office, contact)
    await office.settle()
    assert await office.pushes() == [("create_customer", "done")]
    assert (await office.one(Customer, Customer.id == ours.id)).qb_id not in (None, made["Id"])
    (doubt,) = await office.rows(MatchCandidate)
    assert (doubt.contact_id, doubt.status) == (contact, CandidateStatus.OPEN)


# --- Listing


async def test_customers_are_listed_by_name_and_filtered(connected: Office) -> None:
    await connected.new_customer("ben ode", PrimaryEmailAddr={"Address": "Ben@Ode.example"})
    await connected.new_customer("Ana Lima", PrimaryPhone={"FreeFormNumber": "(617) 555-0142"})
    await connected.new_customer("Zoe 100%", CompanyName="Harbor_Homes")
    await connected.settle()
    await ensure(connected, await connected.knows(**ANA))
    assert await listed(connected) == ["Ana Lima", "ben ode", "Zoe 100%"]
    assert await listed(connected, q="LIMA") == ["Ana Lima"]
    assert await listed(connected, q="@ode.ex") == ["ben ode"]
    assert await listed(connected, q="617-555") == ["Ana Lima"]
    assert await listed(connected, q="100%") == ["Zoe 100%"]
    assert await listed(connected, q="r_h") == ["Zoe 100%"]
    assert await listed(connected, q="nobody") == []
    assert await listed(connected, linked=True) == ["Ana Lima"]
    assert await listed(connected, linked=False) == ["ben ode", "Zoe 100%"]
    assert await listed(connected, active=False) == []
    assert await listed(connected, contact_id=str(uuid4())) == []


async def test_pages_follow_one_another(connected: Office) -> None:
    for name in ("d", "B", "a", "C", "e"):
        await connected.new_customer(name)
    await connected.settle()
    found, cursor = list[str](), None
    while True:
        page = (await connected.api.get("/api/v1/customers", params={"limit": 2, "cursor": cursor or ""})).json()
        found += [row["display_name"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert (found, page["total"]) == (["a", "B", "C", "d", "e"], 5)


async def test_a_customer_shows_what_it_owes(connected: Office) -> None:
    row = await typed(connected)
    for amount in ("500.00", "250.50"):
        await connected.new_invoice(str(row.qb_id), amount)
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/customers/{row.id}")).json()
    assert shown["balance"] == {"amount_cents": 75050, "currency": "USD"}
    assert shown["link"] is None
    (one,) = (await connected.api.get("/api/v1/customers")).json()["items"]
    assert one["balance"]["amount_cents"] == 75050
    assert (await connected.api.get(f"/api/v1/customers/{uuid4()}")).status_code == 404


# --- The price book


async def test_the_price_book_is_quickbooks_s(connected: Office) -> None:
    items = (await connected.api.get("/api/v1/items")).json()["items"]
    assert items
    assert [one["name"].lower() for one in items] == sorted(one["name"].lower() for one in items)
    one = items[0]
    assert (await connected.api.get(f"/api/v1/items/{one['id']}")).json() == one
    assert (await connected.api.get(f"/api/v1/items/{uuid4()}")).status_code == 404
    found = (await connected.api.get("/api/v1/items", params={"q": one["name"][1:5].upper()})).json()["items"]
    assert one["id"] in {item["id"] for item in found}


async def test_an_item_that_is_no_longer_sold_is_shown_when_asked_for(connected: Office) -> None:
    document = (await connected.quickbooks("GET", "item/2"))["Item"]
    change = {"Id": "2", "SyncToken": document["SyncToken"], "sparse": True, "Active": False}
    await connected.quickbooks("POST", "item", change)
    await connected.settle()
    names = [
        {row["qb_id"] for row in (await connected.api.get("/api/v1/items", params=params)).json()["items"]}
        for params in ({}, {"active": False})
    ]
    assert "2" not in names[0]
    assert names[1] == {"2"}


# --- Erasure


async def test_an_erased_person_s_customer_is_nobody_s(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    row = await ensure(connected, contact)
    async with connected.begin() as tx:
        await (await tx.aget(PeopleService)).record_erasure(ContactErased(contact_id=contact, phone_hashes=[]))
    assert (await connected.one(Customer, Customer.id == row.id)).contact_id is None
    with pytest.raises(NotFound):
        await ensure(connected, contact)


# --- By hand


async def test_a_person_links_and_unlinks(connected: Office) -> None:
    row = await typed(connected, PrimaryPhone=None)
    contact = await connected.knows(**ANA)
    linked = await connected.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(contact)})
    assert linked.status_code == 200, linked.text
    assert linked.json()["link"]["reason"] == "Linked by hand"
    again = await connected.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(contact)})
    assert again.headers["ETag"] == linked.headers["ETag"]
    other = await connected.knows(first_name="Ben")
    refused = await connected.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(other)})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_linked")
    unlinked = await connected.api.post(f"/api/v1/customers/{row.id}/unlink")
    assert (unlinked.json()["contact_id"], unlinked.json()["link"]) == (None, None)
    assert (await connected.api.post(f"/api/v1/customers/{row.id}/unlink")).status_code == 200
    (event,) = await connected.published("billing.customer.unlinked.v1")
    assert (event["contact_id"], event["version"]) == (str(contact), 2)
    missing = await connected.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(uuid4())})
    assert missing.status_code == 404
    assert (await connected.api.post(f"/api/v1/customers/{uuid4()}/unlink")).status_code == 404


async def test_whom_a_person_unlinked_is_not_linked_again_by_itself(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    row = await typed(connected)
    assert row.contact_id == contact
    await connected.api.post(f"/api/v1/customers/{row.id}/unlink")
    await connected.settle()
    assert (await connected.one(Customer, Customer.id == row.id)).contact_id is None
    assert (await connected.api.get("/api/v1/customers/matches")).json()["items"] == []
    assert (await ensure(connected, contact)).id != row.id
    again = await connected.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(contact)})
    assert again.status_code == 200


# --- Editing


async def patch(office: Office, row: Customer, version: int | None = None, **changes: Any) -> Any:
    tag = {"If-Match": f'"{row.version if version is None else version}"'}
    return await office.api.patch(f"/api/v1/customers/{row.id}", json=changes, headers=tag)


async def customer_there(office: Office, row: Customer) -> dict[str, Any]:
    return dict((await office.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"])


async def test_an_edit_is_made_in_quickbooks_too(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy"}, Notes="Dog bites")
    answer = await patch(connected, row, email="Ana@Example.com", phone="617 555 0177", street="2 Oak St", city=None)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["email"], body["phone"], body["address"]["city"]) == ("ana@example.com", "+16175550177", None)
    assert [(write["kind"], write["state"]) for write in body["writes"]] == [("update_customer", "pending")]
    assert answer.headers["ETag"] == f'"{row.version + 1}"'
    await connected.settle()
    there = await customer_there(connected, row)
    assert (there["PrimaryEmailAddr"]["Address"], there["PrimaryPhone"]["FreeFormNumber"]) == (
        "ana@example.com",
        "+16175550177",
    )
    assert (there["BillAddr"]["Line1"], there["BillAddr"]["City"]) == ("2 Oak St", "")
    assert (there["DisplayName"], there["Notes"]) == ("Lima, Ana", "Dog bites")
    assert (await connected.api.get(f"/api/v1/customers/{row.id}")).json()["writes"] == []


async def test_what_somebody_changed_in_quickbooks_meanwhile_stays(connected: Office) -> None:
    row = await typed(connected)
    change = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "CompanyName": "Lima Homes"}
    await connected.quickbooks("POST", "customer", change)
    assert (await patch(connected, row, given_name="Ana")).status_code == 200
    await connected.settle()
    there = await customer_there(connected, row)
    assert (there["CompanyName"], there["GivenName"]) == ("Lima Homes", "Ana")
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.company_name, ours.given_name) == ("Lima Homes", "Ana")


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "meanwhile"])
async def test_what_an_address_has_that_we_do_not_edit_stays(connected: Office, is_known: bool) -> None:
    address = {"Line1": "1 Oak St", "City": "Quincy", "PostalCode": "02169", "Country": "USA"}
    row = await typed(connected, BillAddr=address)
    longer = {**address, "Line2": "Rear house", "Note": "Blue door"}
    change = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "BillAddr": longer}
    await connected.quickbooks("POST", "customer", change)
    if is_known:
        await connected.settle()
        row = await connected.one(Customer, Customer.id == row.id)
    assert (await patch(connected, row, city="Boston", postal_code=None)).status_code == 200
    await connected.settle()
    there = (await customer_there(connected, row))["BillAddr"]
    assert {name: there.get(name) or None for name in (*longer, "CountrySubDivisionCode")} == {
        **longer,
        "City": "Boston",
        "PostalCode": None,
        "CountrySubDivisionCode": None,
    }


async def test_where_an_address_was_on_the_map_does_not_outlast_it(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy", "Lat": "42.25", "Long": "-71.00"})
    assert (await patch(connected, row, city="Boston")).status_code == 200
    await connected.settle()
    there = (await customer_there(connected, row))["BillAddr"]
    assert (there["City"], there.get("Lat"), there.get("Long")) == ("Boston", None, None)


async def test_a_lost_answer_to_an_edit_is_looked_up(connected: Office) -> None:
    row = await typed(connected)
    await patch(connected, row, given_name="Ana", street="2 Oak St", phone=None)
    await connected.turn(
        calls={"chosen": {"update customer": ["reset_after_commit"]}}, requests={"retention_seconds": 0}
    )
    await connected.settle()
    assert (await customer_there(connected, row))["SyncToken"] == str(row.sync_token + 1)
    assert await connected.pushes() == [("update_customer", "done")]


async def test_a_name_that_is_taken_is_told_and_nothing_is_merged(connected: Office) -> None:
    other = await typed(connected, name="Ana Lima")
    row = await typed(connected)
    assert (await patch(connected, row, display_name="Ana Lima")).status_code == 200
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/customers/{row.id}")).json()
    ((state, error),) = [(write["state"], write["error"]) for write in shown["writes"]]
    assert (state, bool(error)) == ("failed", True)
    assert (shown["merged_into_id"], shown["is_active"]) == (None, True)
    # Given up, it is shown as it is in QuickBooks.
    dropped = await connected.api.post(f"/api/v1/quickbooks/writes/{shown['writes'][0]['id']}/drop")
    assert dropped.status_code == 200
    await connected.settle()
    assert (await connected.one(Customer, Customer.id == row.id)).display_name == "Lima, Ana"
    assert (await connected.one(Customer, Customer.id == other.id)).display_name == "Ana Lima"


async def test_an_edit_of_one_that_is_on_its_way_is_not_lost(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    row = await ensure(connected, contact)
    assert (await patch(connected, row, family_name="Lima-Costa")).status_code == 200
    await connected.settle()
    row = await connected.one(Customer, Customer.id == row.id)
    assert (await customer_there(connected, row))["FamilyName"] == "Lima-Costa"


async def put_off(office: Office, until: datetime | None) -> None:
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(next_try_at=until))


async def changed_there(office: Office, row: Customer, **changes: Any) -> None:
    newest = await customer_there(office, row)
    await office.quickbooks(
        "POST", "customer", {"Id": row.qb_id, "SyncToken": newest["SyncToken"], "sparse": True, **changes}
    )


async def test_what_waits_to_be_written_is_shown_over_what_is_read_meanwhile(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy"})
    answer = await patch(connected, row, given_name="Ana", city="Boston")
    assert (await patch(connected, row, version=row.version + 1, city="Milton", phone=None)).status_code == 200
    await put_off(connected, wall_now() + timedelta(hours=1))
    books = await reader(connected)
    for changes in ({}, {"CompanyName": "Lima Homes"}):
        if changes:
            await changed_there(connected, row, **changes)
        await books.take_again(REALM, {"Customer": {str(row.qb_id)}})
        ours = await connected.one(Customer, Customer.id == row.id)
        assert (ours.given_name, ours.city, ours.phone) == ("Ana", "Milton", None)
        assert ours.company_name == changes.get("CompanyName")
        assert ours.version == row.version + (3 if changes else 2)
    await put_off(connected, None)
    await connected.settle()
    assert await connected.pushes() == [("update_customer", "done"), ("update_customer", "done")]
    there = await customer_there(connected, row)
    assert (there["GivenName"], there["BillAddr"]["City"], there["CompanyName"]) == ("Ana", "Milton", "Lima Homes")
    assert there["BillAddr"]["Line1"] == answer.json()["address"]["street"] == "1 Oak St"
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city, ours.phone, ours.company_name) == ("Ana", "Milton", None, "Lima Homes")


async def test_what_somebody_made_otherwise_there_is_shown_and_not_written_over(connected: Office) -> None:
    row = await typed(connected, BillAddr={"City": "Quincy"})
    await patch(connected, row, given_name="Ana", city="Boston")
    await put_off(connected, wall_now() + timedelta(hours=1))
    await changed_there(connected, row, BillAddr={"City": "Milton"})
    await connected.worker.run_until_idle()
    await (await reader(connected)).take_again(REALM, {"Customer": {str(row.qb_id)}})
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city) == (None, "Milton")
    await put_off(connected, None)
    await connected.settle()
    (push,) = await connected.rows(Push)
    assert (push.state, push.error_code) == (PushState.FAILED, "changed_in_quickbooks")
    dropped = await connected.api.post(f"/api/v1/quickbooks/writes/{push.id}/drop")
    assert dropped.status_code == 200, dropped.text
    await connected.settle()
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city) == (None, "Milton")


async def test_edits_need_the_version_that_was_read_and_sound_values(connected: Office) -> None:
    row = await typed(connected)
    assert (await patch(connected, row, version=99, given_name="Ana")).status_code == 412
    bare = await connected.api.patch(f"/api/v1/customers/{row.id}", json={"given_name": "Ana"})
    assert bare.status_code == 428
    for wrong in ({"phone": "12"}, {"email": "x"}, {"display_name": "a:b"}, {"display_name": None}, {"nme": "x"}):
        answer = await connected.api.patch(
            f"/api/v1/customers/{row.id}", json=wrong, headers={"If-Match": f'"{row.version}"'}
        )
        assert answer.status_code == 422, wrong
    unchanged = await patch(connected, row, display_name="Lima, Ana")
    assert unchanged.headers["ETag"] == f'"{row.version}"'
    assert await connected.pushes() == []


# --- Who may


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "customers", "customers:read"),
        ("GET", "customers/matches", "customers:read"),
        ("POST", "customers", "customers:write"),
        ("PATCH", f"customers/{NOBODY}", "customers:write"),
        ("POST", f"customers/{NOBODY}/link", "customers:write"),
        ("POST", f"customers/{NOBODY}/unlink", "customers:write"),
        ("POST", f"customers/matches/{NOBODY}/accept", "customers:write"),
        ("GET", "items", "items:read"),
        ("GET", "terms", "items:read"),
    ],
)
async def test_everything_needs_its_permission(
    office: Office, token_issuer: TokenIssuer, method: str, path: str, permission: str
) -> None:
    others = {"customers:read", "customers:write", "items:read"} - {permission}
    headers = {"Authorization": f"Bearer {token_issuer.token('billing', sorted(others))}", "If-Match": '"1"'}
    answer = await office.api.request(method, f"/api/v1/{path}", json={"contact_id": str(uuid4())}, headers=headers)
    assert (answer.status_code, permission in answer.text) == (403, True)
