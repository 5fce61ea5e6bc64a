"""Copies of contacts' people and properties, and who stands for whom after merges."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.contacts import (
    ContactChanged,
    ContactErased,
    ContactItem,
    ContactMerged,
    ContactUnmerged,
    PropertyChanged,
    PropertyItem,
)
from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from billing.models import CandidateStatus, ContactAlias, ContactCopy, Customer, MatchCandidate, PropertyCopy
from billing.services.announcing import Announcer

_PERSON = text("""
    WITH RECURSIVE chain (contact_id) AS (
        SELECT CAST(:id AS uuid)
        UNION
        SELECT alias.primary_id FROM chain JOIN contact_alias AS alias
            ON alias.secondary_id = chain.contact_id AND alias.is_merged
    )
    SELECT contact_id FROM chain
    WHERE NOT EXISTS (SELECT FROM contact_alias AS a WHERE a.secondary_id = chain.contact_id AND a.is_merged)
    LIMIT 1
""")


class PeopleService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer) -> None:
        self._uow = uow
        self._announcer = announcer

    async def person(self, contact_id: UUID) -> UUID:
        """Whom this id stands for after all merges."""
        found = await self._uow.session.execute(_PERSON, {"id": contact_id})
        return found.scalar_one_or_none() or contact_id

    async def record_changes(self, events: Sequence[ContactChanged]) -> None:
        """The newest state of each person; customers that may be them are looked at again."""
        newest: dict[UUID, ContactItem] = {}
        for item in (item for event in events for item in event.contacts):
            if item.contact_id not in newest or newest[item.contact_id].version < item.version:
                newest[item.contact_id] = item
        if not newest:
            return
        statement = insert(ContactCopy).values([_copy(newest[key]) for key in sorted(newest)])
        columns = {
            name: statement.excluded[name] for name in _copy(next(iter(newest.values()))) if name != "contact_id"
        }
        changed = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["contact_id"], set_=columns, where=ContactCopy.version < statement.excluded.version
            ).returning(ContactCopy.contact_id)
        )
        await self._look_again([newest[key] for key in changed.scalars()])

    async def _look_again(self, items: Iterable[ContactItem]) -> None:
        """Customers without a person, that have a phone or an e-mail of one of these."""
        phones = {phone.e164 for item in items for phone in item.phones}
        emails = {email.lower() for item in items for email in item.emails}
        reachable = [Customer.phone.in_(phones), Customer.email.in_(emails)]
        if phones or emails:
            found = await self._uow.session.execute(
                update(Customer)
                .where(Customer.contact_id.is_(None), Customer.is_active, ~Customer.needs_match, or_(*reachable))
                .values(needs_match=True)
                .returning(Customer.id)
            )
            if found.first():
                self._uow.wake("matching")

    async def record_merge(self, event: ContactMerged) -> None:
        await self._alias(event.secondary_id, event.primary_id, event.version, is_merged=True)

    async def record_unmerge(self, event: ContactUnmerged) -> None:
        await self._alias(event.secondary_id, event.primary_id, event.version, is_merged=False)

    async def _alias(self, secondary: UUID, primary: UUID, version: int, *, is_merged: bool) -> None:
        statement = insert(ContactAlias).values(
            secondary_id=secondary, primary_id=primary, version=version, is_merged=is_merged
        )
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["secondary_id"],
                set_={name: statement.excluded[name] for name in ("primary_id", "version", "is_merged")},
                where=ContactAlias.version < statement.excluded.version,
            )
        )

    async def record_erasure(self, event: ContactErased) -> None:
        """Forget who it was. The books stay: they are the company's, and the law asks for them."""
        await self._uow.session.execute(delete(ContactCopy).where(ContactCopy.contact_id == event.contact_id))
        await self._uow.session.execute(
            update(MatchCandidate)
            .where(MatchCandidate.contact_id == event.contact_id, MatchCandidate.status == CandidateStatus.OPEN)
            .values(status=CandidateStatus.OBSOLETE)
        )
        rows = await self._uow.session.scalars(
            select(Customer).where(Customer.contact_id == event.contact_id).order_by(Customer.id).with_for_update()
        )
        for row in rows:
            self._announcer.unlink(row, reason="erased")

    async def record_properties(self, events: Sequence[PropertyChanged]) -> None:
        newest: dict[UUID, PropertyItem] = {}
        for item in (item for event in events for item in event.properties):
            if item.property_id not in newest or newest[item.property_id].version < item.version:
                newest[item.property_id] = item
        if not newest:
            return
        parts = {
            key: (item.address.street, item.address.city, item.address.state, item.address.zip)
            for key, item in newest.items()
        }
        rows = [
            {"property_id": key, "version": newest[key].version, "address": ", ".join(filter(None, parts[key]))}
            for key in sorted(newest)
        ]
        statement = insert(PropertyCopy).values(rows)
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["property_id"],
                set_={"version": statement.excluded.version, "address": statement.excluded.address},
                where=PropertyCopy.version < statement.excluded.version,
            )
        )


def _copy(item: ContactItem) -> dict[str, object]:
    address = item.address
    return {
        "contact_id": item.contact_id,
        "version": item.version,
        "given_name": item.first_name,
        "family_name": item.last_name,
        "company_name": item.company,
        "phones": [phone.e164 for phone in sorted(item.phones, key=lambda phone: not phone.is_primary)],
        "emails": [email.lower() for email in item.emails],
        "street": address.street if address else None,
        "city": address.city if address else None,
        "region": address.state if address else None,
        "postal_code": address.zip if address else None,
        "is_active": item.is_active,
    }
