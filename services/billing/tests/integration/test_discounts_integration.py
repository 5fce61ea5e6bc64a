"""A discount before the tax, which somebody gives in QuickBooks: what was accepted is what is invoiced."""

from decimal import Decimal
from typing import Any

from billing.lines import read_lines
from billing.models import Estimate, Invoice

from .books import changed, compared
from .office import COMPANY, Office
from .sales import draft, post

TEN_PERCENT = {
    "DetailType": "DiscountLineDetail",
    "DiscountLineDetail": {"PercentBased": True, "DiscountPercent": Decimal("10.00")},
}


async def discounted(office: Office, quantity: str = "2") -> Estimate:
    """An estimate that the customer has accepted with ten percent off, and the tax on what that left."""
    made = await draft(office, quantity=quantity)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    theirs = (await office.quickbooks("GET", f"estimate/{(await office.one(Estimate)).qb_id}"))["Estimate"]
    lines = [_typed(theirs["Line"][0]), TEN_PERCENT]
    await changed(office, "Estimate", theirs, ApplyTaxAfterDiscount=True, Line=lines)
    await office.settle()
    await post(office, f"estimates/{made['id']}/accept", name="Ana Lima")
    await office.settle()
    return await office.one(Estimate)


def _typed(line: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in line.items() if name in ("DetailType", "SalesItemLineDetail")}
    return {**kept, "Amount": Decimal(str(line["Amount"])).quantize(Decimal("0.01"))}


async def test_an_invoice_has_the_total_that_was_accepted(connected: Office) -> None:
    estimate = await discounted(connected)
    # 1300.00 less 10 % is 1170.00; 6.25 % of that is 73.125.
    assert (estimate.subtotal_cents, estimate.tax_cents, estimate.total_cents) == (117_000, 7_313, 124_313)
    made = await post(connected, "invoices", estimate_id=str(estimate.id))
    assert made["total"]["amount_cents"] == 124_313
    await connected.settle()
    invoice = await connected.one(Invoice)
    assert (invoice.subtotal_cents, invoice.tax_cents, invoice.total_cents) == (117_000, 7_313, 124_313)
    theirs = (await connected.quickbooks("GET", f"invoice/{invoice.qb_id}"))["Invoice"]
    assert theirs["ApplyTaxAfterDiscount"] is True
    assert await compared(connected) == []


async def test_parts_have_their_part_of_the_discount_before_their_tax(connected: Office) -> None:
    estimate = await discounted(connected, quantity="4")
    deposit = await post(connected, "invoices", estimate_id=str(estimate.id), part="deposit", share="0.5")
    await connected.settle()
    rest = await post(connected, "invoices", estimate_id=str(estimate.id), part="progress")
    assert deposit["total"]["amount_cents"] == rest["total"]["amount_cents"] == 124_313
    await connected.settle()
    invoices = await connected.rows(Invoice)
    assert [(one.subtotal_cents, one.tax_cents) for one in invoices] == [(117_000, 7_313)] * 2
    assert sum(one.subtotal_cents for one in invoices) == estimate.subtotal_cents
    assert all(line.is_before_tax for one in invoices for line in read_lines(one.lines)[1:])


async def test_a_total_that_is_another_than_was_accepted_is_shown_beside_it(connected: Office) -> None:
    estimate = await discounted(connected)
    settings = await connected.control.patch(f"{COMPANY}/settings", json={"using_sales_tax": False})
    assert settings.is_success, settings.text
    made = await post(connected, "invoices", estimate_id=str(estimate.id))
    assert made["accepted_total"] is None
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{made['id']}")).json()
    assert (shown["total"]["amount_cents"], shown["accepted_total"]["amount_cents"]) == (117_000, 124_313)
