"""QuickBooks's report of what is owed, read into plain values. Only rows of customers count; totals are worked out."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from shared.rules.money import to_cents

from billing.clients.quickbooks.payloads import Document, Unreadable
from billing.provider import AgedReceivables

AGES = 5


def aged_receivables(document: Document) -> AgedReceivables:
    """Nobody is sure what the total row is called or how a blank looks: neither is relied upon. Raises Unreadable."""
    try:
        # The name, the ages, the total.
        if len(document["Columns"]["Column"]) != AGES + 2:
            raise Unreadable("other columns than the five ages", operation="report")
        by_customer, by_age = defaultdict[str, int](int), [0] * AGES
        for customer, amounts in _rows(document):
            by_customer[customer] += sum(amounts)
            by_age = [before + amount for before, amount in zip(by_age, amounts, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise Unreadable(f"AgedReceivables: {error!r}", operation="report") from error
    current, month, two_months, three_months, older = by_age
    return AgedReceivables(dict(by_customer), (current, month, two_months, three_months, older))


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
    return [to_cents(Decimal(cell.get("value") or 0)) for cell in cells or [{}] * AGES]
