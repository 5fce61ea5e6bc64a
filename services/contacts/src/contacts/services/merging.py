"""Two contacts become one. A dry run does the same work and takes it back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.events.contacts import ConsentRecorded, ContactMerged
from shared.ids import uuid7
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSessionTransaction

from contacts.errors import NotMergeable
from contacts.models import (
    Consent,
    Contact,
    ContactMerge,
    ContactProperty,
    ContactTag,
    Email,
    EntryKind,
    ListMember,
    Phone,
    PhoneFact,
    TimelineEntry,
)
from contacts.publishing import publish_contacts
from contacts.queries.contacts import contact_items, view_detail
from contacts.services.money import MoneyTotals
from contacts.views import ContactDetail

BLANKS = ("first_name", "last_name", "company", "street", "city", "state", "zip", "notes")
PLACE = {"street", "city", "state", "zip"}


@dataclass(frozen=True)
class Merged:
    """What a merge did, or would do."""

    contact: ContactDetail
    filled: dict[str, Any]
    phones: list[str]
    emails: list[str]
    tags: int
    lists: int
    properties: int
    timeline_entries: int


class ContactMerger:
    """The work behind `ContactService.merge_contacts`; `index` brings a contact's search texts up to date."""

    def __init__(self, uow: UnitOfWork, totals: MoneyTotals, index: Callable[[Contact], Awaitable[None]]) -> None:
        self._uow = uow
        self._totals = totals
        self._session = uow.session
        self._index = index

    async def merge(self, primary_id: UUID, secondary_id: UUID, *, author: str, dry_run: bool = False) -> Merged:
        """As `ContactService.merge_contacts` says. Both rows are locked in id order."""
        savepoint = await self._session.begin_nested()
        primary, secondary = await self._locked(primary_id, secondary_id)
        merged = await self._join(primary, secondary, author)
        if dry_run:
            await self._take_back(savepoint)
            return merged
        await savepoint.commit()
        await self._tell(primary, secondary)
        return merged

    async def _take_back(self, savepoint: AsyncSessionTransaction) -> None:
        await savepoint.rollback()
        self._session.expunge_all()

    async def _locked(self, primary_id: UUID, secondary_id: UUID) -> tuple[Contact, Contact]:
        if primary_id == secondary_id:
            raise NotMergeable("A contact cannot be merged with itself.")
        rows = await self._session.scalars(
            select(Contact)
            .where(Contact.id.in_([primary_id, secondary_id]))
            .order_by(Contact.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        found = {contact.id: contact for contact in rows}
        if len(found) < 2:
            raise NotFound("There is no such contact.")
        if not all(contact.is_active for contact in found.values()):
            raise NotMergeable("One of the two was merged already; merge the contact it became.")
        return found[primary_id], found[secondary_id]

    async def _join(self, primary: Contact, secondary: Contact, author: str) -> Merged:
        filled = _fill(primary, secondary)
        phones = await self._move_phones(primary.id, secondary.id)
        emails = await self._move_emails(primary.id, secondary.id)
        tags = await self._move_rows(ContactTag, ContactTag.tag_id, primary.id, secondary.id)
        lists = await self._move_rows(ListMember, ListMember.list_id, primary.id, secondary.id)
        properties = await self._move_properties(primary.id, secondary.id)
        moved = await self._session.execute(
            update(TimelineEntry)
            .where(TimelineEntry.contact_id == secondary.id)
            .values(contact_id=primary.id)
            .returning(TimelineEntry.id)
        )
        entries = len(moved.all())
        await self._session.execute(
            update(Contact).where(Contact.merged_into_id == secondary.id).values(merged_into_id=primary.id)
        )
        before = {"version": secondary.version, "phones": phones, "emails": emails}
        secondary.is_active, secondary.merged_into_id = False, primary.id
        for contact in (primary, secondary):
            contact.touch()
            contact.updated_at = self._uow.now
            await self._index(contact)
        self._record(primary, secondary, {"filled": filled, "before": before, "author": author})
        await self._totals.lock()
        await self._totals.refresh([primary.id, secondary.id])
        contact_view = await view_detail(self._session, primary)
        return Merged(contact_view, filled, phones, emails, tags, lists, properties, entries)

    async def _move_phones(self, primary: UUID, secondary: UUID) -> list[str]:
        has_phone = await self._session.scalar(select(func.count()).where(Phone.contact_id == primary, Phone.is_active))
        values: dict[str, Any] = {"contact_id": primary}
        if has_phone:
            values["is_primary"] = False
        moved = await self._session.scalars(
            update(Phone).where(Phone.contact_id == secondary, Phone.is_active).values(values).returning(Phone.e164)
        )
        return sorted(moved)

    async def _move_emails(self, primary: UUID, secondary: UUID) -> list[str]:
        own = select(Email.address).where(Email.contact_id == primary).scalar_subquery()
        has_email = await self._session.scalar(select(func.count()).where(Email.contact_id == primary))
        await self._session.execute(delete(Email).where(Email.contact_id == secondary, Email.address.in_(own)))
        values: dict[str, Any] = {"contact_id": primary}
        if has_email:
            values["is_primary"] = False
        moved = await self._session.scalars(
            update(Email).where(Email.contact_id == secondary).values(values).returning(Email.address)
        )
        return sorted(moved)

    async def _move_rows(self, link: Any, other: Any, primary: UUID, secondary: UUID) -> int:
        """Move links (tags, lists) that the primary does not have; returns how many it gained."""
        own = select(other).where(link.contact_id == primary).scalar_subquery()
        await self._session.execute(delete(link).where(link.contact_id == secondary, other.in_(own)))
        moved = await self._session.execute(
            update(link).where(link.contact_id == secondary).values(contact_id=primary).returning(other)
        )
        return len(moved.all())

    async def _move_properties(self, primary: UUID, secondary: UUID) -> int:
        own = select(ContactProperty.property_id).where(ContactProperty.contact_id == primary).scalar_subquery()
        doubled = await self._session.execute(
            delete(ContactProperty)
            .where(ContactProperty.contact_id == secondary, ContactProperty.property_id.in_(own))
            .returning(ContactProperty.property_id, ContactProperty.is_primary)
        )
        inherited = [link.property_id for link in doubled if link.is_primary]
        if inherited:
            await self._session.execute(
                update(ContactProperty)
                .where(ContactProperty.contact_id == primary, ContactProperty.property_id.in_(inherited))
                .values(is_primary=True)
            )
        moved = await self._session.execute(
            update(ContactProperty)
            .where(ContactProperty.contact_id == secondary)
            .values(contact_id=primary)
            .returning(ContactProperty.property_id)
        )
        return len(moved.all())

    def _record(self, primary: Contact, secondary: Contact, details: dict[str, Any]) -> None:
        now, entry_id = self._uow.now, uuid7()
        self._session.add(
            ContactMerge(
                id=entry_id,
                primary_id=primary.id,
                secondary_id=secondary.id,
                plan={"filled": details["filled"]},
                before=details["before"],
                merged_by=details["author"],
                merged_at=now,
            )
        )
        self._session.add(
            TimelineEntry(
                id=uuid7(),
                version=1,
                contact_id=primary.id,
                key=f"merge:{entry_id}",
                kind=EntryKind.MERGE,
                occurred_at=now,
                details={"secondary_id": str(secondary.id), "author": details["author"], "filled": details["filled"]},
            )
        )

    async def _tell(self, primary: Contact, secondary: Contact) -> None:
        uow = self._uow
        uow.publish(
            ContactMerged(
                primary_id=primary.id,
                secondary_id=secondary.id,
                version=secondary.version,
                primary_version=primary.version,
            )
        )
        publish_contacts(uow, await contact_items(self._session, [primary, secondary]))
        for phone in await self._phones_to_opt_out(primary.id):
            uow.publish(
                ConsentRecorded(
                    phone=phone,
                    contact_id=primary.id,
                    is_granted=False,
                    source="merge",
                    evidence=f"Merged with contact {secondary.id}, whose other phone is opted out.",
                    recorded_at=uow.now,
                )
            )
        uow.hint("contact", primary.id, primary.version)
        uow.hint("contact", secondary.id, secondary.version)

    async def _phones_to_opt_out(self, contact_id: UUID) -> list[str]:
        """The strictest consent wins: the other phones of a person of whom one phone is opted out."""
        rows = await self._session.execute(
            select(Phone.e164, PhoneFact.consent)
            .outerjoin(PhoneFact, PhoneFact.e164 == Phone.e164)
            .where(Phone.contact_id == contact_id, Phone.is_active)
        )
        states = {row.e164: row.consent for row in rows}
        if Consent.OPTED_OUT not in states.values():
            return []
        return sorted(phone for phone, consent in states.items() if consent is not Consent.OPTED_OUT)


def _fill(primary: Contact, secondary: Contact) -> dict[str, Any]:
    """Fill the primary's blanks. An address is one value: half of each would be a place where nobody lives."""
    keeps_place = any(getattr(primary, name) is not None for name in PLACE)
    filled: dict[str, Any] = {}
    for name in BLANKS:
        value = getattr(secondary, name)
        if getattr(primary, name) is None and value is not None and not (keeps_place and name in PLACE):
            setattr(primary, name, value)
            filled[name] = value
    added = {key: value for key, value in secondary.custom_fields.items() if key not in primary.custom_fields}
    if added:
        primary.custom_fields = {**primary.custom_fields, **added}
        filled["custom_fields"] = added
    return filled
