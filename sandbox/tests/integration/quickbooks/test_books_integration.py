"""Writing in the books: what is refused, and what each write does to the others."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared.testing.plugin import FakeClock

from .app import App, form, payment

D = Decimal


def line(amount: str, quantity: str | None = None, price: str | None = None, tax: str = "NON") -> dict[str, Any]:
    detail: dict[str, Any] = {"ItemRef": {"value": "1"}, "TaxCodeRef": {"value": tax}}
    if quantity is not None and price is not None:
        detail |= {"Qty": D(quantity), "UnitPrice": D(price)}
    return {"DetailType": "SalesItemLineDetail", "Amount": D(amount), "SalesItemLineDetail": detail}


async def test_an_invoice_is_filled_in_by_the_server(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(
        ana, SalesTermRef={"value": "3"}, TxnDate="2026-11-22", Line=[line("240.00", "2", "120.00", "TAX")]
    )
    assert (invoice["SyncToken"], invoice["DueDate"]) == ("0", "2026-12-22")
    assert (invoice["TxnTaxDetail"]["TotalTax"], invoice["TotalAmt"], invoice["Balance"]) == (
        D("15.00"),
        D("255.00"),
        D("255.00"),
    )
    assert invoice["Line"][0]["Id"] == "1"
    assert invoice["Line"][-1]["DetailType"] == "SubTotalLineDetail"
    assert invoice["CustomerRef"] == {"value": ana["Id"], "name": "Ana Lima"}
    assert (await app.read("Customer", ana["Id"]))["Balance"] == D("255.00")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Line": []}, "2020"),
        ({"Colour": "red"}, "2010"),
        ({"DocNumber": "x" * 22}, "2050"),
        ({"CustomerRef": {"value": "9999"}}, "2500"),
        ({"Line": [line("1861.07", "128.350", "14.50")]}, "6070"),
        ({"Line": [line("5.00", tax="8")]}, "6100"),
        ({"TxnDate": "yesterday"}, "2010"),
        ({"CustomerRef": "1"}, "2010"),
        ({"CustomerRef": {"value": "\u00b2"}}, "2500"),
        ({"CustomerRef": {"value": "9" * 40}}, "2500"),
        ({"DueDate": "soon"}, "2010"),
        ({"PrivateNote": "a\0b"}, "2040"),
        ({"Line": {"Amount": 1}}, "2010"),
        ({"Line": ["x"]}, "2010"),
        ({"Line": [{"DetailType": "SalesItemLineDetail", "Amount": 1, "SalesItemLineDetail": "x"}]}, "2010"),
        ({"Line": [line("5.00") | {"SalesItemLineDetail": {"TaxCodeRef": "TAX"}}]}, "2010"),
        ({"Line": [{"DetailType": "SalesItemLineDetail", "Amount": "much", "SalesItemLineDetail": {}}]}, "2010"),
    ],
)
async def test_what_is_wrong_with_an_invoice_has_its_code(app: App, changes: dict[str, Any], code: str) -> None:
    ana = await app.customer()
    assert await app.fault("Invoice", form(ana) | changes) == code
    assert await app.query("select * from Invoice") == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    quantity=st.decimals("0.001", "500", places=3),
    price=st.decimals("0.01", "900", places=2),
)
async def test_a_line_is_rounded_half_up(app: App, quantity: Decimal, price: Decimal) -> None:
    ana = (await app.query("select * from Customer")).get("Customer") or [await app.customer()]
    # Thousandths of cents, without decimals: half a cent goes up.
    cents = (int(quantity * 1000) * int(price * 100) * 2 + 1000) // 2000
    amount = D(cents) / 100
    invoice = await app.invoice(ana[0], Line=[line(str(amount), str(quantity), str(price))])
    assert invoice["TotalAmt"] == amount
    assert await app.fault("Invoice", form(ana[0], Line=[line(str(amount + D("0.01")), str(quantity), str(price))]))


async def test_numbers_are_the_apps_own_and_used_once(app: App, turn: Any) -> None:
    ana = await app.customer()
    first = await app.invoice(ana, DocNumber="INV-1")
    answer = await app.call("POST", "invoice", form(ana, DocNumber="INV-1"))
    [error] = answer.json()["Fault"]["Error"]
    assert (error["code"], f"TxnId={first['Id']}" in error["Detail"]) == ("6140", True)
    await app.write("Invoice", form(ana, DocNumber="INV-1"), include="allowduplicatedocnum")
    await turn(shapes={"has_unique_numbers": False})
    await app.write("Invoice", form(ana, DocNumber="INV-1"))
    await app.write("Estimate", form(ana, DocNumber="INV-1"))


async def test_names_are_shared_by_customers_and_vendors_and_free_again(app: App) -> None:
    await app.write("Vendor", {"DisplayName": "Acme"})
    assert await app.fault("Customer", {"DisplayName": "ACME"}) == "6240"
    assert await app.fault("Customer", {}) == "6080"
    ana = await app.customer(GivenName="Ana", FamilyName="Lima")
    gone = await app.write("Customer", {"Id": ana["Id"], "SyncToken": "0", "sparse": True, "Active": False})
    assert gone["DisplayName"] == "Ana Lima (deleted)"
    assert (await app.customer())["Id"] != ana["Id"]
    assert await app.fault("Invoice", form(ana)) == "610"


async def test_no_two_items_have_a_name(app: App) -> None:
    sealing = await app.write("Item", {"Name": "Sealing", "IncomeAccountRef": {"value": "1"}})
    other = await app.write("Item", {"Name": "Other sealing", "IncomeAccountRef": {"value": "1"}})
    assert await app.fault("Item", {"Name": "SEALING"}) == "6240"
    assert await app.fault("Item", {"Id": other["Id"], "SyncToken": "0", "sparse": True, "Name": "Sealing"}) == "6240"
    # A customer may be called the same, and an item what it is called already.
    await app.customer("Sealing")
    named = {"Id": sealing["Id"], "SyncToken": "0", "sparse": True}
    assert (await app.write("Item", {**named, "Name": "sealing"}))["Name"] == "sealing"
    gone = await app.write("Item", {**named, "SyncToken": "1", "Active": False})
    assert gone["Name"] == "sealing (deleted)"
    assert (await app.write("Item", {"Name": "Sealing"}))["Id"] != sealing["Id"]


async def test_a_customer_who_owes_is_not_made_inactive(app: App) -> None:
    ana = await app.customer()
    await app.invoice(ana)
    assert await app.fault("Customer", {"Id": ana["Id"], "SyncToken": "0", "sparse": True, "Active": False}) == "6220"


async def test_a_stale_object_is_refused_and_a_sparse_update_keeps_what_it_omits(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, PrivateNote="ext:1", Line=[line("10.00"), line("20.00")])
    change = {"Id": invoice["Id"], "SyncToken": "0", "sparse": True, "CustomerMemo": {"value": "Thanks"}}
    changed = await app.write("Invoice", change)
    assert (changed["SyncToken"], changed["PrivateNote"], changed["TotalAmt"]) == ("1", "ext:1", D("30.00"))
    assert await app.fault("Invoice", change) == "5010"
    # An array is replaced whole.
    fewer = {"Id": invoice["Id"], "SyncToken": "1", "sparse": True, "Line": [line("5.00")]}
    assert (await app.write("Invoice", fewer))["TotalAmt"] == D("5.00")
    full = form(ana, "7.00", Id=invoice["Id"], SyncToken="2")
    assert "PrivateNote" not in await app.write("Invoice", full)


async def test_an_estimate_is_closed_by_its_invoice_and_opened_by_its_end(app: App) -> None:
    ana = await app.customer()
    estimate = await app.write("Estimate", form(ana))
    assert estimate["TxnStatus"] == "Pending"
    link = [{"TxnId": estimate["Id"], "TxnType": "Estimate"}]
    invoice = await app.invoice(ana, LinkedTxn=link)
    assert invoice["LinkedTxn"] == link
    closed = await app.read("Estimate", estimate["Id"])
    assert (closed["TxnStatus"], closed["LinkedTxn"]) == ("Closed", [{"TxnId": invoice["Id"], "TxnType": "Invoice"}])
    # A closed one is linked no more, and nothing says so.
    assert (await app.invoice(ana, LinkedTxn=link))["LinkedTxn"] == []
    gone = {"Id": invoice["Id"], "SyncToken": invoice["SyncToken"]}
    assert (await app.write("Invoice", gone, operation="delete"))["status"] == "Deleted"
    assert (await app.read("Estimate", estimate["Id"]))["TxnStatus"] == "Pending"


async def test_payments_lower_what_is_owed_and_never_below_nothing(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, "100.00")
    paid = await app.write("Payment", payment(ana, invoice, "60.00"))
    assert paid["UnappliedAmt"] == D("0.00")
    partly = await app.read("Invoice", invoice["Id"])
    assert (partly["Balance"], partly["LinkedTxn"]) == (D("40.00"), [{"TxnId": paid["Id"], "TxnType": "Payment"}])
    assert int(partly["SyncToken"]) > int(invoice["SyncToken"])
    assert await app.fault("Payment", payment(ana, invoice, "40.01")) == "6000"
    assert await app.fault("Payment", payment(ana, invoice, "10.00") | {"TotalAmt": D("9.00")}) == "6000"
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("40.00")
    ben = await app.customer("Ben Ortiz")
    assert await app.fault("Payment", payment(ben, invoice, "1.00")) == "6000"


async def test_a_parent_pays_for_its_job_and_nobody_else_does(app: App) -> None:
    acme = await app.customer("Acme")
    job = await app.customer("Garage", ParentRef={"value": acme["Id"]}, Job=True)
    door = await app.customer("Door", ParentRef={"value": acme["Id"]}, Job=True)
    invoice, own = await app.invoice(job, "100.00"), await app.invoice(acme, "10.00")

    async def owed() -> list[Decimal]:
        return [(await app.read("Customer", one["Id"]))["Balance"] for one in (acme, job)]

    assert await app.fault("Payment", payment(door, invoice, "1.00")) == "6000"
    assert await app.fault("Payment", payment(job, own, "1.00")) == "6000"
    paid = await app.write("Payment", payment(acme, invoice, "60.00"))
    assert paid["CustomerRef"] == {"value": acme["Id"], "name": "Acme"}
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("40.00")
    assert await owed() == [D("10.00"), D("40.00")]
    # Of a voided invoice the money goes back to who paid it.
    token = (await app.read("Invoice", invoice["Id"]))["SyncToken"]
    await app.write("Invoice", {"Id": invoice["Id"], "SyncToken": token}, operation="void")
    assert await owed() == [D("-50.00"), 0]


async def test_a_voided_payment_reopens_its_invoice(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, "100.00")
    paid = await app.write("Payment", payment(ana, invoice, "100.00"))
    assert (await app.read("Customer", ana["Id"]))["Balance"] == 0
    named = {"Id": paid["Id"], "SyncToken": paid["SyncToken"], "sparse": True}
    voided = await app.write("Payment", named, operation="update", include="void")
    assert (voided["TotalAmt"], voided["PrivateNote"]) == (D("0.00"), "Voided")
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("100.00")
    assert (await app.read("Customer", ana["Id"]))["Balance"] == D("100.00")


async def test_a_voided_invoice_gives_its_payment_back(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, "100.00", PrivateNote="ext:7")
    paid = await app.write("Payment", payment(ana, invoice, "100.00"))
    token = (await app.read("Invoice", invoice["Id"]))["SyncToken"]
    voided = await app.write("Invoice", {"Id": invoice["Id"], "SyncToken": token}, operation="void")
    assert (voided["TotalAmt"], voided["Balance"], voided["LinkedTxn"]) == (0, 0, [])
    assert voided["PrivateNote"].startswith("Voided")
    left = await app.read("Payment", paid["Id"])
    assert (left["TotalAmt"], left["UnappliedAmt"], left["Line"]) == (D("100.00"), D("100.00"), [])


async def test_a_credit_is_used_by_a_payment_of_nothing(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, "100.00")
    credit = await app.write("CreditMemo", form(ana, "30.00"))
    used = payment(ana, invoice, "30.00") | {"TotalAmt": D(0)}
    used["Line"].append({"Amount": D("30.00"), "LinkedTxn": [{"TxnId": credit["Id"], "TxnType": "CreditMemo"}]})
    await app.write("Payment", used)
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("70.00")
    assert (await app.read("CreditMemo", credit["Id"]))["RemainingCredit"] == 0


async def test_two_writers_at_once_never_pay_an_invoice_twice(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana, "100.00")
    answers = await asyncio.gather(*(app.call("POST", "payment", payment(ana, invoice, "100.00")) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]


async def test_ids_come_from_the_sequences_of_their_kinds(app: App) -> None:
    ana = await app.customer()
    vendor = await app.write("Vendor", {"DisplayName": "Acme"})
    invoice = await app.invoice(ana)
    estimate = await app.write("Estimate", form(ana))
    assert int(vendor["Id"]) == int(ana["Id"]) + 1
    assert int(estimate["Id"]) == int(invoice["Id"]) + 1


async def test_sending_needs_an_address_and_is_noted(app: App) -> None:
    invoice = await app.invoice(await app.customer())
    refused = await app.call("POST", f"invoice/{invoice['Id']}/send")
    assert refused.json()["Fault"]["Error"][0]["code"] == "6420"
    answer = await app.call("POST", f"invoice/{invoice['Id']}/send", sendTo="ana@example.com")
    sent = answer.json()["Invoice"]
    assert (sent["EmailStatus"], sent["BillEmail"]["Address"]) == ("EmailSent", "ana@example.com")


async def test_what_was_deleted_is_not_found(app: App) -> None:
    invoice = await app.invoice(await app.customer())
    await app.write("Invoice", {"Id": invoice["Id"], "SyncToken": "0"}, operation="delete")
    answer = await app.call("GET", f"invoice/{invoice['Id']}")
    assert (answer.status_code, answer.json()["Fault"]["Error"][0]["code"]) == (400, "610")


@pytest.mark.parametrize(("is_first", "tax", "total"), [(True, "5.63", "95.63"), (False, "6.25", "96.25")])
async def test_the_tax_is_on_the_price_before_or_after_the_discount(
    app: App, is_first: bool, tax: str, total: str
) -> None:
    off = {"DetailType": "DiscountLineDetail", "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": 10}}
    lines = [line("100.00", tax="TAX"), off]
    invoice = await app.invoice(await app.customer(), Line=lines, ApplyTaxAfterDiscount=is_first)
    assert (invoice["TxnTaxDetail"]["TotalTax"], invoice["TotalAmt"]) == (D(tax), D(total))


async def test_a_discount_in_percent_is_answered_with_what_it_takes_off(app: App) -> None:
    detail = {"PercentBased": True, "DiscountPercent": D("12.5")}
    off = {"DetailType": "DiscountLineDetail", "DiscountLineDetail": detail}
    invoice = await app.invoice(await app.customer(), Line=[line("100.20"), off])
    assert (invoice["Line"][1]["Amount"], invoice["TotalAmt"]) == (D("12.53"), D("87.67"))
    # Written back with another line, it takes off what the percentage is of that.
    named = {"Id": invoice["Id"], "SyncToken": "0", "sparse": True}
    changed = await app.write("Invoice", {**named, "Line": [line("200.00"), invoice["Line"][1]]})
    assert (changed["Line"][1]["Amount"], changed["TotalAmt"]) == (D("25.00"), D("175.00"))


@pytest.mark.parametrize("kind", ["Estimate", "Invoice", "CreditMemo", "RefundReceipt"])
async def test_a_line_may_be_below_zero_and_a_total_may_not(app: App, kind: str) -> None:
    body = form(await app.customer()) | ({"DepositToAccountRef": {"value": "2"}} if kind == "RefundReceipt" else {})
    assert await app.fault(kind, body | {"Line": [line("-50.00")]}) == "2290"
    off = {"DetailType": "DiscountLineDetail", "Amount": D("50.01"), "DiscountLineDetail": {"PercentBased": False}}
    assert await app.fault(kind, body | {"Line": [line("50.00"), off]}) == "2290"
    written = await app.write(kind, body | {"Line": [line("80.00"), line("-50.00")]})
    assert written["TotalAmt"] == D("30.00")
    named = {"Id": written["Id"], "SyncToken": "0", "sparse": True}
    assert await app.fault(kind, {**named, "Line": [line("80.00"), line("-80.01")]}) == "2290"
    assert (await app.write(kind, {**named, "Line": [line("80.00"), line("-80.00")]}))["TotalAmt"] == 0


@pytest.mark.parametrize("days", [{"DueDays": -1}, {"DueDays": "x"}, {"DueDays": 10**9}, {"DayOfMonthDue": 32}])
async def test_a_term_counts_days(app: App, days: dict[str, Any]) -> None:
    assert await app.fault("Term", {"Name": "Odd", **days}) == "2010"


async def test_terms_of_a_day_of_the_month(app: App, crm_clock: FakeClock) -> None:
    term = await app.write("Term", {"Name": "The 10th", "Type": "DATE_DRIVEN", "DayOfMonthDue": 10})
    invoice = await app.invoice(await app.customer(), SalesTermRef={"value": term["Id"]}, TxnDate="2026-12-15")
    assert invoice["DueDate"] == "2027-01-10"
    await crm_clock.advance(timedelta(seconds=1))


async def test_a_form_that_names_no_address_has_its_customers_and_no_e_mail(app: App) -> None:
    home, site = {"Line1": "12 Elm Street", "City": "Quincy"}, {"Line1": "3 Pond Road", "City": "Milton"}
    ana = await app.customer(BillAddr=home, ShipAddr=site, PrimaryEmailAddr={"Address": "ana@example.com"})
    for kind in ("Estimate", "Invoice", "CreditMemo"):
        written = await app.write(kind, form(ana))
        assert (written["BillAddr"], written["ShipAddr"]) == (home, site)
        assert "BillEmail" not in written
    typed = await app.invoice(ana, BillAddr={"Line1": "1 Oak Street"})
    assert typed["BillAddr"] == {"Line1": "1 Oak Street"}
    # It is a copy: what the customer's address becomes later, or a full update leaves out, is not the form's.
    emptied = form(ana) | {"Id": typed["Id"], "SyncToken": typed["SyncToken"]}
    assert "BillAddr" not in await app.write("Invoice", emptied)
    assert "BillAddr" not in await app.invoice(await app.customer("Ben Ortiz"))
