"""What became of the texts: reports, replies and opt-outs, each cheap enough for hundreds in one transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.messaging import MessageMoved, MessageReceived, OptInRecorded, OptOutRecorded
from sqlalchemy import Uuid, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert

from campaigns import queries
from campaigns.models import Audience, Campaign, PhoneConsent, PlanRequest, Reason, Recipient, Reply, Subject
from campaigns.outcome import (
    EVIDENCE_OF_SENDING,
    Report,
    Standing,
    Verdict,
    judge,
    judge_opt_out,
)
from campaigns.reply import Send, attribute_replies
from campaigns.services.attribution import request_attribution
from campaigns.services.lifecycle import PLAN_CHANNEL
from campaigns.states import CampaignStatus, RecipientStatus

PUT_OFF = timedelta(minutes=15)
"""How long a text that the gate refused for a passing reason waits before it is planned again."""

_NEVER_SENT = frozenset({Report.SUPPRESSED, Report.EXPIRED, Report.CANCELLED})


# Built once: these run for every report, and for every text that has left.
_LOCK_RECIPIENTS = (
    select(Recipient)
    .where(Recipient.id == func.any(bindparam("recipient_ids", type_=ARRAY(Uuid))))
    .order_by(Recipient.id)
    .with_for_update()
)
_WITH_REPLY = text(
    "SELECT DISTINCT asked.phone FROM unnest(CAST(:phones AS text[]), CAST(:times AS timestamptz[]))"
    " AS asked(phone, at) JOIN reply ON reply.phone = asked.phone AND reply.received_at >= asked.at"
    " ORDER BY asked.phone"
)


# The carrier knows no such number, or it is a landline: not to be texted again, but nobody asked for it.
DEAD_LINES = frozenset({"carrier_30005", "carrier_30006"})


class OutcomeService:
    """Lives in one transaction, which may hold many events: each recipient is locked and read once."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._locked: dict[UUID, Recipient] = {}
        self._told: set[UUID] = set()

    async def record_reports(self, events: Sequence[MessageMoved]) -> None:
        """Apply reports to the recipients' current texts; one about an earlier text, or a repeat, changes nothing."""
        reports = [event for event in events if event.kind == "campaign" and event.recipient_id]
        await self._lock({event.recipient_id for event in reports if event.recipient_id})
        sent: dict[UUID, Recipient] = {}
        touched: list[UUID] = []
        for event in reports:
            recipient = self._locked.get(event.recipient_id) if event.recipient_id else None
            if recipient is None or recipient.message_id != event.message_id:
                continue
            touched_before = recipient.touched_at
            if await self._record_report(recipient, event):
                sent[recipient.id] = recipient
            if recipient.touched_at != touched_before:
                touched.append(recipient.contact_id)
            await self._tell_plan(recipient.campaign_id)
        if touched:
            # Their money may be here already; whether it is, is not asked here, where another's may be committing.
            request_attribution(self._uow, Subject.CONTACT, touched, Reason.TEXT)
        for phone in await self._phones_with_reply(sent.values()):
            await self._attribute(phone)

    async def _record_report(self, recipient: Recipient, event: MessageMoved) -> bool:
        """Apply one report to its locked recipient; True where it tells when the text was sent."""
        report = Report(event.type.split(".")[2])
        verdict = judge(
            Standing(recipient.status, recipient.status_at), report, reason=event.reason, at=event.occurred_at
        )
        sent_before = recipient.sent_at
        self._note_facts(recipient, event, report)
        if verdict is not None:
            await self._apply(recipient, verdict, at=event.occurred_at, cause=event.message_id)
        return recipient.sent_at != sent_before

    async def record_reply(self, event: MessageReceived) -> None:
        """Keep the time of an inbound text and work out anew which of the sends to this phone it answers."""
        if event.is_history:
            return
        await self._uow.session.execute(
            insert(Reply)
            .values(message_id=event.message_id, phone=event.from_phone, received_at=event.received_at)
            .on_conflict_do_nothing()
        )
        await self._attribute(event.from_phone)

    async def record_opt_out(self, event: OptOutRecorded) -> None:
        """End what is unsent for this phone, and remember it for later audiences."""
        await self._copy_consent(event, is_opted_out=True)
        await queries.lock_builds(self._uow.session, shared=True)
        rows = await self._uow.session.execute(
            select(Recipient, Audience.snapshot_at)
            .join(Audience, Audience.id == Recipient.audience_id)
            .where(Recipient.phone == event.phone, Recipient.status != RecipientStatus.EXCLUDED)
            .order_by(Recipient.id)
            .with_for_update(of=Recipient)
        )
        # An old opt-out that is told again says nothing about audiences built after it: the snapshot knew it.
        affected = [r for r, snapshot_at in rows if snapshot_at and snapshot_at <= event.occurred_at]
        if event.source not in DEAD_LINES:
            self._credit_opt_out(affected, event.occurred_at)
        for recipient in affected:
            verdict = judge_opt_out(Standing(recipient.status, recipient.status_at), at=event.occurred_at)
            if verdict is not None:
                await self._apply(recipient, verdict, at=event.occurred_at, cause=event.evidence_message_id)
                await self._tell_plan(recipient.campaign_id)

    async def record_opt_in(self, event: OptInRecorded) -> None:
        """Later audiences may hold this phone again; campaigns under way stay as they are."""
        await self._copy_consent(event, is_opted_out=False)

    def _credit_opt_out(self, recipients: list[Recipient], at: datetime) -> None:
        """The opt-out counts for the newest text to this phone that can have caused it."""
        texted = [r for r in recipients if r.requested_at and r.requested_at <= at]
        newest = max(texted, key=lambda r: (r.requested_at or at, r.id), default=None)
        if newest is not None:
            newest.opted_out_at = min(newest.opted_out_at or at, at)

    async def _copy_consent(self, event: OptOutRecorded | OptInRecorded, *, is_opted_out: bool) -> None:
        statement = insert(PhoneConsent).values(
            phone=event.phone, version=event.version, is_opted_out=is_opted_out, changed_at=event.occurred_at
        )
        newer = statement.excluded
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[PhoneConsent.phone],
                set_={
                    "version": newer.version,
                    "is_opted_out": newer.is_opted_out,
                    "changed_at": newer.changed_at,
                },
                where=PhoneConsent.version < newer.version,
            )
        )

    async def _lock(self, recipient_ids: Collection[UUID]) -> None:
        """Lock and read those that are not yet, in the order of their ids."""
        missing = [recipient_id for recipient_id in recipient_ids if recipient_id not in self._locked]
        if not missing:
            return
        # Without autoflush the changes of the whole batch are written together at its end.
        with self._uow.session.no_autoflush:
            found = await self._uow.session.scalars(_LOCK_RECIPIENTS, {"recipient_ids": missing})
        self._locked |= {recipient.id: recipient for recipient in found}

    async def _phones_with_reply(self, recipients: Collection[Recipient]) -> list[str]:
        """The phones that have written to us since their text was requested.

        Asked under the recipients' locks: a reply that is recorded at the same moment waits for them, or was first.
        """
        asked = [(recipient.phone, recipient.requested_at) for recipient in recipients if recipient.phone]
        if not asked:
            return []
        with self._uow.session.no_autoflush:
            found = await self._uow.session.scalars(
                _WITH_REPLY, {"phones": [phone for phone, _ in asked], "times": [at for _, at in asked]}
            )
        return list(found)

    def _note_facts(self, recipient: Recipient, event: MessageMoved, report: Report) -> None:
        """Facts only ever add up, so that the order of reports does not matter."""
        if report in EVIDENCE_OF_SENDING:
            recipient.sent_at = min(recipient.sent_at or event.occurred_at, event.occurred_at)
        if report is Report.DELIVERED:
            recipient.delivered_at = min(recipient.delivered_at or event.occurred_at, event.occurred_at)
        if report in _NEVER_SENT:
            # Nothing was sent: the day's cap gets the text back.
            recipient.counted_on = None
        if event.segments is not None:
            recipient.billed_segments = max(recipient.billed_segments or 0, event.segments)
        if event.cost_cents is not None:
            recipient.cost_cents = max(recipient.cost_cents or 0, event.cost_cents)

    async def _apply(self, recipient: Recipient, verdict: Verdict, *, at: datetime, cause: UUID | None) -> None:
        status, reason = verdict.status, verdict.reason
        if verdict.returns_turn:
            status, reason = await self._after_returned_turn(recipient, verdict)
        if status is recipient.status:
            # An earlier opt-out of the same phone has become known: only the time changes.
            recipient.status_at = at
            return
        self._uow.session.add(recipient.move(status, at=at, reason=reason, cause=cause))

    async def _after_returned_turn(self, recipient: Recipient, verdict: Verdict) -> tuple[RecipientStatus, str | None]:
        """Back to the plan, unless the campaign or the person left it while the text was on its way."""
        if recipient.barred:
            return RecipientStatus.EXCLUDED, recipient.barred
        campaign = await self._campaign(recipient.campaign_id)
        if campaign.status is CampaignStatus.CANCELLED:
            return RecipientStatus.CANCELLED, None
        if campaign.deadline_at and campaign.deadline_at <= self._uow.now:
            return RecipientStatus.EXPIRED, "deadline"
        was_refused = verdict.reason not in (None, "expired", "hold")
        recipient.not_before = self._uow.now + PUT_OFF if was_refused else self._uow.now
        return RecipientStatus.WAITING, verdict.reason

    async def _campaign(self, campaign_id: UUID) -> Campaign:
        with self._uow.session.no_autoflush:
            return await self._uow.session.get_one(Campaign, campaign_id)

    async def _attribute(self, phone: str) -> None:
        found = await self._uow.session.execute(
            select(Recipient)
            .where(Recipient.phone == phone, Recipient.requested_at.is_not(None))
            .order_by(Recipient.id)
            .with_for_update()
        )
        # Looked at under the lock: the report that a text has left may be about to commit.
        sends = {recipient.id: recipient for recipient in found.scalars() if recipient.sent_at}
        if not sends:
            return
        replies = await self._uow.session.execute(select(Reply.received_at).where(Reply.phone == phone))
        replied = attribute_replies(
            [
                Send(recipient.id, recipient.requested_at, recipient.sent_at)
                for recipient in sends.values()
                if recipient.requested_at and recipient.sent_at
            ],
            replies.scalars().all(),
        )
        for recipient in sends.values():
            if recipient.replied_at != replied.get(recipient.id):
                recipient.replied_at = replied.get(recipient.id)
                await self._tell_plan(recipient.campaign_id)

    async def _tell_plan(self, campaign_id: UUID) -> None:
        """Once a transaction and campaign: a turn may be free, or the campaign complete; and screens refresh."""
        if campaign_id in self._told:
            return
        self._told.add(campaign_id)
        campaign = await self._campaign(campaign_id)
        self._uow.session.add(PlanRequest(campaign_id=campaign_id))
        self._uow.wake(PLAN_CHANNEL)
        self._uow.hint("campaigns", campaign_id, campaign.version)
