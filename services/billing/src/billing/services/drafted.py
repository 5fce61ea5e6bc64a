"""Customers that only drafts name: they are ours alone until the first form of theirs is to be written. And what is
ours alone of the others, which their erasure takes too.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.billing import CustomerUnlinked
from sqlalchemy import ColumnElement, and_, case, delete, exists, or_, select, update

from billing.models import (
    CandidateStatus,
    CreditMemo,
    Customer,
    Estimate,
    Invoice,
    MatchCandidate,
    Payment,
    Push,
)
from billing.services.announcing import Announcer
from billing.services.marks import own_notice, put_notices
from billing.states import UNSETTLED, EstimateStatus, PushKind, PushState

ERASED = "Erased"
"""The title of a job whose person was erased, and the name of a customer who stands in no books."""
_PERSONAL = (
    "given_name", "family_name", "company_name", "email", "phone", "street", "city", "region", "postal_code",
)  # fmt: skip
_E_MAILS = (PushKind.SEND_ESTIMATE, PushKind.SEND_INVOICE)
F = TypeVar("F", Estimate, Invoice)


def is_only_drafted() -> ColumnElement[bool]:
    """Of a customer: neither in QuickBooks nor on the way there."""
    return _is_ours_alone(Push.state.in_(UNSETTLED))


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
        await _give_up_writes(uow, [row.id])


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


async def _blank_writes(uow: UnitOfWork, target_ids: Collection[UUID], *conditions: ColumnElement[bool]) -> None:
    """What they say is said. Whoever answered an estimate is named as who wanted that written."""
    is_answer = Push.kind == PushKind.MARK_ESTIMATE
    values = {
        "body": None,
        "argument": None,
        "error": None,
        "created_by": case((is_answer, ERASED), else_=Push.created_by),
    }
    await uow.session.execute(update(Push).where(Push.target_id.in_(target_ids), *conditions).values(values))


async def erase(uow: UnitOfWork, announcer: Announcer, family: Collection[UUID]) -> None:
    """A customer of theirs whom QuickBooks never got is in no books, nor is what was drafted for them. Also one that
    was unlinked from them by hand, and is nobody's since: it was made of what they were.

    The caller lets nobody write down anything of them meanwhile.
    """
    was_theirs = and_(Customer.contact_id.is_(None), _was_unlinked(MatchCandidate.contact_id.in_(family)))
    # A write that failed was refused for good, and one that nobody began left no trace: QuickBooks has nothing of them.
    may_be_there = and_(Push.state == PushState.PENDING, Push.request_id.is_not(None))
    rows = await uow.session.scalars(
        select(Customer)
        .where(or_(Customer.contact_id.in_(family), was_theirs), _is_ours_alone(may_be_there))
        .order_by(Customer.id)
        # Whoever makes an invoice has its estimate already, and names the customer.
        .with_for_update(key_share=True)
    )
    for row in rows.all():
        announcer.unlink(row, reason=CustomerUnlinked.ERASED)
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
    """Writes are locked before their forms, as by whoever gives one up."""
    await _give_up_writes(uow, [customer.id])
    await _erase_estimates(uow, await _locked(uow, Estimate, [customer.id]))
    _erase_invoices(await _locked(uow, Invoice, [customer.id]))
    await uow.session.flush()
    # Once more: an invoice may have been made until its estimate was ours.
    await _give_up_writes(uow, [customer.id])


async def _locked(uow: UnitOfWork, model: type[F], customer_ids: Collection[UUID]) -> Sequence[F]:
    forms = select(model).where(model.customer_id.in_(customer_ids)).order_by(model.id).with_for_update()
    return (await uow.session.scalars(forms)).all()


async def _erase_estimates(uow: UnitOfWork, rows: Collection[Estimate]) -> None:
    """A draft that was never more goes; of what others may have been told, the row stays and says nothing."""
    for row in rows:
        if row.number is None:
            await uow.session.delete(row)
            continue
        row.status, row.status_at = EstimateStatus.DELETED, uow.now
        row.answered_by = row.answer_note = None
        _blank_form(row)


def _erase_invoices(rows: Collection[Invoice]) -> None:
    for row in rows:
        row.balance_cents, row.shares = 0, []
        _blank_form(row)


def _blank_form(form: Estimate | Invoice) -> None:
    form.email = form.memo = None
    form.subtotal_cents = form.tax_cents = form.total_cents = 0
    form.lines, form.is_deleted = [], True
    form.touch()


async def _give_up_writes(uow: UnitOfWork, customer_ids: Collection[UUID]) -> None:
    targets = await _targets(uow, customer_ids)
    await _drop(uow, Push.target_id.in_(targets), Push.state.in_(UNSETTLED))
    await _blank_writes(uow, targets)


async def _targets(uow: UnitOfWork, customer_ids: Collection[UUID]) -> set[UUID]:
    """Customers and what was drafted for them, also what was discarded since."""
    # What is there may be somebody else's by now; what was discarded was theirs.
    discarded = select(Push.target_id).where(
        Push.after_id.in_(customer_ids),
        *(~exists().where(model.id == Push.target_id) for model in (Estimate, Invoice)),
    )
    targets = {*customer_ids, *await uow.session.scalars(discarded)}
    for model in (Estimate, Invoice):
        targets |= set(await uow.session.scalars(select(model.id).where(model.customer_id.in_(customer_ids))))
    return targets


async def _drop(uow: UnitOfWork, *conditions: ColumnElement[bool]) -> set[UUID]:
    """Give these writes up; returns whose they were."""
    given_up = update(Push).where(*conditions).values(state=PushState.DROPPED, settled_at=uow.now)
    return set(await uow.session.scalars(given_up.returning(Push.target_id)))


async def erase_beside_books(uow: UnitOfWork, rows: Sequence[Customer]) -> None:
    """Of customers in QuickBooks, or on their way there, the books stay, and what is to stand in them is written. What
    we alone have goes: drafts, what was said to an estimate, edits and e-mails that nobody began to write.

    The caller has the rows to themselves, and lets nobody begin a write meanwhile.
    """
    customer_ids = await _with_merged(uow, {row.id for row in rows})
    await _give_up_edits(uow, rows)
    await _forget_writes(uow, customer_ids)
    estimates = await _locked(uow, Estimate, customer_ids)
    invoices = await _locked(uow, Invoice, customer_ids)
    unwritten = await _unwritten(uow, estimates, invoices)
    await _drop(uow, Push.target_id.in_(unwritten), Push.state.in_(UNSETTLED))
    await _erase_estimates(uow, [row for row in estimates if row.id in unwritten])
    _erase_invoices([row for row in invoices if row.id in unwritten])
    _forget_answers([row for row in estimates if row.id not in unwritten])
    await uow.session.flush()
    # Once more: an e-mail may have been asked for until its form was ours.
    await _forget_writes(uow, customer_ids)


async def _with_merged(uow: UnitOfWork, customer_ids: set[UUID]) -> set[UUID]:
    """With those who became one of these in QuickBooks: a draft keeps the customer for whom it was made."""
    found, last = set(customer_ids), customer_ids
    while last:
        gone = select(Customer.id).where(Customer.merged_into_id.in_(last), Customer.id.not_in(found))
        last = set(await uow.session.scalars(gone))
        found |= last
    return found


def _is_not_begun() -> ColumnElement[bool]:
    """Of a write: QuickBooks was not asked, or refused it for good."""
    return or_(Push.state == PushState.FAILED, and_(Push.state == PushState.PENDING, Push.request_id.is_(None)))


async def _give_up_edits(uow: UnitOfWork, rows: Sequence[Customer]) -> None:
    """What was edited here never gets there: what it is there is read, and shown."""
    is_edit = Push.kind == PushKind.UPDATE_CUSTOMER
    edited = await _drop(uow, Push.target_id.in_([row.id for row in rows]), is_edit, _is_not_begun())
    again = [
        own_notice(row.realm_id, "Customer", row.qb_id, "updated", at=uow.now)
        for row in rows
        if row.id in edited and row.qb_id is not None
    ]
    await put_notices(uow, again)


async def _forget_writes(uow: UnitOfWork, customer_ids: Collection[UUID]) -> None:
    """Nobody is sent anything any more. What is still to be written, or may be tried again, is built without a name."""
    targets = await _targets(uow, customer_ids)
    is_theirs = Push.target_id.in_(targets)
    await _drop(uow, is_theirs, Push.kind.in_(_E_MAILS), _is_not_begun())
    await _blank_writes(uow, targets, Push.state.not_in(UNSETTLED))
    await uow.session.execute(update(Push).where(is_theirs, Push.state == PushState.FAILED).values(body=None))
    is_answer = Push.kind == PushKind.MARK_ESTIMATE
    await uow.session.execute(update(Push).where(is_theirs, is_answer).values(created_by=ERASED))


async def _unwritten(uow: UnitOfWork, estimates: Collection[Estimate], invoices: Collection[Invoice]) -> set[UUID]:
    """Those of these that QuickBooks has not, and that do not wait to be written; no invoice outlives its estimate."""
    forms: list[Estimate | Invoice] = [*estimates, *invoices]
    ids = {row.id for row in forms if row.qb_id is None}
    creates = Push.kind.in_((PushKind.CREATE_ESTIMATE, PushKind.CREATE_INVOICE))
    waiting = select(Push.target_id).where(Push.target_id.in_(ids), creates, Push.state == PushState.PENDING)
    unwritten = ids - set(await uow.session.scalars(waiting))
    return unwritten | {row.id for row in invoices if row.id in ids and row.estimate_id in unwritten}


def _forget_answers(rows: Collection[Estimate]) -> None:
    """That it was answered stays."""
    for row in rows:
        if row.answered_by is not None or row.answer_note is not None:
            row.answered_by = row.answer_note = None
            row.touch()
