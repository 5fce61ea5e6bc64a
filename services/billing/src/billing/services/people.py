"""Copies of contacts' people and properties, and who stands for whom after merges."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
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
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from billing.matching import names_of, place_of
from billing.models import (
    CandidateStatus,
    ContactAlias,
    ContactCopy,
    Customer,
    Job,
    MatchCandidate,
    PropertyCopy,
    Visit,
)
from billing.services.announcing import Announcer

ERASED = "Erased"
"""The title of a job whose person was erased."""

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
_PERSONS = text("""
    WITH RECURSIVE chain (alias_id, contact_id) AS (
        SELECT id, id FROM unnest(CAST(:ids AS uuid[])) AS asked (id)
        UNION
        SELECT chain.alias_id, alias.primary_id FROM chain JOIN contact_alias AS alias
            ON alias.secondary_id = chain.contact_id AND alias.is_merged
    )
    SELECT alias_id, contact_id FROM chain
    WHERE NOT EXISTS (SELECT FROM contact_alias AS a WHERE a.secondary_id = chain.contact_id AND a.is_merged)
""")
_FAMILIES = text("""
    WITH RECURSIVE chain (person, contact_id) AS (
        SELECT id, id FROM unnest(CAST(:ids AS uuid[])) AS asked (id)
        UNION
        SELECT chain.person, alias.secondary_id FROM chain JOIN contact_alias AS alias
            ON alias.primary_id = chain.contact_id AND alias.is_merged
    )
    SELECT contact_id, person FROM chain
""")
_KEY = "hashtextextended('person ' || CAST(id AS text), 0)"
_LOCK = text(f"SELECT pg_advisory_xact_lock({_KEY}) FROM CAST(:id AS uuid) AS asked (id)")
_TRY_LOCK = text(f"SELECT id FROM unnest(CAST(:ids AS uuid[])) AS asked (id) WHERE pg_try_advisory_xact_lock({_KEY})")

MATCH_CHANNEL = "matching"


class PeopleService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer) -> None:
        self._uow = uow
        self._announcer = announcer

    async def person(self, contact_id: UUID) -> UUID:
        """Whom this id stands for after all merges."""
        found = await self._uow.session.execute(_PERSON, {"id": contact_id})
        return found.scalar_one_or_none() or contact_id

    async def persons(self, contact_ids: Collection[UUID]) -> dict[UUID, UUID]:
        """Whom each of these ids stands for."""
        if not contact_ids:
            return {}
        found = await self._uow.session.execute(_PERSONS, {"ids": list(contact_ids)})
        return {contact_id: contact_id for contact_id in contact_ids} | {row.alias_id: row.contact_id for row in found}

    async def family(self, person: UUID) -> list[UUID]:
        """All ids that stand for this person, its own among them: rows keep the one that they were written with."""
        return list(await self.families([person]))

    async def families(self, persons: Collection[UUID]) -> dict[UUID, UUID]:
        """All ids that stand for one of these persons, with whom they stand for."""
        if not persons:
            return {}
        found = await self._uow.session.execute(_FAMILIES, {"ids": list(persons)})
        return {row.contact_id: row.person for row in found}

    async def lock(self, person: UUID) -> None:
        """One at a time decides whose customer is this person's, until the transaction ends."""
        await self._uow.session.execute(_LOCK, {"id": person})

    async def try_lock(self, persons: Collection[UUID]) -> set[UUID]:
        """Those of whom nobody else decides at the moment; never waits."""
        if not persons:
            return set()
        return set((await self._uow.session.execute(_TRY_LOCK, {"ids": sorted(persons)})).scalars())

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
        if moved := [newest[key] for key in changed.scalars()]:
            await self._look_again(moved)

    async def _look_again(self, items: Sequence[ContactItem]) -> None:
        """Customers without a person that may be one of these, or were thought to be."""
        doubted = select(MatchCandidate.customer_id).where(
            MatchCandidate.contact_id.in_([item.contact_id for item in items]),
            MatchCandidate.status == CandidateStatus.OPEN,
        )
        rows = await self._uow.session.scalars(
            select(Customer.id)
            .where(Customer.contact_id.is_(None), Customer.is_active, or_(_alike(items), Customer.id.in_(doubted)))
            .order_by(Customer.id)
            .with_for_update()
        )
        # Also those that are to be looked at already: somebody may be looking at them without having seen these.
        found = rows.all()
        if found:
            await self._uow.session.execute(update(Customer).where(Customer.id.in_(found)).values(needs_match=True))
            self._uow.wake(MATCH_CHANNEL)

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
        family = await self.family(event.contact_id)
        await self._uow.session.execute(delete(ContactCopy).where(ContactCopy.contact_id.in_(family)))
        await self._uow.session.execute(
            update(MatchCandidate)
            .where(MatchCandidate.contact_id.in_(family), MatchCandidate.status == CandidateStatus.OPEN)
            .values(status=CandidateStatus.OBSOLETE)
        )
        rows = await self._uow.session.scalars(
            select(Customer).where(Customer.contact_id.in_(family)).order_by(Customer.id).with_for_update()
        )
        for row in rows:
            self._announcer.unlink(row, reason="erased")
        await self._blank_jobs(family)

    async def _blank_jobs(self, family: Sequence[UUID]) -> None:
        """That somebody was there stays; where it was and what was written about it tells who."""
        session, now = self._uow.session, self._uow.now
        jobs = (
            await session.scalars(select(Job).where(Job.contact_id.in_(family)).order_by(Job.id).with_for_update())
        ).all()
        visits = await session.scalars(select(Visit).where(Visit.job_id.in_([job.id for job in jobs])))
        for visit in visits:
            visit.notes, visit.changed_at = None, now
            visit.touch()
        for job in jobs:
            job.title, job.notes, job.place, job.property_id, job.changed_at = ERASED, None, None, None, now
            self._uow.hint("jobs", job.id, job.touch())

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


def _copy(item: ContactItem) -> dict[str, Any]:
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
        "name_keys": names_of(item.first_name, item.last_name, company=item.company).keys,
        "is_active": item.is_active,
    }


def _alike(items: Iterable[ContactItem]) -> ColumnElement[bool]:
    """Customers with a phone or an e-mail of one of these, or with a name and a place of theirs."""
    copies = [_copy(item) for item in items]

    def every(name: str) -> list[Any]:
        return sorted({value for copy in copies for value in copy[name]})

    places = [place_of(copy["street"], copy["city"], copy["postal_code"]) for copy in copies]
    return or_(
        Customer.phone.in_(every("phones")),
        Customer.email.in_(every("emails")),
        and_(
            Customer.name_keys.bool_op("&&")(every("name_keys")),
            or_(
                func.left(Customer.postal_code, 5).in_({place.zip for place in places if place.zip}),
                func.lower(Customer.city).in_({place.city for place in places if place.city}),
            ),
        ),
    )
