"""Customers that only drafts name: they are ours alone until the first form of theirs is to be written."""

from collections.abc import Collection
from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update

from billing.models import CreditMemo, Customer, Estimate, Invoice, MatchCandidate, Payment, Push
from billing.services.announcing import Announcer
from billing.states import PushState


def is_only_drafted() -> ColumnElement[bool]:
    """Of a customer: neither in QuickBooks nor on the way there."""
    waits = exists().where(Push.target_id == Customer.id, Push.state.in_((PushState.PENDING, PushState.FAILED)))
    return and_(Customer.qb_id.is_(None), Customer.merged_into_id.is_(None), ~waits)


async def give_way(uow: UnitOfWork, announcer: Announcer, kept: Customer, family: Collection[UUID]) -> None:
    """What was drafted for other customers of this person is the kept one's; nothing else is kept of them.

    The caller has the person to themselves.
    """
    others = await uow.session.scalars(
        select(Customer)
        .where(
            Customer.realm_id == kept.realm_id,
            Customer.contact_id.in_(family),
            Customer.id != kept.id,
            is_only_drafted(),
        )
        .order_by(Customer.id)
        .with_for_update()
    )
    for row in others.all():
        for model in (Estimate, Invoice):
            await uow.session.execute(update(model).where(model.customer_id == row.id).values(customer_id=kept.id))
        await _forget(uow, announcer, row, kept=kept)


async def forget_unneeded(uow: UnitOfWork, announcer: Announcer, customer_id: UUID) -> None:
    """Of one that was made for drafts, once the last of them is gone. The caller has the row to themselves."""
    is_named = or_(
        *(exists().where(model.customer_id == Customer.id) for model in (Estimate, Invoice, CreditMemo, Payment))
    )
    row = await uow.session.scalar(select(Customer).where(Customer.id == customer_id, is_only_drafted(), ~is_named))
    if row is not None:
        await _forget(uow, announcer, row, kept=None)


async def _forget(uow: UnitOfWork, announcer: Announcer, row: Customer, *, kept: Customer | None) -> None:
    """Of one of whom nobody was told, nothing stays. One whose writing was given up may be named elsewhere."""
    if row.link_version > 0:
        announcer.unlink(row, reason="Not written into QuickBooks")
        row.is_active, row.merged_into_id = False, kept.id if kept is not None else None
        return
    await uow.session.execute(delete(MatchCandidate).where(MatchCandidate.customer_id == row.id))
    await uow.session.delete(row)
    await uow.session.flush()
