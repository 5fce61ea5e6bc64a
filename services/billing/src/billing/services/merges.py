"""Merges in QuickBooks that nobody told of: what was a customer's who is gone, and turned up at another one."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import exists, or_, select
from sqlalchemy.dialects.postgresql import insert

from billing.models import (
    CandidateStatus,
    CreditMemo,
    Customer,
    Estimate,
    Invoice,
    MatchCandidate,
    Notice,
    Payment,
    among,
)
from billing.provider import NOBODY, OfCustomer, Seen
from billing.services.marks import NOTICE_CHANNEL, own_notice, put_notices
from billing.services.people import PeopleService

MOVED, CARRIED = "moved", "carried"
"""How a form came to another customer: it was changed itself, or it was not, as only a merge leaves it."""
AT_ONCE = timedelta(seconds=5)
"""A merge takes everything from a customer and makes it inactive in one go; by hand that takes longer."""
THIS_READING = timedelta(minutes=2)
"""Security time. Whoever notes a move has both customers read at once; no more than a minute for which QuickBooks
throttles lies between. What was noted longer ago is a move of its own, and says nothing of a customer that went since.
"""
MOVED_HERE = "Its estimates and invoices moved to this customer in QuickBooks"
_SCORE = 70


async def note_moves(uow: UnitOfWork, realm_id: str, seen: Iterable[Seen], former: Mapping[str, Any]) -> None:
    """Before forms of one kind are stored: keep from whom to whom some went, and have both customers read again.
    `former`: the rows of those that are mirrored, by their ids in QuickBooks.

    Customers that are nobody's are left out, and those of whom QuickBooks told that they were merged.
    """
    forms = [(one, former[one.id]) for one in seen if isinstance(one, OfCustomer) and one.id in former]
    if not forms:
        return
    known = select(Customer.id, Customer.qb_id).where(
        among(Customer.id, {row.customer_id for _, row in forms}),
        Customer.qb_id.is_not(None),
        Customer.contact_id.is_not(None),
        Customer.merged_into_id.is_(None),
    )
    customers = {row.id: str(row.qb_id) for row in await uow.session.execute(known)}
    moves = set[tuple[str, str, str, datetime]]()
    for one, row in forms:
        gone = customers.get(row.customer_id)
        states = (one.sync_token, one.updated_at), (row.sync_token, row.qb_updated_at)
        if gone is not None and one.customer not in (gone, NOBODY) and states[0] >= states[1]:
            how = CARRIED if states[0] == states[1] else MOVED
            moves.add((gone, one.customer, how, _instant(one.updated_at) or uow.now))
    noted = [own_notice(realm_id, "Customer", kept, how, at=at, gone_id=gone) for gone, kept, how, at in sorted(moves)]
    await put_notices(uow, noted)


async def recognise_merges(
    uow: UnitOfWork, people: PeopleService, realm_id: str, gone: Sequence[tuple[Customer, Seen]]
) -> None:
    """Of customers that are inactive or deleted in QuickBooks. One that surely was merged is dealt with as if a notice
    had told of it; where it may have been otherwise, a person decides.
    """
    rows = {row.qb_id: (row, row.contact_id, one) for row, one in gone if row.contact_id and not row.merged_into_id}
    if not rows:
        return
    noted = await uow.session.execute(
        select(Notice.gone_id, Notice.qb_id, Notice.operation, Notice.occurred_at, Notice.received_at)
        .where(Notice.realm_id == realm_id, Notice.entity == "Customer", Notice.operation.in_((MOVED, CARRIED)))
        .where(among(Notice.gone_id, rows))
    )
    all_kept, merged = defaultdict[str | None, set[str]](set), defaultdict[str | None, set[str]](set)
    for gone_id, kept_id, how, at, noted_at in noted:
        all_kept[gone_id].add(kept_id)
        if how == CARRIED or _is_at_once(rows[gone_id][2], at, noted_at):
            merged[gone_id].add(kept_id)
    for gone_id, theirs in all_kept.items():
        row, contact_id, _ = rows[gone_id]
        person = await people.person(contact_id)
        merge = _Merge(uow, row, person, await people.family(person))
        await merge.decide(all_kept=theirs, merged=merged[gone_id])


def _is_at_once(gone: Seen, at: datetime, noted_at: datetime) -> bool:
    """Whether a form moved in the moment in which the customer went. Of one that cannot be read any more nobody knows
    that moment, but only a merge deletes a customer: then it counts what was noted as this came to be known.
    """
    since = _instant(gone.updated_at)
    if since is None:
        return gone.is_deleted and wall_now() - noted_at <= THIS_READING
    return abs(since - at) <= AT_ONCE


class _Merge:
    """What became of one customer that is gone. `family`: all ids that stand for the person that it was."""

    def __init__(self, uow: UnitOfWork, gone: Customer, person: UUID, family: Collection[UUID]) -> None:
        self._uow = uow
        self._session = uow.session
        self._gone = gone
        self._person = person
        self._family = family

    async def decide(self, *, all_kept: set[str], merged: set[str]) -> None:
        """`all_kept`: to whom something went; `merged`: to whom it went as a merge does it."""
        found = await self._session.scalars(
            select(Customer)
            .where(Customer.realm_id == self._gone.realm_id, among(Customer.qb_id, all_kept), Customer.is_active)
            .order_by(Customer.id)
        )
        kept = {str(row.qb_id): row for row in found}
        said = await self._said([row.id for row in kept.values()])
        only = kept.get(next(iter(merged))) if len(merged) == 1 else None
        if only is not None and await self._is_sure(only, said[only.id]):
            await self._tell(only)
            return
        for row in kept.values():
            if row.contact_id not in self._family and said[row.id] <= {CandidateStatus.OBSOLETE}:
                await self._propose(row)

    async def _said(self, customer_ids: Collection[UUID]) -> dict[UUID, set[CandidateStatus]]:
        """By customer: what is said of their being this person, under whichever id."""
        rows = await self._session.execute(
            select(MatchCandidate.customer_id, MatchCandidate.status).where(
                among(MatchCandidate.customer_id, customer_ids), among(MatchCandidate.contact_id, self._family)
            )
        )
        found: dict[UUID, set[CandidateStatus]] = defaultdict(set)
        for customer_id, status in rows:
            found[customer_id].add(status)
        return found

    async def _is_sure(self, kept: Customer, said: Collection[CandidateStatus]) -> bool:
        """Nothing that counts stayed behind, and nobody says that the one who has it is somebody else."""
        is_free = kept.contact_id is None and CandidateStatus.REFUSED not in said
        if not is_free and kept.contact_id not in self._family:
            return False
        stayed = or_(
            *(
                exists().where(model.customer_id == self._gone.id, model.qb_id.is_not(None), ~model.is_deleted)
                for model in (Estimate, Invoice, CreditMemo, Payment)
            )
        )
        return not (await self._session.execute(select(stayed))).scalar_one()

    async def _tell(self, kept: Customer) -> None:
        """As a webhook would have told. Where that was tried in vain before, it is tried anew."""
        notice = own_notice(
            self._gone.realm_id, "Customer", str(kept.qb_id), "merged",
            at=self._uow.now, gone_id=self._gone.qb_id, name=f"merge {self._gone.id} {kept.id}",
        )  # fmt: skip
        anew = dict.fromkeys(("processed_at", "next_try_at", "error")) | {"attempts": 0}
        await self._session.execute(
            insert(Notice)
            .values(notice)
            .on_conflict_do_update(index_elements=["event_id"], set_=anew, where=Notice.processed_at.is_not(None))
        )
        self._uow.wake(NOTICE_CHANNEL)

    async def _propose(self, kept: Customer) -> None:
        doubt = insert(MatchCandidate).values(
            id=uuid7(),
            customer_id=kept.id,
            contact_id=self._person,
            score=_SCORE,
            reasons=[MOVED_HERE],
            status=CandidateStatus.OPEN,
            created_at=self._uow.now,
        )
        await self._session.execute(
            doubt.on_conflict_do_update(
                index_elements=["customer_id", "contact_id"],
                set_={"status": CandidateStatus.OPEN, "reasons": doubt.excluded.reasons, "score": _SCORE},
                where=MatchCandidate.status == CandidateStatus.OBSOLETE,
            )
        )
        self._uow.hint("customers", kept.id, kept.version)


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
