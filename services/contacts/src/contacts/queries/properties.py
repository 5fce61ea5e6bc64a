"""Properties as lists, searches and single views."""

from uuid import UUID

from shared.errors import NotFound
from shared.events.contacts import AddressItem, OwnerItem, PropertyItem
from shared.paging import Page, PageRequest, page
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.models import Contact, ContactProperty, Property
from contacts.queries.planning import plan_by_pattern
from contacts.queries.totals import total_of
from contacts.search_text import search_patterns
from contacts.views import OwnerView, PropertyDetail, PropertyView


async def list_properties(session: AsyncSession, q: str | None, params: PageRequest) -> Page[PropertyView]:
    """Newest first. `total` is null where it is not counted: contacts.queries.totals."""
    if q:
        await plan_by_pattern(session)
    statement = select(Property)
    for pattern in search_patterns(q or ""):
        statement = statement.where(Property.search_text.like(pattern, escape="\\"))
    rows, cursor, _ = await page(
        session,
        statement,
        keys=[Property.id.desc()],
        params=params,
        scope={"list": "properties", "q": q},
        counted=False,
    )
    return Page(
        items=[PropertyView.model_validate(row) for row in rows],
        next_cursor=cursor,
        total=await total_of(session, statement.with_only_columns(Property.id), is_search=bool(q)),
    )


async def property_item(session: AsyncSession, found: Property) -> PropertyItem:
    """What contacts.property.changed carries of it."""
    owners = await session.execute(
        select(ContactProperty.contact_id, ContactProperty.role, ContactProperty.is_primary)
        .where(ContactProperty.property_id == found.id)
        .order_by(ContactProperty.is_primary.desc(), ContactProperty.contact_id)
    )
    return PropertyItem(
        property_id=found.id,
        version=found.version,
        address=AddressItem(street=found.street, city=found.city, state=found.state, zip=found.zip),
        apn=found.apn,
        owners=[
            OwnerItem(contact_id=owner.contact_id, role=owner.role, is_primary=owner.is_primary) for owner in owners
        ],
    )


async def view_property(session: AsyncSession, property_id: UUID) -> PropertyDetail:
    found = await session.get(Property, property_id)
    if found is None:
        raise NotFound("There is no such property.")
    owners = await session.execute(
        select(
            ContactProperty.contact_id,
            ContactProperty.role,
            ContactProperty.share,
            ContactProperty.is_primary,
            Contact.first_name,
            Contact.last_name,
            Contact.company,
        )
        .join(Contact, Contact.id == ContactProperty.contact_id)
        .where(ContactProperty.property_id == property_id)
        .order_by(ContactProperty.is_primary.desc(), ContactProperty.contact_id)
    )
    return PropertyDetail(
        **PropertyView.model_validate(found).model_dump(),
        owners=[OwnerView.model_validate(owner) for owner in owners],
    )
