"""A person is erased whom QuickBooks has: the books stay, and what we alone have of them goes."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from billing.models import Customer, Estimate, Invoice, MatchCandidate, Push
from billing.services.estimates import EstimateService
from billing.states import EstimateStatus, PushKind, PushState
from shared.database import UnitOfWork
from sqlalchemy import update

from .books import changed
from .office import Office
from .sales import post
from .test_erased_drafts_integration import ANA, TOLD, begun, draft, drop, erase, put_off

NOTE = "Ring my mother at 617-555-0199, the key is under her mat"


async def in_books(office: Office, contact: UUID) -> dict[str, Any]:
    """An estimate that stands in QuickBooks, as its customer does."""
    made = await draft(office, contact)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    return made


async def edit(office: Office) -> None:
    row = await office.one(Customer)
    answer = await office.api.patch(
        f"/api/v1/customers/{row.id}",
        json={"phone": "+16175550777", "email": "secret@example.com"},
        headers={"If-Match": f'"{row.version}"'},
    )
    assert answer.is_success, answer.text


async def theirs(office: Office, entity: str = "Customer") -> dict[str, Any]:
    """As QuickBooks has it."""
    row = await office.one(Customer if entity == "Customer" else Estimate)
    return dict((await office.quickbooks("GET", f"{entity.lower()}/{row.qb_id}"))[entity])


async def writes(office: Office, kind: PushKind) -> list[tuple[Any, ...]]:
    """Of one kind: how they stand, and whatever could tell who it was."""
    rows = await office.rows(Push, Push.kind == kind)
    return [(row.state, row.argument, row.body, row.error) for row in sorted(rows, key=lambda row: row.seq)]


GONE = (PushState.DROPPED, None, None, None)


# Edits


@pytest.mark.parametrize("is_refused", [False, True])
async def test_an_edit_that_is_not_on_its_way_is_not_written_once_they_are_erased(
    connected: Office, is_refused: bool
) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    await edit(connected)
    if is_refused:
        await connected.turn(calls={"chosen": {"update customer": ["fault_in_200"]}})
        await connected.settle()
    await erase(connected, contact)
    assert await writes(connected, PushKind.UPDATE_CUSTOMER) == [GONE]
    await connected.settle()
    assert (await theirs(connected))["PrimaryEmailAddr"]["Address"] == "ana@example.com"
    row = await connected.one(Customer)
    assert (row.contact_id, row.phone, row.email) == (None, "+16175550142", "ana@example.com")


async def test_an_edit_that_was_begun_is_written_though_they_are_erased(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    await edit(connected)
    async with connected.begin() as tx:
        claim = await begun(tx)
    await put_off(connected, claim)
    await erase(connected, contact)
    await connected.settle()
    assert (await theirs(connected))["PrimaryEmailAddr"]["Address"] == "secret@example.com"
    assert (await connected.one(Customer)).email == "secret@example.com"


# Drafts and e-mails


async def test_their_drafts_are_gone_and_what_is_in_quickbooks_stays(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    kept = await in_books(connected, contact)
    second = await draft(connected, contact)
    await erase(connected, contact)
    for path in ("", "/send", "/push"):
        method = "POST" if path else "GET"
        answer = await connected.api.request(method, f"/api/v1/estimates/{second['id']}{path}", json={})
        assert answer.status_code == 404
    row = await connected.one(Estimate)
    assert (str(row.id), row.memo, row.email, row.status) == (
        kept["id"],
        "For Ana",
        "ana@example.com",
        EstimateStatus.OPEN,
    )
    assert (await connected.one(Customer)).display_name == "Ana Lima"


@pytest.mark.parametrize("is_given_up", [False, True])
async def test_of_what_quickbooks_refused_nothing_is_kept(connected: Office, is_given_up: bool) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    refused = await draft(connected, contact)
    await connected.turn(calls={"chosen": {"create estimate": ["fault_in_200"]}})
    await post(connected, f"estimates/{refused['id']}/push")
    await connected.settle()
    await post(connected, f"estimates/{refused['id']}/accept", name="Ana Lima", note=NOTE)
    await post(connected, "invoices", estimate_id=refused["id"])
    if is_given_up:
        await drop(connected)
    await erase(connected, contact)
    await connected.settle()
    row = await connected.one(Estimate, Estimate.id == UUID(refused["id"]))
    assert (row.status, row.is_deleted, row.total_cents) == (EstimateStatus.DELETED, True, 0)
    assert (row.memo, row.email, row.lines, row.answered_by, row.answer_note) == (None, None, [], None, None)
    invoice = await connected.one(Invoice)
    assert (invoice.is_deleted, invoice.memo, invoice.email, invoice.lines) == (True, None, None, [])
    assert await connected.rows(Push, Push.state.in_((PushState.PENDING, PushState.FAILED))) == []
    assert [line["operation"] for line in await connected.ledger("Estimate")] == ["created"]


async def test_a_draft_of_a_customer_who_became_another_one_goes_with_them(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    await draft(connected, contact)
    gone, kept = await connected.one(Customer), await connected.new_customer("Lima, A.")
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone.qb_id)
    await connected.settle()
    assert (await connected.one(Customer, Customer.qb_id == kept["Id"])).contact_id == contact
    await erase(connected, contact)
    assert [row.status for row in await connected.rows(Estimate)] == [EstimateStatus.OPEN]


@pytest.mark.parametrize("is_refused", [False, True])
async def test_an_e_mail_that_is_not_on_its_way_is_not_sent_once_they_are_erased(
    connected: Office, is_refused: bool
) -> None:
    contact = await connected.knows(**ANA)
    made = await in_books(connected, contact)
    await post(connected, f"estimates/{made['id']}/send")
    if is_refused:
        await connected.turn(calls={"chosen": {"send estimate": ["fault_in_200"]}})
        await connected.settle()
    await erase(connected, contact)
    await connected.settle()
    assert await writes(connected, PushKind.SEND_ESTIMATE) == [GONE]
    assert (await theirs(connected, "Estimate")).get("EmailStatus") != "EmailSent"


async def test_an_e_mail_that_is_asked_for_while_they_are_erased_is_not_sent(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await in_books(connected, contact)
    async with connected.begin() as tx:
        await (await tx.aget(EstimateService)).send(UUID(made["id"]), to="her@example.com", by="anna")
        erasing = asyncio.create_task(erase(connected, contact))
        await connected.somebody_waits()
    await erasing
    assert await writes(connected, PushKind.SEND_ESTIMATE) == [GONE]


async def test_a_draft_that_is_opened_while_they_are_erased_is_written_and_not_sent(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    second = await draft(connected, contact)
    async with connected.begin() as tx:
        await (await tx.aget(EstimateService)).send(UUID(second["id"]), to=None, by="anna")
        erasing = asyncio.create_task(erase(connected, contact))
        await connected.somebody_waits()
    await erasing
    await connected.settle()
    row = await connected.one(Estimate, Estimate.id == UUID(second["id"]))
    assert (row.qb_id is None, row.sent_at) == (False, None)


# Answers, and what was written


async def test_what_they_said_to_an_estimate_goes_and_the_answer_is_still_written(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await in_books(connected, contact)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima", note=NOTE)
    await erase(connected, contact)
    row = await connected.one(Estimate)
    assert (row.status, row.answered_by, row.answer_note) == (EstimateStatus.ACCEPTED, None, None)
    await connected.settle()
    written = await theirs(connected, "Estimate")
    assert (written["TxnStatus"], written.get("AcceptedBy")) == ("Accepted", None)
    assert (await connected.one(Push, Push.kind == PushKind.MARK_ESTIMATE)).created_by == "Erased"


async def test_of_what_was_written_no_write_tells_who_it_was(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    made = await in_books(connected, contact)
    await post(connected, f"estimates/{made['id']}/send")
    await edit(connected)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima", note=NOTE)
    await connected.settle()
    await keep_writes(connected)
    await erase(connected, contact)
    rows = await connected.rows(Push)
    assert {row.state for row in rows} == {PushState.DONE}
    assert {(row.argument, row.body, row.error) for row in rows} == {(None, None, None)}
    assert not {row.created_by for row in rows} & {"Ana Lima"}
    row = await connected.one(Estimate)
    assert (row.answered_by, row.answer_note, row.memo) == (None, None, "For Ana")


async def keep_writes(office: Office) -> None:
    """As they were kept once."""
    async with office.begin() as tx:
        session = (await tx.aget(UnitOfWork)).session
        await session.execute(update(Push).values(body='{"DisplayName": "Ana Lima"}', argument="ana@example.com"))


# Doubts about who is who


async def test_no_doubt_says_who_they_were(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    for name in ("Ana Lima", "Ana Lima 2"):
        await connected.new_customer(name, PrimaryPhone={"FreeFormNumber": "(617) 555-0142"})
        await connected.settle()
    doubt = await connected.one(MatchCandidate)
    assert doubt.reasons[-1] == "Is another customer already"
    assert not any(word in str(doubt.reasons).lower() for word in TOLD)
    await erase(connected, contact)
    assert (await connected.one(MatchCandidate)).reasons == []


async def test_a_form_that_is_somebody_else_s_by_now_is_left_alone(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    await in_books(connected, contact)
    ben = await connected.new_customer("Ben Ode", PrimaryEmailAddr={"Address": "ben@example.com"})
    row = await connected.one(Estimate)
    moved = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    await changed(connected, "Estimate", moved, CustomerRef={"value": ben["Id"]})
    await connected.settle()
    await post(connected, f"estimates/{row.id}/send", to="ben@example.com")
    await erase(connected, contact)
    assert [state for state, *_ in await writes(connected, PushKind.SEND_ESTIMATE)] == [PushState.PENDING]
    await connected.settle()
    assert ("Estimate", "emailed") in [(line["kind"], line["operation"]) for line in await connected.ledger()]
