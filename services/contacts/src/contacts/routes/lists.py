"""/api/v1/lists and /api/v1/tags"""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field
from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Needs, problems
from shared.paging import Page, PageParams

from contacts.drafts import Name
from contacts.queries import contacts as read_contacts
from contacts.queries import lists as read
from contacts.routes.contacts import Reader, Writer
from contacts.services.lists import ListService
from contacts.views import ContactView, ListView, TagView

router = ApiRouter(prefix="/api/v1/lists", tags=["lists"])
tags_router = ApiRouter(prefix="/api/v1/tags", tags=["tags"])


class ListDraft(BaseModel):
    name: Name


class Members(BaseModel):
    contact_ids: list[UUID] = Field(min_length=1, max_length=1000)


class MembersChanged(BaseModel):
    changed: int = Field(description="How many were not on the list before, or were taken off it.")


@router.get("")
async def list_lists(uow: Needs[UnitOfWork], user: Reader, params: PageParams) -> Page[ListView]:
    """Lists, newest first."""
    return await read.list_lists(uow.session, params)


@router.post("", status_code=201)
async def create_list(
    draft: ListDraft, lists: Needs[ListService], uow: Needs[UnitOfWork], user: Writer, response: Response
) -> ListView:
    created = await lists.create(draft.name)
    response.headers["Location"] = f"/api/v1/lists/{created.id}"
    set_etag(response, created.version)
    return await read.view_list(uow.session, created.id)


@router.get("/{list_id}", responses=problems(NotFound))
async def get_list(list_id: UUID, uow: Needs[UnitOfWork], user: Reader, response: Response) -> ListView:
    found = await read.view_list(uow.session, list_id)
    set_etag(response, found.version)
    return found


@router.patch("/{list_id}", responses=problems(NotFound, PreconditionFailed, PreconditionRequired))
async def rename_list(
    list_id: UUID,
    draft: ListDraft,
    version: IfMatch,
    lists: Needs[ListService],
    uow: Needs[UnitOfWork],
    user: Writer,
    response: Response,
) -> ListView:
    renamed = await lists.rename(list_id, version, draft.name)
    set_etag(response, renamed.version)
    await uow.session.flush()
    return await read.view_list(uow.session, list_id)


@router.delete("/{list_id}", status_code=204, responses=problems(NotFound, Conflict))
async def delete_list(list_id: UUID, lists: Needs[ListService], user: Writer) -> None:
    """The list goes, its contacts stay."""
    await lists.delete(list_id)


@router.get("/{list_id}/members", responses=problems(NotFound))
async def list_members(
    list_id: UUID,
    lists: Needs[ListService],
    uow: Needs[UnitOfWork],
    user: Reader,
    params: PageParams,
    sort: Annotated[read_contacts.Sort, Query()] = "newest",
) -> Page[ContactView]:
    await lists.get(list_id)
    wanted = read_contacts.ContactFilter(list_id=list_id)
    return await read_contacts.list_contacts(uow.session, wanted, sort, params)


@router.post("/{list_id}/members", responses=problems(NotFound, Conflict))
async def add_members(list_id: UUID, members: Members, lists: Needs[ListService], user: Writer) -> MembersChanged:
    """Repeating it changes nothing."""
    return MembersChanged(changed=await lists.add_members(list_id, members.contact_ids))


@router.post("/{list_id}/members/remove", responses=problems(NotFound))
async def remove_members(list_id: UUID, members: Members, lists: Needs[ListService], user: Writer) -> MembersChanged:
    return MembersChanged(changed=await lists.remove_members(list_id, members.contact_ids))


@tags_router.get("")
async def list_tags(uow: Needs[UnitOfWork], user: Reader, params: PageParams) -> Page[TagView]:
    """All tags by name, with the number of active contacts that bear them."""
    return await read.list_tags(uow.session, params)
