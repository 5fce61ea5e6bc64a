"""Paying online: QuickBooks has the page and takes the money, we hand on its address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.errors import NotFound
from shared.rules.money import Money
from sqlalchemy import Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import NoPayLink
from billing.models import Connection, Estimate, Invoice
from billing.provider import OpenBooks
from billing.services.connections import ConnectionService
from billing.services.marks import READABLE


@dataclass(frozen=True)
class Bill:
    """An invoice on which something is owed."""

    invoice_id: UUID
    number: str
    balance: Money
    due_on: date | None
    is_payable: bool
    """Online, as far as we know."""


def _bill(row: Invoice, company: Connection) -> Bill:
    is_known = company.preferences.get("takes_payments") is True and company.status in READABLE
    return Bill(
        invoice_id=row.id,
        number=row.number or "",
        balance=Money(row.balance_cents, row.currency),
        due_on=row.due_on,
        is_payable=is_known and _hindrance(row, company) is None,
    )


async def bills_of(session: AsyncSession, estimate_id: UUID) -> Sequence[Bill]:
    """What is owed for an estimate, oldest first."""
    rows = await session.execute(
        _billed(estimate_id)
        .join(Connection, Connection.realm_id == Invoice.realm_id)
        .add_columns(Connection)
        .order_by(Invoice.id)
    )
    return [_bill(row, company) for row, company in rows if _is_owed(row)]


async def is_invoiced(session: AsyncSession, estimate: Estimate) -> bool:
    """Whether invoices in QuickBooks bill all of this estimate."""
    rows = await session.scalars(
        _billed(estimate.id).where(Invoice.qb_id.is_not(None), ~Invoice.is_deleted, ~Invoice.is_voided)
    )
    billed = [row.subtotal_cents for row in rows]
    return bool(billed) and sum(billed) >= estimate.subtotal_cents


def _billed(estimate_id: UUID) -> Select[Any]:
    """The invoices of an estimate that its customer is to pay: in QuickBooks, one may be made somebody else's."""
    return (
        select(Invoice)
        .join(Estimate, and_(Estimate.id == Invoice.estimate_id, Estimate.customer_id == Invoice.customer_id))
        .where(Estimate.id == estimate_id)
    )


def _is_owed(row: Invoice) -> bool:
    return row.qb_id is not None and not row.is_deleted and not row.is_voided and row.balance_cents > 0


def _hindrance(row: Invoice, company: Connection) -> str | None:
    """Why it has no link, and what to do; QuickBooks gives none of its reasons."""
    if not _is_owed(row):
        return "Nothing is owed on this invoice in QuickBooks. Look at what became of it."
    # Of a company that was not read since this is asked, QuickBooks decides.
    if company.preferences.get("takes_payments") is False:
        return (
            "The company does not take payments online. Switch that on in QuickBooks (Account and settings, Payments),"
            " or send the invoice."
        )
    if not row.email:
        return "QuickBooks gives a link only where the invoice has an e-mail address. Enter one there, or send it."
    return None


class PayLinks:
    """Reads between transactions. A link is asked for each time: QuickBooks does not say for how long one holds."""

    def __init__(self, begin: Begin, open_books: OpenBooks) -> None:
        self._begin = begin
        self._open_books = open_books

    async def link(self, invoice_id: UUID) -> str:
        """For the office. Raises NotFound, NoPayLink, NotConnected, OfAnotherCompany or what QuickBooks answers
        instead.
        """
        return await self._link(select(Invoice).where(Invoice.id == invoice_id), gives_way=False)

    async def link_for_customer(self, invoice_id: UUID, estimate_id: UUID) -> str:
        """For whoever has the address of the estimate's page: however often they ask, our own work goes first.

        Raises what `link` raises; NotFound of what is not theirs to pay.
        """
        return await self._link(_billed(estimate_id).where(Invoice.id == invoice_id), gives_way=True)

    async def _link(self, wanted: Select[Any], *, gives_way: bool) -> str:
        async with self._begin() as tx:
            row: Invoice | None = await (await tx.aget(UnitOfWork)).session.scalar(wanted)
            if row is None:
                raise NotFound("There is no such invoice.")
            connections = await tx.aget(ConnectionService)
            hindrance = _hindrance(row, await connections.active_for(row.realm_id))
        if hindrance is not None:
            raise NoPayLink(hindrance)
        link = await self._open_books(row.realm_id).pay_link(str(row.qb_id), gives_way=gives_way)
        if link is None:
            raise NoPayLink(
                "QuickBooks gives no link for this invoice. Open it there and see whether it may be paid online, or"
                " send it."
            )
        return link
