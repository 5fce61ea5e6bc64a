"""Invoices: made of an accepted estimate once or in parts, sent, paid, voided, due."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from billing.models import Connection, Estimate, Invoice, Push, Term
from billing.states import EstimateStatus
from sqlalchemy import update

from .books import changed, execute, form, sold
from .office import Office
from .sales import CONTACT, accepted, draft, item, post, refused_invoice


async def test_an_invoice_has_terms_that_quickbooks_has(connected: Office) -> None:
    estimate = await accepted(connected)
    terms = (await connected.api.get("/api/v1/terms")).json()["items"]
    assert {"Net 30", "Due on receipt"} <= {term["name"] for term in terms}
    unknown = {"estimate_id": estimate["id"], "term_id": str(CONTACT)}
    answer = await connected.api.post("/api/v1/invoices", json=unknown)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.term_id")
    (net,) = [term for term in terms if term["name"] == "Net 30"]
    made = await post(connected, "invoices", estimate_id=estimate["id"], term_id=net["id"])
    await connected.settle()
    row = await connected.one(Invoice, Invoice.id == UUID(made["id"]))
    theirs = (await connected.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]
    assert theirs["SalesTermRef"]["value"] == (await connected.one(Term, Term.id == row.term_id)).qb_id


async def test_an_accepted_estimate_becomes_one_invoice_with_its_lines(connected: Office) -> None:
    estimate = await accepted(connected)
    bodies = [connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"]}) for _ in range(4)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*bodies))
    assert statuses == [202, 409, 409, 409]
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    row = await connected.one(Invoice)
    shown = (await connected.api.get(f"/api/v1/invoices/{row.id}")).json()
    assert (shown["number"], shown["status"], shown["total"]["amount_cents"]) == ("I-1001", "open", 138_125)
    assert [line["amount"]["amount_cents"] for line in shown["lines"]] == [130_000]
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    issued = await connected.published("billing.invoice.issued.v1")
    assert [event["estimate_id"] for event in issued] == [estimate["id"]]


async def test_a_deposit_and_the_rest_add_up_to_the_estimate(connected: Office) -> None:
    estimate = await accepted(connected, quantity="1.3333333")
    deposit = await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.333333")
    await connected.settle()
    assert (await connected.one(Estimate)).status is EstimateStatus.ACCEPTED
    rest = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    parts = [part["subtotal"]["amount_cents"] for part in (deposit, rest)]
    assert sum(parts) == estimate["subtotal"]["amount_cents"]
    assert parts[0] == 28_889
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    over = await connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"], "part": "progress"})
    assert over.status_code == 409


async def test_an_invoice_over_nothing_is_neither_paid_nor_voided(connected: Office) -> None:
    customer = await connected.new_customer("Warranty work")
    made = await connected.new_invoice(customer["Id"], "0.00")
    await connected.settle()
    (shown,) = (await connected.api.get("/api/v1/invoices")).json()["items"]
    assert (shown["status"], shown["paid_on"]) == ("nothing_due", None)
    statuses = ("nothing_due", "paid", "voided", "open", "overdue")
    found = [(await connected.api.get("/api/v1/invoices", params={"status": one})).json() for one in statuses]
    assert [len(page["items"]) for page in found] == [1, 0, 0, 0, 0]
    await connected.people_do(f"invoice/{made['Id']}/void")
    await connected.settle()
    assert (await connected.api.get(f"/api/v1/invoices/{shown['id']}")).json()["status"] == "voided"


async def test_what_is_paid_partly_and_then_whole_is_shown_so(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    row = await connected.one(Invoice)
    customer = (await connected.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]["CustomerRef"]["value"]
    await connected.people_do("payments", customer_id=customer, amount="381.25", invoice_id=row.qb_id)
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["balance"]["amount_cents"]) == ("partial", 100_000)
    second = await connected.people_do("payments", customer_id=customer, amount="1000", invoice_id=row.qb_id)
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["balance"]["amount_cents"]) == ("paid", 0)
    assert shown["paid_on"] == "2031-03-04"
    assert len(await connected.published("billing.invoice.paid.v1")) == 1
    await connected.people_do(f"payment/{second['id']}/void")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["paid_on"]) == ("partial", None)
    (voided,) = await connected.published("billing.payment.voided.v1")
    assert voided["amount"]["amount_cents"] == 0
    totals = (await connected.api.get("/api/v1/payments/totals")).json()["totals"]
    assert totals == [{"count": 1, "amount": {"amount_cents": 38_125, "currency": "USD"}}]


async def test_an_invoice_is_voided_there_and_then_here_and_may_be_made_anew(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    await post(connected, f"invoices/{invoice['id']}/void")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["total"]["amount_cents"]) == ("voided", 0)
    assert len(await connected.published("billing.invoice.voided.v1")) == 1
    refused = await connected.api.post(f"/api/v1/invoices/{invoice['id']}/void")
    assert refused.status_code == 409


async def test_pdf_and_sending_of_an_invoice(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    early = await connected.api.get(f"/api/v1/invoices/{invoice['id']}/pdf")
    assert (early.status_code, early.json()["code"]) == (409, "not_in_quickbooks_yet")
    await post(connected, f"invoices/{invoice['id']}/send", to="ap@example.com")
    await connected.settle()
    printed = await connected.api.get(f"/api/v1/invoices/{invoice['id']}/pdf")
    assert (printed.status_code, printed.content[:4]) == (200, b"%PDF")
    assert (await connected.one(Invoice)).sent_at is not None


async def test_amounts_are_quickbookss_own_to_the_cent(connected: Office) -> None:
    made = await draft(
        connected,
        quantity="128.35",
        lines=[
            {"item_id": str((await item(connected)).id), "quantity": "128.35", "unit_price": "14.5"},
            {"item_id": str((await item(connected, "Wall anchor")).id), "quantity": "3", "unit_price": "0.3333333"},
        ],
    )
    assert [line["amount"]["amount_cents"] for line in made["lines"]] == [186_108, 100]
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    row = await connected.one(Estimate)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert row.total_cents == int(Decimal(str(theirs["TotalAmt"])) * 100)


async def test_an_invoice_that_somebody_made_of_the_estimate_in_quickbooks_is_mirrored_and_not_doubled(
    connected: Office,
) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    write = await refused_invoice(connected, estimate)
    row = await connected.one(Estimate)
    customer = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]["CustomerRef"]["value"]
    await connected.new_invoice(customer, LinkedTxn=[{"TxnId": row.qb_id, "TxnType": "Estimate"}])
    await connected.settle()
    theirs = await connected.one(Invoice, Invoice.qb_id.is_not(None))
    assert theirs.estimate_id == row.id
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    (ours,) = await connected.rows(Push, Push.state == "failed")
    assert (ours.error_code, "Somebody made invoice" in str(ours.error)) == ("invoiced_in_quickbooks", True)
    assert len(await connected.ledger("Invoice")) == 1


async def test_estimates_expire_and_invoices_fall_due_at_the_companys_midnight(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    other = await accepted(connected)
    await post(connected, "invoices", estimate_id=other["id"], due_on="2031-03-10")
    await connected.settle()
    await connected.advance(timedelta(days=6, hours=10))  # Late in the evening of the 10th in Boston, the 11th in UTC.
    await connected.settle()
    assert await connected.published("billing.invoice.overdue.v1") == []
    await connected.advance(timedelta(hours=2))
    await connected.settle()
    assert len(await connected.published("billing.invoice.overdue.v1")) == 1
    aged = (await connected.api.get("/api/v1/receivables")).json()
    assert aged["totals"]["USD"]["days_1_30"] == 138_125
    await connected.advance(timedelta(days=30))
    await connected.settle()
    assert (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["status"] == "expired"
    figures = (await connected.api.get("/api/v1/receivables/figures")).json()
    assert (figures["accepted"], figures["expired"], figures["win_rate"]) == (1, 1, 0.5)
    assert figures["days_to_pay_median"] is None


async def test_an_invoice_that_somebody_brings_back_in_quickbooks_is_mirrored_beside_the_new_one(
    connected: Office,
) -> None:
    estimate = await accepted(connected)
    former = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    await post(connected, f"invoices/{former['id']}/void")
    await connected.settle()
    await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    row = await connected.one(Invoice, Invoice.id == UUID(former["id"]))
    theirs = (await connected.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]
    await changed(connected, "Invoice", theirs, Line=[sold("50")], PrivateNote="")
    await connected.settle()
    found = await connected.rows(Invoice)
    assert sorted((one.is_voided, one.total_cents) for one in found) == [(False, 5_000), (False, 138_125)]


async def test_of_parts_that_are_made_at_once_the_last_one_closes_the_estimate(connected: Office) -> None:
    estimate = await accepted(connected)
    deposit = await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.3")
    rest = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    assert [await is_linked(connected, one) for one in (deposit, rest)] == [False, True]
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    await post(connected, f"invoices/{rest['id']}/void")
    await connected.settle()
    again = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    assert again["subtotal"] == rest["subtotal"]
    assert await is_linked(connected, again)


async def test_parts_are_written_one_after_the_other_as_the_last_one_closes_the_estimate(connected: Office) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await connected.turn(calls={"chosen": {"create invoice": ["unavailable_html"]}})
    deposit = await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.3")
    rest = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    assert [await is_linked(connected, one) for one in (deposit, rest)] == [False, True]


async def test_a_part_that_is_voided_once_the_estimate_is_closed_can_be_billed_again(connected: Office) -> None:
    estimate = await accepted(connected)
    deposit = await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.3")
    rest = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    await post(connected, f"invoices/{deposit['id']}/void")
    await connected.settle()
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    again = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    assert again["subtotal"] == deposit["subtotal"]
    assert [await is_linked(connected, one) for one in (rest, again)] == [True, False]
    over = await connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"], "part": "progress"})
    assert (over.status_code, over.json()["code"]) == (409, "nothing_left_to_invoice")


async def is_linked(office: Office, made: dict[str, Any]) -> bool:
    """Whether it closed the estimate in QuickBooks."""
    row = await office.one(Invoice, Invoice.id == UUID(made["id"]))
    assert row.qb_id is not None
    theirs = (await office.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]
    return any(link["TxnType"] == "Estimate" for link in theirs.get("LinkedTxn", ()))


async def test_an_estimate_that_was_closed_in_quickbooks_is_not_invoiced(connected: Office) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await repriced(connected, TxnStatus="Closed")
    answer = await connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_invoiced")
    assert "closed in QuickBooks" in answer.json()["detail"]


async def test_of_an_estimate_whose_invoice_was_given_up_a_closing_in_quickbooks_counts(connected: Office) -> None:
    estimate = await accepted(connected)
    write = await refused_invoice(connected, estimate)
    await post(connected, f"quickbooks/writes/{write['id']}/drop")
    await repriced(connected, TxnStatus="Closed")
    answer = await connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_invoiced")


async def repriced(office: Office, **body: Any) -> None:
    """Somebody changes the estimate in QuickBooks."""
    row = await office.one(Estimate)
    theirs = (await office.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    await changed(office, "Estimate", theirs, **body)
    await office.settle()


@pytest.mark.parametrize("is_marked", [False, True])
async def test_no_invoice_is_made_at_a_price_that_nobody_accepted(connected: Office, is_marked: bool) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    if is_marked:
        await connected.settle()
    await repriced(connected, Line=[sold("9999")])
    refused = await connected.api.post("/api/v1/invoices", json={"estimate_id": made["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert "$1,381.25; in QuickBooks it is $9,999.00" in refused.json()["detail"]
    assert "It was accepted at $1,381.25" in await page_of(connected, made)
    await accept_anew(connected, made)
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    assert invoice["subtotal"]["amount_cents"] == 999_900
    await connected.settle()
    assert {state for _, state in await connected.pushes()} == {"done"}
    assert "It was accepted at" not in await page_of(connected, made)


async def page_of(office: Office, made: dict[str, Any]) -> str:
    """What the customer sees."""
    address = (await office.api.get(f"/api/v1/estimates/{made['id']}")).json()["public_url"]
    return (await office.api.get(address, headers={"Authorization": ""})).text


async def accept_anew(office: Office, made: dict[str, Any]) -> None:
    """Only a yes to what it costs by now is a yes to that."""
    path = f"/api/v1/estimates/{made['id']}/accept"
    unseen = await office.api.post(path, json={"name": "Ana Lima"})
    assert (unseen.status_code, unseen.json()["code"]) == (409, "price_changed")
    shown = (await office.api.get(f"/api/v1/estimates/{made['id']}")).json()
    await post(office, f"estimates/{made['id']}/accept", name="Ana Lima", total=shown["total"])


async def test_what_was_accepted_before_it_was_written_is_so_at_what_quickbooks_made_of_it(
    connected: Office,
) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await connected.settle()
    await repriced(connected, Line=[sold("9999")])
    refused = await connected.api.post("/api/v1/invoices", json={"estimate_id": made["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")


async def test_what_somebody_marks_accepted_in_quickbooks_is_so_at_what_it_costs_there(connected: Office) -> None:
    made = await accepted(connected)
    await connected.settle()
    await repriced(connected, Line=[sold("9999")], TxnStatus="Pending")
    await repriced(connected, TxnStatus="Accepted")
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    assert invoice["subtotal"]["amount_cents"] == 999_900


async def test_who_marks_it_accepted_at_the_new_price_may_invoice_that(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await repriced(connected, Line=[sold("9999")])
    (mark,) = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["writes"]
    assert mark["state"] == "failed"
    await post(connected, f"quickbooks/writes/{mark['id']}/retry")
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    assert invoice["subtotal"]["amount_cents"] == 999_900


async def test_an_invoice_is_overdue_anew_where_its_last_day_is_moved_to_another_one_that_has_passed(
    connected: Office,
) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Invoice", ana["Id"], "80.00", DueDate="2031-03-05")
    await connected.settle()
    await connected.advance(timedelta(days=10))
    await connected.settle()
    await changed(connected, "Invoice", made, DueDate="2031-03-10")
    await connected.settle()
    told = await connected.published("billing.invoice.overdue.v1")
    assert [event["due_on"] for event in told] == ["2031-03-05", "2031-03-10"]


async def test_an_invoice_is_overdue_once_its_last_day_is_over_where_the_company_is(connected: Office) -> None:
    """In Auckland it is tomorrow long before it is so in Greenwich."""
    await execute(connected, update(Connection).values(zone="Pacific/Auckland"))
    ana = await connected.new_customer("Ana Lima")
    await form(connected, "Invoice", ana["Id"], "80.00", DueDate="2031-03-05")
    await connected.settle()
    await connected.set_clock(datetime(2031, 3, 5, 10, tzinfo=UTC))
    await connected.settle()
    assert await connected.published("billing.invoice.overdue.v1") == []
    await connected.set_clock(datetime(2031, 3, 5, 12, tzinfo=UTC))
    await connected.settle()
    assert len(await connected.published("billing.invoice.overdue.v1")) == 1
