"""Printed forms: QuickBooks makes them, we hand them on."""

from uuid import UUID

from shared.database import Begin
from shared.errors import NotFound
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import NotWritten
from billing.models import Estimate, Invoice
from billing.provider import OpenBooks
from billing.services.connections import ConnectionService


class DocumentService:
    """Reads between transactions."""

    def __init__(self, begin: Begin, open_books: OpenBooks) -> None:
        self._begin = begin
        self._open_books = open_books

    async def pdf(self, model: type[Estimate] | type[Invoice], form_id: UUID) -> bytes:
        """Raises NotFound, NotWritten, NotConnected, OfAnotherCompany or what QuickBooks answers instead."""
        async with self._begin() as tx:
            row: Estimate | Invoice | None = await (await tx.aget(AsyncSession)).get(model, form_id)
            if row is None:
                raise NotFound("There is no such estimate or invoice.")
            await (await tx.aget(ConnectionService)).check_belongs(row.realm_id)
        if row.qb_id is None or row.is_deleted:
            raise NotWritten("It is not in QuickBooks, which makes the PDF. Write it there first.")
        return await self._open_books(row.realm_id).pdf(model.__name__, row.qb_id)
