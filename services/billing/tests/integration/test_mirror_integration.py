"""Whatever is typed, changed, merged or taken away in QuickBooks is so here too, and is told of once."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from billing.models import Application, CreditMemo, Customer, Estimate, Invoice, Item, Notice, Payment, SyncMark, Term
from billing.services.mirror import MirrorService
from billing.states import EstimateStatus, PaymentKind
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .books import by_id, changed, compared, execute, form, money, pay, reader, sold, told, typed
from .office import COMPANY, LOST, REALM, VERIFIER_TOKEN, Office

HOUR = timedelta(hours=1)

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


async def test_of_two_merges_that_contradict_each_other_the_first_stays(connected: Office) -> None:
    ana, anna = await connected.new_customer("Ana Lima"), await connected.new_customer("Anna Lima")
    await connected.settle()
    for kept, gone in ((ana, anna), (anna, ana)):
        async with connected.begin() as tx:
            await (await tx.aget(MirrorService)).merge_customers(REALM, kept["Id"], gone["Id"])
    assert (await by_id(connected, Customer, ana)).merged_into_id is None
    assert (await by_id(connected, Customer, anna)).merged_into_id == (await by_id(connected, Customer, ana)).id


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


async def test_what_is_left_of_a_memo_is_read_again_where_only_the_payment_that_used_it_up_is_told(
    connected: Office,
) -> None:
    ana = await connected.new_customer("Ana Lima")
    invoice = await form(connected, "Invoice", ana["Id"], "80.00")
    memo = await form(connected, "CreditMemo", ana["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    used = await pay(connected, ana["Id"], "0", ("80", "Invoice", invoice["Id"]), ("80", "CreditMemo", memo["Id"]))
    await (await reader(connected)).take_again(REALM, {"Payment": {used["Id"]}})
    await connected.settle()
    assert (await by_id(connected, CreditMemo, memo)).remaining_cents == 0
    assert (await by_id(connected, Invoice, invoice)).balance_cents == 0


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


async def test_what_was_deleted_among_more_changes_than_are_told_is_found_at_once(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    gone = await form(connected, "Invoice", ana["Id"], "80.00")
    await connected.settle()
    await connected.turn(events=LOST)
    await connected.control.post(f"{COMPANY}/fill", json={"customers": 1, "invoices": 1_300, "months": 1})
    await connected.people_do(f"invoice/{gone['Id']}/delete")
    since = await connected.now() - timedelta(days=28)
    await execute(connected, update(SyncMark).where(SyncMark.name == "cdc").values(reached_at=since))
    await connected.api.post("/api/v1/quickbooks/sync")
    await connected.settle()
    assert (await by_id(connected, Invoice, gone)).is_deleted


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
