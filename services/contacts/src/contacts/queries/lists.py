"""Lists and tags with their sizes."""

from uuid import UUID

from shared.errors import NotFound
from shared.paging import Page, PageRequest, page
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.models import Contact, ContactList, ContactTag, Tag
from contacts.views import ListView, TagView


def _view(found: ContactList) -> ListView:
    return ListView(
        id=found.id,
        version=found.version,
        name=found.name,
        import_id=found.import_id,
        members=found.member_count,
        created_at=found.created_at,
        updated_at=found.updated_at,
    )


async def list_lists(session: AsyncSession, params: PageRequest) -> Page[ListView]:
    rows, cursor, total = await page(
        session, select(ContactList), keys=[ContactList.id.desc()], params=params, scope={"list": "lists"}
    )
    return Page(items=[_view(row) for row in rows], next_cursor=cursor, total=total)


async def view_list(session: AsyncSession, list_id: UUID) -> ListView:
    found = await session.get(ContactList, list_id)
    if found is None:
        raise NotFound("There is no such list.")
    return _view(found)


async def list_tags(session: AsyncSession, params: PageRequest) -> Page[TagView]:
    count = (
        select(func.count())
        .select_from(ContactTag)
        .join(Contact, Contact.id == ContactTag.contact_id)
        .where(ContactTag.tag_id == Tag.id, Contact.is_active)
        .scalar_subquery()
    )
    rows, cursor, total = await page(
        session, select(Tag, count), keys=[Tag.__table__.c.name], params=params, scope={"list": "tags"}
    )
    items = [TagView(id=tag.id, name=tag.name, contacts=contacts) for tag, contacts in rows]
    return Page(items=items, next_cursor=cursor, total=total)
