"""Amounts as QuickBooks works them out: decimals, each line rounded half up to the cent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from sandbox.quickbooks import faults

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
HUNDRED = Decimal(100)
MOST = Decimal(10) ** 12
MOST_DIGITS = 20
MOST_TOTAL = Decimal(10) ** 15
"""Of a whole transaction."""


@dataclass(frozen=True)
class Totals:
    """In dollars. `taxable` is the part of the net that the tax was worked out on."""

    subtotal: Decimal
    taxable: Decimal
    tax: Decimal
    total: Decimal


def cents(amount: Decimal) -> Decimal:
    """Raises a fault for what no column of amounts takes."""
    if abs(amount) >= MOST_TOTAL:
        raise faults.business("An amount is too large.")
    return amount.quantize(CENT, ROUND_HALF_UP)


def line_amount(quantity: Decimal, unit_price: Decimal) -> Decimal:
    """128.350 × 14.50 = 1861.075 is 1861.08."""
    return cents(quantity * unit_price)


def number(value: Any, name: str) -> Decimal:
    """An amount, price or quantity as it was written. Raises a fault for what cannot be worked with."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise faults.unsupported_property(name) from None
    if not found.is_finite() or abs(found) >= MOST or len(found.as_tuple().digits) > MOST_DIGITS:
        raise faults.unsupported_property(name)
    return found


def checked_amount(line: Mapping[str, Any], *, unit_price_wins: bool = False) -> Any:
    """The line's amount. One that is not its quantity times its price is replaced by that, or its fault is raised."""
    detail = line.get("SalesItemLineDetail") or {}
    amount, quantity, price = line.get("Amount"), detail.get("Qty"), detail.get("UnitPrice")
    if amount is None or quantity is None or price is None:
        return amount
    product = line_amount(number(quantity, "Qty"), number(price, "UnitPrice"))
    if number(amount, "Amount") == product:
        return amount
    if not unit_price_wins:
        raise faults.amount_mismatch()
    return product


def compute_totals(
    lines: Sequence[Mapping[str, Any]], tax_percent: Decimal | None, *, discount_first: bool = True
) -> Totals:
    """Subtotal of the item lines less the discounts, the tax on what is taxable of it, and both together.

    With `discount_first` a discount is spread over taxable and other lines by their share, and the tax is on the rest;
    without, the tax is on the whole (ApplyTaxAfterDiscount).
    """
    gross = _gross(lines)
    taxable = _gross([line for line in lines if _is_taxable(line)])
    discount = sum((_discount(line, gross) for line in lines if line.get("DetailType") == "DiscountLineDetail"), ZERO)
    if discount and gross and discount_first:
        taxable -= cents(discount * taxable / gross)
    tax = cents(taxable * tax_percent / HUNDRED) if tax_percent else ZERO
    subtotal = gross - discount
    return Totals(cents(subtotal), cents(taxable), tax, cents(subtotal) + tax)


def with_discounts(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines with what a discount in percent takes off as its Amount. What was sent as that means nothing, since
    the totals follow from the percentage.
    """
    gross = _gross(lines)
    return [{**line, "Amount": _discount(line, gross)} if _is_percentage(line) else {**line} for line in lines]


def _gross(lines: Sequence[Mapping[str, Any]]) -> Decimal:
    """The item lines together, before any discount."""
    items = (line for line in lines if line.get("DetailType") == "SalesItemLineDetail")
    return sum((number(line["Amount"], "Amount") for line in items), ZERO)


def _is_percentage(line: Mapping[str, Any]) -> bool:
    detail = line.get("DiscountLineDetail") or {}
    return line.get("DetailType") == "DiscountLineDetail" and bool(detail.get("PercentBased"))


def _is_taxable(line: Mapping[str, Any]) -> bool:
    detail = line.get("SalesItemLineDetail") or {}
    return (detail.get("TaxCodeRef") or {}).get("value") == "TAX"


def _discount(line: Mapping[str, Any], gross: Decimal) -> Decimal:
    detail = line.get("DiscountLineDetail") or {}
    if _is_percentage(line):
        return cents(gross * number(detail.get("DiscountPercent") or 0, "DiscountPercent") / HUNDRED)
    return cents(number(line.get("Amount") or 0, "Amount"))
