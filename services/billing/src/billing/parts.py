"""Parts of an estimate: what they bill of its lines, as long as they are parts of these lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from billing.lines import Line, LineKind, read_lines, share_of
from billing.models import Invoice
from billing.totals import line_amounts


@dataclass(frozen=True)
class Part:
    """An invoice of a part. `shares`: the cents of each line of the estimate, in the order that they had then."""

    shares: Sequence[int]
    lines: Sequence[Line]

    @classmethod
    def of(cls, invoice: Invoice) -> Self:
        return cls(invoice.shares, read_lines(invoice.lines))


def billed_cents(lines: Sequence[Line], parts: Iterable[Part]) -> list[int] | None:
    """Cents of each line of the estimate that these parts bill together; never more than the line is.

    None where that cannot be said: the lines are others by now, or stand in another order, or an invoice says something
    else than what it was made of.
    """
    billed = [0] * len(lines)
    for part in parts:
        shares = [*part.shares, *[0] * (len(lines) - len(part.shares))]
        if len(shares) > len(lines) or _charges(share_of(lines, shares, "")) != _charges(part.lines):
            return None
        billed = [done + cents for done, cents in zip(billed, shares, strict=True)]
    is_within = all(
        min(0, amount) <= done <= max(0, amount) for amount, done in zip(line_amounts(lines), billed, strict=True)
    )
    return billed if is_within else None


def changed_words(estimate: str | None, invoices: Iterable[str | None]) -> str:
    """What to do where parts and estimate do not fit each other any more."""
    return (
        f"What was billed of {estimate} ({', '.join(map(str, invoices))}) is no part of its lines any more: one of them"
        " was changed in QuickBooks. Bill the rest there, or void what was billed and bill all of it anew."
    )


def _charges(lines: Sequence[Line]) -> list[tuple[str, str, bool, int]]:
    """What is charged, whatever it is called there and in whatever order."""
    return sorted(
        (line.kind, line.item or "", line.is_taxable, cents)
        for line, cents in zip(lines, line_amounts(lines), strict=True)
        if line.kind is not LineKind.TEXT and cents
    )
