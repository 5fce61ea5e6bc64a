"""QuickBooks's documents, as its reference shows them (section 9), read into plain values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from billing.clients.quickbooks import payloads
from billing.lines import Line, LineKind
from billing.provider import (
    NOBODY,
    CreditMemoSeen,
    CustomerSeen,
    EstimateSeen,
    InvoiceSeen,
    ItemSeen,
    PaymentSeen,
    RefundSeen,
    Seen,
    Share,
    TermSeen,
)
from billing.settlement import Standing, company_day, status_of
from billing.states import EstimateStatus, InvoiceStatus
from shared.errors import ProviderOutcomeUnknown

from shared import decimal_json

AT = "2026-11-22T02:00:00-08:00"
UTC_AT = "2026-11-22T10:00:00+00:00"
HEAD = f'"SyncToken":"3","domain":"QBO","sparse":false,"MetaData":{{"CreateTime":"{AT}","LastUpdatedTime":"{AT}"}}'
INVOICE = f"""{{"Id":"145",{HEAD},"DocNumber":"INV-2026-0042","TxnDate":"2026-11-22","DueDate":"2026-12-22",
 "CustomerRef":{{"value":"63","name":"Acme"}},"CurrencyRef":{{"value":"USD","name":"United States Dollar"}},
 "SalesTermRef":{{"value":"3"}},"LinkedTxn":[{{"TxnId":"88","TxnType":"Payment"}},{{"TxnId":"140","TxnType":"Estimate"}}],
 "Line":[{{"Id":"1","LineNum":1,"Amount":240.0,"Description":"Setup","DetailType":"SalesItemLineDetail",
   "SalesItemLineDetail":{{"ItemRef":{{"value":"7","name":"Setup"}},"Qty":2,"UnitPrice":120,
   "TaxCodeRef":{{"value":"TAX"}}}}}},
  {{"Amount":240.0,"DetailType":"SubTotalLineDetail","SubTotalLineDetail":{{}}}}],
 "TxnTaxDetail":{{"TxnTaxCodeRef":{{"value":"2"}},"TotalTax":19.2,"TaxLine":[{{"Amount":19.2,
   "DetailType":"TaxLineDetail",
   "TaxLineDetail":{{"TaxRateRef":{{"value":"3"}},"PercentBased":true,"TaxPercent":8,"NetAmountTaxable":240.0}}}}]}},
 "TotalAmt":259.2,"Balance":159.2,"Deposit":0,"ApplyTaxAfterDiscount":false,"PrintStatus":"NeedToPrint",
 "EmailStatus":"EmailSent","DeliveryInfo":{{"DeliveryType":"Email","DeliveryTime":"2026-11-22T03:00:00-08:00"}},
 "BillEmail":{{"Address":"ap@acme.example"}},"CustomerMemo":{{"value":"Thank you"}},"PrivateNote":"ext:ord_123",
 "CustomField":[],"AllowOnlineACHPayment":false,"NewerThanUs":{{"Deep":[1,{{"x":null}}]}}}}"""


def read(entity: str, text: str) -> Any:
    return payloads.seen(entity, decimal_json.read(text))


def head(**more: Any) -> dict[str, Any]:
    return {"id": "1", "sync_token": 3, "updated_at": UTC_AT, **more}


def test_an_invoice_with_everything_around_it() -> None:
    line = Line(LineKind.ITEM, "Setup", "7", Decimal(2), Decimal(120), 24_000, is_taxable=True)
    assert read("Invoice", INVOICE) == InvoiceSeen(
        **head(id="145"),
        number="INV-2026-0042",
        customer="63",
        written_on=date(2026, 11, 22),
        currency="USD",
        lines=(line,),
        subtotal_cents=24_000,
        tax_cents=1_920,
        tax_percent=Decimal(8),
        total_cents=25_920,
        email="ap@acme.example",
        memo="Thank you",
        note="ext:ord_123",
        is_sent=True,
        sent_at=datetime(2026, 11, 22, 11, tzinfo=UTC),
        balance_cents=15_920,
        due_on=date(2026, 12, 22),
        term="3",
        estimate="140",
        is_voided=False,
    )


def test_the_smallest_invoice_needs_no_more_than_whose_it_is() -> None:
    seen = read("Invoice", '{"Id":"1","SyncToken":"0","CustomerRef":{"value":"63"},"Line":[],"TotalAmt":0,"Balance":0}')
    assert (seen.customer, seen.total_cents, seen.lines, seen.updated_at) == ("63", 0, (), "")
    assert (seen.is_voided, seen.is_sent, seen.email, seen.tax_percent) == (False, False, None, None)


def test_a_customer() -> None:
    text = f"""{{"Id":"1",{HEAD},"DisplayName":"Ana Lima","GivenName":"Ana","FamilyName":"Lima","CompanyName":"",
      "PrimaryEmailAddr":{{"Address":" Ana@Example.com"}},"PrimaryPhone":{{"FreeFormNumber":"ask for Ana"}},
      "Mobile":{{"FreeFormNumber":"(617) 555-0143"}},"Notes":"crm:1","Taxable":true,"Balance":240.00,
      "BillAddr":{{"Id":"9","Line1":"12 Elm Street","City":"Quincy","CountrySubDivisionCode":"MA",
      "PostalCode":"02169"}},"Active":false}}"""
    assert read("Customer", text) == CustomerSeen(
        **head(),
        display_name="Ana Lima",
        given_name="Ana",
        family_name="Lima",
        email="ana@example.com",
        phone="+16175550143",
        street="12 Elm Street",
        city="Quincy",
        region="MA",
        postal_code="02169",
        is_active=False,
        note="crm:1",
    )
    bare = read("Customer", f'{{"Id":"1",{HEAD},"DisplayName":"Ana","PrimaryEmailAddr":null}}')
    assert (bare.email, bare.phone, bare.is_active) == (None, None, True)


def test_an_item_and_a_term() -> None:
    item = f"""{{"Id":"1",{HEAD},"Name":"Wall anchor (deleted)","Type":"Service","UnitPrice":0.3333333,"Taxable":true,
      "Description":"An anchor","Active":false,"IncomeAccountRef":{{"value":"1"}}}}"""
    assert read("Item", item) == ItemSeen(
        **head(), name="Wall anchor (deleted)", kind="Service", description="An anchor",
        unit_price=Decimal("0.3333333"), is_taxable=True, is_active=False,
    )  # fmt: skip
    assert read("Item", f'{{"Id":"1",{HEAD},"Name":"Bundle","Type":"Group"}}').unit_price is None
    term = f'{{"Id":"1",{HEAD},"Name":"Net 30","Type":"STANDARD","DueDays":30,"Active":true}}'
    assert read("Term", term) == TermSeen(**head(), name="Net 30", due_days=30)
    by_date = f'{{"Id":"1",{HEAD},"Name":"15th","Type":"DATE_DRIVEN","DayOfMonthDue":15}}'
    assert read("Term", by_date) == TermSeen(**head(), name="15th", day_of_month=15)


def test_an_estimate() -> None:
    text = f"""{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TxnStatus":"Accepted","AcceptedBy":"J. Doe",
      "AcceptedDate":"2026-11-22","ExpirationDate":"2026-12-01","TotalAmt":90,"Line":[
      {{"Amount":100,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{{"TaxCodeRef":{{"value":"NON"}}}}}},
      {{"DetailType":"DescriptionOnly","Description":"North wall","DescriptionLineDetail":{{}}}},
      {{"Amount":10,"DetailType":"DiscountLineDetail","DiscountLineDetail":{{"PercentBased":true,
        "DiscountPercent":10}}}},
      {{"Amount":5,"DetailType":"DiscountLineDetail","DiscountLineDetail":{{"PercentBased":false}}}}]}}"""
    seen = read("Estimate", text)
    assert isinstance(seen, EstimateSeen)
    assert (seen.status, seen.accepted_by, seen.expires_on) == (EstimateStatus.ACCEPTED, "J. Doe", date(2026, 12, 1))
    assert seen.accepted_on == date(2026, 11, 22)
    assert seen.lines == (
        Line(LineKind.ITEM, amount_cents=10_000),
        Line(LineKind.TEXT, "North wall"),
        Line(LineKind.DISCOUNT, amount_cents=1_000, percent=Decimal(10)),
        Line(LineKind.DISCOUNT, amount_cents=500),
    )


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ('"Pending"', EstimateStatus.OPEN),
        ('"Rejected"', EstimateStatus.DECLINED),
        ('"Closed"', EstimateStatus.CLOSED),
        ('"Converted"', EstimateStatus.CLOSED),
        ("null", EstimateStatus.OPEN),
        ('"Something new"', EstimateStatus.OPEN),
    ],
)
def test_the_state_of_an_estimate(theirs: str, ours: EstimateStatus) -> None:
    text = f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":1,"TxnStatus":{theirs}}}'
    seen = read("Estimate", text)
    assert isinstance(seen, EstimateSeen)
    assert seen.status is ours


@pytest.mark.parametrize(("said", "is_before_tax"), [("true", True), ("false", False), ("null", False)])
def test_a_discount_says_whether_the_tax_is_on_what_it_leaves(said: str, is_before_tax: bool) -> None:
    seen = read(
        "Estimate",
        f"""{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"ApplyTaxAfterDiscount":{said},"Line":[
      {{"Amount":9,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{{}}}},
      {{"Amount":5,"DetailType":"DiscountLineDetail","DiscountLineDetail":{{"PercentBased":false}}}}]}}""",
    )
    assert [line.is_before_tax for line in seen.lines] == [False, is_before_tax]


def test_a_bundle_is_its_name_and_what_is_in_it() -> None:
    part = '{"Amount":40,"DetailType":"SalesItemLineDetail","SalesItemLineDetail":{"ItemRef":{"value":"7"},"Qty":1}}'
    text = f"""{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":80,"Line":[
      {{"Amount":80,"DetailType":"GroupLineDetail","GroupLineDetail":{{"GroupItemRef":{{"value":"9",
      "name":"Anchor set"}},"Quantity":1,"Line":[{part},{part}]}}}}]}}"""
    lines = read("Invoice", text).lines
    assert [(line.kind, line.description, line.amount_cents) for line in lines] == [
        (LineKind.TEXT, "Anchor set", 0),
        (LineKind.ITEM, "", 4_000),
        (LineKind.ITEM, "", 4_000),
    ]


def test_a_payment_with_its_shares() -> None:
    text = f"""{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":259.20,"UnappliedAmt":9.2,
      "TxnDate":"2026-11-25","PaymentRefNum":"ch_9x2","CurrencyRef":{{"value":"CAD"}},"Line":[
      {{"Amount":200,"LinkedTxn":[{{"TxnId":"145","TxnType":"Invoice"}}]}},
      {{"Amount":50.00,"LinkedTxn":[{{"TxnId":"151","TxnType":"CreditMemo"}}]}},
      {{"Amount":7,"LinkedTxn":[{{"TxnId":"9","TxnType":"JournalEntry"}}]}},
      {{"Amount":0,"LinkedTxn":[{{"TxnId":"146","TxnType":"Invoice"}}]}}]}}"""
    assert read("Payment", text) == PaymentSeen(
        **head(),
        customer="63",
        amount_cents=25_920,
        unapplied_cents=920,
        currency="CAD",
        received_on=date(2026, 11, 25),
        reference="ch_9x2",
        shares=(Share("Invoice", "145", 20_000), Share("CreditMemo", "151", 5_000)),
    )


def test_a_credit_memo_and_a_refund() -> None:
    memo = read("CreditMemo", f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":50,"RemainingCredit":20.5}}')
    assert isinstance(memo, CreditMemoSeen)
    assert (memo.total_cents, memo.remaining_cents) == (5_000, 2_050)
    fresh = read("CreditMemo", f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":50,"Balance":50}}')
    assert fresh.remaining_cents == 5_000
    refund = read("RefundReceipt", f'{{"Id":"1",{HEAD},"TotalAmt":80,"TxnDate":"2026-11-25","DocNumber":"R-1"}}')
    assert refund == RefundSeen(
        **head(), customer=NOBODY, amount_cents=8_000, received_on=date(2026, 11, 25), reference="R-1"
    )


@pytest.mark.parametrize("entity", ["Customer", "Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt"])
def test_a_tombstone_is_of_any_kind(entity: str) -> None:
    told = read(entity, f'{{"status":"Deleted","domain":"QBO","Id":"139","MetaData":{{"LastUpdatedTime":"{AT}"}}}}')
    assert told == Seen("139", -1, UTC_AT, is_deleted=True)
    answered = read(entity, '{"status":"Deleted","domain":"QBO","Id":"139"}')
    assert answered == Seen("139", -1, "", is_deleted=True)


@pytest.mark.parametrize("written", ["240", "240.0", "240.00", "2.4E2", "24e1", '"240"', '"240.00"'])
def test_an_amount_is_the_same_however_it_is_written(written: str) -> None:
    text = f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":{written},"Balance":{written}}}'
    seen = read("Invoice", text)
    assert (seen.total_cents, seen.balance_cents) == (24_000, 24_000)
    item = read("Item", f'{{"Id":"1",{HEAD},"Name":"x","UnitPrice":{written}}}')
    assert item.unit_price == 240


def test_no_amount_passes_through_a_float() -> None:
    text = f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":123456789012345.67,"Balance":0.29}}'
    seen = read("Invoice", text)
    assert (seen.total_cents, seen.balance_cents) == (12_345_678_901_234_567, 29)
    price = read("Item", f'{{"Id":"1",{HEAD},"Name":"x","UnitPrice":0.1234567}}').unit_price
    assert str(price) == "0.1234567"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-11-22T02:00:00-08:00", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T23:30:00-05:00", "2026-11-23T04:30:00+00:00"),
        ("2026-11-22T10:00:00.123456789Z", "2026-11-22T10:00:00.123456+00:00"),
        # Without an offset it is UTC, in whichever zone the machine stands.
        ("2026-11-22T10:00:00", "2026-11-22T10:00:00+00:00"),
    ],
)
def test_instants_of_any_offset_are_told_apart_as_text(written: str, utc: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        text = f'{{"Id":"1","SyncToken":"0","Name":"x","MetaData":{{"LastUpdatedTime":"{written}"}}}}'
        assert read("Term", text).updated_at == utc
    finally:
        monkeypatch.undo()
        time.tzset()


def test_later_is_greater_as_text_too() -> None:
    told = ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000001Z", "2026-11-22T02:00:01-08:00"]
    texts = [read("Term", f'{{"Id":"1","SyncToken":"0","MetaData":{{"LastUpdatedTime":"{at}"}}}}') for at in told]
    assert [seen.updated_at for seen in texts] == sorted(seen.updated_at for seen in texts)


@pytest.mark.parametrize(
    ("total", "balance", "note", "is_voided"),
    [
        ("0", "0", "Voided", True),
        ("0.00", "0", "Voided - crm:1", True),
        ("0", "0", "crm:1", False),
        ("0", "0", "crm:1 Voided", False),
        ("5", "0", "Voided once, typed anew", False),
        ("5", "5", "Voided", False),
    ],
)
def test_void_is_nothing_in_it_and_the_word_in_front(total: str, balance: str, note: str, is_voided: bool) -> None:
    text = f"""{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":{total},"Balance":{balance},
      "PrivateNote":"{note}"}}"""
    assert read("Invoice", text).is_voided is is_voided


@pytest.mark.parametrize("entity", ["Payment", "RefundReceipt"])
@pytest.mark.parametrize(("total", "note"), [("0", "Voided"), ("0", ""), ("5", "Voided")])
def test_money_is_void_in_the_same_way(entity: str, total: str, note: str) -> None:
    text = f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"63"}},"TotalAmt":{total},"PrivateNote":"{note}"}}'
    assert read(entity, text).is_voided is (total == "0" and note == "Voided")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("Invoice", f'{{"Id":"1",{HEAD},"TotalAmt":1}}'),
        ("Invoice", f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":"much"}}'),
        ("Invoice", f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":1,"DueDate":"soon"}}'),
        ("Invoice", f'{{"Id":"1",{HEAD},"CustomerRef":"6","TotalAmt":1}}'),
        ("Payment", f'{{"Id":"1",{HEAD},"CustomerRef":{{"value":"6"}},"TotalAmt":[1]}}'),
        ("Customer", '{"SyncToken":"0"}'),
        ("Customer", '{"Id":"1","SyncToken":"first"}'),
        ("Term", f'{{"Id":"1",{HEAD},"DueDays":"some"}}'),
    ],
)
def test_what_cannot_be_read_says_which_object_it_was(entity: str, text: str) -> None:
    with pytest.raises(ProviderOutcomeUnknown, match=entity):
        read(entity, text)


def test_a_company_and_what_it_prefers() -> None:
    info = {"CompanyName": "Acme", "NameValue": [{"Name": "DefaultTimeZone", "Value": "America/New_York"}], "Id": "1"}
    preferences = {
        "SalesFormsPrefs": {"CustomTxnNumbers": True, "ETransactionPaymentEnabled": True},
        "TaxPrefs": {"UsingSalesTax": True},
        "CurrencyPrefs": {"HomeCurrency": {"value": "CAD"}},
        "AccountingInfoPrefs": {"BookCloseDate": "2026-09-30"},
    }
    seen = payloads.company(info, preferences)
    assert (seen.name, seen.zone, seen.currency) == ("Acme", "America/New_York", "CAD")
    assert (seen.has_own_numbers, seen.uses_sales_tax, seen.closed_until) == (True, True, date(2026, 9, 30))
    assert seen.takes_payments
    bare = payloads.company({"LegalName": "Acme Ltd"}, {})
    assert (bare.name, bare.zone, bare.currency, bare.closed_until) == ("Acme Ltd", None, "USD", None)
    assert not bare.takes_payments


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", "", "/"])
def test_a_zone_that_nobody_knows_is_none(zone: str) -> None:
    assert payloads.company({"CompanyName": "Acme", "DefaultTimeZone": zone}, {}).zone is None


@pytest.mark.parametrize("link", [None, "", "http://connect.intuit.com/x", "javascript:alert(1)", 7])
def test_nobody_is_sent_to_what_is_no_safe_address(link: Any) -> None:
    assert payloads.pay_link({"Id": "1", "InvoiceLink": link}) is None


TODAY = date(2026, 12, 22)


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        (Standing(True, 100, 100, date(2026, 12, 22)), InvoiceStatus.OPEN),
        (Standing(True, 100, 100, None), InvoiceStatus.OPEN),
        (Standing(True, 100, 100, date(2026, 12, 21)), InvoiceStatus.OVERDUE),
        (Standing(True, 100, 40, date(2026, 12, 22)), InvoiceStatus.PARTIAL),
        (Standing(True, 100, 40, date(2026, 12, 21)), InvoiceStatus.OVERDUE),
        (Standing(True, 100, 0, date(2026, 12, 21)), InvoiceStatus.PAID),
        (Standing(True, 100, -5, None), InvoiceStatus.PAID),
        (Standing(True, 0, 0, None), InvoiceStatus.NOTHING_DUE),
        (Standing(True, 0, 0, date(2026, 12, 21)), InvoiceStatus.NOTHING_DUE),
        (Standing(False, 100, 100, date(2026, 12, 21)), InvoiceStatus.PENDING),
        (Standing(False, 0, 0, None), InvoiceStatus.PENDING),
        (Standing(True, 0, 0, date(2026, 12, 21), is_voided=True), InvoiceStatus.VOIDED),
        (Standing(True, 0, 0, None, is_voided=True, is_deleted=True), InvoiceStatus.DELETED),
        (Standing(False, 100, 100, None, is_deleted=True), InvoiceStatus.DELETED),
    ],
)
def test_the_state_of_an_invoice_follows_from_its_figures(standing: Standing, status: InvoiceStatus) -> None:
    assert status_of(standing, TODAY) is status


def test_a_day_is_the_companys() -> None:
    late = datetime(2026, 12, 23, 4, 59, tzinfo=UTC)
    assert company_day(late, "America/New_York") == TODAY
    assert company_day(late.replace(hour=5), "America/New_York") == date(2026, 12, 23)


def test_what_an_address_does_not_have_is_no_word() -> None:
    address = {"Id": "5", "Line1": "12 Elm St", "Line2": None, "Country": "USA", "Lat": "42.1"}
    found = payloads.seen("Customer", {"Id": "1", "SyncToken": "0", "DisplayName": "Ana", "BillAddr": address})
    assert isinstance(found, CustomerSeen)
    assert found.address_rest == {"Country": "USA"}
