"""Paying online: QuickBooks has the page and takes the money, we hand on its address."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.errors import NotFound
from shared.rules.money import Money
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import NoPayLink
from billing.models import Connection, Estimate, Invoice
from billing.provider import OpenBooks
from billing.services.connections import ConnectionService


@dataclass(frozen=True)
class Bill:
    """An invoice on which something is owed."""

    invoice_id: UUID
    number: str
    balance: Money
    due_on: date | None
    is_payable: bool
    """Online, as far as we know."""


async def bills_of(session: AsyncSession, estimate: Estimate) -> Sequence[Bill]:
    """What is owed for an estimate, oldest first."""
    rows = await session.execute(
        select(Invoice, Connection)
        .join(Connection, Connection.realm_id == Invoice.realm_id)
        .where(Invoice.estimate_id == estimate.id)
        .order_by(Invoice.id)
    )
    return [
        Bill(row.id, row.number or "", Money(row.balance_cents, row.currency), row.due_on, _hindrance(row, at) is None)
        for row, at in rows
        if _is_owed(row)
    ]


def _is_owed(row: Invoice) -> bool:
    return row.qb_id is not None and not row.is_deleted and not row.is_voided and row.balance_cents > 0


def _hindrance(row: Invoice, company: Connection) -> str | None:
    """Why it has no link, and what to do; QuickBooks gives none of its reasons."""
    if not _is_owed(row):
        return "Nothing is owed on this invoice in QuickBooks. Look at what became of it."
    if not company.preferences.get("takes_payments"):
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

    async def link(self, invoice_id: UUID, *, estimate_id: UUID | None = None) -> str:
        """`estimate_id`: whose invoice it has to be.

        Raises NotFound, NoPayLink, NotConnected, OfAnotherCompany or what QuickBooks answers instead.
        """
        async with self._begin() as tx:
            session = (await tx.aget(UnitOfWork)).session
            row = await session.get(Invoice, invoice_id)
            if row is None or estimate_id not in (None, row.estimate_id):
                raise NotFound("There is no such invoice.")
            connections = await tx.aget(ConnectionService)
            hindrance = _hindrance(row, await connections.active_for(row.realm_id))
        if hindrance is not None:
            raise NoPayLink(hindrance)
        link = await self._open_books(row.realm_id).pay_link(str(row.qb_id))
        if link is None:
            raise NoPayLink(
                "QuickBooks gives no link for this invoice. Open it there and see whether it may be paid online, or"
                " send it."
            )
        return link
