"""Whatever is typed, changed, merged or taken away in QuickBooks is so here too, and is told of once."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import orjson
import pytest
import svcs
from billing.models import (
    Application,
    CreditMemo,
    Customer,
    DifferenceRun,
    Estimate,
    Invoice,
    Item,
    Notice,
    Payment,
    SyncMark,
    Term,
    UntoldFact,
)
from billing.provider import InvoiceSeen, Seen
from billing.services.marks import MarkService
from billing.services.mirror import MirrorService
from billing.services.pulling import Page, PullProcess
from billing.services.reading import Reader
from billing.states import EstimateStatus, PaymentKind
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from shared import failpoints

from .office import COMPANY, REALM, VERIFIER_TOKEN, Office

HOUR = timedelta(hours=1)
LOST = {"shares": {"missing": 1.0}}


async def reader(office: Office) -> Reader:
    async with svcs.Container(office.registry) as container:
        return await container.aget(Reader)


def sold(amount: str, **more: Any) -> dict[str, Any]:
    """A line of so much, without tax."""
    detail = {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}}
    return {"DetailType": "SalesItemLineDetail", "Amount": Decimal(amount), "SalesItemLineDetail": detail, **more}


async def typed(office: Office, entity: str, **body: Any) -> dict[str, Any]:
    """Somebody types it into QuickBooks, or with Id and SyncToken changes it there."""
    return dict((await office.quickbooks("POST", entity.lower(), body))[entity])


async def form(office: Office, entity: str, customer: str, amount: str, **more: Any) -> dict[str, Any]:
    return await typed(office, entity, CustomerRef={"value": customer}, Line=[sold(amount)], **more)


async def changed(office: Office, entity: str, made: dict[str, Any], **body: Any) -> dict[str, Any]:
    newest = (await office.quickbooks("GET", f"{entity.lower()}/{made['Id']}"))[entity]
    return await typed(office, entity, Id=made["Id"], SyncToken=newest["SyncToken"], sparse=True, **body)


async def pay(office: Office, customer: str, total: str, *shares: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """`shares`: (amount, kind, id)."""
    lines = [
        {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": id_, "TxnType": kind}]} for amount, kind, id_ in shares
    ]
    return await typed(office, "Payment", CustomerRef={"value": customer}, TotalAmt=Decimal(total), Line=lines, **more)


async def told(office: Office) -> list[str]:
    """The events about money, without what they have in common."""
    types = [event["type"].removeprefix("billing.").removesuffix(".v1") for event in await office.published()]
    return sorted(one for one in types if not one.startswith(("connection", "customer")))


async def money(office: Office) -> list[tuple[str, int, list[int]]]:
    """What was told of payments, in its order: kind, amount, what of it went to invoices."""
    events = [event for event in await office.published() if event["type"].startswith("billing.payment.")]
    return [
        (
            event["type"].split(".")[2],
            event["amount"]["amount_cents"],
            [item["amount"]["amount_cents"] for item in event["applied"]],
        )
        for event in events
    ]


async def by_id(office: Office, model: Any, made: dict[str, Any]) -> Any:
    return await office.one(model, model.qb_id == made["Id"])


async def compared(office: Office) -> Sequence[tuple[str, str, str | None, str | None, str]]:
    """Compare now, and say what differed."""
    assert (await office.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await office.settle()
    (newest, *_) = (await office.api.get("/api/v1/quickbooks/differences")).json()["items"]
    return [
        (line["entity"], line["what"], line["ours"], line["theirs"], line["explanation"]) for line in newest["lines"]
    ]


async def execute(office: Office, statement: Any) -> None:
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(statement)


# --- What is typed there


async def test_whatever_is_typed_in_quickbooks_appears_here(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima", PrimaryEmailAddr={"Address": "Ana@example.com"})
    item = await typed(
        connected, "Item", Name="Sump pump", Type="Service", UnitPrice=Decimal("0.3333333"), Taxable=True
    )
    term = await typed(connected, "Term", Name="Net 7", Type="STANDARD", DueDays=7)
    estimate = await form(connected, "Estimate", ana["Id"], "80.00", DocNumber="E-9")
    invoice = await form(connected, "Invoice", ana["Id"], "80.50", DocNumber="I-9", SalesTermRef={"value": term["Id"]},
                         LinkedTxn=[{"TxnId": estimate["Id"], "TxnType": "Estimate"}])  # fmt: skip
    memo = await form(connected, "CreditMemo", ana["Id"], "10.00")
    payment = await pay(connected, ana["Id"], "60", ("50.5", "Invoice", invoice["Id"]), PaymentRefNum="check 7")
    refund = await connected.people_do("refunds", customer_id=ana["Id"], amount="5.00", reference="r1")
    await connected.settle()

    customer = await by_id(connected, Customer, ana)
    assert (customer.display_name, customer.email, customer.is_active) == ("Ana Lima", "ana@example.com", True)
    bought = await by_id(connected, Item, item)
    assert (bought.name, str(bought.unit_price), bought.is_taxable) == ("Sump pump", "0.3333333", True)
    assert (await by_id(connected, Term, term)).due_days == 7
    offered = await by_id(connected, Estimate, estimate)
    assert (offered.status, offered.total_cents, offered.number) == (EstimateStatus.CLOSED, 8_000, "E-9")
    owed = await by_id(connected, Invoice, invoice)
    assert (owed.total_cents, owed.balance_cents, owed.due_on) == (8_050, 3_000, date(2031, 3, 11))
    assert (owed.customer_id, owed.estimate_id) == (customer.id, offered.id)
    assert owed.term_id == (await by_id(connected, Term, term)).id
    assert (await by_id(connected, CreditMemo, memo)).remaining_cents == 1_000
    got = await by_id(connected, Payment, payment)
    assert (got.amount_cents, got.unapplied_cents, got.reference) == (6_000, 950, "check 7")
    given = await connected.one(Payment, Payment.kind == PaymentKind.REFUND)
    assert (given.qb_id, given.amount_cents, given.customer_id) == (refund["id"], -500, customer.id)
    assert await told(connected) == ["invoice.issued", "payment.received", "payment.refunded"]
    assert await money(connected) == [("received", 6_000, [5_050]), ("refunded", -500, [])]
    assert await compared(connected) == []


async def test_what_is_changed_there_is_changed_here(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    estimate = await form(connected, "Estimate", ana["Id"], "80.00")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    await connected.settle()
    await changed(connected, "Customer", ana, DisplayName="Ana Brooks", PrimaryPhone={"FreeFormNumber": "617-555-0199"})
    await changed(connected, "Estimate", estimate, TxnStatus="Rejected")
    await changed(connected, "Invoice", invoice, Line=[sold("95.25")], DueDate="2031-05-01")
    await changed(connected, "Item", {"Id": "3"}, UnitPrice=Decimal("12.5"), Active=False)
    await connected.settle()
    customer = await by_id(connected, Customer, ana)
    assert (customer.display_name, customer.phone) == ("Ana Brooks", "+16175550199")
    assert (await by_id(connected, Estimate, estimate)).status is EstimateStatus.DECLINED
    owed = await by_id(connected, Invoice, invoice)
    assert (owed.total_cents, owed.balance_cents, owed.due_on) == (9_525, 9_525, date(2031, 5, 1))
    item = await by_id(connected, Item, {"Id": "3"})
    assert (item.unit_price, item.is_active) == (Decimal("12.5"), False)
    assert await told(connected) == ["estimate.declined", "invoice.changed", "invoice.issued"]
    await changed(connected, "Estimate", estimate, TxnStatus="Accepted", AcceptedBy="Ana")
    await connected.settle()
    row = await by_id(connected, Estimate, estimate)
    assert (row.status, row.answered_by) == (EstimateStatus.ACCEPTED, "Ana")
    assert await compared(connected) == []


async def test_a_voided_invoice_gives_its_payment_back(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    payment = await pay(connected, ana["Id"], "80", ("80", "Invoice", invoice["Id"]))
    await connected.settle()
    assert (await by_id(connected, Invoice, invoice)).paid_at is not None
    await connected.people_do(f"invoice/{invoice['Id']}/void")
    await connected.settle()
    row = await by_id(connected, Invoice, invoice)
    assert (row.is_voided, row.total_cents, row.balance_cents, row.paid_at) == (True, 0, 0, None)
    got = await by_id(connected, Payment, payment)
    assert (got.amount_cents, got.unapplied_cents) == (8_000, 8_000)
    assert await connected.rows(Application) == []
    assert await money(connected) == [("received", 8_000, [8_000]), ("changed", 8_000, [])]
    assert len(await connected.published("billing.invoice.voided.v1")) == 1
    assert await compared(connected) == []


async def test_what_is_deleted_there_is_worth_nothing_here_and_is_kept(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    estimate = await form(connected, "Estimate", ana["Id"], "80.00")
    memo = await form(connected, "CreditMemo", ana["Id"], "80.00")
    payment = await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    refund = await connected.people_do("refunds", customer_id=ana["Id"], amount="5.00")
    await connected.settle()
    for path in (f"payment/{payment['Id']}", f"refundreceipt/{refund['id']}", f"estimate/{estimate['Id']}"):
        await connected.people_do(f"{path}/delete")
    await connected.settle()
    assert (await by_id(connected, Invoice, invoice)).balance_cents == 8_000
    for path in (f"invoice/{invoice['Id']}", f"creditmemo/{memo['Id']}"):
        await connected.people_do(f"{path}/delete")
    await connected.settle()
    row = await by_id(connected, Invoice, invoice)
    assert (row.is_deleted, row.total_cents, row.balance_cents) == (True, 0, 0)
    assert (await by_id(connected, Estimate, estimate)).status is EstimateStatus.DELETED
    gone = await by_id(connected, CreditMemo, memo)
    assert (gone.is_deleted, gone.remaining_cents) == (True, 0)
    assert {(one.is_deleted, one.amount_cents) for one in await connected.rows(Payment)} == {(True, 0)}
    assert await money(connected) == [
        ("received", 3_000, [3_000]), ("refunded", -500, []), ("voided", 0, []), ("voided", 0, [])
    ]  # fmt: skip
    assert len(await connected.published("billing.invoice.voided.v1")) == 1
    totals = (await connected.api.get("/api/v1/payments/totals")).json()["totals"]
    assert [one["amount"]["amount_cents"] for one in totals] in ([], [0])
    assert await compared(connected) == []


async def test_two_customers_that_become_one_bring_everything_along(connected: Office) -> None:
    contact = await connected.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    kept = await connected.new_customer("Ana Brooks")
    gone = await connected.new_customer("Ana Lima", PrimaryEmailAddr={"Address": "ana@example.com"})
    invoice = await form(connected, "Invoice", gone["Id"], "80.00")
    await form(connected, "Estimate", gone["Id"], "80.00")
    await form(connected, "CreditMemo", gone["Id"], "10.00")
    await pay(connected, gone["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.people_do("refunds", customer_id=gone["Id"], amount="5.00")
    await connected.settle()
    assert (await by_id(connected, Customer, gone)).contact_id == contact
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await connected.settle()
    stays, went = await by_id(connected, Customer, kept), await by_id(connected, Customer, gone)
    assert (stays.contact_id, stays.is_active) == (contact, True)
    assert (went.contact_id, went.is_active, went.merged_into_id) == (None, False, stays.id)
    for model in (Invoice, Estimate, CreditMemo, Payment):
        rows: Sequence[Any] = await connected.rows(model)
        assert {row.customer_id for row in rows} == {stays.id}, model
    assert (await by_id(connected, Invoice, invoice)).balance_cents == 5_000
    newest = [event for event in await connected.published() if event["type"].startswith("billing.payment.changed")]
    assert {(one["customer_id"], one["contact_id"]) for one in newest} == {(str(stays.id), str(contact))}
    links = [event for event in await connected.published() if event["type"].startswith("billing.customer.")]
    assert [(one["type"].split(".")[2], one["customer_id"]) for one in links] == [
        ("linked", str(went.id)), ("unlinked", str(went.id)), ("linked", str(stays.id))
    ]  # fmt: skip
    assert await compared(connected) == []


async def test_two_items_that_become_one_are_no_customers(connected: Office) -> None:
    """Ids repeat between kinds."""
    first, second = await connected.new_customer("Ana Lima"), await connected.new_customer("Ben Ode")
    await connected.settle()
    event = {
        "specversion": "1.0", "id": "merge-1", "source": "intuit.x", "type": "qbo.item.merged.v1",
        "time": "2031-03-04T17:00:00.123456789Z", "intuitentityid": first["Id"], "intuitaccountid": REALM,
        "data": {"deletedId": second["Id"]},
    }  # fmt: skip
    body = orjson.dumps([event])
    signature = base64.b64encode(hmac.new(VERIFIER_TOKEN.encode(), body, hashlib.sha256).digest()).decode()
    answer = await connected.api.post("/webhooks/quickbooks", content=body, headers={"intuit-signature": signature})
    assert answer.status_code == 200
    await connected.settle()
    assert {(row.is_active, row.merged_into_id) for row in await connected.rows(Customer)} == {(True, None)}
    assert (await connected.one(Notice, Notice.event_id == "merge-1")).processed_at is not None


# --- Money


async def test_a_payment_that_is_moved_pays_the_other_invoice(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    first = await form(connected, "Invoice", ana["Id"], "80.00")
    second = await form(connected, "Invoice", ana["Id"], "80.00")
    payment = await pay(connected, ana["Id"], "80", ("80", "Invoice", first["Id"]))
    await connected.settle()
    lines = [{"Amount": 80, "LinkedTxn": [{"TxnId": second["Id"], "TxnType": "Invoice"}]}]
    await changed(connected, "Payment", payment, CustomerRef={"value": ana["Id"]}, TotalAmt=80, Line=lines)
    await connected.settle()
    one, other = await by_id(connected, Invoice, first), await by_id(connected, Invoice, second)
    assert (one.balance_cents, one.paid_at, one.paid_on) == (8_000, None, None)
    assert (other.balance_cents, other.paid_on) == (0, date(2031, 3, 4))
    (_, moved) = [event for event in await connected.published() if event["type"].startswith("billing.payment.")]
    assert moved["type"] == "billing.payment.changed.v1"
    assert [item["invoice_id"] for item in moved["applied"]] == [str(other.id)]
    paid = await connected.published("billing.invoice.paid.v1")
    assert [event["invoice_id"] for event in paid] == [str(one.id), str(other.id)]
    assert await compared(connected) == []


async def test_credit_that_is_applied_is_no_money(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    memo = await form(connected, "CreditMemo", ana["Id"], "80.00")
    await connected.settle()
    await pay(connected, ana["Id"], "0", ("80", "Invoice", invoice["Id"]), ("80", "CreditMemo", memo["Id"]))
    await connected.settle()
    row = await by_id(connected, Invoice, invoice)
    assert (row.balance_cents, row.paid_at is not None) == (0, True)
    assert (await by_id(connected, CreditMemo, memo)).remaining_cents == 0
    assert await money(connected) == []
    assert await told(connected) == ["invoice.issued", "invoice.paid"]
    assert await compared(connected) == []


async def test_of_a_payment_with_credit_only_the_money_is_told(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    first = await form(connected, "Invoice", ana["Id"], "50.00")
    second = await form(connected, "Invoice", ana["Id"], "70.00")
    memo = await form(connected, "CreditMemo", ana["Id"], "60.00")
    await pay(
        connected, ana["Id"], "65",
        ("50", "Invoice", first["Id"]), ("70", "Invoice", second["Id"]), ("60", "CreditMemo", memo["Id"]),
    )  # fmt: skip
    await connected.settle()
    assert await money(connected) == [("received", 6_500, [6_000])]
    assert (await connected.one(Payment)).unapplied_cents == 500


async def test_an_invoice_was_paid_on_the_day_that_the_money_came(connected: Office) -> None:
    """The check of February is entered in March, late in the evening, when it is the next day in UTC."""
    await connected.advance(timedelta(hours=11))
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00", TxnDate="2031-02-01")
    other = await form(connected, "Invoice", ana["Id"], "10.00", TxnDate="2031-02-01")
    await connected.settle()
    await pay(connected, ana["Id"], "80", ("80", "Invoice", invoice["Id"]), TxnDate="2031-02-20")
    await pay(connected, ana["Id"], "10", ("10", "Invoice", other["Id"]))
    await connected.settle()
    assert (await by_id(connected, Invoice, invoice)).paid_on == date(2031, 2, 20)
    assert (await by_id(connected, Invoice, other)).paid_on == date(2031, 3, 4)


async def test_an_invoice_that_only_the_payment_tells_of_is_paid_on_its_day_too(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00", TxnDate="2031-02-01")
    await connected.settle()
    await connected.turn(events=LOST)
    payment = await pay(connected, ana["Id"], "80", ("80", "Invoice", invoice["Id"]), TxnDate="2031-02-20")
    await (await reader(connected)).take_again(REALM, {"Payment": {payment["Id"]}})
    await connected.settle()
    row = await by_id(connected, Invoice, invoice)
    assert (row.balance_cents, row.paid_on) == (0, date(2031, 2, 20))
    assert len(await connected.published("billing.invoice.paid.v1")) == 1


# --- Webhooks that are repeated, late, in another order, or lost


async def _story(office: Office) -> None:
    """An invoice that is raised, paid in two parts, the second of which is typed anew with another amount."""
    ana = await office.new_customer("Ana Lima")
    invoice = await form(office, "Invoice", ana["Id"], "500.00", DocNumber="I-9")
    await pay(office, ana["Id"], "200", ("200", "Invoice", invoice["Id"]))
    await office.settle()
    await office.advance(timedelta(seconds=5))
    await changed(office, "Invoice", invoice, Line=[sold("600.00")])
    wrong = await pay(office, ana["Id"], "40", ("40", "Invoice", invoice["Id"]))
    await office.settle()
    await office.advance(timedelta(seconds=5))
    await office.people_do(f"payment/{wrong['Id']}/delete")
    await pay(office, ana["Id"], "400", ("400", "Invoice", invoice["Id"]))
    await changed(office, "Customer", ana, DisplayName="Ana Brooks")
    await office.settle()


@pytest.mark.parametrize("how", ["duplicate", "reordered", "late", "missing", "bad_signature", "old form"])
async def test_however_it_is_told_it_ends_the_same_and_nothing_is_said_twice(connected: Office, how: str) -> None:
    if how == "old form":
        await connected.turn(shapes={"event_format": "old"})
    else:
        await connected.turn(events={"seed": 4, "shares": {how: 1.0 if how in ("missing", "duplicate") else 0.5}})
    await _story(connected)
    for _ in range(3):
        await connected.advance(timedelta(minutes=40))
        await connected.settle()
    row = await connected.one(Invoice)
    assert (row.total_cents, row.balance_cents, row.paid_at is not None) == (60_000, 0, True)
    assert (await connected.one(Customer)).display_name == "Ana Brooks"
    live = sorted(one.amount_cents for one in await connected.rows(Payment, ~Payment.is_deleted))
    assert live == [20_000, 40_000]
    said = await told(connected)
    # What came and went before anybody told of it need not be told; nothing is told twice.
    assert said.count("payment.received") - said.count("payment.voided") == 2
    assert said.count("payment.received") <= 3
    assert (said.count("invoice.issued"), said.count("invoice.paid"), said.count("payment.changed")) == (1, 1, 0)
    before = await connected.published()
    await _told_again(connected)
    assert await connected.published() == before
    assert await compared(connected) == []


async def _told_again(office: Office) -> None:
    """Every change that was ever told is read once more, in the opposite order, under other names."""
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        for old in reversed(await office.rows(Notice)):
            values = {
                name: getattr(old, name) for name in ("realm_id", "entity", "qb_id", "occurred_at", "received_at")
            }
            session.add(Notice(**values, event_id=f"again {old.seq}", operation="updated"))
    await office.settle()


async def test_what_no_webhook_told_is_read_within_the_hour(connected: Office) -> None:
    await connected.turn(events=LOST)
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    await connected.settle()
    assert await connected.rows(Invoice) == []
    await connected.advance(HOUR)
    await connected.settle()
    assert (await by_id(connected, Invoice, invoice)).total_cents == 8_000
    await connected.people_do(f"invoice/{invoice['Id']}/delete")
    await connected.advance(HOUR)
    await connected.settle()
    row = await by_id(connected, Invoice, invoice)
    assert (row.is_deleted, row.balance_cents) == (True, 0)
    assert len(await connected.published("billing.invoice.voided.v1")) == 1


async def test_a_reconnect_reads_what_was_missed_at_once(connected: Office) -> None:
    await connected.turn(events=LOST)
    await connected.api.post("/api/v1/quickbooks/disconnect")
    ana = await connected.new_customer("Ana Lima")
    await connected.settle()
    assert await connected.rows(Customer) == []
    await connected.connect()
    await connected.settle()
    assert (await by_id(connected, Customer, ana)).display_name == "Ana Lima"
    assert (await connected.one(SyncMark, SyncMark.name == "pull Customer")).position == 1


async def test_more_changes_than_one_answer_holds_are_all_read(connected: Office) -> None:
    await connected.control.post(f"{COMPANY}/fill", json={"customers": 1_300, "invoices": 40, "months": 1})
    since = await connected.now() - timedelta(days=28)
    await execute(connected, update(SyncMark).where(SyncMark.name == "cdc").values(reached_at=since))
    await connected.api.post("/api/v1/quickbooks/sync")
    await connected.settle()
    counted = await connected.quickbooks("GET", _asked(f"MetaData.LastUpdatedTime >= '{since.isoformat()}'"))
    wanted = counted["QueryResponse"]["totalCount"]
    assert wanted > 1_000
    assert len(await connected.rows(Customer)) >= wanted
    assert len(await connected.rows(Invoice)) >= 30


def _asked(where: str) -> str:
    return f"query?query=select count(*) from Customer where {where}".replace("+", "%2B")


async def test_after_a_month_what_was_deleted_meanwhile_is_found_missing(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    gone = await form(connected, "Invoice", ana["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await connected.people_do(f"invoice/{gone['Id']}/delete")
    stays = await form(connected, "Invoice", ana["Id"], "70.00")
    await connected.advance(timedelta(days=40))
    await connected.settle()
    assert (await by_id(connected, Invoice, stays)).balance_cents == 7_000
    row = await by_id(connected, Invoice, gone)
    assert (row.is_deleted, row.balance_cents) == (True, 0)


# --- Which of two states is the newer one


async def test_an_older_state_never_replaces_a_newer_one(connected: Office) -> None:
    books = await reader(connected)
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    payment = await pay(connected, ana["Id"], "30", ("30", "Invoice", invoice["Id"]))
    await connected.settle()
    kinds = (("Customer", ana), ("Invoice", invoice), ("Payment", payment))
    old = {kind: await books.read(REALM, kind, [made["Id"]]) for kind, made in kinds}
    await changed(connected, "Customer", ana, DisplayName="Ana Brooks")
    await changed(connected, "Payment", payment, CustomerRef={"value": ana["Id"]}, TotalAmt=30, PaymentRefNum="check 7")
    await changed(connected, "Invoice", invoice, Line=[sold("95.00")])
    await connected.settle()
    before = await connected.published()
    await _store(connected, old)
    assert (await by_id(connected, Customer, ana)).display_name == "Ana Brooks"
    row = await by_id(connected, Invoice, invoice)
    assert (row.total_cents, row.balance_cents) == (9_500, 6_500)
    assert (await by_id(connected, Payment, payment)).reference == "check 7"
    assert await connected.published() == before


@pytest.mark.parametrize("kind", ["Estimate", "Invoice", "CreditMemo", "Payment"])
async def test_what_was_deleted_is_not_brought_back_by_a_reader_who_was_slow(connected: Office, kind: str) -> None:
    books = await reader(connected)
    ana = await connected.new_customer("Ana Lima")
    if kind == "Payment":
        made = await pay(connected, ana["Id"], "30")
    else:
        made = await form(connected, kind, ana["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await changed(
        connected,
        kind,
        made,
        **(
            {"CustomerRef": {"value": ana["Id"]}, "TotalAmt": 31, "Line": []}
            if kind == "Payment"
            else {"PrivateNote": "x"}
        ),
    )
    newest = await books.read(REALM, kind, [made["Id"]])
    await connected.people_do(f"{kind.lower()}/{made['Id']}/delete")
    await books.take_again(REALM, {kind: {made["Id"]}})
    before = await connected.published()
    await _store(connected, {kind: newest})
    models: dict[str, Any] = {"Estimate": Estimate, "Invoice": Invoice, "CreditMemo": CreditMemo, "Payment": Payment}
    row = await by_id(connected, models[kind], made)
    assert row.is_deleted
    figures = ("balance_cents", "remaining_cents", "amount_cents", "unapplied_cents")
    assert {getattr(row, name, 0) for name in figures} == {0}
    assert kind != "Estimate" or row.status is EstimateStatus.DELETED
    assert await connected.published() == before
    owed = (await connected.api.get("/api/v1/receivables")).json()
    assert owed["totals"] in ({}, {"USD": {**owed["totals"].get("USD", {}), "total": 0}}) or kind != "Invoice"


async def _store(office: Office, found: dict[str, list[Seen]]) -> None:
    async with office.begin() as tx:
        mirror = await tx.aget(MirrorService)
        for entity, seen in found.items():
            await mirror.store(REALM, entity, seen)


@pytest.mark.parametrize("how", ["webhook", "changes", "pull"])
async def test_one_object_that_cannot_be_read_keeps_nothing_from_the_others(office: Office, how: str) -> None:
    if how != "pull":
        await office.connect()
        await office.settle()
    if how == "changes":
        await office.turn(events=LOST)
    # A price that QuickBooks keeps as it was typed, and that is no number to us.
    await typed(office, "Item", Name="Odd", Type="Service", UnitPrice="12 a foot")
    good = await typed(office, "Item", Name="Sound", Type="Service", UnitPrice=12)
    ana = await office.new_customer("Ana Lima")
    invoice = await form(office, "Invoice", ana["Id"], "80.00")
    if how == "pull":
        await office.connect()
    await office.settle()
    await office.advance(HOUR)
    await office.settle()
    assert (await by_id(office, Invoice, invoice)).total_cents == 8_000
    assert (await by_id(office, Item, good)).unit_price == 12
    assert await office.rows(Item, Item.name == "Odd") == []
    assert (await office.health())["waiting_notices"] == 0


# --- Differences


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


# --- The first pull


async def test_a_pull_that_dies_goes_on_where_it_stood(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 1_200, "invoices": 30, "payments": 10})
    # Terms, items, and the first page of customers are committed by then; their second page is not.
    failpoints.configure("pull.before_commit=raise@4")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
        mark = await office.one(SyncMark, SyncMark.name == "pull Customer")
        assert (mark.position, mark.done_at) == (981, None)
        first = {row.qb_id: row.id for row in await office.rows(Customer)}
        assert len(first) == 1_000
        # It is not read in the same moment again.
        await office.worker.run_until_idle()
        assert len(await office.rows(Customer)) == 1_000
        await office.advance(timedelta(minutes=1))
        await office.settle()
    finally:
        failpoints.configure("")
    rows = await office.rows(Customer)
    assert len(rows) == 1_200
    assert first.items() <= {row.qb_id: row.id for row in rows}.items()
    marks = {mark.name: mark for mark in await office.rows(SyncMark) if mark.name.startswith("pull")}
    assert all(mark.done_at for mark in marks.values())
    assert (marks["pull Customer"].position, marks["pull Invoice"].position) == (1_201, 31)
    assert (await office.health())["last_sync_at"] is not None
    assert await compared(office) == []


async def test_what_was_there_before_is_told_of_as_it_stands(office: Office) -> None:
    ana = await office.new_customer("Ana Lima")
    invoice = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await pay(office, ana["Id"], "80", ("80", "Invoice", invoice["Id"]), TxnDate="2031-01-20")
    await office.connect()
    await office.settle()
    row = await by_id(office, Invoice, invoice)
    assert (row.written_on, row.paid_on) == (date(2031, 1, 2), date(2031, 1, 20))
    assert await told(office) == ["invoice.issued", "invoice.paid", "payment.received"]
    assert isinstance((await (await reader(office)).read(REALM, "Invoice", [invoice["Id"]]))[0], InvoiceSeen)


async def test_nothing_that_was_there_before_is_told_until_all_of_it_is_read(office: Office) -> None:
    await office.turn(webhook_url="")  # Of a company that is not connected nobody hears.
    ana = await office.new_customer("Ana Lima")
    await office.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    paid = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await form(office, "Invoice", ana["Id"], "50.00", TxnDate="2031-01-02", DueDate="2031-01-05")
    await pay(office, ana["Id"], "30", ("30", "Invoice", paid["Id"]), TxnDate="2031-01-20")
    await office.advance(HOUR / 2)  # Further back than change data capture looks.
    # Terms, items, customers and invoices are committed by then; payments are not.
    failpoints.configure("pull.before_commit=raise@6")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
        await office.worker.run_until_idle()
        assert len(await office.rows(Invoice)) == 2
        assert await told(office) == []
        # Somebody pays the rest of it before the reading goes on: that is told at once, by itself.
        await office.turn(webhook_url=None)
        await pay(office, ana["Id"], "50", ("50", "Invoice", paid["Id"]), TxnDate="2031-01-21")
        await office.settle()
    finally:
        failpoints.configure("")
    assert await told(office) == ["invoice.paid", "payment.received"]
    await office.advance(timedelta(minutes=1))
    await office.settle()
    assert await told(office) == [
        "invoice.issued", "invoice.issued", "invoice.overdue", "invoice.paid", "payment.received", "payment.received",
    ]  # fmt: skip
    events = [event for event in await office.published() if event["type"] == "billing.invoice.issued.v1"]
    assert sorted(event["balance"]["amount_cents"] for event in events) == [0, 5_000]
    assert await office.rows(UntoldFact) == []


async def test_history_that_was_not_told_before_a_crash_is_told_after_it(office: Office) -> None:
    await office.turn(webhook_url="")
    ana = await office.new_customer("Ana Lima")
    await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await office.advance(HOUR)
    failpoints.configure("telling.before_commit=raise@1")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.settle()
        assert await told(office) == []
        assert [fact.type for fact in await office.rows(UntoldFact)] == ["billing.invoice.issued.v1"]
    finally:
        failpoints.configure("")
    await office.settle()
    assert await told(office) == ["invoice.issued", "invoice.overdue"]


async def test_what_is_not_so_any_more_when_history_is_told_is_not_told(office: Office) -> None:
    await office.turn(webhook_url="")
    ana = await office.new_customer("Ana Lima")
    paid = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02", DueDate="2099-01-02")
    payment = await pay(office, ana["Id"], "80", ("80", "Invoice", paid["Id"]), TxnDate="2031-01-20")
    estimate = await form(office, "Estimate", ana["Id"], "9.00", TxnDate="2031-01-02", TxnStatus="Accepted")
    await office.advance(HOUR / 2)
    # All but refunds are stored by then.
    failpoints.configure("pull.before_commit=raise@8")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
    finally:
        failpoints.configure("")
    await office.turn(webhook_url=None)
    await office.people_do(f"payment/{payment['Id']}/void")
    await changed(office, "Estimate", estimate, TxnStatus="Rejected")
    await office.settle()
    at_once = ["estimate.declined", "invoice.changed", "payment.voided"]
    assert await told(office) == at_once
    await office.advance(timedelta(minutes=1))
    await office.settle()
    assert await told(office) == sorted([*at_once, "invoice.issued"])


async def test_whoever_reads_all_of_it_again_meanwhile_is_not_overtaken(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 3_000, "invoices": 30, "payments": 10})
    await office.connect()
    # Two pages of customers are stored; then somebody was away for too long, and the third one comes too late.
    failpoints.configure("pull.before_commit=raise@5")
    try:
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
    finally:
        failpoints.configure("")
    process = await pull_process(office)
    await office.advance(timedelta(minutes=1))
    books = (await reader(office)).books(REALM)
    rows = await books.page("Customer", 1_961, 1_000)
    async with office.begin() as tx:
        await (await tx.aget(MarkService)).pull_again(REALM)
    assert not await process.store(REALM, "pull Customer", Page(rows, 1_961, 2_941, is_last=False))
    assert (await office.one(SyncMark, SyncMark.name == "pull Customer")).position == 1
    await office.settle()
    assert len(await office.rows(Customer)) == 3_000
    marks = {mark.name: mark.position for mark in await office.rows(SyncMark) if mark.name.startswith("pull")}
    assert (marks["pull Customer"], marks["pull Invoice"]) == (3_001, 31)


async def test_reading_everything_again_holds_nothing_up(connected: Office) -> None:
    await connected.new_customer("Ana Lima")
    await connected.settle()
    async with connected.begin() as tx:
        await (await tx.aget(MarkService)).pull_again(REALM)
    # One kind is refused for good, as where a plan has no estimates.
    await connected.turn(calls={"chosen": {"query": [None, None, None, "no_permission"]}})
    await connected.settle()
    assert not (await connected.one(SyncMark, SyncMark.name == "pull Estimate")).done_at
    ben = await connected.knows(first_name="Ben", last_name="Ode", emails=["ben@example.com"])
    await connected.new_customer("Ben Ode", PrimaryEmailAddr={"Address": "ben@example.com"})
    await connected.settle()
    assert (await connected.one(Customer, Customer.display_name == "Ben Ode")).contact_id == ben
    await connected.turn(calls={"chosen": {}})


async def pull_process(office: Office) -> PullProcess:
    async with svcs.Container(office.registry) as container:
        return await container.aget(PullProcess)
