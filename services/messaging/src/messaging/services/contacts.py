"""The copy of what messaging needs of contacts: whose phone it is, and where they may be."""

from datetime import datetime
from uuid import UUID

import orjson
from shared.database import UnitOfWork
from shared.events import contacts as events
from shared.events.envelope import Envelope
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from messaging.models import ConsentAction, ContactAlias, ContactPhone
from messaging.services.consent import ConsentChange, ConsentService

# An event brings up to 500 contacts: one parameter for all of them, not a statement of thousands.
_REMEMBER = text(
    "INSERT INTO contact_version AS known (contact_id, version)"
    " SELECT contact_id, version"
    " FROM unnest(CAST(:contacts AS uuid[]), CAST(:versions AS integer[])) AS told (contact_id, version)"
    " ON CONFLICT (contact_id) DO UPDATE SET version = excluded.version WHERE known.version < excluded.version"
    " RETURNING contact_id, version"
)
_FORGET = text("DELETE FROM contact_phone WHERE contact_id = ANY(CAST(:contacts AS uuid[]))")
_COLUMNS = tuple(column.name for column in ContactPhone.__table__.columns)
# A phone belongs to one active contact: the one that was changed last has it, whatever came first here.
_TAKE_OVER = text(
    f"INSERT INTO contact_phone AS known ({', '.join(_COLUMNS)})"
    f" SELECT {', '.join(_COLUMNS)} FROM jsonb_populate_recordset(NULL::contact_phone, CAST(:rows AS jsonb))"
    f" ON CONFLICT (phone) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)}"
    " WHERE known.changed_at <= excluded.changed_at"
)


class ContactCopyService:
    def __init__(self, uow: UnitOfWork, consent: ConsentService) -> None:
        self._uow = uow
        self._consent = consent

    async def take_over(self, event: events.ContactChanged, envelope: Envelope) -> None:
        """Apply each contact that is newer than our copy; what it no longer has is dropped."""
        newest: dict[UUID, int] = {}
        for item in event.contacts:
            newest[item.contact_id] = max(item.version, newest.get(item.contact_id, item.version))
        newer = await self._newer(newest)
        # One event may hold a contact twice: its newest state stands for it.
        news = [item for item in event.contacts if newer.get(item.contact_id) == item.version]
        if not news:
            return
        await self._uow.session.execute(_FORGET, {"contacts": list(newer)})
        values = {str(row["phone"]): row for item in news for row in _rows(item, envelope.time)}
        if values:
            rows = [values[phone] for phone in sorted(values)]
            await self._uow.session.execute(_TAKE_OVER, {"rows": orjson.dumps(rows).decode()})

    async def _newer(self, versions: dict[UUID, int]) -> dict[UUID, int]:
        """Remember these versions; returns those that are newer than what was known."""
        contacts = sorted(versions)
        rows = await self._uow.session.execute(
            _REMEMBER, {"contacts": contacts, "versions": [versions[contact] for contact in contacts]}
        )
        return {row.contact_id: row.version for row in rows}

    async def alias(self, event: events.ContactMerged) -> None:
        await self._set_alias(event, is_active=True)

    async def unalias(self, event: events.ContactUnmerged) -> None:
        await self._set_alias(event, is_active=False)

    async def record_consent(self, event: events.ConsentRecorded) -> None:
        """A person's word given elsewhere enters the ledger; a grant never lifts a newer opt-out."""
        await self._consent.record(
            ConsentChange(
                phone=event.phone,
                action=ConsentAction.GRANT if event.is_granted else ConsentAction.OPT_OUT,
                source=event.source,
                evidence=event.evidence,
                occurred_at=event.recorded_at,
                purpose=event.purpose,
            )
        )

    async def _set_alias(self, event: events.ContactMerged | events.ContactUnmerged, *, is_active: bool) -> None:
        statement = insert(ContactAlias).values(
            secondary_id=event.secondary_id, primary_id=event.primary_id, version=event.version, is_active=is_active
        )
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[ContactAlias.secondary_id],
                set_={"primary_id": event.primary_id, "version": event.version, "is_active": is_active},
                where=ContactAlias.version < event.version,
            )
        )


def _rows(item: events.ContactItem, changed_at: datetime) -> list[dict[str, object]]:
    if not item.is_active:
        return []
    return [
        {
            "phone": phone.e164,
            "contact_id": item.contact_id,
            "changed_at": changed_at,
            "first_name": item.first_name,
            "last_name": item.last_name,
            "company": item.company,
            "zones": item.zones,
            "region": item.region,
        }
        for phone in item.phones
    ]
