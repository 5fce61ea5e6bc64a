"""The timeline and the copies of consent and line type, fed by what the other services tell."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.campaigns import CampaignLaunched, CampaignMoved
from shared.events.messaging import (
    CallMoved,
    ContactSeen,
    LineTypeDetermined,
    MessageMoved,
    MessageReceived,
    OptInRecorded,
    OptOutRecorded,
)
from shared.ids import uuid7
from sqlalchemy import Uuid, bindparam, case, func, select
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert

from contacts.models import CampaignCopy, Consent, EntryKind, LineType, PhoneFact, TimelineEntry
from contacts.services.contacts import ContactService

_TABLES = TimelineEntry.metadata.tables
_ENTRY, _CONTACT = _TABLES["timeline_entry"].c, _TABLES["contact"].c


def _put_entry() -> Insert:
    """One entry a key; of two reports the newer one has the last word on what both say."""
    statement = insert(_TABLES["timeline_entry"])
    new = statement.excluded
    newer_last = case(
        (new.version > _ENTRY.version, _ENTRY.details.concat(new.details)), else_=new.details.concat(_ENTRY.details)
    )
    return statement.on_conflict_do_update(
        index_elements=[_ENTRY.key],
        set_={
            "details": newer_last,
            "occurred_at": func.least(_ENTRY.occurred_at, new.occurred_at),
            "version": func.greatest(_ENTRY.version, new.version),
        },
    )


# Built once: they run for every report of every text.
_PUT = _put_entry()
_LOCK_CONTACT = (
    select(_CONTACT.is_active, _CONTACT.merged_into_id)
    .where(_CONTACT.id == bindparam("contact_id"))
    .with_for_update(read=True, key_share=True)
)
_LOCK_ACTIVE = (
    select(_CONTACT.id)
    .where(_CONTACT.id == func.any(bindparam("contact_ids", type_=ARRAY(Uuid))), _CONTACT.is_active)
    .order_by(_CONTACT.id)
    .with_for_update(read=True, key_share=True)
)


class TimelineService:
    """Every method tolerates repeats and any order: an older report only fills in what a newer one lacked."""

    def __init__(self, uow: UnitOfWork, contacts: ContactService) -> None:
        self._uow = uow
        self._session = uow.session
        self._contacts = contacts

    async def record_texts(self, events: Sequence[MessageMoved]) -> None:
        """Outbound texts moved; one entry a text, its status that of the newest report."""
        standing = await self._lock_standing({event.contact_id for event in events if event.contact_id})
        entries = []
        for event in events:
            contact_id = standing.get(event.contact_id) if event.contact_id else None
            entries.append(_text_entry(event, contact_id or await self._person(event.contact_id, event.to)))
        # In one order for all: two workers that hold reports about the same texts must not wait for each other.
        await self._session.execute(_PUT, sorted(entries, key=lambda entry: str(entry["key"])))

    async def record_received(self, event: MessageReceived) -> None:
        contact_id = await self._person(event.contact_id, event.from_phone)
        details = {
            "direction": "inbound",
            "status": "received",
            "phone": event.from_phone,
            "text": event.text,
            "media": len(event.media_ids),
            "conversation_id": str(event.conversation_id),
        }
        await self._put(contact_id, f"text:{event.message_id}", EntryKind.TEXT, event.received_at, details, 1)

    async def record_call(self, event: CallMoved) -> None:
        contact_id = await self._person(event.contact_id, event.phone)
        details = {
            "direction": event.direction,
            "status": event.type.split(".")[2],
            "phone": event.phone,
            "duration_seconds": event.duration_seconds,
        }
        await self._put(contact_id, f"call:{event.call_id}", EntryKind.CALL, event.occurred_at, details, event.version)

    async def record_opt_out(self, event: OptOutRecorded) -> None:
        await self._copy_consent(event, Consent.OPTED_OUT)

    async def record_opt_in(self, event: OptInRecorded) -> None:
        await self._copy_consent(event, Consent.OPTED_IN)

    async def _copy_consent(self, event: OptOutRecorded | OptInRecorded, consent: Consent) -> None:
        fact = {
            "e164": event.phone,
            "consent": consent,
            "consent_version": event.version,
            "consent_source": event.source,
            "consent_at": event.occurred_at,
        }
        statement = insert(PhoneFact).values(line_type=LineType.UNKNOWN, line_type_version=0, **fact)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[PhoneFact.e164],
                set_={name: statement.excluded[name] for name in fact if name != "e164"},
                where=PhoneFact.consent_version < statement.excluded.consent_version,
            )
        )
        contact = await self._contacts.find_by_phone(event.phone)
        contact_id = await self._standing(contact.id) if contact is not None else None
        if contact is not None and contact_id is not None:
            details = {"phone": event.phone, "consent": consent, "source": event.source, "scope": event.scope}
            key = f"consent:{event.phone}:{event.version}"
            await self._put(contact_id, key, EntryKind.CONSENT, event.occurred_at, details, event.version)
            self._uow.hint("contact", contact.id, contact.version)

    async def copy_line_type(self, event: LineTypeDetermined) -> None:
        statement = insert(PhoneFact).values(
            e164=event.phone,
            consent=Consent.UNKNOWN,
            consent_version=0,
            line_type=LineType(event.line_type),
            line_type_version=event.version,
        )
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[PhoneFact.e164],
                set_={
                    "line_type": statement.excluded.line_type,
                    "line_type_version": statement.excluded.line_type_version,
                },
                where=PhoneFact.line_type_version < statement.excluded.line_type_version,
            )
        )

    async def meet_stranger(self, event: ContactSeen) -> None:
        """A number that no contact had becomes a contact without a name."""
        await self._contacts.meet(event.phone, source="inbound")

    async def copy_campaign(self, event: CampaignMoved) -> None:
        launched_at = event.occurred_at if isinstance(event, CampaignLaunched) else None
        statement = insert(CampaignCopy).values(
            campaign_id=event.campaign_id,
            version=event.version,
            name=event.name,
            status=event.type.split(".")[2],
            launched_at=launched_at,
        )
        newer = statement.excluded.version > CampaignCopy.version
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=[CampaignCopy.campaign_id],
                set_={
                    "name": case((newer, statement.excluded.name), else_=CampaignCopy.name),
                    "status": case((newer, statement.excluded.status), else_=CampaignCopy.status),
                    "launched_at": func.coalesce(CampaignCopy.launched_at, statement.excluded.launched_at),
                    "version": func.greatest(CampaignCopy.version, statement.excluded.version),
                },
            )
        )

    async def _person(self, contact_id: UUID | None, phone: str) -> UUID:
        """Whose entry it is: the contact that the event names, or what it was merged into; else the phone's."""
        known = await self._standing(contact_id) if contact_id is not None else None
        if known is None:
            met = await self._contacts.meet(phone, source="message")
            known = await self._standing(met.id)
        return known or met.id

    async def _lock_standing(self, contact_ids: Collection[UUID]) -> dict[UUID, UUID]:
        """Those of the contacts that stand for themselves, as nearly all do, locked like _standing()."""
        rows = await self._session.scalars(_LOCK_ACTIVE, {"contact_ids": list(contact_ids)})
        return {contact_id: contact_id for contact_id in rows}

    async def _standing(self, contact_id: UUID) -> UUID | None:
        """The active contact that this id stands for, locked against a merge: it would leave the entry behind."""
        wanted: UUID | None = contact_id
        while wanted is not None:
            row = (await self._session.execute(_LOCK_CONTACT, {"contact_id": wanted})).first()
            if row is None or row.is_active:
                return wanted if row else None
            wanted = row.merged_into_id
        return None

    async def _put(
        self, contact_id: UUID, key: str, kind: EntryKind, at: datetime, details: dict[str, Any], version: int
    ) -> None:
        await self._session.execute(_PUT, _entry(contact_id, key, kind, at, details, version))


def _text_entry(event: MessageMoved, contact_id: UUID) -> dict[str, Any]:
    details = {
        "direction": "outbound",
        "status": event.type.split(".")[2],
        "kind": event.kind,
        "phone": event.to,
        "text": event.text,
        "segments": event.segments,
        "reason": event.reason,
        "variant": event.variant,
        "campaign_id": str(event.campaign_id) if event.campaign_id else None,
        "conversation_id": str(event.conversation_id) if event.conversation_id else None,
    }
    return _entry(contact_id, f"text:{event.message_id}", EntryKind.TEXT, event.occurred_at, details, event.version)


def _entry(
    contact_id: UUID, key: str, kind: EntryKind, at: datetime, details: dict[str, Any], version: int
) -> dict[str, Any]:
    """The row; of the details only what is known."""
    return {
        "id": uuid7(),
        "contact_id": contact_id,
        "key": key,
        "kind": kind,
        "occurred_at": at,
        "details": {name: value for name, value in details.items() if value is not None},
        "version": version,
    }
