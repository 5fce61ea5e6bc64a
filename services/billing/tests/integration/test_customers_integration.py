"""A contact becomes a customer of QuickBooks, once; customers are listed and linked."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from billing.models import CandidateStatus, Customer, Estimate, MatchCandidate, Push
from billing.services.customers import CustomerService
from billing.services.people import PeopleService
from billing.states import PushKind
from shared.clock import wall_now
from shared.errors import Conflict, NotFound
from shared.events.contacts import ContactErased
from shared.testing.tokens import TokenIssuer
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import failpoints

from .customers import ANA, NOBODYS_ID, TYPED_ANA, ensure, listed, merge, typed
from .office import Office
from .sales import accepted, post

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


# --- Who may


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("GET", "customers", "customers:read"),
        ("GET", "customers/matches", "customers:read"),
        ("POST", "customers", "customers:write"),
        ("PATCH", f"customers/{NOBODYS_ID}", "customers:write"),
        ("POST", f"customers/{NOBODYS_ID}/link", "customers:write"),
        ("POST", f"customers/{NOBODYS_ID}/unlink", "customers:write"),
        ("POST", f"customers/matches/{NOBODYS_ID}/accept", "customers:write"),
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
