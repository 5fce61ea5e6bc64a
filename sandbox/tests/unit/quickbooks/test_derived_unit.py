"""Due dates follow from terms; a voided transaction keeps its form and loses its amounts."""

from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.quickbooks.derived import due_date, voided

DATES = st.dates(date(2000, 1, 1), date(2100, 12, 31))
INVOICE: dict[str, Any] = {
    "Id": "145",
    "DocNumber": "INV-1",
    "CustomerRef": {"value": "63", "name": "Acme"},
    "LinkedTxn": [{"TxnId": "140", "TxnType": "Estimate"}],
    "Line": [
        {
            "Id": "1",
            "Amount": Decimal("240.00"),
            "DetailType": "SalesItemLineDetail",
            "Description": "Setup",
            "SalesItemLineDetail": {"ItemRef": {"value": "7"}, "Qty": Decimal(2), "UnitPrice": Decimal(120)},
        },
        {"Amount": Decimal("240.00"), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}},
    ],
    "TxnTaxDetail": {"TotalTax": Decimal("19.20"), "TaxLine": [{"Amount": Decimal("19.20")}]},
    "TotalAmt": Decimal("259.20"),
    "Balance": Decimal("259.20"),
    "PrivateNote": "ext:ord_123",
}


@given(DATES, st.integers(0, 365))
def test_a_standard_term_adds_its_days(written: date, days: int) -> None:
    assert due_date(written, {"Type": "STANDARD", "DueDays": days}) == written + timedelta(days=days)


def test_without_a_term_it_is_due_at_once() -> None:
    assert due_date(date(2026, 11, 22), None) == date(2026, 11, 22)


@pytest.mark.parametrize(
    ("written", "day", "due"),
    [
        (date(2026, 11, 10), 15, date(2026, 11, 15)),
        (date(2026, 11, 15), 15, date(2026, 11, 15)),
        (date(2026, 11, 16), 15, date(2026, 12, 15)),
        (date(2026, 12, 16), 15, date(2027, 1, 15)),
        (date(2026, 4, 2), 31, date(2026, 4, 30)),
        (date(2026, 1, 31), 30, date(2026, 2, 28)),
        (date(2028, 1, 31), 30, date(2028, 2, 29)),
    ],
)
def test_a_date_driven_term_is_due_on_its_next_day_of_a_month(written: date, day: int, due: date) -> None:
    assert due_date(written, {"Type": "DATE_DRIVEN", "DayOfMonthDue": day}) == due


@given(DATES, st.integers(1, 31))
def test_a_date_driven_term_is_the_first_such_day(written: date, day: int) -> None:
    due = due_date(written, {"Type": "DATE_DRIVEN", "DayOfMonthDue": day})
    is_last_of_month = (due + timedelta(days=1)).day == 1
    assert written <= due <= written + timedelta(days=31)
    assert due.day == day or (due.day < day and is_last_of_month)


def test_a_voided_invoice_is_worth_nothing() -> None:
    body = voided(INVOICE)
    assert (body["TotalAmt"], body["Balance"], body["TxnTaxDetail"]["TotalTax"]) == (0, 0, 0)
    assert [line["Amount"] for line in body["Line"]] == [0, 0]
    assert body["Line"][0]["SalesItemLineDetail"]["Qty"] == 0


def test_a_voided_invoice_is_linked_with_nothing() -> None:
    assert voided(INVOICE)["LinkedTxn"] == []


def test_a_voided_invoice_keeps_who_and_what_it_was() -> None:
    body = voided(INVOICE)
    assert {name: body[name] for name in ("Id", "DocNumber", "CustomerRef")} == {
        name: INVOICE[name] for name in ("Id", "DocNumber", "CustomerRef")
    }
    assert [line.get("Description") for line in body["Line"]] == ["Setup", None]
    assert body["Line"][0]["SalesItemLineDetail"]["ItemRef"] == {"value": "7"}


@pytest.mark.parametrize("note", [None, "", "ext:ord_123", "x" * 4000])
def test_the_note_of_a_voided_transaction_begins_with_the_word(note: str | None) -> None:
    body = voided({**INVOICE, "PrivateNote": note})
    assert body["PrivateNote"].startswith("Voided")
    assert (note or "")[:100] in body["PrivateNote"]
    assert len(body["PrivateNote"]) <= 4000


def test_voiding_leaves_the_body_that_was_given_alone() -> None:
    before = deepcopy(INVOICE)
    voided(INVOICE)
    assert before == INVOICE


def test_a_voided_payment_has_given_nothing() -> None:
    payment = {
        "TotalAmt": Decimal(50),
        "UnappliedAmt": Decimal(10),
        "Line": [{"Amount": Decimal(40), "LinkedTxn": [{"TxnId": "145", "TxnType": "Invoice"}]}],
    }
    body = voided(payment)
    assert (body["TotalAmt"], body["UnappliedAmt"]) == (0, 0)
    assert body["Line"] == [{"Amount": 0, "LinkedTxn": []}]
    assert "Balance" not in body


def test_voiding_twice_is_voiding_once() -> None:
    once = voided(INVOICE)
    assert voided(once) == once
