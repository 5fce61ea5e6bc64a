"""Properties: create, edit, and say whose they are."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Conflict, Invalid, NotFound
from shared.etag import check_version
from shared.ids import uuid7
from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from contacts.drafts import OwnerDraft, PropertyDraft, PropertyEdit
from contacts.errors import PropertyExists
from contacts.importing.addresses import address_key
from contacts.models import PROPERTY_FIELDS, Contact, ContactProperty, Property
from contacts.publishing import publish_properties
from contacts.queries.properties import property_item
from contacts.services.bulk import property_search_text


class PropertyService:
    """Lives in one transaction. What it changes is published when that commits. Locks contacts before properties."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._session = uow.session

    async def get(self, property_id: UUID, *, for_update: bool = False) -> Property:
        found = await self._session.get(Property, property_id, with_for_update=for_update or None)
        if found is None:
            raise NotFound("There is no such property.")
        return found

    async def create(self, draft: PropertyDraft) -> Property:
        """Raises PropertyExists where an import or a person made it already."""
        now = self._uow.now
        created = Property(id=uuid7(), version=1, created_at=now, updated_at=now, **draft.given())
        await self._identify(created)
        self._session.add(created)
        await self._announce(created)
        return created

    async def edit(self, property_id: UUID, version: int, edit: PropertyEdit) -> Property:
        """Change what `edit` gives. Raises PreconditionFailed, PropertyExists, or Invalid if nothing would name it."""
        found = await self.get(property_id, for_update=True)
        check_version(found.version, version)
        with self._session.no_autoflush:
            for name, value in edit.given().items():
                setattr(found, name, value)
            await self._identify(found)
        found.touch()
        await self._announce(found)
        return found

    async def link(self, property_id: UUID, contact_id: UUID, part: OwnerDraft) -> Property:
        """Say what a contact has to do with the property; repeating it changes nothing but what it says anew."""
        await self._check_contact(contact_id)
        found = await self.get(property_id, for_update=True)
        if part.is_primary:
            await self._session.execute(
                update(ContactProperty).where(ContactProperty.property_id == property_id).values(is_primary=False)
            )
        values = part.model_dump()
        await self._session.execute(
            insert(ContactProperty)
            .values(contact_id=contact_id, property_id=property_id, **values)
            .on_conflict_do_update(index_elements=["contact_id", "property_id"], set_=values)
        )
        found.touch()
        await self._announce(found)
        return found

    async def unlink(self, property_id: UUID, contact_id: UUID) -> Property:
        """Raises NotFound where the contact has nothing to do with the property."""
        found = await self.get(property_id, for_update=True)
        removed = await self._session.execute(
            delete(ContactProperty)
            .where(ContactProperty.property_id == property_id, ContactProperty.contact_id == contact_id)
            .returning(ContactProperty.contact_id)
        )
        if removed.first() is None:
            raise NotFound("This contact has no part in this property.")
        found.touch()
        await self._announce(found)
        return found

    async def _check_contact(self, contact_id: UUID) -> None:
        # The lock keeps a merge, which moves links, from passing by.
        is_active = await self._session.scalar(
            select(Contact.is_active).where(Contact.id == contact_id).with_for_update(read=True, key_share=True)
        )
        if is_active is None:
            raise NotFound("There is no such contact.")
        if not is_active:
            raise Conflict("This contact was merged into another one; link that one.", code="contact_merged")

    async def _identify(self, wanted: Property) -> None:
        """Work the address key out, and refuse what would stand for the same house as another property."""
        wanted.address_key = address_key(wanted.street, wanted.zip)
        if wanted.apn is None and wanted.address_key is None:
            raise Invalid("A property needs an APN, or a street and a ZIP.", request_field="body.apn")
        same_address = Property.address_key == wanted.address_key
        # Two flats may share an address; their APNs tell them apart.
        same = or_(Property.apn == wanted.apn, same_address & Property.apn.is_(None)) if wanted.apn else same_address
        other = await self._session.scalar(select(Property.id).where(same, Property.id != wanted.id).limit(1))
        if other is not None:
            raise PropertyExists("There is a property with this APN or address already.", property_id=str(other))

    async def _announce(self, changed: Property) -> None:
        changed.search_text = property_search_text({name: getattr(changed, name) for name in PROPERTY_FIELDS})
        changed.updated_at = self._uow.now
        await self._session.flush()
        # The answer shows decimals as they are stored: 2.5 baths are 2.50.
        await self._session.refresh(changed)
        publish_properties(self._uow, [await property_item(self._session, changed)])
        self._uow.hint("property", changed.id, changed.version)
