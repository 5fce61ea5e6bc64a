"""Matching: customers find their people by themselves where that is sure; a person decides the rest."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from billing.models import CandidateStatus, ContactCopy, Customer, MatchCandidate
from billing.services.customers import CustomerService
from billing.services.matching import MatchProcess, MatchService
from billing.services.people import PeopleService
from shared.database import UnitOfWork
from shared.events.contacts import ContactMerged
from sqlalchemy import update

from .office import Office

PHONE = "+16175550142"
ADDRESS = {"street": "12 Elm Street", "city": "Quincy", "state": "MA", "zip": "02169"}
TYPED_ADDRESS = {"Line1": "12 elm st.", "City": "QUINCY", "CountrySubDivisionCode": "MA", "PostalCode": "02169-1234"}


def phoned(number: str = "(617) 555-0142") -> dict[str, Any]:
    return {"PrimaryPhone": {"FreeFormNumber": number}}


async def typed(office: Office, name: str = "Ana Lima", **more: Any) -> Customer:
    made = await office.new_customer(name, **more)
    await office.settle()
    return await office.one(Customer, Customer.qb_id == made["Id"])


async def now(office: Office, row: Customer) -> Customer:
    return await office.one(Customer, Customer.id == row.id)


async def queue(office: Office) -> list[dict[str, Any]]:
    answer = await office.api.get("/api/v1/customers/matches")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


async def post(office: Office, path: str, code: int = 200, **body: Any) -> dict[str, Any]:
    answer = await office.api.post(f"/api/v1/customers/{path}", json=body or None)
    assert answer.status_code == code, answer.text
    return dict(answer.json())


# --- By itself


@pytest.mark.parametrize(
    ("customer", "person", "reason"),
    [
        (phoned(), {"phones": [PHONE]}, "Same phone"),
        (phoned(), {"first_name": "Ana", "last_name": "Lima", "phones": ["+16175550199", PHONE]}, "Same phone"),
        (
            {"PrimaryEmailAddr": {"Address": "ANA@example.com"}},
            {"first_name": "ana", "last_name": "LIMA", "emails": ["Ana@Example.com"]},
            "Same e-mail address, same full name",
        ),
        (
            {"BillAddr": TYPED_ADDRESS},
            {"first_name": "Ana", "last_name": "Lima", "address": ADDRESS},
            "Same full name, same street and ZIP",
        ),
    ],
)
@pytest.mark.parametrize("is_person_first", [True, False])
async def test_who_is_surely_somebody_is_linked_whoever_comes_first(
    connected: Office, customer: Mapping[str, Any], person: dict[str, Any], reason: str, is_person_first: bool
) -> None:
    contact = await connected.knows(**person) if is_person_first else uuid4()
    row = await typed(connected, **customer)
    if not is_person_first:
        assert row.contact_id is None
        await connected.knows(contact_id=contact, **person)
        await connected.settle()
    shown = (await connected.api.get(f"/api/v1/customers/{row.id}")).json()
    assert (shown["contact_id"], shown["link"]["by"]) == (str(contact), "matching")
    assert shown["link"]["reason"].startswith(reason)
    assert shown["link"]["at"] is not None
    (linked,) = await connected.published("billing.customer.linked.v1")
    assert (linked["contact_id"], linked["customer_id"]) == (str(contact), str(row.id))
    assert await queue(connected) == []


async def test_invoices_that_were_there_before_are_the_person_s_from_then_on(connected: Office) -> None:
    row = await typed(connected, **phoned())
    await connected.new_invoice(str(row.qb_id))
    await connected.settle()
    contact = await connected.knows(phones=[PHONE])
    await connected.settle()
    assert (await now(connected, row)).contact_id == contact


async def test_many_are_matched_in_batches(connected: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.services.matching.BATCH", 3)
    contacts = [await connected.knows(phones=[f"+1617555010{number}"]) for number in range(8)]
    for number in range(8):
        await connected.new_customer(f"Person {number}", **phoned(f"617-555-010{number}"))
    await connected.settle()
    rows = await connected.rows(Customer)
    assert {row.contact_id for row in rows} == set(contacts)
    assert not any(row.needs_match for row in rows)


async def test_two_workers_do_not_stand_in_each_other_s_way(connected: Office) -> None:
    for number in range(6):
        await connected.knows(phones=[f"+1617555010{number}"])
        await connected.new_customer(f"Person {number}", **phoned(f"617-555-010{number}"))
    await connected.settle()
    async with connected.begin() as tx:
        uow = await tx.aget(UnitOfWork)
        await uow.session.execute(update(Customer).values(contact_id=None, needs_match=True))
    done = await asyncio.gather(*(MatchProcess(connected.begin).run_once() for _ in range(4)))
    assert sum(done) == 6
    assert len(await connected.rows(Customer, Customer.contact_id.is_not(None))) == 6


async def test_a_person_about_whom_somebody_decides_just_now_is_left_for_later(connected: Office) -> None:
    row = await typed(connected, **phoned())
    contact = await connected.knows(phones=[PHONE])
    async with connected.begin() as tx:
        await (await tx.aget(PeopleService)).lock(contact)
        assert await MatchProcess(connected.begin).run_once() == 0
    assert (await now(connected, row)).needs_match
    await connected.settle()
    assert (await now(connected, row)).contact_id == contact


async def test_making_and_matching_at_once_never_gives_a_person_two_customers(connected: Office) -> None:
    for number in range(5):
        phone = f"+1617555010{number}"
        await connected.new_customer(f"Person {number}", **phoned(phone))
    await connected.settle()
    contacts = [await connected.knows(phones=[f"+1617555010{number}"]) for number in range(5)]

    async def ensure(contact: UUID) -> None:
        async with connected.begin() as tx:
            await (await tx.aget(CustomerService)).ensure(contact, by="anna")

    await asyncio.gather(MatchProcess(connected.begin).run_once(), *map(ensure, contacts))
    await connected.settle()
    rows = await connected.rows(Customer)
    assert sorted(str(row.contact_id) for row in rows) == sorted(map(str, contacts))


# --- Doubts


async def test_a_doubt_waits_for_a_person_and_shows_both_sides(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Costa", phones=[PHONE], address=ADDRESS)
    row = await typed(connected, **phoned())
    assert (await now(connected, row)).contact_id is None
    (doubt,) = await queue(connected)
    assert doubt["reasons"] == ["Same phone", "Other last name"]
    assert 0 < doubt["score"] < 80
    assert (doubt["customer"]["id"], doubt["customer"]["phone"]) == (str(row.id), PHONE)
    assert (doubt["contact"]["contact_id"], doubt["contact"]["family_name"]) == (str(contact), "Costa")
    assert doubt["contact"]["address"]["street"] == "12 Elm Street"
    assert await connected.published("billing.customer.linked.v1") == []


async def test_an_email_that_is_shared_and_a_common_name_are_only_doubts(connected: Office) -> None:
    await connected.knows(first_name="Ben", last_name="Ode", emails=["agent@realty.example"])
    await connected.knows(first_name="Ana", last_name="Lima", address={**ADDRESS, "street": "1 Oak St"})
    await connected.knows(first_name="Ana", last_name="Lima", address={**ADDRESS, "city": "Boston", "zip": "02108"})
    row = await typed(connected, PrimaryEmailAddr={"Address": "agent@realty.example"}, BillAddr=TYPED_ADDRESS)
    doubts = await queue(connected)
    assert [doubt["reasons"][0] for doubt in doubts] == ["Same full name", "Same e-mail address"]
    assert [doubt["score"] for doubt in doubts] == sorted((doubt["score"] for doubt in doubts), reverse=True)
    assert (await now(connected, row)).contact_id is None


async def test_two_who_are_both_sure_are_for_a_person_to_decide(connected: Office) -> None:
    for _ in range(2):
        await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    row = await typed(connected, PrimaryEmailAddr={"Address": "ana@example.com"})
    assert (await now(connected, row)).contact_id is None
    assert [doubt["score"] for doubt in await queue(connected)] == [90, 90]


async def test_a_second_customer_of_a_person_is_a_doubt(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Lima", phones=[PHONE])
    first = await typed(connected, **phoned())
    second = await typed(connected, "Ana Lima 2", **phoned())
    assert (await now(connected, first)).contact_id == contact
    (doubt,) = await queue(connected)
    assert doubt["customer"]["id"] == str(second.id)
    assert doubt["reasons"][-1] == "Is another customer already"
    assert [one["id"] for one in doubt["contact"]["customers"]] == [str(first.id)]


async def test_what_is_accepted_is_linked_and_the_other_doubts_go(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Costa", phones=[PHONE])
    await connected.knows(first_name="Ana", last_name="Lima", address=ADDRESS | {"street": "1 Oak St"})
    row = await typed(connected, **phoned(), BillAddr=TYPED_ADDRESS)
    first, _ = await queue(connected)
    body = await post(connected, f"matches/{first['id']}/accept")
    assert (body["id"], body["contact_id"]) == (str(row.id), str(contact))
    assert body["link"]["score"] == first["score"]
    assert await queue(connected) == []
    again = await post(connected, f"matches/{first['id']}/accept", 409)
    assert again["code"] == "already_decided"
    await post(connected, f"matches/{uuid4()}/refuse", 404)


async def test_what_is_refused_is_never_proposed_again(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Costa", phones=[PHONE])
    row = await typed(connected, **phoned())
    (doubt,) = await queue(connected)
    await post(connected, f"matches/{doubt['id']}/refuse")
    assert await queue(connected) == []
    # Now it would even be sure.
    await connected.knows(contact_id=contact, version=2, first_name="Ana", last_name="Lima", phones=[PHONE])
    await connected.settle()
    assert (await now(connected, row)).contact_id is None
    assert await queue(connected) == []
    # Nor under the name of whom it was merged into.
    primary = await connected.knows(first_name="Ana", last_name="Lima", phones=[PHONE])
    async with connected.begin() as tx:
        people = await tx.aget(PeopleService)
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=contact, version=3))
    await connected.knows(contact_id=contact, version=3, is_active=False, merged_into_id=primary)
    await connected.settle()
    assert (await now(connected, row)).contact_id is None


async def test_a_doubt_that_no_longer_is_one_goes(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Costa", phones=[PHONE])
    row = await typed(connected, **phoned())
    assert len(await queue(connected)) == 1
    await connected.knows(contact_id=contact, version=2, first_name="Ana", last_name="Costa", phones=["+16175550177"])
    await connected.settle()
    assert await queue(connected) == []
    await connected.knows(contact_id=contact, version=3, first_name="Ana", last_name="Lima", phones=[PHONE])
    await connected.settle()
    assert (await now(connected, row)).contact_id == contact
    (one,) = await connected.rows(MatchCandidate)
    assert one.status is not CandidateStatus.OPEN


async def test_merged_contacts_are_one_person(connected: Office) -> None:
    primary = await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    secondary = await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    async with connected.begin() as tx:
        people = await tx.aget(PeopleService)
        # The merge is heard of before the secondary's own change.
        await people.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=2))
    row = await typed(connected, PrimaryEmailAddr={"Address": "ana@example.com"})
    assert (await now(connected, row)).contact_id == primary


async def test_a_contact_that_is_archived_is_nobody_s_match(connected: Office) -> None:
    await connected.knows(phones=[PHONE], is_active=False)
    row = await typed(connected, **phoned())
    assert (row.contact_id, row.needs_match) == (None, False)
    assert await queue(connected) == []


async def test_a_contact_that_comes_while_its_customer_is_looked_at_is_seen(connected: Office) -> None:
    row = await typed(connected, **phoned())
    async with connected.begin() as tx:
        await (await tx.aget(UnitOfWork)).session.execute(update(Customer).values(needs_match=True))
    async with connected.begin() as tx:
        assert await (await tx.aget(MatchService)).match_next() == 1
        arriving = asyncio.create_task(connected.knows(phones=[PHONE]))
        await connected.somebody_waits()
        assert not arriving.done()
    contact = await arriving
    await connected.settle()
    assert (await now(connected, row)).contact_id == contact


async def test_there_are_not_endless_doubts_about_a_common_name(connected: Office) -> None:
    for number in range(15):
        await connected.knows(
            first_name="John", last_name="Smith", address={**ADDRESS, "street": f"{number} Oak St", "zip": "02170"}
        )
    await typed(connected, "John Smith", BillAddr=TYPED_ADDRESS)
    assert len(await connected.rows(ContactCopy)) == 15
    assert len(await queue(connected)) == 10
    page = (await connected.api.get("/api/v1/customers/matches", params={"limit": 4})).json()
    assert (len(page["items"]), page["total"]) == (4, 10)
    rest = (await connected.api.get("/api/v1/customers/matches", params={"cursor": page["next_cursor"]})).json()
    assert len(rest["items"]) == 6
