"""Others are told what the first reading of the books found once it has come to its end: its news would slow it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.events import billing
from shared.events.envelope import Event
from shared.failpoints import failpoint
from sqlalchemy import delete, select

from billing.models import Customer, Estimate, Invoice, Payment, UntoldFact, among
from billing.services.announcing import ANSWERS, Announcer
from billing.services.marks import is_first_reading
from billing.services.payments import PaymentMirror, money_of
from billing.states import EstimateStatus

BATCH = 500
_EVENTS: dict[str, type[Event]] = {
    event.type: event
    for event in vars(billing).values()
    if isinstance(event, type)
    and issubclass(event, billing.EstimateMoved | billing.InvoiceMoved | billing.PaymentMoved)
    and "type" in vars(event)
}

_MODELS: tuple[type[Any], ...] = (Estimate, Invoice, Payment)


class TellingService:
    """Lives in one transaction. An event says how the row stands now; what changed meanwhile was told by itself."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer, payments: PaymentMirror) -> None:
        self._uow = uow
        self._announcer = announcer
        self._payments = payments

    async def tell_next(self) -> int:
        """Tell the next facts, oldest first, of companies that are read to their end; returns how many."""
        facts = await self._take()
        ids = [row_id for _, row_id in facts]
        rows: dict[UUID, Any] = {}
        for model in _MODELS:
            rows |= {row.id: row for row in await self._uow.session.scalars(select(model).where(among(model.id, ids)))}
        customers = await self._customers({row.customer_id for row in rows.values()})
        shares = await self._payments.applications([row.id for row in rows.values() if isinstance(row, Payment)])
        for event, row_id in facts:
            row = rows[row_id]
            customer = customers[row.customer_id]
            if not is_still_so(event, row):
                continue
            if issubclass(event, billing.EstimateMoved):
                self._announcer.say_estimate(event, row, customer)
            elif issubclass(event, billing.InvoiceMoved):
                self._announcer.say_invoice(event, row, customer)
            else:
                assert issubclass(event, billing.PaymentMoved)  # noqa: S101 - _EVENTS has no others
                self._announcer.say_payment(event, row, customer, money_of(row, shares[row.id]))
        return len(facts)

    async def _take(self) -> Sequence[tuple[type[Event], UUID]]:
        """Told and forgotten in one transaction: a crash tells none of them, or leaves none."""
        chosen = (
            select(UntoldFact.id)
            .where(~is_first_reading(UntoldFact.realm_id))
            .order_by(UntoldFact.id)
            .limit(BATCH)
            .with_for_update(of=UntoldFact, skip_locked=True)
            .cte("chosen")
        )
        taken = await self._uow.session.execute(
            delete(UntoldFact)
            .where(UntoldFact.id.in_(select(chosen.c.id)))
            .returning(UntoldFact.id, UntoldFact.type, UntoldFact.row_id)
            .execution_options(synchronize_session=False)
        )
        ordered = sorted(taken.all(), key=lambda fact: fact.id)
        return [(_EVENTS[fact.type], fact.row_id) for fact in ordered]

    async def _customers(self, ids: Collection[UUID]) -> dict[UUID, Customer]:
        rows = await self._uow.session.scalars(select(Customer).where(among(Customer.id, ids)))
        return {row.id: row for row in rows}


def is_still_so(event: type[Event], row: Any) -> bool:
    """What is not so any more was undone by an event of its own, which may have been told already."""
    if event is billing.InvoicePaid:
        return row.paid_at is not None
    if event in ANSWERS.values():
        # One that was closed since had been answered; nobody tells of the closing.
        return row.status is not EstimateStatus.OPEN and ANSWERS.get(row.status, event) is event
    if event in (billing.PaymentReceived, billing.PaymentRefunded):
        return not (row.is_voided or row.is_deleted)
    return True


class TellingProcess:
    """Tells as long as there is something untold."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            done = await (await tx.aget(TellingService)).tell_next()
            if done:
                failpoint("telling.before_commit")
        return done
