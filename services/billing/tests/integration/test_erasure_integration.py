"""A person's data are erased: what goes, what stays, and what comes late, again or at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from billing.models import ContactCopy, Customer, ErasedContact, Job, MatchCandidate, Visit
from billing.services.customers import CustomerService
from billing.services.jobs import JobService, NewJob, NewVisit
from billing.services.matching import MatchService
from billing.services.mirror import MirrorService
from billing.services.people import PeopleService
from billing.states import VisitKind
from dirty_equals import IsPartialDict
from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.events.contacts import ContactChanged, ContactErased, ContactItem, ContactMerged, ContactUnmerged
from sqlalchemy import delete, update

from .conftest import NOON
from .customers import ANA
from .office import REALM, Office

JOBS = "/api/v1/jobs"
BEN: dict[str, Any] = {"first_name": "Ben", "last_name": "Cole", "phones": ["+16175550143"]}
VISIT = NewVisit(VisitKind.REPAIR, NOON + timedelta(days=1), 90, notes="The key is under Ana's mat")


@asynccontextmanager
async def people(office: Office) -> AsyncIterator[PeopleService]:
    async with office.begin() as tx:
        yield await tx.aget(PeopleService)


async def erase(office: Office, contact: UUID) -> None:
    async with people(office) as service:
        await service.record_erasure(ContactErased(contact_id=contact, phone_hashes=[]))


async def merge(office: Office, secondary: UUID, primary: UUID, version: int = 5) -> None:
    async with people(office) as service:
        await service.record_merge(ContactMerged(primary_id=primary, secondary_id=secondary, version=version))


async def unmerge(office: Office, secondary: UUID, primary: UUID, version: int = 6) -> None:
    async with people(office) as service:
        await service.record_unmerge(ContactUnmerged(primary_id=primary, secondary_id=secondary, version=version))


async def a_customer(office: Office, contact: UUID) -> Customer:
    """On its way into QuickBooks."""
    async with office.begin() as tx:
        customer, _ = await (await tx.aget(CustomerService)).obtain(contact, by="anna")
        return customer


async def match_all(office: Office) -> None:
    async with office.begin() as tx:
        await (await tx.aget(MatchService)).match_next()


async def linked(office: Office, customer: Customer) -> UUID | None:
    return (await office.one(Customer, Customer.id == customer.id)).contact_id


async def post(office: Office, path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = await office.api.post(path, json=body)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def a_job(office: Office, contact: UUID, status: int = 201) -> dict[str, Any]:
    words = {"title": "Ana's wall", "notes": "Her dog bites", "place": "12 Elm St"}
    return await post(office, JOBS, status, contact_id=str(contact), **words)


async def a_visit(office: Office, job: dict[str, Any], status: int = 201) -> dict[str, Any]:
    later = (NOON + timedelta(days=1)).isoformat()
    return await post(
        office, f"{JOBS}/{job['id']}/visits", status, kind="repair", starts_at=later, minutes=90, notes="Her mat"
    )


async def patch(office: Office, path: str, version: int, status: int, **changes: Any) -> dict[str, Any]:
    answer = await office.api.patch(path, json=changes, headers={"If-Match": f'"{version}"'})
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def words_of_jobs(office: Office) -> list[tuple[str | None, ...]]:
    jobs, visits = await office.rows(Job), await office.rows(Visit)
    return [(job.title, job.notes, job.place) for job in jobs] + [(visit.notes,) for visit in visits]


# What goes, what stays


async def test_a_customer_of_whoever_was_merged_into_them_is_nobody_s(connected: Office) -> None:
    ana, alias = await connected.knows(**ANA), await connected.knows(**BEN)
    customer = await a_customer(connected, alias)
    await merge(connected, alias, ana)
    await erase(connected, ana)
    assert await linked(connected, customer) is None
    assert await connected.rows(ContactCopy) == []
    (event,) = await connected.published("billing.customer.unlinked.v1")
    assert event == IsPartialDict(customer_id=str(customer.id), contact_id=str(alias), reason="erased")


async def test_others_keep_their_jobs_customers_and_data(connected: Office) -> None:
    ana, ben = await connected.knows(**ANA), await connected.knows(**BEN)
    customer = await a_customer(connected, ben)
    job = await a_job(connected, ben)
    visit = await a_visit(connected, job)
    before = (await connected.api.get(f"{JOBS}/{job['id']}")).json()
    await a_job(connected, ana)
    await erase(connected, ana)
    assert (await connected.api.get(f"{JOBS}/{job['id']}")).json() == before
    assert before["visits"] == [visit]
    assert await linked(connected, customer) == ben
    assert [copy.contact_id for copy in await connected.rows(ContactCopy)] == [ben]


async def test_only_ids_and_the_instant_are_kept_of_them(office: Office) -> None:
    ana, alias = await office.knows(**ANA), await office.knows(**BEN)
    await merge(office, alias, ana)
    await erase(office, ana)
    kept = await office.rows(ErasedContact)
    assert {(row.contact_id, row.erased_as) for row in kept} == {(ana, ana), (alias, ana)}
    assert set(ErasedContact.__table__.columns.keys()) == {"contact_id", "erased_as", "erased_at"}


async def test_their_job_can_be_ended_or_become_another_person_s_but_nothing_is_written_about_them(
    office: Office,
) -> None:
    ana, ben = await office.knows(**ANA), await office.knows(**BEN)
    job = await a_job(office, ana)
    visit = await a_visit(office, job)
    await erase(office, ana)
    shown = (await office.api.get(f"{JOBS}/{job['id']}")).json()
    path, version = f"{JOBS}/{job['id']}", shown["version"]
    assert shown == IsPartialDict(title="Erased", contact_name=None, notes=None, place=None)
    for refused in (
        await patch(office, path, version, 409, notes="Ana's dog"),
        await patch(office, path, version, 409, contact_id=str(ana), title="Ana's wall"),
        await patch(office, f"{path}/visits/{visit['id']}", shown["visits"][0]["version"], 409, notes="Her mat"),
        await a_visit(office, job, 409),
    ):
        assert refused["code"] == "contact_erased"
        assert "another contact" in refused["detail"]
    moved = await patch(office, path, version, 200, contact_id=str(ben), title="North wall")
    assert (moved["contact_name"], moved["title"]) == ("Ben Cole", "North wall")
    await post(office, f"{path}/complete", 200)


# Late, or again


async def test_what_is_told_of_them_late_brings_nobody_back(connected: Office) -> None:
    ana, ben = await connected.knows(**ANA), await connected.knows(**BEN)
    await erase(connected, ana)
    await connected.knows(contact_id=ana, version=50, **ANA)
    await connected.knows(contact_id=ben, version=2, **{**BEN, "last_name": "Coles"})
    assert [copy.family_name for copy in await connected.rows(ContactCopy)] == ["Coles"]
    refused = await a_job(connected, ana, 404)
    assert refused["detail"] == "This contact was erased."
    with pytest.raises(NotFound, match=r"This contact was erased\."):
        await a_customer(connected, ana)


async def test_an_erasure_that_comes_before_anything_else_of_them_holds(office: Office) -> None:
    ana = UUID("3f0c1c3e-7b0a-7000-8000-00000000000a")
    await erase(office, ana)
    await erase(office, ana)
    await office.knows(contact_id=ana, **ANA)
    assert await office.rows(ContactCopy) == []


async def test_whoever_is_told_late_to_be_them_is_erased_too(connected: Office) -> None:
    ana, alias, older = [await connected.knows(**person) for person in (ANA, BEN, BEN)]
    customer = await a_customer(connected, alias)
    await a_job(connected, alias)
    await merge(connected, older, alias)
    await erase(connected, ana)
    await merge(connected, alias, ana)
    assert await connected.rows(ContactCopy) == []
    assert await linked(connected, customer) is None
    assert await words_of_jobs(connected) == [("Erased", None, None)]
    await connected.knows(contact_id=older, version=50, **BEN)
    assert await connected.rows(ContactCopy) == []


async def test_a_copy_that_says_itself_to_be_them_is_not_kept(office: Office) -> None:
    ana, alias = await office.knows(**ANA), UUID("3f0c1c3e-7b0a-7000-8000-00000000000b")
    await erase(office, ana)
    await office.knows(contact_id=alias, is_active=False, merged_into_id=ana, **BEN)
    assert await office.rows(ContactCopy) == []


async def test_somebody_erased_becomes_nobody_else_by_a_late_merge(office: Office) -> None:
    ana, alias = await office.knows(**ANA), await office.knows(**BEN)
    job = await a_job(office, alias)
    await erase(office, alias)
    await merge(office, alias, ana)
    assert (await office.api.get(f"{JOBS}/{job['id']}")).json()["contact_name"] is None
    assert [copy.contact_id for copy in await office.rows(ContactCopy)] == [ana]
    await a_job(office, alias, 404)


async def test_who_turns_out_to_have_been_unmerged_before_is_known_again(office: Office) -> None:
    ana, other = await office.knows(**ANA), await office.knows(**BEN)
    await merge(office, other, ana, version=5)
    await erase(office, ana)
    await unmerge(office, other, ana, version=4)
    await office.knows(contact_id=other, version=7, **BEN)
    assert await office.rows(ContactCopy) == []
    await unmerge(office, other, ana, version=6)
    await office.knows(contact_id=other, version=7, **BEN)
    await office.knows(contact_id=ana, version=7, **ANA)
    assert [copy.contact_id for copy in await office.rows(ContactCopy)] == [other]


async def test_who_was_erased_themselves_stays_so_whatever_was_undone_before(office: Office) -> None:
    ana, other = await office.knows(**ANA), await office.knows(**BEN)
    await merge(office, other, ana, version=5)
    await erase(office, ana)
    await erase(office, other)
    await unmerge(office, other, ana, version=6)
    await office.knows(contact_id=other, version=7, **BEN)
    assert await office.rows(ContactCopy) == []


# At the same moment


async def test_a_job_made_while_they_are_erased_says_nothing_of_them(office: Office) -> None:
    ana = await office.knows(**ANA)
    async with office.begin() as tx:
        await (await tx.aget(JobService)).create(NewJob("Ana's wall", ana, notes="Her dog bites"), by="anna")
        erasing = asyncio.create_task(erase(office, ana))
        await office.somebody_waits()
    await erasing
    assert await words_of_jobs(office) == [("Erased", None, None)]


async def test_a_job_that_waits_for_their_erasure_is_refused(office: Office) -> None:
    ana, ben = await office.knows(**ANA), await office.knows(**BEN)
    job = await a_job(office, ben)
    async with people(office) as service:
        await service.record_erasure(ContactErased(contact_id=ana, phone_hashes=[]))
        making = asyncio.create_task(a_job(office, ana, 404))
        await office.somebody_waits()
    assert (await making)["detail"] == "This contact was erased."
    await patch(office, f"{JOBS}/{job['id']}", 1, 404, contact_id=str(ana))


async def test_a_job_that_becomes_theirs_meanwhile_says_nothing_of_them(office: Office) -> None:
    ana, ben = await office.knows(**ANA), await office.knows(**BEN)
    job = await a_job(office, ben)
    async with office.begin() as tx:
        changes = {"contact_id": ana, "notes": "Her dog bites"}
        await (await tx.aget(JobService)).edit(UUID(job["id"]), changes, expected_version=1)
        erasing = asyncio.create_task(erase(office, ana))
        await office.somebody_waits()
    await erasing
    assert await words_of_jobs(office) == [("Erased", None, None)]


async def test_a_visit_set_meanwhile_says_nothing_of_them(office: Office) -> None:
    ana = await office.knows(**ANA)
    job = await a_job(office, ana)
    async with office.begin() as tx:
        await (await tx.aget(JobService)).add_visit(UUID(job["id"]), VISIT)
        erasing = asyncio.create_task(erase(office, ana))
        await office.somebody_waits()
    await erasing
    assert await words_of_jobs(office) == [("Erased", None, None), (None,)]


async def test_a_visit_that_waits_for_their_erasure_is_refused(office: Office) -> None:
    ana = await office.knows(**ANA)
    job = await a_job(office, ana)
    async with people(office) as service:
        await service.record_erasure(ContactErased(contact_id=ana, phone_hashes=[]))
        setting = asyncio.create_task(a_visit(office, job, 409))
        await office.somebody_waits()
    assert (await setting)["code"] == "contact_erased"
    assert await office.rows(Visit) == []


async def test_a_customer_made_meanwhile_is_nobody_s(connected: Office) -> None:
    ana = await connected.knows(**ANA)
    async with connected.begin() as tx:
        customer, _ = await (await tx.aget(CustomerService)).obtain(ana, by="anna")
        erasing = asyncio.create_task(erase(connected, ana))
        await connected.somebody_waits()
    await erasing
    assert await linked(connected, customer) is None


async def test_what_is_told_of_them_meanwhile_does_not_stay(office: Office) -> None:
    ana = UUID("3f0c1c3e-7b0a-7000-8000-00000000000a")
    async with office.begin() as tx:
        item = ContactItem(contact_id=ana, version=1, first_name="Ana", last_name="Lima")
        await (await tx.aget(PeopleService)).record_changes([ContactChanged(contacts=[item])])
        erasing = asyncio.create_task(erase(office, ana))
        await office.somebody_waits()
    await erasing
    assert await office.rows(ContactCopy) == []


async def test_who_is_merged_into_them_meanwhile_is_erased_too(office: Office) -> None:
    ana, alias = await office.knows(**ANA), await office.knows(**BEN)
    async with people(office) as service:
        await service.record_merge(ContactMerged(primary_id=ana, secondary_id=alias, version=5))
        erasing = asyncio.create_task(erase(office, ana))
        await office.somebody_waits()
    await erasing
    assert await office.rows(ContactCopy) == []


async def test_a_link_that_goes_to_another_customer_meanwhile_is_undone_there(connected: Office) -> None:
    ana = await connected.knows(**ANA)
    gone, kept = [await connected.new_customer(name) for name in ("Ana L.", "Lima, A.")]
    await connected.settle()
    theirs = await connected.one(Customer, Customer.qb_id == gone["Id"])
    await post(connected, f"/api/v1/customers/{theirs.id}/link", 200, contact_id=str(ana))
    async with connected.begin() as tx:
        await (await tx.aget(MirrorService)).merge_customers(REALM, kept["Id"], gone["Id"])
        await (await tx.aget(PeopleService)).person(ana)
        erasing = asyncio.create_task(erase(connected, ana))
        await connected.somebody_waits()
    await erasing
    assert await connected.rows(Customer, Customer.contact_id.is_not(None)) == []


async def test_matching_waits_for_their_erasure_and_finds_nobody(connected: Office) -> None:
    ana = await connected.knows(**ANA)
    await connected.new_customer("Lima, Ana", PrimaryPhone={"FreeFormNumber": "(617) 555-0142"})
    await connected.new_customer("Ana Lima", BillAddr={"City": "Quincy", "PostalCode": "02169"})
    await connected.settle()
    async with connected.begin() as tx:
        cleared = {"contact_id": None, "needs_match": True}
        await (await tx.aget(UnitOfWork)).session.execute(update(Customer).values(cleared))
        await (await tx.aget(UnitOfWork)).session.execute(delete(MatchCandidate))
    async with people(connected) as service:
        await service.record_erasure(ContactErased(contact_id=ana, phone_hashes=[]))
        matching = asyncio.create_task(match_all(connected))
        await connected.somebody_waits()
    await matching
    assert await connected.rows(Customer, Customer.needs_match) == []
    assert await connected.rows(Customer, Customer.contact_id.is_not(None)) == []
    assert await connected.rows(MatchCandidate) == []


async def test_merges_at_the_same_moment_lead_to_whom_they_lead_to(office: Office) -> None:
    ana, middle, last = await office.knows(**ANA), await office.knows(**BEN), await office.knows(first_name="Cy")
    await erase(office, ana)
    async with people(office) as service:
        await service.record_merge(ContactMerged(primary_id=ana, secondary_id=middle, version=5))
        merging = asyncio.create_task(merge(office, last, middle))
        await office.somebody_waits()
    await merging
    assert await office.rows(ContactCopy) == []
