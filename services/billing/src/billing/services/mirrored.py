"""What mirrored rows of every kind have in common: which row it is, and which of two states is the newer one."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing import documents
from billing.models import CreditMemo, Customer, Estimate, Invoice, Item, Payment, Term, among
from billing.models.books import Form
from billing.provider import Seen
from billing.states import PaymentKind

MODELS: dict[str, type[Any]] = {
    "Customer": Customer,
    "Item": Item,
    "Term": Term,
    "Estimate": Estimate,
    "Invoice": Invoice,
    "CreditMemo": CreditMemo,
    "Payment": Payment,
    "RefundReceipt": Payment,
}
PAYMENT_KINDS = {"Payment": PaymentKind.PAYMENT, "RefundReceipt": PaymentKind.REFUND}
"""Two kinds in QuickBooks stand in one table here; both have ids of their own."""
R = TypeVar("R", Customer, Item, Term, Estimate, Invoice, CreditMemo, Payment)


def is_newer(seen: Seen, row: Any) -> bool:
    """Whether a state that was read may replace the one we have. The same state, read again, may: a balance moves
    without its SyncToken. Nothing replaces what was deleted: nobody brings that back, but a reader may be late.
    """
    return seen.is_deleted or (seen.sync_token, seen.updated_at) >= (row.sync_token, row.qb_updated_at)


def note_state(row: Any, seen: Seen) -> None:
    """Which state the row has from now on."""
    row.qb_id, row.sync_token, row.qb_updated_at = seen.id, seen.sync_token, seen.updated_at


def is_of(realm_id: str, entity: str) -> ColumnElement[bool]:
    """Whether a row of MODELS[entity] is of this company and of this kind."""
    model = MODELS[entity]
    own: ColumnElement[bool] = model.realm_id == realm_id
    return and_(own, Payment.kind == PAYMENT_KINDS[entity]) if model is Payment else own


async def locked(session: AsyncSession, realm_id: str, entity: str, ids: Sequence[str]) -> dict[str, Any]:
    """Those of these that are mirrored, by their ids in QuickBooks, locked in one order."""
    model = MODELS[entity]
    rows = await session.scalars(
        select(model).where(is_of(realm_id, entity), among(model.qb_id, ids)).order_by(model.id).with_for_update()
    )
    return {str(row.qb_id): row for row in rows}


async def adopted(session: AsyncSession, model: type[R], notes: Mapping[str, str]) -> dict[str, R]:
    """Ours whose write arrived before its answer did: by the mark in the note. `notes`: id → note."""
    marked = {
        note.removeprefix(documents.MARK)[:36]: qb_id
        for qb_id, note in notes.items()
        if note.startswith(documents.MARK)
    }
    if not marked:
        return {}
    ids = [found for text in marked if (found := _uuid(text))]
    rows = await session.scalars(
        select(model).where(among(model.id, ids), model.qb_id.is_(None)).order_by(model.id).with_for_update()
    )
    # One that was given up here and stands there all the same is mirrored as anybody's.
    return {marked[str(row.id)]: row for row in rows if not getattr(row, "is_deleted", False)}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def successors(session: AsyncSession, row: Customer) -> list[Customer]:
    """Whom a customer became by merges in QuickBooks, one after the other; itself is the first. Of two that became each
    other, each stands once.
    """
    found = [row]
    while (kept_id := found[-1].merged_into_id) is not None and kept_id not in {one.id for one in found}:
        found.append(await session.get_one(Customer, kept_id))
    return found


async def customer_now(session: AsyncSession, form: Form) -> Customer:
    """What the customer of a form became by merges."""
    return (await successors(session, await session.get_one(Customer, form.customer_id)))[-1]
