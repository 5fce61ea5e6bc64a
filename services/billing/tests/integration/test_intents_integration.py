"""What is to be written into QuickBooks: in which order, what holds what back, and what a person decides."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import svcs
from billing.models import Customer, Estimate, Invoice, Push
from billing.services.intents import IntentService
from billing.services.pushing import MOST_CLASHES, PushProcess
from billing.states import EstimateStatus, PushKind, PushState
from shared.clock import wall_now
from shared.rules.money import Money
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import failpoints

from .office import Office
from .sales import ANA, post

BEN: dict[str, Any] = {"first_name": "Ben", "phones": ["+16175550144"], "emails": ["ben@example.com"]}
LOST = {"shares": {"missing": 1.0}}


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


# --- Order


@pytest.mark.parametrize("fault", [None, "application_error", "unavailable_html", "throttled_xml"])
async def test_what_is_meant_of_one_estimate_is_written_in_its_order(connected: Office, fault: str | None) -> None:
    await connected.turn(
        calls={"chosen": {name: [fault, fault] for name in ("create customer", "create estimate", "send estimate")}}
    )
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await connected.settle()
    assert await written(connected) == [
        ("Customer", "created"), ("Estimate", "created"), ("Estimate", "emailed"), ("Estimate", "updated")
    ]  # fmt: skip
    assert {state for _, state in await connected.pushes()} == {"done"}
    theirs = (await connected.quickbooks("GET", f"estimate/{(await connected.one(Estimate)).qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["EmailStatus"]) == ("Accepted", "EmailSent")


async def test_estimates_of_others_do_not_wait_for_one_that_is_held_back(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    await pushed(connected)
    other = await pushed(connected, first_name="Ben", phones=["+16175550144"], emails=["ben@example.com"])
    assert (await shown(connected, f"estimates/{other['id']}"))["qb_id"] is not None
    assert (await failed(connected)).kind is PushKind.CREATE_CUSTOMER


async def test_an_answer_that_is_written_late_does_not_open_an_invoiced_estimate_again(connected: Office) -> None:
    made = await pushed(connected)
    await connected.turn(calls={"chosen": {"update estimate": ["application_error"]}})
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    assert await step(connected) == 1
    await change_marks(connected, next_try_at=wall_now() + timedelta(hours=1))
    await post(connected, "invoices", estimate_id=made["id"])
    await connected.worker.run_until_idle()
    assert (await connected.one(Invoice)).qb_id is not None
    await change_marks(connected, next_try_at=None)
    await connected.settle()
    row = await connected.one(Estimate)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["LinkedTxn"][0]["TxnType"]) == ("Closed", "Invoice")
    assert row.status is EstimateStatus.CLOSED
    assert {state for _, state in await connected.pushes()} == {"done"}


# --- What holds what back


async def test_a_customer_that_cannot_be_written_holds_its_estimate_back_until_it_can(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await pushed(connected)
    assert await connected.pushes() == [("create_customer", "failed"), ("create_estimate", "pending")]
    assert await written(connected) == []
    health = await connected.health()
    assert (health["failed_writes"], health["waiting_writes"]) == (1, 1)
    await decide(connected, "retry", (await failed(connected)).id)
    assert await connected.pushes() == [("create_customer", "done"), ("create_estimate", "done")]
    assert (await shown(connected, f"estimates/{made['id']}"))["qb_id"] is not None


async def test_of_a_customer_that_was_given_up_the_estimate_says_so_and_brings_it_back(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await pushed(connected)
    await decide(connected, "drop", (await failed(connected)).id)
    assert await connected.pushes() == [("create_customer", "dropped"), ("create_estimate", "failed")]
    push = await failed(connected)
    assert push.error is not None
    assert "was given up" in push.error
    assert "inactive" not in push.error
    refused = await connected.api.post(f"/api/v1/quickbooks/writes/{push.id}/retry")
    assert refused.is_success
    await connected.settle()
    assert (await shown(connected, f"estimates/{made['id']}"))["qb_id"] is not None
    assert await written(connected) == [("Customer", "created"), ("Estimate", "created")]


async def test_whom_somebody_links_while_their_customer_is_brought_back_is_written_no_second_time(
    connected: Office,
) -> None:
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await pushed(connected)
    await decide(connected, "drop", (await failed(connected)).id)
    theirs = await connected.new_customer("Somebody")
    await connected.settle()
    row = await connected.one(Customer, Customer.qb_id == theirs["Id"])
    push = await failed(connected)
    async with connected.begin() as tx:
        await (await tx.aget(IntentService)).retry(push.id)
        await (await tx.aget(AsyncSession)).flush()
        # Whoever links sees nothing of it yet.
        await post(connected, f"customers/{row.id}/link", contact_id=made["customer"]["contact_id"])
    await connected.settle()
    assert len(await connected.ledger("Customer")) == 1
    gone = await connected.one(Customer, Customer.id == UUID(made["customer"]["id"]))
    assert (gone.qb_id, gone.is_active, gone.merged_into_id) == (None, False, row.id)
    form = (await connected.quickbooks("GET", f"estimate/{(await connected.one(Estimate)).qb_id}"))["Estimate"]
    assert form["CustomerRef"]["value"] == theirs["Id"]
    assert {state for _, state in await connected.pushes()} == {"done", "dropped"}


async def test_an_edit_that_was_refused_holds_no_estimate_back(connected: Office) -> None:
    await pushed(connected)
    await connected.new_customer("Taken Name")
    await connected.settle()
    row = await connected.one(Customer, Customer.display_name == "Ana Lima")
    edited = await connected.api.patch(
        f"/api/v1/customers/{row.id}", json={"display_name": "Taken Name"}, headers={"If-Match": f'"{row.version}"'}
    )
    assert edited.is_success, edited.text
    await connected.settle()
    assert (await failed(connected)).kind is PushKind.UPDATE_CUSTOMER
    again = await pushed(connected, contact_id=row.contact_id, version=2)
    assert (await shown(connected, f"estimates/{again['id']}"))["qb_id"] is not None


async def test_only_what_failed_is_decided(connected: Office) -> None:
    await pushed(connected)
    done = (await connected.rows(Push))[0]
    for what in ("retry", "drop"):
        answer = await connected.api.post(f"/api/v1/quickbooks/writes/{done.id}/{what}")
        assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
        unknown = await connected.api.post(f"/api/v1/quickbooks/writes/{UUID(int=7)}/{what}")
        assert unknown.status_code == 404


# --- Names


async def test_a_vendor_of_the_same_name_leaves_the_customer_a_name_of_its_own(connected: Office) -> None:
    await connected.quickbooks("POST", "vendor", {"DisplayName": "Ana Lima"})
    made = await pushed(connected)
    row = await connected.one(Customer)
    assert row.qb_id is not None
    theirs = (await connected.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"]
    assert theirs["DisplayName"] == row.display_name == f"Ana Lima ({str(row.id)[-8:]})"
    assert (theirs["GivenName"], theirs["FamilyName"]) == ("Ana", "Lima")
    assert (await shown(connected, f"estimates/{made['id']}"))["qb_id"] is not None


async def test_a_name_with_something_in_parentheses_keeps_it(connected: Office) -> None:
    await connected.quickbooks("POST", "vendor", {"DisplayName": "Lima (Quincy) Homes"})
    await pushed(connected, first_name=None, last_name=None, company="Lima (Quincy) Homes")
    row = await connected.one(Customer)
    assert row.display_name == f"Lima (Quincy) Homes ({str(row.id)[-8:]})"


@pytest.mark.parametrize("same", [True, False])
async def test_a_person_entered_there_meanwhile_is_that_customer_only_if_it_is_the_same(
    connected: Office, same: bool
) -> None:
    """The name alone proves nothing; name and e-mail address do."""
    await connected.turn(events=LOST)
    address = "ana@example.com" if same else "another.ana@example.com"
    theirs = await connected.new_customer("Ana Lima", PrimaryEmailAddr={"Address": address})
    made = await pushed(connected)
    estimate = await connected.one(Estimate)
    body = (await connected.quickbooks("GET", f"estimate/{estimate.qb_id}"))["Estimate"]
    assert (body["CustomerRef"]["value"] == theirs["Id"]) is same
    assert len(await connected.ledger("Customer")) == (1 if same else 2)
    standing = await connected.rows(Customer, Customer.is_active)
    assert len(standing) == (1 if same else 2)
    customer = await connected.one(Customer, Customer.id == estimate.customer_id)
    assert (customer.qb_id == theirs["Id"]) is same
    assert (await shown(connected, f"estimates/{made['id']}"))["writes"] == []


# --- A company that takes nothing for now


@pytest.mark.parametrize("why", ["read_only", "not_allowed"])
async def test_a_suspended_company_keeps_what_waits_until_it_takes_it_again(connected: Office, why: str) -> None:
    estimates = [await draft(connected), await draft(connected, **BEN)]
    settings = "/sandbox/v1/quickbooks/companies/9130350000000001/settings"
    if why == "read_only":
        assert (await connected.control.patch(settings, json={"subscription": "read_only"})).is_success
    else:
        await connected.turn(calls={"shares": {"forbidden": 1.0}})
    for made in estimates:
        await post(connected, f"estimates/{made['id']}/push")
    await connected.worker.run_until_idle()
    health = await connected.health()
    assert (health["status"], health["waiting_writes"] > 0, health["failed_writes"]) == ("suspended", True, 0)
    assert "lets this application in. Writes wait" in health["what_to_do"]
    assert await written(connected) == []
    # Mended there: the next try is taken, and the company is well again.
    await connected.control.patch(settings, json={"subscription": "active"})
    await connected.turn(calls={"shares": {"forbidden": 0.0}})
    async with connected.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(next_try_at=None))
    await connected.settle()
    assert sorted(await written(connected)).count(("Estimate", "created")) == 2
    health = await connected.health()
    assert (health["status"], health["waiting_writes"], health["what_to_do"]) == ("connected", 0, None)


# --- Clashes


async def test_after_three_clashes_a_person_decides(connected: Office) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    await connected.turn(events=LOST)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    for number in range(MOST_CLASHES + 1):
        newest = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
        body = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, "PrivateNote": f"edit {number}"}
        await connected.quickbooks("POST", "estimate", body)
        assert (await connected.one(Push, Push.kind == PushKind.MARK_ESTIMATE)).state is PushState.PENDING
        assert await step(connected) == 1
    push = await failed(connected)
    assert (push.kind, push.error_code, push.clashes) == (PushKind.MARK_ESTIMATE, "5010", MOST_CLASHES + 1)
    assert push.error is not None
    assert "at the same time" in push.error
    await decide(connected, "retry", push.id)
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["PrivateNote"]) == ("Accepted", f"edit {MOST_CLASHES}")


@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_an_answer_that_could_not_be_written_is_not_forgotten(connected: Office, decision: str) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    await connected.turn(calls={"chosen": {"update estimate": ["fault_in_200"]}})
    await post(connected, f"estimates/{made['id']}/decline", name="Ana Lima", note="Too dear")
    await connected.settle()
    # Somebody changes something else there: it is still pending in QuickBooks.
    newest = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    memo = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, "CustomerMemo": {"value": "Mind the dog"}}
    await connected.quickbooks("POST", "estimate", memo)
    await connected.settle()
    row = await connected.one(Estimate)
    assert (row.status, row.memo) == (EstimateStatus.DECLINED, "Mind the dog")
    await decide(connected, decision, (await failed(connected)).id)
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    status = (await connected.one(Estimate)).status
    if decision == "retry":
        assert (theirs["TxnStatus"], status) == ("Rejected", EstimateStatus.DECLINED)
    else:
        # Given up: what QuickBooks says counts.
        assert (theirs["TxnStatus"], status) == ("Pending", EstimateStatus.OPEN)


async def edit_theirs(office: Office, entity: str, qb_id: str | None, **changes: Any) -> None:
    """Somebody changes it in QuickBooks."""
    newest = (await office.quickbooks("GET", f"{entity}/{qb_id}"))[entity.capitalize()]
    body = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True, **changes}
    await office.quickbooks("POST", entity, body)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_a_price_that_was_changed_after_the_yes_is_a_persons_to_decide(
    connected: Office, decision: str, *, is_told: bool
) -> None:
    made = await pushed(connected)
    row = await connected.one(Estimate)
    before = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    if not is_told:
        await connected.turn(events=LOST)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    line = {
        "DetailType": "SalesItemLineDetail",
        "Amount": 999,
        "SalesItemLineDetail": before["Line"][0]["SalesItemLineDetail"] | {"Qty": 1, "UnitPrice": 999},
    }
    await edit_theirs(connected, "estimate", row.qb_id, Line=[line])
    await connected.settle()
    push = await failed(connected)
    assert (push.kind, push.error_code) == (PushKind.MARK_ESTIMATE, "changed_in_quickbooks")
    now = (await connected.one(Estimate)).total_cents
    assert push.error is not None
    assert str(Money(row.total_cents)) in push.error
    assert str(Money(now)) in push.error
    assert now != row.total_cents
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert theirs["TxnStatus"] == "Pending"
    await decide(connected, decision, push.id)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert theirs["TxnStatus"] == ("Accepted" if decision == "retry" else "Pending")


@pytest.mark.parametrize("decision", ["retry", "drop"])
async def test_one_thing_changed_on_both_sides_is_a_persons_to_decide(connected: Office, decision: str) -> None:
    await pushed(connected)
    await connected.turn(events=LOST)
    row = await connected.one(Customer)
    edited = await connected.api.patch(
        f"/api/v1/customers/{row.id}", json={"city": "Quincy"}, headers={"If-Match": f'"{row.version}"'}
    )
    assert edited.is_success, edited.text
    await edit_theirs(connected, "customer", row.qb_id, BillAddr={"City": "Milton"})
    await connected.settle()
    push = await failed(connected)
    assert (push.kind, push.error_code) == (PushKind.UPDATE_CUSTOMER, "changed_in_quickbooks")
    assert push.error is not None
    assert "Quincy" in push.error
    assert "Milton" in push.error
    await decide(connected, decision, push.id)
    theirs = (await connected.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"]
    kept = "Quincy" if decision == "retry" else "Milton"
    assert (theirs["BillAddr"]["City"], (await connected.one(Customer)).city) == (kept, kept)


async def test_two_edits_in_a_row_are_no_clash(connected: Office) -> None:
    await pushed(connected)
    row = await connected.one(Customer)
    for city in ("Quincy", "Milton"):
        newest = await connected.one(Customer)
        edited = await connected.api.patch(
            f"/api/v1/customers/{row.id}", json={"city": city}, headers={"If-Match": f'"{newest.version}"'}
        )
        assert edited.is_success, edited.text
    await connected.settle()
    assert (await connected.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"]["BillAddr"]["City"] == "Milton"
    assert {state for _, state in await connected.pushes()} == {"done"}


async def test_a_request_id_that_somebody_used_is_replaced_by_another(connected: Office) -> None:
    """600: nothing of ours is to be found, so nothing of ours was written."""
    await connected.turn(requests={"differing_body": "refuse"})
    made = await draft(connected)
    failpoints.configure("push.before_request=raise")
    try:
        await post(connected, f"estimates/{made['id']}/push")
        with pytest.raises(failpoints.FailpointError):
            await step(connected)
    finally:
        failpoints.configure("")
    (push,) = [one for one in await connected.rows(Push) if one.request_id is not None]
    await connected.quickbooks("POST", f"customer?requestid={push.request_id}", {"DisplayName": "Somebody Else"})
    await free_leases(connected)
    await connected.settle()
    assert {state for _, state in await connected.pushes()} == {"done"}
    assert (await shown(connected, f"estimates/{made['id']}"))["qb_id"] is not None


# --- E-mails


@pytest.mark.parametrize("is_forgotten", [True, False], ids=["forgotten", "remembered"])
@pytest.mark.parametrize("fault", ["reset_after_commit", "application_error"])
async def test_what_is_sent_a_second_time_is_mailed_once_more_and_not_twice(
    connected: Office, fault: str, is_forgotten: bool
) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    await connected.advance(timedelta(minutes=1))
    if is_forgotten:
        await connected.turn(requests={"retention_seconds": 0})
    await connected.turn(calls={"chosen": {"send estimate": [fault]}})
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    assert (await written(connected)).count(("Estimate", "emailed")) == 2
    assert {state for _, state in await connected.pushes()} == {"done"}


async def test_an_e_mail_whose_worker_died_before_it_left_is_sent_by_the_next_one(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    await connected.advance(timedelta(minutes=1))
    await post(connected, f"estimates/{made['id']}/send")
    failpoints.configure("push.before_request=raise@1")
    try:
        with pytest.raises(failpoints.FailpointError):
            await step(connected)
    finally:
        failpoints.configure("")
    await free_leases(connected)
    await connected.settle()
    # The first one died before it had sent anything.
    assert (await written(connected)).count(("Estimate", "emailed")) == 2


# --- Voiding


async def invoiced(office: Office) -> dict[str, Any]:
    made = await pushed(office)
    await post(office, f"estimates/{made['id']}/accept", name="Ana Lima")
    invoice = await post(office, "invoices", estimate_id=made["id"])
    await office.settle()
    return invoice


async def test_an_invoice_is_voided_once_however_often_it_is_asked_for(connected: Office) -> None:
    invoice = await invoiced(connected)
    path = f"/api/v1/invoices/{invoice['id']}/void"
    answers = await asyncio.gather(*(connected.api.post(path) for _ in range(3)))
    assert all(answer.is_success for answer in answers)
    await connected.settle()
    assert [line["operation"] for line in await connected.ledger("Invoice")] == ["created", "void"]
    assert [push for push in await connected.pushes() if push[0] == "void_invoice"] == [("void_invoice", "done")]
    assert len(await connected.published("billing.invoice.voided.v1")) == 1


async def test_an_invoice_that_was_voided_there_meanwhile_is_not_voided_again(connected: Office) -> None:
    await invoiced(connected)
    row = await connected.one(Invoice)
    await connected.turn(events=LOST)
    await connected.people_do(f"invoice/{row.qb_id}/void")
    await post(connected, f"invoices/{row.id}/void")
    await connected.settle()
    assert [line["operation"] for line in await connected.ledger("Invoice")] == ["created", "void"]
    assert {state for _, state in await connected.pushes()} == {"done"}
    assert (await connected.one(Invoice)).is_voided


# --- Parts of an estimate


@pytest.mark.parametrize("percent", [None, "10"])
async def test_parts_of_an_estimate_with_a_discount_add_up_to_it(connected: Office, percent: str | None) -> None:
    """The discount is given in QuickBooks, to the whole estimate; every part gives its share of it."""
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    detail = {"PercentBased": True, "DiscountPercent": 10} if percent else {"PercentBased": False}
    discount = {"DetailType": "DiscountLineDetail", "Amount": 20, "DiscountLineDetail": detail}
    body = {"Id": qb_id, "SyncToken": theirs["SyncToken"], "sparse": True, "Line": [theirs["Line"][0], discount]}
    await connected.quickbooks("POST", "estimate", body)
    await connected.settle()
    assert (await connected.one(Estimate)).subtotal_cents == 18_000
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    deposit = await post(connected, "invoices", estimate_id=made["id"], part="deposit", share="0.333333")
    await connected.settle()
    await post(connected, "invoices", estimate_id=made["id"], part="progress")
    await connected.settle()
    rows = sorted(await connected.rows(Invoice), key=lambda row: row.created_at)
    assert [row.subtotal_cents for row in rows] == [6_000, 12_000]
    assert deposit["subtotal"]["amount_cents"] == 6_000
    estimate = await connected.one(Estimate)
    assert sum(row.subtotal_cents for row in rows) == estimate.subtotal_cents
    assert abs(sum(row.total_cents for row in rows) - estimate.total_cents) <= 1
    assert estimate.status is EstimateStatus.CLOSED


async def test_an_estimate_that_names_amounts_alone_becomes_an_invoice_of_the_same(connected: Office) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    bare = {"DetailType": "SalesItemLineDetail", "Amount": 75, "SalesItemLineDetail": {}}
    await connected.quickbooks(
        "POST", "estimate", {"Id": qb_id, "SyncToken": theirs["SyncToken"], "sparse": True, "Line": [bare]}
    )
    await connected.settle()
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await post(connected, "invoices", estimate_id=made["id"])
    await connected.settle()
    row = await connected.one(Invoice)
    assert (row.qb_id is not None, row.subtotal_cents) == (True, 7_500)
