"""Each night our books are compared with QuickBooks's: what differs is said line by line, and mended."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from billing.models import (
    Application,
    Connection,
    CreditMemo,
    Customer,
    DifferenceRun,
    Estimate,
    Invoice,
    Item,
    Payment,
    SyncMark,
)
from billing.services.marks import DIFFERENCES
from billing.states import EstimateStatus
from sqlalchemy import update

from .books import by_id, changed, compared, execute, form, pay
from .office import COMPANY, LOST, Office

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TWO = datetime(2031, 3, 5, 7, 0, tzinfo=UTC)
"""At night in Boston, after the noon at which tests begin."""


async def test_a_deactivated_customer_that_nobody_told_of_is_found_at_night(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    await connected.settle()
    await connected.turn(events=LOST)
    await changed(connected, "Customer", ana, Active=False)
    await connected.advance(2 * HOUR)
    await connected.settle()
    assert (await by_id(connected, Customer, ana)).is_active, "change data capture leaves inactive ones out"
    await connected.advance(timedelta(days=1))
    await connected.settle()
    row = await by_id(connected, Customer, ana)
    assert (row.is_active, row.display_name) == (False, "Ana Lima (deleted)")
    (newest,) = await connected.rows(DifferenceRun)
    assert {(line["what"], line["theirs"], line["explanation"]) for line in newest.lines} == {
        ("name", "Ana Lima (deleted)", "it had been missed, and was read again"),
        ("active", "False", "it had been missed, and was read again"),
    }
    assert await compared(connected) == []


async def test_an_item_that_is_not_sold_any_more_is_found_at_night(connected: Office) -> None:
    row = (await connected.rows(Item, Item.is_active))[0]
    newest = (await connected.quickbooks("GET", f"item/{row.qb_id}"))["Item"]
    await connected.turn(events=LOST)
    await changed(connected, "Item", newest, Active=False)
    await connected.advance(timedelta(days=1, hours=2))
    await connected.settle()
    assert not (await connected.one(Item, Item.id == row.id)).is_active
    assert await compared(connected) == []


async def test_a_deactivated_customer_that_a_webhook_tells_of_is_inactive_at_once(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    await connected.settle()
    await changed(connected, "Customer", ana, Active=False)
    await connected.settle()
    assert not (await by_id(connected, Customer, ana)).is_active


async def test_what_differs_is_said_line_by_line_and_mended(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00", DocNumber="I-9")
    memo = await form(connected, "CreditMemo", ana["Id"], "10.00")
    payment = await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    lost = await form(connected, "Estimate", ana["Id"], "7.00", DocNumber="E-9")
    ben = await connected.new_customer("Ben Ode")
    await connected.settle()
    assert await compared(connected) == []
    await execute(connected, update(Customer).where(Customer.qb_id == ana["Id"]).values(display_name="Somebody"))
    await execute(connected, update(Customer).where(Customer.qb_id == ben["Id"]).values(qb_id="888888"))
    await execute(connected, update(Invoice).values(total_cents=1, balance_cents=2))
    await execute(connected, update(CreditMemo).values(remaining_cents=3))
    await execute(connected, update(Payment).values(amount_cents=4))
    await execute(connected, update(Estimate).values(qb_id="999999"))
    mended = "it had been missed, and was read again"
    assert sorted(await compared(connected), key=str) == sorted(
        [
            ("CreditMemo", "remaining", "3", "1000", mended),
            ("Customer", "missing here", None, "there", mended),
            ("Customer", "missing there", "here", None, mended),
            ("Customer", "name", "Somebody", "Ana Lima", mended),
            ("Estimate", "missing here", None, "there", mended),
            ("Estimate", "missing there", "here", None, mended),
            ("Invoice", "balance", "2", "5000", mended),
            ("Invoice", "total", "1", "8000", mended),
            ("Payment", "amount", "4", "3000", mended),
        ],
        key=str,
    )
    assert (await by_id(connected, Customer, ana)).display_name == "Ana Lima"
    row = await by_id(connected, Invoice, invoice)
    assert (row.total_cents, row.balance_cents) == (8_000, 5_000)
    assert (await by_id(connected, CreditMemo, memo)).remaining_cents == 1_000
    assert (await by_id(connected, Payment, payment)).amount_cents == 3_000
    assert (await by_id(connected, Estimate, lost)).status is EstimateStatus.OPEN
    assert (await connected.one(Estimate, Estimate.qb_id == "999999")).is_deleted
    assert (await by_id(connected, Customer, ben)).is_active
    assert not (await connected.one(Customer, Customer.qb_id == "888888")).is_active
    assert await compared(connected) == []


MENDED = "it had been missed, and was read again"


@pytest.mark.parametrize(
    ("model", "wrong", "said"),
    [
        (Estimate, {"status": EstimateStatus.DECLINED}, [("Estimate", "status", "declined", "open")]),
        (Invoice, {"is_voided": True}, [("Invoice", "voided", "True", "False")]),
        (Payment, {"is_voided": True}, [("Payment", "voided", "True", "False")]),
        (Invoice, {"lines": []}, [("Invoice", "line 1", None, ANY)]),
        (Customer, {"email": "b@example.com"}, [("Customer", "email", "b@example.com", "a@example.com")]),
        (Customer, {"phone": None}, [("Customer", "phone", "", "+16175550143")]),
        (Customer, {"city": "Salem"}, [("Customer", "address", "1 Elm St, Salem, MA", "1 Elm St, Lynn, MA")]),
        (Application, {"amount_cents": 1}, [("Payment", "applied", "Invoice {invoice} 1", "Invoice {invoice} 3000")]),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else getattr(one, "__name__", ""),
)
async def test_whatever_is_wrong_is_said_and_mended(
    connected: Office, model: Any, wrong: dict[str, Any], said: list[tuple[Any, ...]]
) -> None:
    ana = await connected.new_customer(
        "Ana Lima",
        PrimaryEmailAddr={"Address": "a@example.com"},
        PrimaryPhone={"FreeFormNumber": "(617) 555-0143"},
        BillAddr={"Line1": "1 Elm St", "City": "Lynn", "CountrySubDivisionCode": "MA"},
    )
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    await form(connected, "Estimate", ana["Id"], "7.00")
    await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.settle()
    assert await compared(connected) == []
    await execute(connected, update(model).values(**wrong))
    expected = [
        (*(one.format(invoice=invoice["Id"]) if isinstance(one, str) else one for one in line), MENDED) for line in said
    ]
    assert await compared(connected) == expected
    assert await compared(connected) == []


async def test_another_customer_of_a_form_or_a_payment_is_said_and_mended(connected: Office) -> None:
    ana, ben = await connected.new_customer("Ana Lima"), await connected.new_customer("Ben Ode")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    await form(connected, "Estimate", ana["Id"], "7.00")
    await form(connected, "CreditMemo", ana["Id"], "10.00")
    await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.settle()
    wrong = (await by_id(connected, Customer, ben)).id
    for model in (Estimate, Invoice, CreditMemo, Payment):
        await execute(connected, update(model).values(customer_id=wrong))
    said = [line for line in await compared(connected) if line[1] == "customer"]
    assert said == [
        (entity, "customer", ben["Id"], ana["Id"], MENDED)
        for entity in ("Estimate", "Invoice", "CreditMemo", "Payment")
    ]
    assert await compared(connected) == []


async def test_forms_of_a_customer_who_was_merged_are_those_of_whom_they_became(connected: Office) -> None:
    gone, kept = await connected.new_customer("Ana Lima"), await connected.new_customer("A. Lima-Santos")
    await form(connected, "Invoice", gone["Id"], "80.00")
    await connected.settle()
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await connected.settle()
    before = (await by_id(connected, Customer, gone)).id
    await execute(connected, update(Invoice).values(customer_id=before))
    assert [line for line in await compared(connected) if line[0] == "Invoice"] == []


async def test_books_of_months_differ_in_nothing(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 60, "invoices": 150, "payments": 100})
    await office.connect()
    await office.settle()
    assert len(await office.rows(Payment)) >= 100
    assert await compared(office) == []


async def test_an_estimate_that_expired_here_is_still_pending_there(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "7.00", ExpirationDate="2031-03-05")
    await connected.settle()
    await connected.advance(timedelta(days=3))
    await connected.settle()
    assert (await by_id(connected, Estimate, made)).status is EstimateStatus.EXPIRED
    assert await compared(connected) == []


async def test_an_answer_that_waits_to_be_written_is_explained_by_that_alone(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "7.00")
    await connected.settle()
    row = await by_id(connected, Estimate, made)
    await connected.turn(calls={"chosen": {"update estimate": ["fault_in_200"]}})
    assert (await connected.api.post(f"/api/v1/estimates/{row.id}/accept", json={"name": "Ana"})).is_success
    await connected.settle()
    ((entity, what, _, _, explanation),) = await compared(connected)
    assert (entity, what) == ("mark_estimate", "1 to be written")
    assert explanation.startswith("could not be written: QuickBooks refused this")
    assert (await by_id(connected, Estimate, made)).status is EstimateStatus.ACCEPTED


async def test_an_edit_that_waits_to_be_written_is_explained_by_that_alone(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    await connected.settle()
    row = await by_id(connected, Customer, ana)
    await connected.turn(calls={"chosen": {"update customer": ["fault_in_200"]}})
    answer = await connected.api.patch(
        f"/api/v1/customers/{row.id}", json={"email": "ana@example.com"}, headers={"If-Match": f'"{row.version}"'}
    )
    assert answer.is_success, answer.text
    await connected.settle()
    assert [line[:2] for line in await compared(connected)] == [("update_customer", "1 to be written")]
    assert (await by_id(connected, Customer, ana)).email == "ana@example.com"


async def test_what_waits_to_be_written_is_explained_too(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    await connected.turn(calls={"chosen": {"create customer": ["fault_in_200"]}})
    made = await connected.api.post("/api/v1/customers", json={"contact_id": str(contact)})
    assert made.is_success, made.text
    await connected.settle()
    ((entity, what, _, _, explanation),) = await compared(connected)
    assert (entity, what) == ("create_customer", "1 to be written")
    assert explanation.startswith("could not be written: QuickBooks refused this")


async def test_what_is_owed_is_what_quickbooks_reports(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    job = await connected.new_customer("Cellar", ParentRef={"value": ana["Id"]}, Job=True)
    late = await form(connected, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02", DueDate="2031-02-03")
    await form(connected, "Invoice", job["Id"], "20.00")
    await pay(connected, ana["Id"], "30", ("30", "Invoice", late["Id"]))
    await connected.settle()
    assert await compared(connected) == []
    for fault in ("fault_in_200", "unavailable_html"):
        # The rest of the comparison stands, and is not made again for its sake.
        await connected.turn(calls={"chosen": {"report": [fault]}})
        assert await compared(connected) == [("AgedReceivables", "cannot be read", None, None, ANY)]
    await connected.turn(calls={"chosen": {}})


async def runs(office: Office) -> list[datetime]:
    return sorted(run.started_at for run in await office.rows(DifferenceRun))


async def next_run(office: Office) -> datetime | None:
    return (await office.one(SyncMark, SyncMark.name == DIFFERENCES)).due_at


async def test_books_are_compared_at_two_in_the_companys_night_and_at_no_other_time(connected: Office) -> None:
    assert await next_run(connected) == TWO
    for moment in (TWO - timedelta(minutes=5), TWO, TWO + 22 * HOUR, TWO + DAY, TWO + DAY + 9 * HOUR):
        await connected.set_clock(moment)
        await connected.settle()
    late = [started - night for started, night in zip(await runs(connected), (TWO, TWO + DAY), strict=True)]
    assert all(timedelta() <= one < timedelta(minutes=5) for one in late)
    assert await next_run(connected) == TWO + 2 * DAY


async def test_after_a_comparison_that_was_asked_for_the_next_one_is_at_night(connected: Office) -> None:
    assert await compared(connected) == []
    assert await next_run(connected) == TWO


async def test_the_night_is_that_of_the_companys_own_zone(connected: Office) -> None:
    await execute(connected, update(Connection).values(zone="America/Los_Angeles"))
    assert await compared(connected) == []
    assert await next_run(connected) == TWO + 3 * HOUR


async def test_a_night_without_quickbooks_is_made_up_for_as_soon_as_it_answers(connected: Office) -> None:
    await connected.turn(calls={"shares": {"unavailable_html": 1.0}})
    await connected.set_clock(TWO)
    await connected.settle()
    assert await runs(connected) == []
    await connected.turn(calls={"shares": {"unavailable_html": 0.0}})
    await connected.advance(timedelta(minutes=1))
    await connected.settle()
    assert len(await runs(connected)) == 1
    assert await next_run(connected) == TWO + DAY


async def test_books_that_were_never_read_to_their_end_are_not_compared(office: Office) -> None:
    ana = await office.new_customer("Ana Lima")
    await form(office, "Invoice", ana["Id"], "80.00")
    await office.set_clock(TWO - timedelta(minutes=5))
    await office.turn(calls={"chosen": {"query": [None, None, None, "no_permission"]}})
    await office.connect()
    await office.settle()
    await office.set_clock(TWO)
    assert (await office.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await office.settle()
    assert await runs(office) == []
    await office.advance(timedelta(minutes=10))
    await office.settle()
    assert (len(await office.rows(Invoice)), len(await runs(office))) == (1, 1)
    assert await next_run(office) == TWO + DAY
