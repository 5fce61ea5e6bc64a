"""QuickBooks's report of what is owed, read into plain values. Only rows of customers count; totals are worked out."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.rules.money import to_cents

from billing.clients.quickbooks.payloads import Document, Unreadable

AGES = 5


def owed(document: Document) -> dict[str, int]:
    """Cents by the customer's id. Raises Unreadable.

    Nobody is sure what the total row is called or how a blank looks: neither is relied upon.
    """
    try:
        # The name, the ages, the total.
        if len(document["Columns"]["Column"]) != AGES + 2:
            raise Unreadable("other columns than the five ages", operation="report")
        by_customer = defaultdict[str, int](int)
        for customer, amounts in _rows(document):
            by_customer[customer] += sum(amounts)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise Unreadable(f"AgedReceivables: {error!r}", operation="report") from error
    return dict(by_customer)


def _rows(section: Document) -> Iterator[tuple[str, list[int]]]:
    """The id and the amounts of every customer; those of a parent stand in the header above its jobs, or among them."""
    for row in (section.get("Rows") or {}).get("Row") or ():
        for part in (row, row.get("Header") or {}):
            cells: list[dict[str, Any]] = part.get("ColData") or [{}]
            # A total is nobody's.
            if cells[0].get("id"):
                yield str(cells[0]["id"]), _amounts(cells[1 : AGES + 1])
        yield from _rows(row)


def _amounts(cells: list[dict[str, Any]]) -> list[int]:
    if cells and len(cells) != AGES:
        raise ValueError("a row with other columns than the head")
    return [to_cents(Decimal(cell.get("value") or 0)) for cell in cells]
