"""What QuickBooks will make of lines, worked out before it is asked. Its own answer replaces this as soon as it comes.

Source of the rules: reference of the QuickBooks Online API, section 10: each line half up to the cent, the tax once on
the taxable lines together, a discount after the tax unless the form says otherwise (ApplyTaxAfterDiscount).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.rules.money import percentage_of, to_cents

from billing.lines import Line, LineKind


@dataclass(frozen=True)
class Totals:
    """In cents. Without a `tax` it is not known yet, and the total with it is not."""

    subtotal: int
    tax: int | None

    @property
    def total(self) -> int | None:
        return None if self.tax is None else self.subtotal + self.tax


def compute_totals(lines: Sequence[Line], tax_percent: Decimal | None) -> Totals:
    """`tax_percent` such as Decimal("6.25"), 0 where the company charges no tax, None where it is not known yet."""
    amounts = dict.fromkeys(LineKind, 0)
    for line, cents in zip(lines, line_amounts(lines), strict=True):
        amounts[line.kind] += cents
    subtotal, taxable = amounts[LineKind.ITEM] - amounts[LineKind.DISCOUNT], taxable_cents(lines)
    if tax_percent is None:
        return Totals(subtotal, None if taxable else 0)
    return Totals(subtotal, percentage_of(taxable, tax_percent))


def taxable_cents(lines: Sequence[Line]) -> int:
    """What the tax is worked out on. A discount before the tax is spread over all items by their share of the whole."""
    taxable = sum(line.amount_cents for line in lines if line.kind is LineKind.ITEM and line.is_taxable)
    gross, discount = _gross(lines), _discount_before_tax(lines)
    return taxable - to_cents(Decimal(discount * taxable).scaleb(-2) / gross) if gross else taxable


def _discount_before_tax(lines: Sequence[Line]) -> int:
    return sum(cents for line, cents in zip(lines, line_amounts(lines), strict=True) if line.is_before_tax)


def line_amounts(lines: Sequence[Line]) -> list[int]:
    """Cents of each line; of a discount, what it takes off the whole."""
    gross = _gross(lines)
    return [line.amount_cents if line.percent is None else percentage_of(gross, line.percent) for line in lines]


def _gross(lines: Sequence[Line]) -> int:
    return sum(line.amount_cents for line in lines if line.kind is LineKind.ITEM)


def split_by_share(amounts: Sequence[int], billed: Sequence[int], share: Decimal) -> list[int]:
    """`share` (0 to 1) of each amount, half up, but never more than is left of it after what was `billed`. Amounts may
    be below zero, as where somebody types a discount like that.

    Raises ValueError unless 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise ValueError("a share is more than 0 and at most 1")
    return [
        _within(to_cents(Decimal(amount).scaleb(-2) * share), amount - done)
        for amount, done in zip(amounts, billed, strict=True)
    ]


def _within(part: int, left: int) -> int:
    """Between nothing and what is left."""
    return max(0, min(part, left)) if left >= 0 else min(0, max(part, left))
