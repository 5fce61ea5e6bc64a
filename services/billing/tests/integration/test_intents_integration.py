"""What is to be written into QuickBooks: in which order, what holds what back, and what a person decides."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from billing.models import Customer, Estimate, Invoice, Push
from billing.services.intents import IntentService
from billing.states import EstimateStatus, PushKind
from shared.clock import wall_now
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .office import LOST, Office
from .sales import post
from .writes import BEN, change_marks, decide, draft, failed, pushed, shown, step, written

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
