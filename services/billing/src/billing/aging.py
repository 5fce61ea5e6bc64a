"""What customers owe by our books, against what QuickBooks's own report says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

LAGS = (
    "QuickBooks's report lags behind its books at times, and holds what a journal entry says is owed:"
    " look at it where it differs again tomorrow"
)
CONVERTED = "it has forms in another currency, which QuickBooks converts in this report"


@dataclass(frozen=True)
class Owed:
    """Of one customer, in cents of whatever currencies; `is_foreign` where one is not the company's own."""

    owed_cents: int
    credit_cents: int = 0
    """Paid or credited, and not applied to an invoice."""
    is_foreign: bool = False


@dataclass(frozen=True)
class Differing:
    customer: str
    """Its id in QuickBooks."""
    ours: int
    theirs: int
    explanation: str


def differing(ours: Mapping[str, Owed], theirs: Mapping[str, int]) -> list[Differing]:
    """The customers of whom the report says something else. With their credit taken off or without: both are in use."""
    found = []
    for customer in sorted(ours.keys() | theirs.keys()):
        one, reported = ours.get(customer, Owed(0)), theirs.get(customer, 0)
        if reported not in (one.owed_cents, one.owed_cents - one.credit_cents):
            found.append(Differing(customer, one.owed_cents, reported, CONVERTED if one.is_foreign else LAGS))
    return found
