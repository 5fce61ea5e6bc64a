"""Contacts as lists, searches, single views and event items."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import UUID

from shared.events.contacts import AddressItem, ContactItem, PhoneItem
from shared.paging import Page, PageRequest, page
from shared.rules.zones import region_for, zones_for
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.models import (
    Consent,
    Contact,
    ContactList,
    ContactProperty,
    ContactTag,
    Email,
    LineType,
    ListMember,
    Phone,
    PhoneFact,
    Property,
    Tag,
    strictest,
)
from contacts.queries.money import MONEY_KEYS, MoneyFilter, MoneySort, is_money_sort, money_of, with_figure
from contacts.queries.planning import plan_by_pattern
from contacts.queries.totals import total_of
from contacts.search_text import search_patterns
from contacts.views import AddressView, ContactDetail, ContactView, EmailView, LinkView, ListRef, PhoneView

Sort = Literal["newest", "oldest", "name"] | MoneySort

COLUMNS = Contact.__table__.c
KEYS: dict[str, list[ColumnElement[Any]]] = {
    "newest": [COLUMNS.id.desc()],
    "oldest": [COLUMNS.id],
    "name": [COLUMNS.sort_name, COLUMNS.id],
    **MONEY_KEYS,
}


@dataclass(frozen=True)
class ContactFilter:
    q: str | None = None
    tag: str | None = None
    list_id: UUID | None = None
    active: bool | None = True
    money: MoneyFilter = field(default_factory=MoneyFilter)

    @property
    def narrows(self) -> bool:
        return bool(self.q or self.tag or self.list_id or self.money.narrows)

    def apply(self, statement: Select[Any]) -> Select[Any]:
        if self.active is not None:
            statement = statement.where(Contact.is_active if self.active else ~Contact.is_active)
        for pattern in search_patterns(self.q or ""):
            statement = statement.where(Contact.search_text.like(pattern, escape="\\"))
        if self.tag:
            tagged = select(ContactTag.contact_id).join(Tag).where(Tag.name == self.tag)
            statement = statement.where(Contact.id.in_(tagged))
        if self.list_id:
            members = select(ListMember.contact_id).where(ListMember.list_id == self.list_id)
            statement = statement.where(Contact.id.in_(members))
        return self.money.apply(statement)


async def list_contacts(
    session: AsyncSession, wanted: ContactFilter, sort: Sort, params: PageRequest
) -> Page[ContactView]:
    """One page. `total` is null where it is not counted: contacts.queries.totals."""
    if wanted.q or wanted.money.narrows:
        await plan_by_pattern(session)
    statement = wanted.apply(select(Contact))
    if is_money_sort(sort):
        statement = with_figure(statement, sort)
    scope = {"list": "contacts", **asdict(wanted)}
    rows, cursor, _ = await page(session, statement, keys=KEYS[sort], params=params, scope=scope, counted=False)
    is_search = wanted.narrows or is_money_sort(sort)
    total = await total_of(session, statement.with_only_columns(Contact.id), is_search=is_search)
    return Page(items=await views(session, rows), next_cursor=cursor, total=total)


async def views(session: AsyncSession, contacts: Sequence[Contact]) -> list[ContactView]:
    ids = [contact.id for contact in contacts]
    phones, emails, tags = await phones_of(session, ids), await emails_of(session, ids), await tags_of(session, ids)
    money = await money_of(session, ids)
    return [
        ContactView(
            id=contact.id,
            version=contact.version,
            first_name=contact.first_name,
            last_name=contact.last_name,
            company=contact.company,
            phones=phones[contact.id],
            emails=emails[contact.id],
            address=AddressView.model_validate(contact),
            notes=contact.notes,
            tags=tags[contact.id],
            custom_fields=contact.custom_fields,
            consent=strictest(phone.consent for phone in phones[contact.id]),
            money=money.get(contact.id),
            source=contact.source,
            is_active=contact.is_active,
            merged_into_id=contact.merged_into_id,
            created_at=contact.created_at,
            updated_at=contact.updated_at,
        )
        for contact in contacts
    ]


async def view_detail(session: AsyncSession, contact: Contact) -> ContactDetail:
    [view] = await views(session, [contact])
    lists = await session.execute(
        select(ContactList.id, ContactList.name)
        .join(ListMember, ListMember.list_id == ContactList.id)
        .where(ListMember.contact_id == contact.id)
        .order_by(ContactList.id)
    )
    links = await session.execute(
        select(
            ContactProperty.property_id,
            ContactProperty.role,
            ContactProperty.share,
            ContactProperty.is_primary,
            Property.street,
            Property.city,
            Property.zip,
            Property.apn,
        )
        .join(Property, Property.id == ContactProperty.property_id)
        .where(ContactProperty.contact_id == contact.id)
        .order_by(ContactProperty.property_id)
    )
    return ContactDetail(
        **view.model_dump(),
        lists=[ListRef.model_validate(row) for row in lists],
        properties=[LinkView.model_validate(row) for row in links],
    )


async def phones_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, list[PhoneView]]:
    rows = await session.execute(
        select(
            Phone.contact_id,
            Phone.e164,
            Phone.type,
            Phone.status,
            Phone.is_primary,
            PhoneFact.line_type,
            PhoneFact.consent,
        )
        .outerjoin(PhoneFact, PhoneFact.e164 == Phone.e164)
        .where(Phone.contact_id.in_(ids), Phone.is_active)
        .order_by(Phone.is_primary.desc(), Phone.id)
    )
    found: defaultdict[UUID, list[PhoneView]] = defaultdict(list)
    for row in rows:
        found[row.contact_id].append(
            PhoneView(
                e164=row.e164,
                type=row.type,
                status=row.status,
                is_primary=row.is_primary,
                line_type=row.line_type or LineType.UNKNOWN,
                consent=row.consent or Consent.UNKNOWN,
            )
        )
    return found


async def emails_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, list[EmailView]]:
    rows = await session.scalars(
        select(Email).where(Email.contact_id.in_(ids)).order_by(Email.is_primary.desc(), Email.id)
    )
    found: defaultdict[UUID, list[EmailView]] = defaultdict(list)
    for email in rows:
        found[email.contact_id].append(EmailView.model_validate(email))
    return found


async def tags_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    rows = await session.execute(
        select(ContactTag.contact_id, Tag.name).join(Tag).where(ContactTag.contact_id.in_(ids)).order_by(Tag.name)
    )
    found: defaultdict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        found[row.contact_id].append(row.name)
    return found


async def contact_items(session: AsyncSession, contacts: Sequence[Contact]) -> list[ContactItem]:
    """What contacts.contact.changed carries of each."""
    ids = [contact.id for contact in contacts]
    phones, emails, tags = await phones_of(session, ids), await emails_of(session, ids), await tags_of(session, ids)
    items = []
    for contact in contacts:
        numbers = phones[contact.id]
        first = numbers[0].e164 if numbers else ""
        items.append(
            ContactItem(
                contact_id=contact.id,
                version=contact.version,
                first_name=contact.first_name,
                last_name=contact.last_name,
                company=contact.company,
                phones=[PhoneItem(e164=p.e164, type=p.type, is_primary=p.is_primary) for p in numbers],
                emails=[email.address for email in emails[contact.id]],
                address=AddressItem(street=contact.street, city=contact.city, state=contact.state, zip=contact.zip),
                zones=list(zones_for(contact.state, contact.zip, first)),
                region=region_for(contact.state, contact.zip, first),
                tags=tags[contact.id],
                custom_fields=contact.custom_fields,
                is_active=contact.is_active,
                merged_into_id=contact.merged_into_id,
            )
        )
    return items
