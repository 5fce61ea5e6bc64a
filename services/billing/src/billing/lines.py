"""The lines of estimates and invoices. Quantities and unit prices have up to seven places; an amount is whole cents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from shared.rules.money import line_cents


class LineKind(StrEnum):
    ITEM = "item"
    TEXT = "text"
    DISCOUNT = "discount"
    """Its amount is positive and subtracted."""


@dataclass(frozen=True)
class Line:
    """`item` is QuickBooks's id of an item of the price book."""

    kind: LineKind
    description: str = ""
    item: str | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount_cents: int = 0
    is_taxable: bool = False
    percent: Decimal | None = None
    """Of a discount that is a share of what stands above it."""
    is_before_tax: bool = False
    """Of a discount: the tax is on what it leaves. QuickBooks says so of a form, of which it means nothing without one.
    """

    def stored(self) -> dict[str, Any]:
        """As the database keeps it: decimals are text, what says nothing is left out."""
        fields = {
            "kind": self.kind.value,
            "description": self.description,
            "item": self.item,
            "quantity": _text(self.quantity),
            "unit_price": _text(self.unit_price),
            "amount_cents": self.amount_cents,
            "is_taxable": self.is_taxable,
            "percent": _text(self.percent),
            "is_before_tax": self.is_before_tax,
        }
        return {name: value for name, value in fields.items() if value not in (None, "", False)}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Line":
        return cls(
            kind=LineKind(stored["kind"]),
            description=stored.get("description", ""),
            item=stored.get("item"),
            quantity=_decimal(stored.get("quantity")),
            unit_price=_decimal(stored.get("unit_price")),
            amount_cents=stored.get("amount_cents", 0),
            is_taxable=stored.get("is_taxable", False),
            percent=_decimal(stored.get("percent")),
            is_before_tax=stored.get("is_before_tax", False),
        )


def _text(value: Decimal | None) -> str | None:
    return None if value is None else format(value, "f")


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def read_lines(stored: Iterable[dict[str, Any]]) -> list[Line]:
    return [Line.of(one) for one in stored]


def store_lines(lines: Iterable[Line]) -> list[dict[str, Any]]:
    return [line.stored() for line in lines]


def item_line(item: str, description: str, quantity: Decimal, unit_price: Decimal, *, is_taxable: bool) -> Line:
    """The amount is quantity times price, rounded half up: anything else QuickBooks refuses (6070)."""
    return Line(
        LineKind.ITEM,
        description=description,
        item=item,
        quantity=quantity,
        unit_price=unit_price,
        amount_cents=line_cents(quantity, unit_price),
        is_taxable=is_taxable,
    )


def share_of(lines: Sequence[Line], cents: Sequence[int], prefix: str) -> list[Line]:
    """A part of each line, as a progress invoice bills it: one unit at the price of the part, or that part of a
    discount. Words without an amount are left out.
    """
    return [_part(line, part, prefix) for line, part in zip(lines, cents, strict=True) if part]


def _part(line: Line, cents: int, prefix: str) -> Line:
    part = replace(line, description=f"{prefix}{line.description}", amount_cents=cents, percent=None)
    if line.kind is LineKind.ITEM:
        return replace(part, quantity=Decimal(1), unit_price=Decimal(cents).scaleb(-2))
    return part
