"""What is compared of our rows and of QuickBooks's objects, and what is said where they differ."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from billing.differences import Known, compare
from billing.models import Customer, Estimate, Item, Payment
from billing.provider import CustomerSeen, EstimateSeen, Garbled, ItemSeen, PaymentSeen, Seen, Share
from billing.states import EstimateStatus, PaymentKind

ROW = UUID("01900000-0000-7000-8000-000000000001")
ANA = UUID("01900000-0000-7000-8000-000000000002")
AGREED = Known(customers={ANA: "63"}, became={"63": "63"})
SEEN = EstimateSeen("140", 2, "", number="E-1", customer="63", written_on=date(2031, 3, 4), total_cents=500)


def estimate(**other: Any) -> Estimate:
    row = Estimate(id=ROW, customer_id=ANA, number="E-1", written_on=date(2031, 3, 4), lines=[], total_cents=500)
    row.status = EstimateStatus.OPEN
    for name, value in other.items():
        setattr(row, name, value)
    return row


def said(entity: str, seen: Seen, row: Any, known: Known) -> list[tuple[str | None, ...]]:
    lines = compare(entity, [seen], {seen.id: row} if row else {}, known)
    return [(line["number"], line["what"], line["ours"], line["theirs"]) for line in lines]


@pytest.mark.parametrize("status", [EstimateStatus.OPEN, EstimateStatus.EXPIRED])
def test_the_same_is_nothing_to_say(status: EstimateStatus) -> None:
    assert said("Estimate", SEEN, estimate(status=status), AGREED) == []


def test_each_figure_that_differs_is_a_line() -> None:
    assert said("Estimate", SEEN, estimate(total_cents=400, number=None), AGREED) == [
        (None, "total", "400", "500"),
        (None, "number", "", "E-1"),
    ]


def test_a_line_of_a_form_is_a_figure_on_either_side() -> None:
    row = estimate(lines=[{"kind": "text", "description": "North wall"}])
    assert said("Estimate", SEEN, row, AGREED) == [
        ("E-1", "line 1", '{"description":"North wall","kind":"text"}', None)
    ]


def test_what_we_lack_or_cannot_read_is_said() -> None:
    assert said("Estimate", SEEN, None, AGREED) == [("E-1", "missing here", None, "there")]
    for row in (None, estimate()):
        garbled = Garbled("140", 2, "", error="no total")
        assert said("Estimate", garbled, row, AGREED) == [(None, "cannot be read", None, "no total")]


def test_a_customer_who_was_merged_is_whom_they_became() -> None:
    seen = replace(SEEN, customer="70")
    assert said("Estimate", seen, estimate(), replace(AGREED, became={"70": "63"})) == []
    assert said("Estimate", seen, estimate(), AGREED) == [("E-1", "customer", "63", "70")]


def test_what_waits_to_be_written_is_passed_over_and_nothing_else_is() -> None:
    row = estimate(status=EstimateStatus.ACCEPTED, total_cents=400)
    waiting = replace(AGREED, waiting={ROW})
    assert said("Estimate", SEEN, row, waiting) == [("E-1", "total", "400", "500")]
    assert ("E-1", "status", "accepted", "open") in said("Estimate", SEEN, row, AGREED)


def test_an_address_is_compared_with_all_that_quickbooks_has_of_it() -> None:
    there = CustomerSeen("63", 0, "", display_name="Ana Lima", street="1 Elm St", address_rest={"Line2": "Unit 4"})
    here = Customer(id=ANA, display_name="Ana Lima", is_active=True, street="1 Elm St", address_rest={})
    assert said("Customer", there, here, Known()) == [(None, "address", "1 Elm St", "1 Elm St, Unit 4")]


def test_prices_are_compared_as_numbers() -> None:
    there = ItemSeen("2", 0, "", name="Strap", unit_price=Decimal("650.00"))
    assert said("Item", there, Item(id=ROW, name="Strap", is_active=True, unit_price=Decimal(650)), Known()) == []


def test_what_a_payment_went_to_is_compared_share_by_share() -> None:
    there = PaymentSeen("9", 0, "", customer="63", amount_cents=300, shares=(Share("Invoice", "145", 300),))
    here = Payment(
        id=ROW,
        kind=PaymentKind.PAYMENT,
        customer_id=ANA,
        amount_cents=300,
        unapplied_cents=0,
        is_voided=False,
    )
    assert said("Payment", there, here, replace(AGREED, applied={ROW: "Invoice 145 300"})) == []
    assert said("Payment", there, here, AGREED) == [(None, "applied", "", "Invoice 145 300")]
