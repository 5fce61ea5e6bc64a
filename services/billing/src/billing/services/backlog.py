"""What is left to do, so that others can tell when this service is at rest and when it will wake."""

from datetime import datetime

from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from sqlalchemy import exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from billing.models import Connection, Customer, Notice, Push, SyncMark, UntoldFact
from billing.services.intents import is_held_back
from billing.services.marks import CDC, COMPANY, DIFFERENCES, PULLS, READABLE, is_comparable, is_first_reading
from billing.states import ConnectionStatus, PushState

_FIRST = aliased(SyncMark, name="first")


class BillingBacklog(Backlog):
    """Counts what can be done now: without a connection, nothing of QuickBooks can."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def counts(self) -> dict[str, int]:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            session = uow.session
            readable = exists().where(Connection.realm_id == SyncMark.realm_id, Connection.status.in_(READABLE))
            # Kinds are pulled in their order: one that is put off puts off the later ones.
            put_off = exists().where(
                _FIRST.realm_id == SyncMark.realm_id,
                _FIRST.name.in_(PULLS),
                SyncMark.name.in_(PULLS),
                _FIRST.done_at.is_(None),
                _FIRST.due_at > uow.now,
            )
            due = select(func.count()).where(SyncMark.due_at <= uow.now, readable)
            writable = exists().where(
                Connection.realm_id == Push.realm_id, Connection.status == ConnectionStatus.CONNECTED
            )
            to_be_written = Push.state == PushState.PENDING
            told = exists().where(Connection.realm_id == Notice.realm_id, Connection.status.in_(READABLE))
            unmatched = select(func.count()).where(Customer.needs_match, ~is_first_reading(Customer.realm_id))
            untold = select(func.count()).where(~is_first_reading(UntoldFact.realm_id))
            return {
                "pulls": await _count(session, due.where(SyncMark.name.in_((*PULLS, COMPANY)), ~put_off)),
                "changes": await _count(session, due.where(SyncMark.name == CDC)),
                "comparisons": await _count(
                    session, due.where(SyncMark.name == DIFFERENCES, is_comparable(SyncMark.realm_id))
                ),
                "pushes": await _count(session, select(func.count()).where(to_be_written, ~is_held_back(), writable)),
                "notices": await _count(session, select(func.count()).where(Notice.processed_at.is_(None), told)),
                "customers_to_match": await _count(session, unmatched),
                "facts_to_tell": await _count(session, untold.select_from(UntoldFact)),
            }

    async def next_due_at(self) -> datetime | None:
        """The next reading of changes."""
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            found: datetime | None = await uow.session.scalar(
                select(func.min(SyncMark.due_at))
                .join(Connection, Connection.realm_id == SyncMark.realm_id)
                .where(
                    Connection.status.in_(READABLE),
                    SyncMark.due_at > uow.now,
                    or_(SyncMark.leased_until.is_(None), SyncMark.leased_until < wall_now()),
                )
            )
            return found


async def _count(session: AsyncSession, statement: object) -> int:
    return (await session.execute(statement)).scalar_one()  # type: ignore[call-overload, no-any-return]
