"""Copies of contacts' people and properties, and who stands for whom after merges."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.events.billing import CustomerUnlinked
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

from billing.errors import ContactGone
from billing.matching import names_of, place_of
from billing.models import (
    CandidateStatus,
    ContactAlias,
    ContactCopy,
    Customer,
    ErasedContact,
    Job,
    MatchCandidate,
    PropertyCopy,
    Visit,
)
from billing.services.announcing import Announcer
from billing.services.drafted import ERASED, erase, erase_beside_books

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
# One key for all persons: an erasure follows merges, so whom it reaches is known only while none of them moves.
_NO_ERASURE = text("SELECT pg_advisory_xact_lock_shared(hashtext('erasure'))")
_ERASURE = text("SELECT pg_advisory_xact_lock(hashtext('erasure'))")

MATCH_CHANNEL = "matching"


async def hold_erasures(uow: UnitOfWork) -> None:
    """See `PeopleService.hold_erasures`: for whoever needs nothing else of people."""
    await uow.session.execute(_NO_ERASURE)


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

    async def hold_erasures(self) -> None:
        """Nobody is erased until the transaction ends. Whoever writes down something of a person does this first.

        First of all: an erasure waits for whoever holds it, and locks rows of jobs and customers then.
        """
        await hold_erasures(self._uow)

    async def contact(self, contact_id: UUID) -> ContactCopy:
        """The person whom this id stands for, not erased until the transaction ends. Raises NotFound or ContactGone."""
        await self.hold_erasures()
        person = await self.person(contact_id)
        found = await self._uow.session.get(ContactCopy, person)
        if found is None:
            is_erased = await self.is_erased(contact_id) or await self.is_erased(person)
            raise NotFound("This contact was erased." if is_erased else "There is no such contact.")
        if not found.is_active:
            raise ContactGone("This contact is archived. Restore it first, or choose another one.")
        return found

    async def is_erased(self, contact_id: UUID) -> bool:
        return await self._uow.session.get(ErasedContact, contact_id, populate_existing=True) is not None

    async def _erased(self, contact_ids: Collection[UUID]) -> set[UUID]:
        """Those of these that were erased."""
        statement = select(ErasedContact.contact_id).where(ErasedContact.contact_id.in_(contact_ids))
        return set(await self._uow.session.scalars(statement))

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
        await self.hold_erasures()
        newest: dict[UUID, ContactItem] = {}
        for item in await self._of_the_living([item for event in events for item in event.contacts]):
            if item.contact_id not in newest or newest[item.contact_id].version < item.version:
                newest[item.contact_id] = item
        if not newest:
            return
        copies = [{**_copy(newest[key]), "changed_at": self._uow.now} for key in sorted(newest)]
        statement = insert(ContactCopy).values(copies)
        columns = {name: statement.excluded[name] for name in copies[0] if name != "contact_id"}
        changed = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["contact_id"], set_=columns, where=ContactCopy.version < statement.excluded.version
            ).returning(ContactCopy.contact_id)
        )
        if moved := [newest[key] for key in changed.scalars()]:
            await self._look_again(moved)

    async def _of_the_living(self, items: Sequence[ContactItem]) -> list[ContactItem]:
        """What is told of nobody who was erased, nor of whom a merge had made the same person."""
        named = {one for item in items for one in (item.contact_id, item.merged_into_id) if one is not None}
        erased = await self._erased(named)
        return [item for item in items if erased.isdisjoint((item.contact_id, item.merged_into_id))]

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
        """Whoever is told late to have been somebody erased is erased as well; who was erased becomes nobody else."""
        # Of everything else of people it is the only one meanwhile, as it may erase; the earlier merges are all here.
        await self._uow.session.execute(_ERASURE)
        primary = await self._uow.session.get(ErasedContact, event.primary_id, populate_existing=True)
        if primary is None and await self.is_erased(event.secondary_id):
            return
        is_news = await self._alias(event.secondary_id, event.primary_id, event.version, is_merged=True)
        if is_news and primary is not None:
            await self._forget(event.secondary_id, named=primary.erased_as)

    async def record_unmerge(self, event: ContactUnmerged) -> None:
        """Who had been unmerged before the primary was erased, and is told so late, is known again from now on."""
        await self.hold_erasures()
        if await self._alias(event.secondary_id, event.primary_id, event.version, is_merged=False):
            family = await self.family(event.secondary_id)
            mistaken = ErasedContact.contact_id.in_(family) & ErasedContact.erased_as.not_in(family)
            await self._uow.session.execute(delete(ErasedContact).where(mistaken))

    async def _alias(self, secondary: UUID, primary: UUID, version: int, *, is_merged: bool) -> bool:
        """Whether this was news."""
        statement = insert(ContactAlias).values(
            secondary_id=secondary, primary_id=primary, version=version, is_merged=is_merged
        )
        applied = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["secondary_id"],
                set_={name: statement.excluded[name] for name in ("primary_id", "version", "is_merged")},
                where=ContactAlias.version < statement.excluded.version,
            ).returning(ContactAlias.secondary_id)
        )
        if applied.first() is None:
            return False
        shown = (secondary, await self.person(primary))
        await self._uow.session.execute(
            update(ContactCopy).where(ContactCopy.contact_id.in_(shown)).values(changed_at=self._uow.now)
        )
        return True

    async def record_erasure(self, event: ContactErased) -> None:
        """Forget who it was. The books stay: they are the company's, and the law asks for them."""
        await self._uow.session.execute(_ERASURE)
        await self._forget(event.contact_id, named=event.contact_id)

    async def _forget(self, person: UUID, *, named: UUID) -> None:
        """This one and whoever was merged into them; late reports find that they were erased."""
        family = await self.family(person)
        marked = [{"contact_id": one, "erased_as": named, "erased_at": self._uow.now} for one in sorted(family)]
        statement = insert(ErasedContact).values(marked)
        itself = statement.excluded.contact_id == statement.excluded.erased_as
        # Whom an erasure names stays erased, also where they were erased as somebody else before.
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=["contact_id"], set_={"erased_as": statement.excluded.erased_as}, where=itself
            )
        )
        await self._uow.session.execute(delete(ContactCopy).where(ContactCopy.contact_id.in_(family)))
        await self._uow.session.execute(
            update(MatchCandidate)
            .where(MatchCandidate.contact_id.in_(family), MatchCandidate.status == CandidateStatus.OPEN)
            .values(status=CandidateStatus.OBSOLETE)
        )
        await self._uow.session.execute(
            update(MatchCandidate).where(MatchCandidate.contact_id.in_(family)).values(reasons=[])
        )
        await erase(self._uow, self._announcer, family)
        await self._unlink_customers(family)
        await self._blank_jobs(family)

    async def _unlink_customers(self, family: Sequence[UUID]) -> None:
        """Until none is seen: a merge in QuickBooks may have moved the link of a row while it was waited for."""
        session = self._uow.session
        theirs = select(Customer.id).where(Customer.contact_id.in_(family)).order_by(Customer.id)
        while ids := (await session.scalars(theirs)).all():
            rows = select(Customer).where(Customer.id.in_(ids), Customer.contact_id.in_(family)).order_by(Customer.id)
            # Whoever opens a draft has it already, and names the customer.
            found = (await session.scalars(rows.with_for_update(key_share=True))).all()
            await erase_beside_books(self._uow, found)
            for row in found:
                self._announcer.unlink(row, reason=CustomerUnlinked.ERASED)

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
