"""What billing tells about customers, documents and jobs: copied, entered on timelines, and added up by person."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.billing import JobMoved
from sqlalchemy import ColumnElement, Table, and_, case, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert

from contacts.billing import BillingEvent, CopyTable, about, copies_of, entry_of
from contacts.models import (
    BillingEntry,
    Contact,
    CustomerLink,
    EstimateCopy,
    InvoiceCopy,
    JobCopy,
    PaymentCopy,
)
from contacts.services.money import MoneyTotals

# The key and the customer of each kind of document.
_OWNED = (
    (EstimateCopy.estimate_id, EstimateCopy.customer_id),
    (InvoiceCopy.invoice_id, InvoiceCopy.customer_id),
    (PaymentCopy.payment_id, PaymentCopy.customer_id),
)


def _put_newer(model: CopyTable) -> Insert:
    """The newest version has the last word, whenever it comes."""
    table: Table = model.__table__  # type: ignore[assignment]
    [key] = table.primary_key.columns
    statement = insert(table)
    new = statement.excluded
    newer = new.version > table.c.version
    changes: dict[str, Any] = {column.name: new[column.name] for column in table.c if column is not key}
    if model is CustomerLink:
        # Nothing but version 0, which documents say, is said twice in different words.
        newer = _is_after(table, new, "version", "occurred_at", "contact_id")
    if model is EstimateCopy:
        newer = or_(newer, and_(new.version == table.c.version, ~new.is_open))
    if model is InvoiceCopy:
        changes = {name: case((newer, value), else_=table.c[name]) for name, value in changes.items()}
        changes["passed_due_on"] = func.greatest(table.c.passed_due_on, new.passed_due_on)
        return statement.on_conflict_do_update(index_elements=[key], set_=changes)
    return statement.on_conflict_do_update(index_elements=[key], set_=changes, where=newer)


def _is_after(table: Table, new: Any, *names: str) -> ColumnElement[bool]:
    return tuple_(*(new[name] for name in names)) > tuple_(*(table.c[name] for name in names))


def _put_entry() -> Insert:
    """What is once and for all is told again with later versions: the first one tells how it was."""
    statement = insert(BillingEntry)
    new = statement.excluded
    told = {name: new[name] for name in ("version", "occurred_at", "details")}
    return statement.on_conflict_do_update(
        index_elements=[BillingEntry.key], set_=told, where=new.version < BillingEntry.version
    )


_PUT_ENTRY = _put_entry()
_PUT_COPY = {model: _put_newer(model) for model in (CustomerLink, EstimateCopy, InvoiceCopy, PaymentCopy, JobCopy)}


class BillingService:
    """Tolerates repeats and any order. What is nobody's yet waits under its customer, and follows each link."""

    def __init__(self, uow: UnitOfWork, totals: MoneyTotals) -> None:
        self._uow = uow
        self._session = uow.session
        self._totals = totals

    async def record(self, events: Sequence[BillingEvent]) -> None:
        """Enter and copy what the events say; bring the sums of all persons that they touch up to date with it."""
        await self._totals.lock()
        customers = await self._customers(events)
        holders = await self._holders(customers)
        for model, rows in copies_of(events).items():
            await self._session.execute(_PUT_COPY[model], rows)
        await self._session.execute(_PUT_ENTRY, [entry_of(event) for event in events])
        holders |= await self._holders(customers)
        standing = await self._totals.refresh(holders | {event.contact_id for event in events if event.contact_id})
        await self._tell_browsers(standing)

    async def _customers(self, events: Sequence[BillingEvent]) -> set[UUID]:
        """The customers of the events, and those whose the documents were up to now."""
        ids = {about(event) for event in events}
        found = {event.customer_id for event in events if not isinstance(event, JobMoved)}
        for key, customer in _OWNED:
            found |= set(await self._session.scalars(select(customer).where(key.in_(ids))))
        return found

    async def _holders(self, customers: Collection[UUID]) -> set[UUID]:
        links = select(CustomerLink.contact_id).where(CustomerLink.customer_id.in_(customers))
        return set(await self._session.scalars(links))

    async def _tell_browsers(self, contact_ids: Collection[UUID]) -> None:
        rows = await self._session.execute(select(Contact.id, Contact.version).where(Contact.id.in_(contact_ids)))
        for row in rows:
            self._uow.hint("contact", row.id, row.version)
