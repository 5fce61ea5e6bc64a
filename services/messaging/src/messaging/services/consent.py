"""The consent ledger and what follows from it: the authority on whom nobody here may text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.messaging import OptInRecorded, OptOutRecorded
from sqlalchemy import select

from messaging.models import ConsentAction, ConsentEntry, Message, PhoneState
from messaging.services.moves import MoveService
from messaging.services.phone_states import PhoneStateService
from messaging.states import Kind, Status

CLOCK_SKEW = timedelta(minutes=5)
TEXTED = "text_"
"""How the sources of what people wrote themselves begin."""
_OPENS = frozenset({ConsentAction.OPT_IN, ConsentAction.GRANT})


@dataclass(frozen=True, kw_only=True)
class ConsentChange:
    """Something that happened at `occurred_at` (the provider's time where it came from there)."""

    phone: str
    action: ConsentAction
    source: str
    evidence: str
    occurred_at: datetime
    purpose: str = "all"
    evidence_message_id: UUID | None = None
    needs_review: bool = False
    recorded_by: str | None = None


class ConsentService:
    """Lives in one transaction. Locks the phone before it touches any of its texts."""

    def __init__(self, uow: UnitOfWork, phones: PhoneStateService, moves: MoveService) -> None:
        self._uow = uow
        self._phones = phones
        self._moves = moves

    async def record(self, change: ConsentChange) -> ConsentEntry:
        """Append the change; if nothing newer is known, apply it and cancel what is queued where it forbids.

        A grant from elsewhere (a form, an import) is evidence in the ledger and no more: it never lifts an opt-out,
        and no opt-out is held against its time. Only the person's own START lifts one, or somebody at the desk.

        The state, the cancelled texts and the events are one transaction: an opt-out is never half done.
        """
        phone = (await self._phones.lock([change.phone]))[change.phone]
        is_effective = _is_newest(phone, change)
        phone.consent_version += 1
        entry = await self._append(change, phone.consent_version, is_effective)
        if is_effective and change.action is not ConsentAction.GRANT:
            await self._apply(phone, change)
        return entry

    async def note_refusal(self, phone: str, *, source: str, evidence: str, message_id: UUID) -> None:
        """Copy in what the provider or a carrier knows and we did not; a phone that is out already stays as it is."""
        state = (await self._phones.lock([phone]))[phone]
        if state.is_opted_out:
            return
        await self.record(
            ConsentChange(
                phone=phone,
                action=ConsentAction.SUPPRESSION,
                source=source,
                evidence=evidence,
                occurred_at=self._uow.now,
                evidence_message_id=message_id,
            )
        )

    async def _append(self, change: ConsentChange, version: int, is_effective: bool) -> ConsentEntry:
        session = self._uow.session
        previous = await session.scalar(
            select(ConsentEntry.hash)
            .where(ConsentEntry.phone == change.phone)
            .order_by(ConsentEntry.seq.desc())
            .limit(1)
        )
        entry = ConsentEntry(
            phone=change.phone,
            version=version,
            action=change.action,
            purpose=change.purpose,
            source=change.source,
            evidence=change.evidence,
            evidence_message_id=change.evidence_message_id,
            is_effective=is_effective,
            occurred_at=change.occurred_at,
            recorded_at=self._uow.now,
            recorded_by=change.recorded_by,
        )
        entry.seal(previous or "")
        session.add(entry)
        await session.flush()
        return entry

    async def _apply(self, phone: PhoneState, change: ConsentChange) -> None:
        was_definite = phone.is_opted_out and not phone.needs_review
        phone.consent_at = max(phone.consent_at or change.occurred_at, change.occurred_at)
        phone.consent_source = change.source
        phone.is_opted_out = change.action not in _OPENS
        # A doubtful text after a clear opt-out leaves it clear.
        phone.needs_review = change.needs_review and not was_definite
        event = {
            "phone": phone.phone,
            "version": phone.consent_version,
            "scope": change.purpose,
            "source": change.source,
            "evidence_message_id": change.evidence_message_id,
            "occurred_at": change.occurred_at,
        }
        if phone.is_opted_out:
            await self._cancel_queued(phone.phone)
            self._uow.publish(OptOutRecorded(**event, needs_review=phone.needs_review))
        else:
            self._uow.publish(OptInRecorded(**event))
        self._uow.hint("opt-outs", phone.phone, phone.consent_version)

    async def _cancel_queued(self, phone: str) -> None:
        queued = await self._uow.session.scalars(
            select(Message)
            .where(Message.phone == phone, Message.status == Status.QUEUED, Message.kind != Kind.CONFIRMATION)
            .order_by(Message.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for message in queued:
            self._moves.move(message, Status.CANCELLED, by="consent", reason="opted_out")


def _is_newest(phone: PhoneState, change: ConsentChange) -> bool:
    """Whether this decides from now on. Of texts the provider's time decides, not the order of arrival.

    What stops texting in our own books (a person at the desk, a refusal) always counts: nothing that happened is
    older than the moment it is written down, whatever a clock said before. At the same instant the stricter one stands.
    """
    if change.action is ConsentAction.GRANT:
        return not phone.is_opted_out
    if change.action is ConsentAction.SUPPRESSION or (change.action is ConsentAction.OPT_OUT and change.recorded_by):
        return True
    if phone.consent_at is None or change.occurred_at > phone.consent_at:
        return True
    if change.action in _OPENS:
        return False
    return change.occurred_at >= phone.consent_at - _skew_of(phone)


def _skew_of(phone: PhoneState) -> timedelta:
    """How far the clock that a STOP came by may lag behind the one that the consent in force was written by."""
    is_same_clock = (phone.consent_source or "").startswith(TEXTED)
    return timedelta(0) if is_same_clock else CLOCK_SKEW


def standing_entry(entries: Sequence[ConsentEntry]) -> ConsentEntry | None:
    """Of a phone's entries up to some time, oldest first, the one that decides; a grant where no other does.

    The effective ones were appended in the order in which they came to decide.
    """
    effective = [entry for entry in entries if entry.is_effective]
    deciding = [entry for entry in effective if entry.action is not ConsentAction.GRANT]
    decided = deciding or effective
    return decided[-1] if decided else None


def verify_chain(entries: list[ConsentEntry]) -> list[int]:
    """The seq of each entry of one phone (oldest first) that does not fit the chain; empty where all do."""
    broken, previous = [], ""
    for expected_version, entry in enumerate(entries, start=1):
        fits = entry.previous_hash == previous and entry.hash == entry.expected_hash()
        if not fits or entry.version != expected_version:
            broken.append(entry.seq)
        previous = entry.hash
    return broken
