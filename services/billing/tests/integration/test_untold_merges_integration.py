"""Two customers are merged in QuickBooks and no webhook tells of it: it shows in what becomes of their forms."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from billing.models import CandidateStatus, Customer, Estimate, Invoice, MatchCandidate, Notice
from billing.provider import EstimateSeen
from billing.services.notices import MOST_ATTEMPTS
from billing.services.people import PeopleService
from shared.clock import wall_now
from shared.events.contacts import ContactMerged
from sqlalchemy import update

from .books import by_id, changed, compared, execute, form, pay, reader
from .office import LOST, REALM, Office

ANA: dict[str, Any] = {"first_name": "Ana", "last_name": "Lima", "emails": ["ana@example.com"]}
THEIR_ANA = {"PrimaryEmailAddr": {"Address": "ana@example.com"}}
HOUR = timedelta(hours=1)


async def two_customers(office: Office) -> tuple[UUID, dict[str, Any], dict[str, Any]]:
    """A contact, the customer that they are, and another one."""
    contact = await office.knows(**ANA)
    kept, gone = await office.new_customer("Ana Brooks"), await office.new_customer("Ana Lima", **THEIR_ANA)
    await office.settle()
    assert (await by_id(office, Customer, gone)).contact_id == contact
    return contact, kept, gone


async def merged_into(office: Office, contact: UUID) -> UUID:
    """Whom Contacts took this one for: what was written with its id keeps it."""
    primary = await office.knows(first_name="Ana")
    async with office.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=contact, version=2))
    return primary


async def link(office: Office, row: Customer, contact: UUID) -> None:
    answer = await office.api.post(f"/api/v1/customers/{row.id}/link", json={"contact_id": str(contact)})
    assert answer.status_code == 200, answer.text


async def hear_of_changes(office: Office) -> None:
    """What no webhook told is read, and whatever follows from it."""
    await office.advance(HOUR)
    office.person_token = ""  # It lives for an hour.
    await office.settle()


async def move(office: Office, entity: str, made: dict[str, Any], to: dict[str, Any]) -> None:
    await changed(office, entity, made, CustomerRef={"value": to["Id"]})


async def deactivate(office: Office, customer: dict[str, Any]) -> None:
    await changed(office, "Customer", customer, Active=False)


async def drafted(office: Office, contact: UUID, status: int = 201) -> dict[str, Any]:
    items = (await office.api.get("/api/v1/items")).json()["items"]
    body = {"contact_id": str(contact), "lines": [{"item_id": items[0]["id"], "quantity": "2", "unit_price": "100"}]}
    answer = await office.api.post("/api/v1/estimates", json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def written_to(office: Office, made: dict[str, Any]) -> str:
    """The customer in QuickBooks of an estimate that is written now."""
    answer = await office.api.post(f"/api/v1/estimates/{made['id']}/push")
    assert answer.is_success, answer.text
    await office.settle()
    row = await office.one(Estimate, Estimate.id == UUID(made["id"]))
    return str((await office.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]["CustomerRef"]["value"])


async def queue(office: Office) -> list[dict[str, Any]]:
    return list((await office.api.get("/api/v1/customers/matches")).json()["items"])


async def links(office: Office) -> list[tuple[str, str]]:
    events = [event for event in await office.published() if event["type"].startswith("billing.customer.")]
    return [(event["type"].split(".")[2], event["customer_id"]) for event in events]


@pytest.mark.parametrize("is_found_by", ["changes", "comparison"])
async def test_a_merge_that_nobody_told_of_moves_the_link_as_one_that_was_told(
    connected: Office, is_found_by: str
) -> None:
    contact, kept, gone = await two_customers(connected)
    waiting = await drafted(connected, contact)
    invoice = await form(connected, "Invoice", gone["Id"], "80.00")
    await form(connected, "Estimate", gone["Id"], "80.00")
    await pay(connected, gone["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.settle()
    await connected.turn(events=LOST)
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    if is_found_by == "changes":
        await hear_of_changes(connected)
    else:
        await compared(connected)
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, stays.is_active) == (contact, True)
    assert (went.contact_id, went.is_active, went.merged_into_id) == (None, False, stays.id)
    assert await links(connected) == [
        ("linked", str(went.id)), ("unlinked", str(went.id)), ("linked", str(stays.id))
    ]  # fmt: skip
    assert await written_to(connected, await drafted(connected, contact)) == kept["Id"]
    assert await written_to(connected, waiting) == kept["Id"]
    assert await queue(connected) == []
    assert await compared(connected) == []


async def test_a_merge_that_leaves_its_customer_inactive_is_known_by_its_moment(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    estimate = await form(connected, "Estimate", gone["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await move(connected, "Estimate", estimate, kept)
    await deactivate(connected, gone)
    await hear_of_changes(connected)
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, went.merged_into_id) == (contact, stays.id)


async def test_a_merge_that_was_given_up_is_tried_again_once_it_shows_again(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    estimate = await form(connected, "Estimate", gone["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await move(connected, "Estimate", estimate, kept)
    await deactivate(connected, gone)
    await hear_of_changes(connected)
    # As if none of the tries had come to its end.
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    await execute(connected, update(Customer).where(Customer.id == stays.id).values(contact_id=None))
    await execute(
        connected, update(Customer).where(Customer.id == went.id).values(contact_id=contact, merged_into_id=None)
    )
    given_up = {"attempts": MOST_ATTEMPTS, "error": "it could not be stored", "next_try_at": wall_now()}
    await execute(connected, update(Notice).where(Notice.operation == "merged").values(given_up))
    await (await reader(connected)).take_again(REALM, {"Customer": {gone["Id"]}})
    await connected.settle()
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, went.contact_id, went.merged_into_id) == (contact, None, stays.id)


async def test_a_form_that_moves_without_a_change_of_its_own_was_carried_by_a_merge(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    estimate = await form(connected, "Estimate", gone["Id"], "80.00")
    await connected.settle()
    await connected.advance(timedelta(minutes=10))
    await deactivate(connected, gone)
    await connected.settle()
    books = await reader(connected)
    (seen,) = await books.read(REALM, "Estimate", [estimate["Id"]])
    assert isinstance(seen, EstimateSeen)
    await books.take(REALM, {"Estimate": [replace(seen, customer=kept["Id"])]})
    await connected.settle()
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, went.merged_into_id) == (contact, stays.id)


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_somebody_moved_by_hand_before_is_for_a_person_to_decide(connected: Office, is_told: bool) -> None:
    contact, kept, gone = await two_customers(connected)
    estimate = await form(connected, "Estimate", gone["Id"], "80.00")
    await connected.settle()
    if not is_told:
        await connected.turn(events=LOST)
    await move(connected, "Estimate", estimate, kept)
    await connected.advance(timedelta(minutes=1))
    await deactivate(connected, gone)
    await hear_of_changes(connected)
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, went.contact_id, went.merged_into_id) == (None, contact, None)
    refused = await drafted(connected, contact, 409)
    assert refused["code"] == "customer_gone"
    assert "Make it active again there, or link the customer that it was merged into" in refused["detail"]
    # Looked at again, it still waits for a person.
    await connected.knows(**ANA, contact_id=contact, version=2, phones=["+16175550142"])
    await changed(connected, "Customer", kept, CompanyName="Brooks Homes")
    await hear_of_changes(connected)
    (doubt,) = await queue(connected)
    assert (doubt["customer"]["id"], doubt["contact"]["contact_id"]) == (str(stays.id), str(contact))
    assert doubt["reasons"] == ["Its estimates and invoices moved to this customer in QuickBooks"]
    accepted = await connected.api.post(f"/api/v1/customers/matches/{doubt['id']}/accept")
    assert accepted.status_code == 200, accepted.text
    assert await written_to(connected, await drafted(connected, contact)) == kept["Id"]


async def test_what_somebody_moved_long_before_says_nothing_of_who_cannot_be_read_any_more(connected: Office) -> None:
    contact, moved_to, gone = await two_customers(connected)
    kept = await connected.new_customer("Ben Ode")
    invoice = await form(connected, "Invoice", gone["Id"], "80.00")
    await connected.settle()
    await move(connected, "Invoice", invoice, moved_to)
    await connected.settle()
    await execute(connected, update(Notice).values(received_at=Notice.received_at - timedelta(days=60)))
    await connected.turn(events=LOST)
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await compared(connected)
    went, stays = await by_id(connected, Customer, gone), await by_id(connected, Customer, moved_to)
    assert (went.contact_id, went.is_active, went.merged_into_id) == (contact, False, None)
    assert stays.contact_id is None
    assert [doubt["customer"]["id"] for doubt in await queue(connected)] == [str(stays.id)]


async def test_what_went_to_several_is_no_merge(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    other = await connected.new_customer("Ben Ode")
    forms = [await form(connected, "Estimate", gone["Id"], amount) for amount in ("80.00", "90.00")]
    await connected.settle()
    await connected.turn(events=LOST)
    for made, to in zip(forms, (kept, other), strict=True):
        await move(connected, "Estimate", made, to)
    await deactivate(connected, gone)
    await hear_of_changes(connected)
    assert (await by_id(connected, Customer, gone)).contact_id == contact
    assert len(await queue(connected)) == 2


async def test_what_went_to_another_persons_customer_is_not_linked(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    ben = await connected.knows(first_name="Ben")
    stays = await by_id(connected, Customer, kept)
    await link(connected, stays, ben)
    await form(connected, "Invoice", gone["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await hear_of_changes(connected)
    assert (await by_id(connected, Customer, gone)).contact_id == contact
    assert (await by_id(connected, Customer, kept)).contact_id == ben
    assert (await connected.one(MatchCandidate)).status is CandidateStatus.OPEN
    assert await queue(connected) == []
    # Once it is nobody's, the doubt is there to be decided.
    await connected.api.post(f"/api/v1/customers/{stays.id}/unlink")
    await connected.settle()
    assert [doubt["contact"]["contact_id"] for doubt in await queue(connected)] == [str(contact)]


async def test_who_was_refused_under_another_id_of_the_person_is_not_linked(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    primary = await merged_into(connected, contact)
    stays = await by_id(connected, Customer, kept)
    await link(connected, stays, primary)
    await connected.api.post(f"/api/v1/customers/{stays.id}/unlink")
    await form(connected, "Invoice", gone["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await hear_of_changes(connected)
    went = await by_id(connected, Customer, gone)
    assert (went.contact_id, went.is_active, went.merged_into_id) == (contact, False, None)
    assert (await by_id(connected, Customer, kept)).contact_id is None
    assert await queue(connected) == []


@pytest.mark.parametrize("is_by_hand", [True, False])
async def test_a_customer_that_is_the_person_already_under_another_id_is_not_doubted(
    connected: Office, is_by_hand: bool
) -> None:
    contact, kept, gone = await two_customers(connected)
    primary = await merged_into(connected, contact)
    stays = await by_id(connected, Customer, kept)
    await link(connected, stays, primary)
    estimate = await form(connected, "Estimate", gone["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    if is_by_hand:
        await move(connected, "Estimate", estimate, kept)
        await connected.advance(timedelta(minutes=1))
        await deactivate(connected, gone)
    else:
        await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await hear_of_changes(connected)
    went = await by_id(connected, Customer, gone)
    assert (went.contact_id, went.merged_into_id) == ((contact, None) if is_by_hand else (None, stays.id))
    assert (await by_id(connected, Customer, kept)).contact_id == primary
    assert await connected.rows(MatchCandidate) == []


async def test_a_form_that_is_moved_alone_changes_nobodys_link(connected: Office) -> None:
    contact, kept, gone = await two_customers(connected)
    invoice = await form(connected, "Invoice", gone["Id"], "80.00")
    await connected.settle()
    await move(connected, "Invoice", invoice, kept)
    await connected.settle()
    assert (await by_id(connected, Invoice, invoice)).customer_id == (await by_id(connected, Customer, kept)).id
    assert (await by_id(connected, Customer, gone)).contact_id == contact
    assert (await by_id(connected, Customer, gone)).is_active
    assert (await queue(connected), len(await links(connected))) == ([], 1)


async def test_a_draft_of_a_customer_that_is_gone_is_written_for_the_one_that_was_linked_since(
    connected: Office,
) -> None:
    contact, kept, gone = await two_customers(connected)
    waiting = await drafted(connected, contact)
    await deactivate(connected, gone)
    await connected.settle()
    refused = await connected.api.post(f"/api/v1/estimates/{waiting['id']}/push")
    assert (refused.status_code, refused.json()["code"]) == (409, "customer_gone")
    stays = await by_id(connected, Customer, kept)
    await link(connected, stays, contact)
    assert await written_to(connected, waiting) == kept["Id"]
