"""Outbound texts: queued, claimed with their intent (T1), settled (T2)."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.ids import uuid7
from shared.rules.pacing import day_bounds, day_in_zone
from shared.settings import Mode
from sqlalchemy import select
from sqlalchemy import tuple_ as row_of

from messaging.gate import Candidate, Decision, Gate, Verdict, wait_or_expire
from messaging.models import CampaignState, CapScope, Message, PhoneNumber, PhoneState
from messaging.provider import OutboundText
from messaging.queries import claimable
from messaging.services.caps import CapService, Place
from messaging.services.moves import MoveService
from messaging.settings import MessagingSettings
from messaging.states import COUNTS_AS_SENT, Direction, Kind, Status

SAME_TEXT_WINDOW = timedelta(hours=24)
_VERDICTS = {Decision.SUPPRESS: Status.SUPPRESSED, Decision.EXPIRE: Status.EXPIRED}


class ClaimService:
    """T1. Everything that may forbid a text is checked here, under the lock, in the transaction of its intent."""

    def __init__(
        self, uow: UnitOfWork, moves: MoveService, caps: CapService, gate: Gate, settings: MessagingSettings
    ) -> None:
        self._uow = uow
        self._moves = moves
        self._caps = caps
        self._gate = gate
        self._settings = settings

    async def count_claimable(self, limit: int) -> int:
        rows = await self._uow.session.execute(select(Message.id).where(claimable(self._uow.now)).limit(limit))
        return len(rows.all())

    async def claim(self, limit: int, monotonic_now: float) -> list[OutboundText]:
        """Claim at most `limit` texts, those that people wait for first; write the intents of those that may leave.

        Never waits for a lock: what a STOP or another sender holds is skipped. `monotonic_now` is from before this
        transaction, so that the deadline it leads to is never later than `not_after`.
        """
        rows = await self._uow.session.execute(
            select(Message, PhoneState)
            .join(PhoneState, PhoneState.phone == Message.phone)
            .where(claimable(self._uow.now))
            .order_by(Message.priority, Message.not_before)
            .limit(limit)
            .with_for_update(of=[Message, PhoneState], skip_locked=True)
            .execution_options(populate_existing=True)
        )
        pairs = [(row[0], row[1]) for row in rows]
        if not pairs:
            return []
        numbers = {n.id: n for n in await self._uow.session.scalars(select(PhoneNumber))}
        passed = await self._gated(pairs, numbers)
        return self._write_intents(await self._capped(passed, numbers), numbers, monotonic_now)

    async def _gated(self, pairs: list[tuple[Message, PhoneState]], numbers: dict[UUID, PhoneNumber]) -> list[Message]:
        recent = await self._recent_texts([message for message, _ in pairs])
        evidence = await self._evidence_times([message for message, _ in pairs])
        cancelled = await self._cancelled_campaigns([message for message, _ in pairs])
        passed = []
        for message, phone in pairs:
            if message.kind is Kind.CAMPAIGN and message.campaign_id in cancelled:
                self._moves.move(message, Status.CANCELLED, by="gate", reason="campaign_cancelled")
                continue
            number = numbers.get(message.number_id) if message.number_id else None
            key = (message.phone, message.body_hash)
            candidate = Candidate(
                kind=_kind(message),
                phone=message.phone,
                is_opted_out=phone.is_opted_out,
                line_type=phone.line_type,
                zones=message.zones or (),
                region=message.region,
                expires_at=message.expires_at,
                last_inbound_at=phone.last_inbound_at,
                evidence_at=evidence.get(message.in_reply_to) if message.in_reply_to else None,
                repeats_recent_text=key in recent and not message.repeats_text,
                is_number_active=number is not None and number.is_active,
            )
            verdict = self._gate.check(candidate, self._uow.now)
            if verdict.decision is Decision.SEND:
                passed.append(message)
                recent.add(key)
            else:
                self._obey(message, verdict)
        return passed

    def _obey(self, message: Message, verdict: Verdict) -> None:
        if verdict.decision is Decision.WAIT:
            message.not_before = verdict.until or message.not_before
            message.reason = verdict.reason
            return
        self._moves.move(message, _VERDICTS[verdict.decision], by="gate", reason=verdict.reason)

    async def _recent_texts(self, messages: list[Message]) -> set[tuple[str, str]]:
        keys = {(message.phone, message.body_hash) for message in messages}
        rows = await self._uow.session.execute(
            select(Message.phone, Message.body_hash).where(
                row_of(Message.phone, Message.body_hash).in_(keys),
                Message.direction == Direction.OUTBOUND,
                Message.status.in_(COUNTS_AS_SENT),
                Message.intent_at > self._uow.now - SAME_TEXT_WINDOW,
            )
        )
        return {(phone, digest) for phone, digest in rows}

    async def _evidence_times(self, messages: list[Message]) -> dict[UUID, datetime]:
        ids = {message.in_reply_to for message in messages if message.in_reply_to}
        if not ids:
            return {}
        rows = await self._uow.session.execute(select(Message.id, Message.created_at).where(Message.id.in_(ids)))
        return {row[0]: row[1] for row in rows}

    async def _cancelled_campaigns(self, messages: list[Message]) -> set[UUID]:
        """Of those whose texts these are: a request may have been queued while its campaign was being cancelled."""
        ids = {message.campaign_id for message in messages if message.campaign_id}
        if not ids:
            return set()
        rows = await self._uow.session.scalars(
            select(CampaignState.campaign_id).where(
                CampaignState.campaign_id.in_(ids), CampaignState.state == "cancelled"
            )
        )
        return set(rows)

    async def _capped(self, messages: list[Message], numbers: dict[UUID, PhoneNumber]) -> list[Message]:
        """Take a place for each text in its number's counters, the last locks of the transaction."""
        places = {message.id: _places(message, self._today(message, numbers)) for message in messages}
        await self._uow.session.flush()
        taken = await self._caps.lock({place for own in places.values() for place in own})
        changes: Counter[Place] = Counter()
        passed = []
        for message in messages:
            full = [p for p in places[message.id] if taken[p] + changes[p] >= self._cap(p, numbers)]
            if full:
                _, midnight = day_bounds(full[0][1], numbers[full[0][0]].zone)
                reason = "daily_cap" if full[0][2] is CapScope.CAMPAIGN else "carrier_cap"
                self._obey(message, wait_or_expire(message.expires_at, midnight, reason))
                continue
            changes.update(places[message.id])
            message.capped_on = places[message.id][0][1]
            passed.append(message)
        await self._caps.change(changes)
        return passed

    def _today(self, message: Message, numbers: dict[UUID, PhoneNumber]) -> date:
        return day_in_zone(self._uow.now, numbers[_number_id(message)].zone)

    def _cap(self, place: Place, numbers: dict[UUID, PhoneNumber]) -> int:
        if place[2] is CapScope.CAMPAIGN:
            return numbers[place[0]].daily_cap
        if self._settings.mode is Mode.TRIAL:
            return min(self._settings.trial_daily_cap, self._settings.carrier_daily_cap)
        return self._settings.carrier_daily_cap

    def _write_intents(
        self, messages: list[Message], numbers: dict[UUID, PhoneNumber], monotonic_now: float
    ) -> list[OutboundText]:
        fence = uuid7()
        not_after = wall_now() + self._settings.send_deadline
        texts = []
        for message in messages:
            message.intent_at = self._uow.now
            message.not_after = not_after
            message.fence = fence
            self._moves.move(message, Status.IN_FLIGHT, by="sender")
            texts.append(
                OutboundText(
                    message_id=message.id,
                    fence=fence,
                    from_provider_id=numbers[_number_id(message)].provider_id,
                    to=message.phone,
                    body=message.body,
                    deadline=monotonic_now + self._settings.send_deadline_seconds,
                    not_after=not_after,
                )
            )
        return texts

    async def expire_due(self, limit: int = 500) -> int:
        """Give back the turns of texts that did not get out in time, held ones included."""
        rows = await self._uow.session.scalars(
            select(Message)
            .where(Message.status == Status.QUEUED, Message.expires_at <= self._uow.now)
            .order_by(Message.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        expired: Sequence[Message] = rows.all()
        for message in expired:
            self._moves.move(message, Status.EXPIRED, by="gate", reason=message.reason or "expired")
        return len(expired)


def places_of(message: Message) -> list[Place]:
    """The counters in which this text holds a place."""
    return _places(message, message.capped_on) if message.capped_on and message.number_id else []


def _places(message: Message, on: date) -> list[Place]:
    number_id = _number_id(message)
    if message.kind is Kind.CAMPAIGN:
        return [(number_id, on, CapScope.CAMPAIGN), (number_id, on, CapScope.ALL)]
    return [(number_id, on, CapScope.ALL)]


def _number_id(message: Message) -> UUID:
    if message.number_id is None:
        raise ValueError("the gate lets no text pass that has no number")
    return message.number_id


def _kind(message: Message) -> Kind:
    if message.kind is None:
        raise ValueError("only outbound texts are queued")
    return message.kind
