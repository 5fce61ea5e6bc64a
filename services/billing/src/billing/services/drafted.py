"""Customers that only drafts name: they are ours alone until the first form of theirs is to be written."""

from collections.abc import Collection
from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import ColumnElement, and_, case, delete, exists, or_, select, update

from billing.models import CandidateStatus, CreditMemo, Customer, Estimate, Invoice, MatchCandidate, Payment, Push
from billing.services.announcing import Announcer
from billing.states import EstimateStatus, PushKind, PushState

ERASED = "Erased"
"""The title of a job whose person was erased, and the name of a customer who stands in no books."""
_PERSONAL = (
    "given_name", "family_name", "company_name", "email", "phone", "street", "city", "region", "postal_code",
)  # fmt: skip


def is_only_drafted() -> ColumnElement[bool]:
    """Of a customer: neither in QuickBooks nor on the way there."""
    return _is_ours_alone(Push.state.in_((PushState.PENDING, PushState.FAILED)))


def _is_ours_alone(on_the_way: ColumnElement[bool]) -> ColumnElement[bool]:
    """Of a customer: not in QuickBooks, and no write of it is `on_the_way`."""
    waits = exists().where(Push.target_id == Customer.id, on_the_way)
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
    unneeded = select(Customer).where(Customer.id == customer_id, is_only_drafted(), ~_is_named())
    if (row := await uow.session.scalar(unneeded)) is not None:
        await _forget(uow, announcer, row, kept=None)


def _is_named() -> ColumnElement[bool]:
    """Of a customer: by a form or a payment."""
    return or_(
        *(exists().where(model.customer_id == Customer.id) for model in (Estimate, Invoice, CreditMemo, Payment))
    )


async def _forget(uow: UnitOfWork, announcer: Announcer, row: Customer, *, kept: Customer | None) -> None:
    """Of one of whom nobody was told, nothing stays. One whose writing was given up may be named elsewhere."""
    if row.link_version == 0:
        await _delete(uow, row)
        return
    announcer.unlink(row, reason="Not written into QuickBooks")
    row.is_active, row.merged_into_id = False, kept.id if kept is not None else None
    blank(row)
    if kept is not None:
        # What is to be written of the forms is the kept one's by now.
        await _blank_writes(uow, [row.id])
    else:
        await _give_up_writes(uow, row)


async def _delete(uow: UnitOfWork, row: Customer) -> None:
    await uow.session.execute(delete(MatchCandidate).where(MatchCandidate.customer_id == row.id))
    await uow.session.delete(row)
    await uow.session.flush()


def blank(row: Customer) -> None:
    """Of one that stands in no books, nothing tells who it was."""
    for name in _PERSONAL:
        setattr(row, name, None)
    row.display_name, row.name_keys = ERASED, []
    row.touch()


async def _blank_writes(uow: UnitOfWork, target_ids: Collection[UUID]) -> None:
    """Of what QuickBooks never got. Whoever answered an estimate is named as who wanted that written."""
    is_answer = Push.kind == PushKind.MARK_ESTIMATE
    values = {
        "body": None,
        "argument": None,
        "error": None,
        "created_by": case((is_answer, ERASED), else_=Push.created_by),
    }
    await uow.session.execute(update(Push).where(Push.target_id.in_(target_ids)).values(values))


async def erase(uow: UnitOfWork, announcer: Announcer, family: Collection[UUID]) -> None:
    """A customer of theirs whom QuickBooks never got is in no books, nor is what was drafted for them. Also one that
    was unlinked from them by hand, and is nobody's since: it was made of what they were.

    The caller lets nobody write down anything of them meanwhile.
    """
    was_theirs = and_(Customer.contact_id.is_(None), _was_unlinked(MatchCandidate.contact_id.in_(family)))
    # A write that failed was refused for good, and one that nobody began left no trace: QuickBooks has nothing of them.
    may_be_there = and_(Push.state == PushState.PENDING, Push.attempts > 0)
    rows = await uow.session.scalars(
        select(Customer)
        .where(or_(Customer.contact_id.in_(family), was_theirs), _is_ours_alone(may_be_there))
        .order_by(Customer.id)
        # Whoever makes an invoice has its estimate already, and names the customer.
        .with_for_update(key_share=True)
    )
    for row in rows.all():
        announcer.unlink(row, reason="erased")
        await _erase(uow, row)


async def erase_given_up(uow: UnitOfWork, customer_id: UUID) -> None:
    """Of a customer whose write was given up, and whose person was erased while it was on its way. Nobody is erased
    meanwhile.
    """
    row = await uow.session.scalar(
        select(Customer)
        .where(Customer.id == customer_id, Customer.contact_id.is_(None), ~_was_unlinked(), is_only_drafted())
        .with_for_update(key_share=True)
    )
    if row is not None:
        await _erase(uow, row)


def _was_unlinked(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Of a customer: by hand. What was only proposed and refused has a score; what was drafted or linked has none."""
    return exists().where(
        MatchCandidate.customer_id == Customer.id,
        MatchCandidate.status == CandidateStatus.REFUSED,
        MatchCandidate.score == 0,
        *conditions,
    )


async def _erase(uow: UnitOfWork, row: Customer) -> None:
    await _erase_forms(uow, row)
    is_named = await uow.session.scalar(select(_is_named()).where(Customer.id == row.id))
    if row.link_version == 0 and not is_named:
        await _delete(uow, row)
        return
    row.is_active = False
    blank(row)


async def _erase_forms(uow: UnitOfWork, customer: Customer) -> None:
    """A draft that was never more goes; of what others may have been told, the row stays and says nothing.

    Writes are locked before their forms, as by whoever gives one up.
    """
    session = uow.session
    await _give_up_writes(uow, customer)
    estimates = await session.scalars(
        select(Estimate).where(Estimate.customer_id == customer.id).order_by(Estimate.id).with_for_update()
    )
    found: list[Estimate | Invoice] = []
    for estimate in estimates.all():
        if estimate.number is None:
            await session.delete(estimate)
            continue
        estimate.status, estimate.status_at = EstimateStatus.DELETED, uow.now
        estimate.answered_by = estimate.answer_note = None
        found.append(estimate)
    invoices = await session.scalars(
        select(Invoice).where(Invoice.customer_id == customer.id).order_by(Invoice.id).with_for_update()
    )
    for invoice in invoices.all():
        invoice.balance_cents, invoice.shares = 0, []
        found.append(invoice)
    for form in found:
        _blank_form(form)
    await session.flush()
    # Once more: an invoice may have been made until its estimate was ours.
    await _give_up_writes(uow, customer)


def _blank_form(form: Estimate | Invoice) -> None:
    form.email = form.memo = None
    form.subtotal_cents = form.tax_cents = form.total_cents = 0
    form.lines, form.is_deleted = [], True
    form.touch()


async def _give_up_writes(uow: UnitOfWork, customer: Customer) -> None:
    """Of a customer and of what was drafted for them, also of what was discarded since."""
    targets = {customer.id, *await uow.session.scalars(select(Push.target_id).where(Push.after_id == customer.id))}
    for model in (Estimate, Invoice):
        targets |= set(await uow.session.scalars(select(model.id).where(model.customer_id == customer.id)))
    unsettled = update(Push).where(Push.target_id.in_(targets), Push.state.in_((PushState.PENDING, PushState.FAILED)))
    await uow.session.execute(unsettled.values(state=PushState.DROPPED, settled_at=uow.now))
    await _blank_writes(uow, targets)
