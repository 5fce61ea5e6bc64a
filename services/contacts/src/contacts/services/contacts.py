"""Contacts: find, create, edit, tag, record consent, and turn two into one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound
from shared.etag import check_version
from shared.events.contacts import ConsentRecorded
from shared.ids import uuid7
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from contacts.drafts import ContactDraft, ContactEdit, PhoneDraft
from contacts.errors import PhoneTaken
from contacts.models import Contact, ContactTag, Email, EntryKind, Phone, PhoneType, Tag, TimelineEntry
from contacts.publishing import publish_contacts
from contacts.queries.contacts import contact_items
from contacts.search_text import search_text, sort_name
from contacts.services.merging import ContactMerger, Merged
from contacts.services.money import MoneyTotals


class ContactService:
    """Lives in one transaction. What it changes is published when that commits."""

    def __init__(self, uow: UnitOfWork, totals: MoneyTotals) -> None:
        self._uow = uow
        self._totals = totals
        self._session = uow.session

    async def find_by_phone(self, phone: str) -> Contact | None:
        """The active contact that has this number (E.164) as any of its phones."""
        found = await self._session.scalars(
            select(Contact).join(Phone, Phone.contact_id == Contact.id).where(Phone.e164 == phone, Phone.is_active)
        )
        return found.one_or_none()

    async def get(self, contact_id: UUID, *, for_update: bool = False) -> Contact:
        contact = await self._session.get(Contact, contact_id, with_for_update=for_update or None)
        if contact is None:
            raise NotFound("There is no such contact.")
        return contact

    async def create_contact(self, draft: ContactDraft, *, source: str = "manual") -> Contact:
        """A new contact. Raises PhoneTaken where an active contact has one of the phones."""
        now = self._uow.now
        contact = Contact(
            id=uuid7(), version=1, source=source, is_active=True, custom_fields={}, created_at=now, updated_at=now
        )
        for name, value in draft.model_dump(include=_TEXTS).items():
            setattr(contact, name, value)
        contact.custom_fields = {key: value for key, value in draft.custom_fields.items() if value is not None}
        self._session.add(contact)
        await self._session.flush()
        await self._replace_phones(contact, draft.phones)
        await self._replace_emails(contact, draft.emails)
        await self._replace_tags(contact, draft.tags)
        await self._announce(contact)
        return contact

    async def meet(self, phone: str, *, source: str) -> Contact:
        """The contact of this number, made without a name where nobody has it: a phone is never stored as a name."""
        if (known := await self.find_by_phone(phone)) is not None:
            return known
        # Unchecked: what texted us exists, also where it is a short code that nobody could enter at the desk.
        draft = ContactDraft.model_construct(phones=[PhoneDraft.model_construct(phone=phone, type=PhoneType.MOBILE)])
        try:
            async with self._session.begin_nested():
                return await self.create_contact(draft, source=source)
        except (IntegrityError, PhoneTaken):
            # Somebody else met this number at the same moment.
            if (known := await self.find_by_phone(phone)) is None:
                raise
            return known

    async def edit(self, contact_id: UUID, version: int, edit: ContactEdit, *, author: str) -> Contact:
        """Change what `edit` gives. Raises PreconditionFailed, PhoneTaken, or Conflict for a merged contact."""
        contact = await self._editable(contact_id)
        check_version(contact.version, version)
        changes = {name: value for name, value in edit.texts().items() if getattr(contact, name) != value}
        before = {name: getattr(contact, name) for name in changes}
        for name, value in changes.items():
            setattr(contact, name, value)
        if edit.custom_fields is not None:
            merged = {**contact.custom_fields, **edit.custom_fields}
            contact.custom_fields = {key: value for key, value in merged.items() if value is not None}
        if edit.phones is not None:
            await self._replace_phones(contact, edit.phones)
        if edit.emails is not None:
            await self._replace_emails(contact, edit.emails)
        if edit.tags is not None:
            await self._replace_tags(contact, edit.tags)
        contact.touch()
        if changes:
            details = {"author": author, "before": before, "after": changes}
            self._add_entry(contact.id, EntryKind.CHANGE, details)
        await self._announce(contact)
        return contact

    async def merge_contacts(
        self, primary_id: UUID, secondary_id: UUID, *, author: str, dry_run: bool = False
    ) -> Merged:
        """Make `secondary_id` an alias of `primary_id`.

        The primary's values win, its blanks are filled, everything attached moves, and where one phone is opted out
        the ledger is told to opt out the others. A dry run does the same work and takes it back, events included.
        """
        merger = ContactMerger(self._uow, self._totals, self.index)
        return await merger.merge(primary_id, secondary_id, author=author, dry_run=dry_run)

    async def set_tag(self, contact_id: UUID, name: str, *, is_set: bool) -> Contact:
        """Put the tag on the contact, or take it off; repeating it changes nothing."""
        contact = await self._editable(contact_id)
        tags = set(await self._tags(contact.id))
        wanted = tags | {name} if is_set else tags - {name}
        if wanted != tags:
            await self._replace_tags(contact, sorted(wanted))
            contact.touch()
            await self._announce(contact)
        return contact

    async def add_note(self, contact_id: UUID, text: str, *, author: str) -> TimelineEntry:
        contact = await self._editable(contact_id)
        return self._add_entry(contact.id, EntryKind.NOTE, {"text": text, "author": author})

    async def record_consent(
        self, contact_id: UUID, *, phone: str, is_granted: bool, purpose: str, source: str, evidence: str
    ) -> None:
        """Tell the ledger, which messaging keeps, what a person at the desk was told; the copy here follows it."""
        contact = await self._editable(contact_id)
        owned = await self._session.scalar(
            select(Phone.id).where(Phone.contact_id == contact.id, Phone.e164 == phone, Phone.is_active)
        )
        if owned is None:
            raise Conflict("This contact does not have that phone.", code="foreign_phone")
        self._uow.publish(
            ConsentRecorded(
                phone=phone,
                contact_id=contact.id,
                is_granted=is_granted,
                purpose=purpose,
                source=source,
                evidence=evidence,
                recorded_at=self._uow.now,
            )
        )
        details = {"phone": phone, "is_granted": is_granted, "source": source, "evidence": evidence}
        self._add_entry(contact.id, EntryKind.CONSENT, details)

    async def _editable(self, contact_id: UUID) -> Contact:
        contact = await self.get(contact_id, for_update=True)
        if not contact.is_active:
            raise Conflict(
                "This contact was merged into another one; change that one.",
                code="contact_merged",
                merged_into_id=str(contact.merged_into_id) if contact.merged_into_id else None,
            )
        return contact

    async def _replace_phones(self, contact: Contact, drafts: Sequence[PhoneDraft]) -> None:
        wanted = {draft.phone: draft for draft in drafts}
        await self._refuse_taken(contact, list(wanted))
        phones = {phone.e164: phone for phone in await self._phones(contact.id)}
        for e164 in phones.keys() - wanted.keys():
            await self._session.delete(phones[e164])
        await self._session.flush()
        for place, (e164, draft) in enumerate(wanted.items()):
            phone = phones.get(e164)
            if phone is None:
                phone = Phone(id=uuid7(), contact_id=contact.id, e164=e164, is_active=True)
                self._session.add(phone)
            phone.type, phone.is_primary = draft.type, place == 0

    async def _refuse_taken(self, contact: Contact, phones: list[str]) -> None:
        taken = await self._session.execute(
            select(Phone.e164, Phone.contact_id)
            .where(Phone.e164.in_(phones), Phone.is_active, Phone.contact_id != contact.id)
            .limit(1)
        )
        if (other := taken.first()) is not None:
            raise PhoneTaken(
                "Another contact has this phone; merge the two, or take it away there first.",
                phone=other.e164,
                contact_id=str(other.contact_id),
            )

    async def _replace_emails(self, contact: Contact, addresses: Sequence[str]) -> None:
        wanted = list(dict.fromkeys(addresses))
        found = await self._session.scalars(select(Email).where(Email.contact_id == contact.id))
        emails = {email.address: email for email in found}
        for address in emails.keys() - set(wanted):
            await self._session.delete(emails[address])
        for place, address in enumerate(wanted):
            email = emails.get(address)
            if email is None:
                email = Email(id=uuid7(), contact_id=contact.id, address=address)
                self._session.add(email)
            email.is_primary = place == 0

    async def _replace_tags(self, contact: Contact, names: Sequence[str]) -> None:
        await self._session.execute(delete(ContactTag).where(ContactTag.contact_id == contact.id))
        if not names:
            return
        rows = [{"id": uuid7(), "name": name, "created_at": self._uow.now} for name in sorted(set(names))]
        await self._session.execute(insert(Tag).values(rows).on_conflict_do_nothing())
        ids = await self._session.scalars(select(Tag.id).where(Tag.name.in_(names)))
        await self._session.execute(
            insert(ContactTag).values([{"contact_id": contact.id, "tag_id": tag_id} for tag_id in ids])
        )

    async def _phones(self, contact_id: UUID) -> list[Phone]:
        found = await self._session.scalars(
            select(Phone)
            .where(Phone.contact_id == contact_id, Phone.is_active)
            .order_by(Phone.is_primary.desc(), Phone.id)
        )
        return list(found)

    async def _tags(self, contact_id: UUID) -> list[str]:
        found = await self._session.scalars(
            select(Tag.name).join(ContactTag).where(ContactTag.contact_id == contact_id).order_by(Tag.name)
        )
        return list(found)

    def _add_entry(self, contact_id: UUID, kind: EntryKind, details: dict[str, Any]) -> TimelineEntry:
        entry_id = uuid7()
        entry = TimelineEntry(
            id=entry_id,
            version=1,
            contact_id=contact_id,
            key=f"{kind}:{entry_id}",
            kind=kind,
            occurred_at=self._uow.now,
            details=details,
        )
        self._session.add(entry)
        return entry

    async def _announce(self, contact: Contact) -> None:
        """After every change: what it is searched by, and the event for the copies elsewhere."""
        await self.index(contact)
        contact.updated_at = self._uow.now
        await self._session.flush()
        publish_contacts(self._uow, await contact_items(self._session, [contact]))
        self._uow.hint("contact", contact.id, contact.version)

    async def index(self, contact: Contact) -> None:
        """Bring the texts that the contact is searched and sorted by up to date."""
        await self._session.flush()
        phones = [phone.e164 for phone in await self._phones(contact.id)]
        emails = await self._session.scalars(select(Email.address).where(Email.contact_id == contact.id))
        place = (contact.street, contact.city, contact.state, contact.zip)
        names = (contact.first_name, contact.last_name, contact.company)
        contact.search_text = search_text([*names, *place, *emails], phones)
        contact.sort_name = sort_name(*names, phones[0] if phones else None)


_TEXTS = {"first_name", "last_name", "company", "street", "city", "state", "zip", "notes"}
