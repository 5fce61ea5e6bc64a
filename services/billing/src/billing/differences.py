"""What our rows and QuickBooks's objects say, in the same words, and how they differ. Pure."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from billing.lines import store_lines
from billing.models import CreditMemo, Customer, Estimate, Form, Invoice, Item, Payment, Term
from billing.provider import (
    CreditMemoSeen,
    CustomerSeen,
    EstimateSeen,
    FormSeen,
    Garbled,
    InvoiceSeen,
    ItemSeen,
    PaymentSeen,
    RefundSeen,
    Seen,
    TermSeen,
)
from billing.states import EstimateStatus, PaymentKind

Line = dict[str, str | None]
Figures = dict[str, str]
# What our rows say before QuickBooks does, while it waits to be written there.
_WRITTEN = {"Customer": {"name", "email", "phone", "address"}, "Estimate": {"status"}}


@dataclass(frozen=True)
class Known:
    """What stands in other rows than those that are compared."""

    customers: Mapping[UUID, str] = field(default_factory=dict)
    """QuickBooks's ids of our customers; of one who was merged, of whom they became."""
    became: Mapping[str, str] = field(default_factory=dict)
    """Of customers who were merged, in QuickBooks's ids."""
    applied: Mapping[UUID, str] = field(default_factory=dict)
    """What our payments went to."""
    waiting: Set[UUID] = frozenset()
    """Rows of which something is still to be written into QuickBooks."""


def compare(entity: str, seen: Sequence[Seen], rows: Mapping[str, Any], known: Known) -> list[Line]:
    """One line for each figure of these objects that we have otherwise, or not at all. `rows` by QuickBooks's ids."""
    lines: list[Line] = []
    for one in seen:
        row = rows.get(one.id)
        if isinstance(one, Garbled):
            lines.append(line_of(entity, one.id, "cannot be read", theirs=one.error))
            continue
        if row is None:
            lines.append(line_of(entity, one.id, "missing here", number=getattr(one, "number", None), theirs="there"))
            continue
        number, ours, theirs = getattr(row, "number", None), ours_of(row, known), theirs_of(one, known)
        # What waits to be written is said once, of all that wait.
        passed_over = _WRITTEN.get(entity, set()) if row.id in known.waiting else set()
        lines += [
            line_of(entity, one.id, name, number=number, ours=ours.get(name), theirs=theirs.get(name))
            for name in theirs | ours
            if ours.get(name) != theirs.get(name) and name not in passed_over
        ]
    return lines


def line_of(
    entity: str,
    qb_id: str | None,
    what: str,
    *,
    number: str | None = None,
    ours: str | None = None,
    theirs: str | None = None,
    explanation: str = "",
) -> Line:
    return {
        "entity": entity,
        "qb_id": qb_id,
        "number": number,
        "what": what,
        "ours": ours,
        "theirs": theirs,
        "explanation": explanation,
    }


def theirs_of(seen: Seen, known: Known) -> Figures:
    """What is compared, as QuickBooks has it."""
    match seen:
        case CustomerSeen():
            return _customer(seen)
        case ItemSeen():
            return {"name": seen.name, "active": str(seen.is_active), "price": _plain(seen.unit_price)}
        case TermSeen():
            return {"name": seen.name, "active": str(seen.is_active)}
        case FormSeen():
            customer = known.became.get(seen.customer, seen.customer)
            return _form(seen, customer, store_lines(seen.lines)) | _of_kind(seen)
        case PaymentSeen():
            return _money(seen, seen.amount_cents, known.became.get(seen.customer, seen.customer)) | {
                "unapplied": str(seen.unapplied_cents),
                "applied": applied((share.kind, share.id, share.amount_cents) for share in seen.shares),
            }
        case RefundSeen():
            return _money(seen, -seen.amount_cents, known.became.get(seen.customer, seen.customer))
    return {}


def ours_of(row: Any, known: Known) -> Figures:
    """The same, as we have it."""
    match row:
        case Customer():
            return _customer(row)
        case Item():
            return {"name": row.name, "active": str(row.is_active), "price": _plain(row.unit_price)}
        case Term():
            return {"name": row.name, "active": str(row.is_active)}
        case Form():
            return _form(row, known.customers.get(row.customer_id, ""), row.lines) | _of_kind(row)
        case Payment(kind=PaymentKind.PAYMENT):
            return _money(row, row.amount_cents, known.customers.get(row.customer_id, "")) | {
                "unapplied": str(row.unapplied_cents),
                "applied": known.applied.get(row.id, ""),
            }
    return _money(row, row.amount_cents, known.customers.get(row.customer_id, ""))


def _customer(one: CustomerSeen | Customer) -> Figures:
    address = (
        one.street,
        one.city,
        one.region,
        one.postal_code,
        *(text for _, text in sorted(one.address_rest.items())),
    )
    return {
        "name": one.display_name,
        "active": str(one.is_active),
        "email": one.email or "",
        "phone": one.phone or "",
        "address": ", ".join(part for part in address if part),
    }


def _form(one: FormSeen | Form, customer: str, lines: Iterable[dict[str, Any]]) -> Figures:
    head = {
        "total": str(one.total_cents),
        "number": one.number or "",
        "date": str(one.written_on),
        "customer": customer,
    }
    # The database keeps the members of a line in an order of its own.
    said = (orjson.dumps(line, option=orjson.OPT_SORT_KEYS).decode() for line in lines)
    return head | {f"line {number}": text for number, text in enumerate(said, start=1)}


def _of_kind(one: FormSeen | Form) -> Figures:
    match one:
        case InvoiceSeen() | Invoice():
            return {"balance": str(one.balance_cents), "due": str(one.due_on), "voided": str(one.is_voided)}
        case CreditMemoSeen() | CreditMemo():
            return {"remaining": str(one.remaining_cents)}
        case Estimate(status=EstimateStatus.EXPIRED):
            # QuickBooks knows no expiry: an expired one is still pending there.
            return {"status": EstimateStatus.OPEN.value}
        case EstimateSeen() | Estimate():
            return {"status": one.status.value}
    return {}


def _money(one: PaymentSeen | RefundSeen | Payment, cents: int, customer: str) -> Figures:
    return {"amount": str(cents), "customer": customer, "voided": str(one.is_voided)}


def applied(shares: Iterable[tuple[str, str, int]]) -> str:
    return ", ".join(f"{kind} {qb_id} {cents}" for kind, qb_id, cents in shares)


def _plain(price: Decimal | None) -> str:
    return "" if price is None else format(price.normalize(), "f")
