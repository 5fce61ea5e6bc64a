"""Audiences for campaigns: everybody on some lists and on none of others, as one consistent snapshot."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from shared.database import Begin
from shared.errors import NotFound
from shared.rules.zones import region_for, zones_for
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.models import Contact, ContactList, ListMember, strictest
from contacts.queries.contacts import emails_of, phones_of, tags_of
from contacts.views import AudiencePhone, AudienceRow

ROWS_AT_ONCE = 1_000


async def check_lists(session: AsyncSession, lists: Sequence[UUID]) -> None:
    """Raises NotFound where one does not exist: a missing exclusion must not go unnoticed."""
    known = set(await session.scalars(select(ContactList.id).where(ContactList.id.in_(lists))))
    if missing := [str(list_id) for list_id in lists if list_id not in known]:
        raise NotFound("Some of these lists do not exist.", lists=missing)


def _members(lists: Sequence[UUID], exclude_lists: Sequence[UUID]) -> Select[Any]:
    inside = select(ListMember.contact_id).where(ListMember.list_id.in_(lists))
    statement = select(Contact).where(Contact.is_active, Contact.id.in_(inside))
    if exclude_lists:
        outside = select(ListMember.contact_id).where(ListMember.list_id.in_(exclude_lists))
        statement = statement.where(Contact.id.not_in(outside))
    return statement


async def audience(
    begin: Begin, lists: Sequence[UUID], exclude_lists: Sequence[UUID]
) -> AsyncIterator[list[AudienceRow]]:
    """Rows in order of contact id, in batches, all from one snapshot."""
    async with begin("REPEATABLE READ") as tx:
        session = await tx.aget(AsyncSession)
        statement = _members(lists, exclude_lists).order_by(Contact.id).limit(ROWS_AT_ONCE)
        contacts = list(await session.scalars(statement))
        while contacts:
            yield await _rows(session, contacts)
            last = contacts[-1].id
            session.expunge_all()
            contacts = list(await session.scalars(statement.where(Contact.id > last)))


async def _rows(session: AsyncSession, contacts: Sequence[Contact]) -> list[AudienceRow]:
    ids = [contact.id for contact in contacts]
    phones, emails, tags = await phones_of(session, ids), await emails_of(session, ids), await tags_of(session, ids)
    rows = []
    for contact in contacts:
        numbers = phones[contact.id]
        first = numbers[0].e164 if numbers else ""
        consent = strictest(phone.consent for phone in numbers)
        rows.append(
            AudienceRow(
                contact_id=contact.id,
                version=contact.version,
                first_name=contact.first_name,
                last_name=contact.last_name,
                company=contact.company,
                phones=[
                    AudiencePhone(
                        e164=phone.e164,
                        type=phone.type,
                        is_primary=phone.is_primary,
                        line_type=phone.line_type,
                        consent_state=consent,
                    )
                    for phone in numbers
                ],
                emails=[email.address for email in emails[contact.id]],
                address=contact.street,
                city=contact.city,
                state=contact.state,
                zip=contact.zip,
                zones=list(zones_for(contact.state, contact.zip, first)),
                region=region_for(contact.state, contact.zip, first),
                tags=tags[contact.id],
                custom_fields=contact.custom_fields,
            )
        )
    return rows
