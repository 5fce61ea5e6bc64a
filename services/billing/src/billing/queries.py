"""Reads: SQL in, rows out."""

import re
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, Subquery, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from billing.aging import Owed
from billing.models import (
    Application,
    CandidateStatus,
    ContactCopy,
    Customer,
    Invoice,
    Item,
    MatchCandidate,
    Notice,
    Payment,
    Push,
    SyncMark,
    Term,
)


async def sync_health(session: AsyncSession, realm_id: str) -> tuple[dict[str, int], Sequence[SyncMark]]:
    """How many writes stand in which state and how many notices wait; and how far each reading has come."""
    rows = await session.execute(select(Push.state, func.count()).where(Push.realm_id == realm_id).group_by(Push.state))
    counts: dict[str, int] = {state.value: count for state, count in rows}
    waiting = select(func.count()).where(Notice.realm_id == realm_id, Notice.processed_at.is_(None))
    counts["notices"] = (await session.execute(waiting)).scalar_one()
    marks = await session.scalars(select(SyncMark).where(SyncMark.realm_id == realm_id).order_by(SyncMark.name))
    return counts, marks.all()


AGES = ("current", "days_1_30", "days_31_60", "days_61_90", "days_91_and_over")
"""The columns of QuickBooks's own aging report."""


def aged_receivables(realm_id: str, today: date) -> Subquery:
    """What each customer owes, by how long it has been due on `today`; cents."""
    late = today - Invoice.due_on
    ages = (
        or_(Invoice.due_on.is_(None), Invoice.due_on >= today),
        late.between(1, 30),
        late.between(31, 60),
        late.between(61, 90),
        late > 90,
    )
    cents = func.sum(Invoice.balance_cents)
    columns = [
        func.coalesce(cents.filter(condition), 0).cast(BigInteger).label(name)
        for name, condition in zip(AGES, ages, strict=True)
    ]
    return (
        select(
            Invoice.customer_id,
            Invoice.currency,
            *columns,
            cents.cast(BigInteger).label("total"),
            func.count().label("invoices"),
        )
        .where(Invoice.realm_id == realm_id, Invoice.balance_cents > 0, Invoice.qb_id.is_not(None))
        .group_by(Invoice.customer_id, Invoice.currency)
        .subquery("aged")
    )


_CREDITS = text("""
    SELECT currency, sum(cents) AS cents FROM (
        SELECT currency, unapplied_cents AS cents FROM payment
        WHERE realm_id = :realm AND unapplied_cents > 0 AND NOT is_voided AND NOT is_deleted
        UNION ALL
        SELECT currency, remaining_cents FROM credit_memo
        WHERE realm_id = :realm AND remaining_cents > 0 AND NOT is_deleted
    ) AS credit GROUP BY currency
""")

_OWED = text("""
    SELECT customer.qb_id, coalesce(sum(part.owed), 0)::bigint AS owed, coalesce(sum(part.credit), 0)::bigint AS credit,
        bool_or(part.currency <> :home) AS is_foreign
    FROM (
        SELECT customer_id, currency, balance_cents AS owed, 0 AS credit FROM invoice
        WHERE realm_id = :realm AND balance_cents > 0 AND qb_id IS NOT NULL
        UNION ALL
        SELECT customer_id, currency, 0, unapplied_cents FROM payment
        WHERE realm_id = :realm AND unapplied_cents > 0 AND NOT is_voided AND NOT is_deleted
        UNION ALL
        SELECT customer_id, currency, 0, remaining_cents FROM credit_memo
        WHERE realm_id = :realm AND remaining_cents > 0 AND NOT is_deleted
    ) AS part JOIN customer ON customer.id = part.customer_id
    GROUP BY customer.qb_id
""")

_DAYS_TO_PAY = text("""
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY paid_on - written_on) AS median,
        avg(paid_on - written_on) AS mean, count(*) AS invoices
    FROM invoice WHERE realm_id = :realm AND paid_on >= :since AND total_cents > 0 AND NOT is_voided AND NOT is_deleted
""")

_ANSWERS = text("""
    SELECT status, count(*) AS estimates, coalesce(sum(total_cents), 0) AS cents FROM estimate
    WHERE realm_id = :realm AND status IN ('accepted', 'closed', 'declined', 'expired') AND status_at >= :since
        AND (status <> 'closed' OR EXISTS (
            SELECT FROM invoice WHERE estimate_id = estimate.id AND NOT is_voided AND NOT invoice.is_deleted
        ))
    GROUP BY status
""")


async def receivable_totals(session: AsyncSession, realm_id: str, today: date) -> dict[str, dict[str, int]]:
    """By currency, what is owed in all."""
    aged = aged_receivables(realm_id, today)
    names = (*AGES, "total", "invoices")
    rows = await session.execute(
        select(
            aged.c.currency,
            func.count().label("customers"),
            *(func.sum(aged.c[name]).cast(BigInteger).label(name) for name in names),
        ).group_by(aged.c.currency)
    )
    return {row.currency: {name: getattr(row, name) for name in (*names, "customers")} for row in rows}


async def customer_credit(session: AsyncSession, realm_id: str) -> dict[str, int]:
    """What customers have to their credit, by currency; cents."""
    rows = await session.execute(_CREDITS, {"realm": realm_id})
    return {row.currency: int(row.cents) for row in rows}


async def owed_by_customer(session: AsyncSession, realm_id: str, home: str) -> dict[str, Owed]:
    """By the id in QuickBooks; `home` is the company's currency."""
    rows = await session.execute(_OWED, {"realm": realm_id, "home": home})
    return {row.qb_id: Owed(row.owed, row.credit, is_foreign=row.is_foreign) for row in rows}


async def days_to_pay(session: AsyncSession, realm_id: str, since: date) -> Any:
    """From the day of an invoice to the day of its last payment, over those paid since then."""
    return (await session.execute(_DAYS_TO_PAY, {"realm": realm_id, "since": since})).one()


async def answers(session: AsyncSession, realm_id: str, since: datetime) -> dict[str, tuple[int, int]]:
    """Estimates that were answered, or not in time, since then: how many, and cents, by state.

    One that was closed without an invoice is none of them: nobody says whether the customer wanted it.
    """
    rows = await session.execute(_ANSWERS, {"realm": realm_id, "since": since})
    return {row.status: (row.estimates, int(row.cents)) for row in rows}


async def payment_totals(session: AsyncSession, realm_id: str) -> dict[str, tuple[int, int]]:
    """Money received and given back so far, by currency: how many, and cents."""
    rows = await session.execute(
        select(Payment.currency, func.count(), func.coalesce(func.sum(Payment.amount_cents), 0))
        .where(Payment.realm_id == realm_id, Payment.amount_cents != 0)
        .group_by(Payment.currency)
    )
    return {currency: (count, int(cents)) for currency, count, cents in rows}


async def items_by_qb_id(session: AsyncSession, realm_id: str, qb_ids: set[str]) -> dict[str, Item]:
    rows = await session.scalars(select(Item).where(Item.realm_id == realm_id, Item.qb_id.in_(qb_ids)))
    return {str(row.qb_id): row for row in rows}


async def applications(session: AsyncSession, payment_ids: Sequence[UUID]) -> dict[UUID, list[Application]]:
    found: dict[UUID, list[Application]] = {payment_id: [] for payment_id in payment_ids}
    rows = await session.scalars(
        select(Application)
        .where(Application.payment_id.in_(payment_ids))
        .order_by(Application.payment_id, Application.position)
    )
    for row in rows:
        found[row.payment_id].append(row)
    return found


def price_book(realm_id: str, *, q: str | None, is_active: bool) -> Select[Item]:
    found = select(Item).where(Item.realm_id == realm_id, Item.is_active.is_(is_active))
    for word in _searched(q):
        found = found.where(
            or_(Item.name.icontains(word, autoescape=True), Item.description.icontains(word, autoescape=True))
        )
    return found


def invoices_of(estimate_id: UUID) -> Select[Invoice]:
    """Those of an estimate that count: neither voided nor deleted; oldest first."""
    return (
        select(Invoice)
        .where(Invoice.estimate_id == estimate_id, ~Invoice.is_voided, ~Invoice.is_deleted)
        .order_by(Invoice.created_at, Invoice.id)
    )


def terms(realm_id: str) -> Select[Term]:
    """Those that an invoice may have."""
    return select(Term).where(Term.realm_id == realm_id, Term.is_active)


def customer_list(
    realm_id: str,
    *,
    q: str | None = None,
    contact_ids: Sequence[UUID] | None = None,
    is_linked: bool | None = None,
    is_active: bool | None = None,
) -> Select[Customer]:
    """`q`: words of names and e-mails that are all in it, or at least three digits of the phone."""
    found = select(Customer).where(Customer.realm_id == realm_id)
    if contact_ids is not None:
        found = found.where(Customer.contact_id.in_(contact_ids))
    if is_linked is not None:
        found = found.where(Customer.contact_id.is_not(None) if is_linked else Customer.contact_id.is_(None))
    if is_active is not None:
        found = found.where(Customer.is_active.is_(is_active))
    digits = re.sub(r"[^0-9]", "", q or "")
    if q and len(digits) >= 3 and re.fullmatch(r"[0-9 +().\-/]+", q):
        return found.where(Customer.phone.contains(digits))
    named = (
        Customer.display_name, Customer.given_name, Customer.family_name, Customer.company_name, Customer.email,
    )  # fmt: skip
    for word in _searched(q):
        found = found.where(or_(*(column.icontains(word, autoescape=True) for column in named)))
    return found


def _searched(q: str | None) -> list[str]:
    return (q or "").split()[:8]


async def balances(session: AsyncSession, customer_ids: Collection[UUID]) -> dict[UUID, tuple[int, str]]:
    """What these customers owe on invoices that are in QuickBooks: cents and currency. Who owes nothing is left out."""
    rows = await session.execute(
        select(Invoice.customer_id, Invoice.currency, func.sum(Invoice.balance_cents))
        .where(Invoice.customer_id.in_(customer_ids), Invoice.balance_cents > 0, Invoice.qb_id.is_not(None))
        .group_by(Invoice.customer_id, Invoice.currency)
        .order_by(Invoice.customer_id, Invoice.currency)
    )
    return {customer_id: (int(cents), currency) for customer_id, currency, cents in rows}


def review_queue(realm_id: str) -> Select[Any]:
    """Doubts that are still to be decided."""
    return (
        select(MatchCandidate)
        .add_columns(Customer)
        .join(Customer, Customer.id == MatchCandidate.customer_id)
        .where(
            MatchCandidate.status == CandidateStatus.OPEN,
            Customer.realm_id == realm_id,
            Customer.is_active,
            Customer.contact_id.is_(None),
        )
    )


async def contacts_of(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, ContactCopy]:
    rows = await session.scalars(select(ContactCopy).where(ContactCopy.contact_id.in_(ids)))
    return {row.contact_id: row for row in rows}


async def linked_to(session: AsyncSession, realm_id: str, contact_ids: Collection[UUID]) -> Sequence[Customer]:
    """The active customers of these contacts."""
    rows = await session.scalars(
        select(Customer)
        .where(Customer.realm_id == realm_id, Customer.is_active, Customer.contact_id.in_(contact_ids))
        .order_by(Customer.id)
    )
    return rows.all()
