"""Attribution of money: a job works off the news of payments, persons and texts, and appends what they change.

Whoever has news only leaves a request, in the transaction of the news. An attribution first takes its requests and
then reads everything anew: of two transactions that do not see each other, the later one's request is still there.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.database import Begin, UnitOfWork
from shared.events.campaigns import RevenueAttributed
from shared.events.envelope import Money
from sqlalchemy import delete, insert, select

from campaigns import queries
from campaigns.attribution import Line, Touch, attribute, differences, moment_of
from campaigns.attribution import Payment as Received
from campaigns.models import (
    AttributionRequest,
    AttributionWindow,
    CustomerLink,
    Payment,
    Reason,
    RevenueEntry,
    Subject,
)
from campaigns.settings import Settings

REVENUE_CHANNEL = "revenue"
NEWS_AT_ONCE = 500
PAYMENTS_AT_ONCE = 100


def request_attribution(uow: UnitOfWork, subject: Subject, ids: Iterable[UUID], reason: Reason) -> None:
    """Have the payments of these attributed anew, once this transaction has committed."""
    uow.session.add_all(
        AttributionRequest(subject=subject, subject_id=subject_id, reason=reason) for subject_id in dict.fromkeys(ids)
    )
    uow.wake(REVENUE_CHANNEL)


class Attributor:
    """The job. Several workers share the payments: each takes those that no other has locked."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            done = await (await tx.aget(AttributionService)).spread_news()
        async with self._begin() as tx:
            return done + await (await tx.aget(AttributionService)).attribute_next()


@dataclass(frozen=True)
class Facts:
    """What the attribution of some payments has to know."""

    window_days: int
    contacts: Mapping[UUID, UUID | None]
    """Payment → whose it is; None where nobody knows."""
    touches: Mapping[UUID, Sequence[Touch]]
    """Contact → the texts of the person that it stands for."""
    siblings: Mapping[UUID, Sequence[Received]]
    """Customer → the money it gave, where some was given back."""
    written: Mapping[UUID, Mapping[Line, int]]


class AttributionService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, settings: Settings) -> None:
        self._uow = uow
        self._zone: ZoneInfo = settings.company_zone

    async def spread_news(self) -> int:
        """Turn news of customers and contacts into requests for their payments; without any, go on with the sweep."""
        news = await self._take_news()
        for reason, ids in news.get(Subject.CUSTOMER, {}).items():
            await self._request(await queries.payments_of_customers(self._uow.session, ids), reason)
        for reason, ids in news.get(Subject.CONTACT, {}).items():
            await self._request(await queries.payments_of_contacts(self._uow.session, ids), reason)
        return sum(len(ids) for by_reason in news.values() for ids in by_reason.values()) or await self._sweep()

    async def attribute_next(self) -> int:
        """Attribute some payments that this was asked for; returns how many."""
        claimed = await self._claim()
        reasons = await self._take_requests([payment.id for payment in claimed])
        # Another worker may have taken the requests of one just before its lock became free.
        payments = [payment for payment in claimed if payment.id in reasons]
        if payments:
            facts = await self._gather(payments)
            for payment in payments:
                self._append(payment, facts, reasons[payment.id])
        return len(claimed)

    async def _take_news(self) -> dict[Subject, dict[Reason, set[UUID]]]:
        oldest = (
            select(AttributionRequest.id)
            .where(AttributionRequest.subject != Subject.PAYMENT)
            .order_by(AttributionRequest.id)
            .limit(NEWS_AT_ONCE)
            .with_for_update(skip_locked=True)
            .cte("oldest")
        )
        taken = await self._uow.session.execute(
            delete(AttributionRequest)
            .where(AttributionRequest.id.in_(select(oldest.c.id)))
            .returning(AttributionRequest.subject, AttributionRequest.subject_id, AttributionRequest.reason)
            .execution_options(synchronize_session=False)
        )
        news: dict[Subject, dict[Reason, set[UUID]]] = defaultdict(lambda: defaultdict(set))
        for subject, subject_id, reason in taken:
            news[subject][reason].add(subject_id)
        return news

    async def _request(self, payment_ids: Collection[UUID], reason: Reason) -> None:
        if payment_ids:
            await self._uow.session.execute(
                insert(AttributionRequest),
                [{"subject": Subject.PAYMENT, "subject_id": id, "reason": reason} for id in sorted(payment_ids)],
            )

    async def _sweep(self) -> int:
        """A few payments more that have to be looked at under a window that was changed."""
        found = await self._uow.session.execute(
            select(AttributionWindow)
            .where(AttributionWindow.sweep_after.is_not(None))
            .with_for_update(skip_locked=True)
        )
        window = found.scalar_one_or_none()
        if window is None:
            return 0
        after = select(Payment.id).where(Payment.id > window.sweep_after).order_by(Payment.id).limit(PAYMENTS_AT_ONCE)
        payment_ids = (await self._uow.session.scalars(after)).all()
        await self._request(payment_ids, Reason.WINDOW)
        window.sweep_after = payment_ids[-1] if payment_ids else None
        return 1

    async def _claim(self) -> Sequence[Payment]:
        """Payments with requests, locked. Those that somebody else has in hand stay for the next time."""
        asked_for = (
            select(AttributionRequest.subject_id)
            .where(AttributionRequest.subject == Subject.PAYMENT)
            .order_by(AttributionRequest.id)
            .limit(PAYMENTS_AT_ONCE)
        )
        found = await self._uow.session.scalars(
            select(Payment).where(Payment.id.in_(asked_for)).order_by(Payment.id).with_for_update(skip_locked=True)
        )
        return found.all()

    async def _take_requests(self, payment_ids: Sequence[UUID]) -> dict[UUID, Reason]:
        """Whatever these requests told is visible from the next statement on; returns the newest reason of each."""
        taken = await self._uow.session.execute(
            delete(AttributionRequest)
            .where(AttributionRequest.subject == Subject.PAYMENT, AttributionRequest.subject_id.in_(payment_ids))
            .returning(AttributionRequest.id, AttributionRequest.subject_id, AttributionRequest.reason)
            .execution_options(synchronize_session=False)
        )
        return {payment_id: reason for _, payment_id, reason in sorted(taken)}

    async def _gather(self, payments: Sequence[Payment]) -> Facts:
        session = self._uow.session
        days = await session.execute(select(AttributionWindow.days))
        contacts = await self._contacts(payments)
        return Facts(
            window_days=days.scalar_one(),
            contacts=contacts,
            touches=await self._touches({contact_id for contact_id in contacts.values() if contact_id}),
            siblings=await self._siblings({p.customer_id for p in payments if p.amount_cents < 0}),
            written=await queries.written_lines(session, [payment.id for payment in payments]),
        )

    async def _contacts(self, payments: Sequence[Payment]) -> dict[UUID, UUID | None]:
        """A link that was told, or taken back, is newer than what a payment says of its customer."""
        contacts = {payment.id: payment.contact_id for payment in payments}
        found = await self._uow.session.scalars(
            select(CustomerLink).where(CustomerLink.customer_id.in_({payment.customer_id for payment in payments}))
        )
        links = {link.customer_id: link.contact_id if link.is_linked else None for link in found}
        return contacts | {p.id: links[p.customer_id] for p in payments if p.customer_id in links}

    async def _touches(self, contact_ids: Collection[UUID]) -> dict[UUID, list[Touch]]:
        """By contact, the texts of everybody who is the same person today."""
        persons = await queries.persons(self._uow.session, contact_ids)
        person_of = {contact_id: persons.get(contact_id, (contact_id, 0))[0] for contact_id in contact_ids}
        family = await queries.families(self._uow.session, set(person_of.values()))
        by_person: defaultdict[UUID, list[Touch]] = defaultdict(list)
        for earner, sent_at in await queries.texts_that_may_have_arrived(self._uow.session, family):
            touch = Touch(earner, sent_at, sent_at.astimezone(self._zone).date())
            by_person[family[earner.contact_id]].append(touch)
        return {contact_id: by_person[person_id] for contact_id, person_id in person_of.items()}

    async def _siblings(self, customer_ids: Collection[UUID]) -> dict[UUID, list[Received]]:
        found: defaultdict[UUID, list[Received]] = defaultdict(list)
        if customer_ids:
            rows = await self._uow.session.scalars(
                select(Payment).where(Payment.customer_id.in_(customer_ids), Payment.amount_cents > 0)
            )
            for payment in rows:
                found[payment.customer_id].append(payment.to_rule())
        return found

    def _append(self, payment: Payment, facts: Facts, newest: Reason) -> None:
        contact_id, received = facts.contacts[payment.id], payment.to_rule()
        verdict = attribute(
            received,
            None if contact_id is None else facts.touches[contact_id],
            moment=moment_of(received, facts.siblings.get(payment.customer_id, ())),
            window_days=facts.window_days,
        )
        reason = newest if payment.attributed_version == payment.version else payment.reason
        for line, cents in differences(verdict.lines, facts.written.get(payment.id, {})).items():
            self._add(payment, line, cents, reason)
        payment.outcome, payment.attributed_version = verdict.outcome, payment.version
        self._uow.hint("revenue", payment.id, payment.version)

    def _add(self, payment: Payment, line: Line, cents: int, reason: Reason) -> None:
        """One entry. The event names an invoice: of money that is not applied yet, it follows when that is."""
        self._uow.session.add(
            RevenueEntry(
                payment_id=payment.id,
                payment_version=payment.version,
                model=line.model,
                **line.earner._asdict(),
                invoice_id=line.invoice_id,
                amount_cents=cents,
                currency=line.currency,
                reason=reason,
                occurred_at=self._uow.now,
            )
        )
        if line.invoice_id is not None:
            self._uow.publish(
                RevenueAttributed(
                    campaign_id=line.earner.campaign_id,
                    recipient_id=line.earner.recipient_id,
                    invoice_id=line.invoice_id,
                    amount=Money(amount_cents=cents, currency=line.currency),
                    model=line.model,
                )
            )
