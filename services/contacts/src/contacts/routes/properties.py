"""/api/v1/properties"""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Needs, problems
from shared.paging import Page, PageParams

from contacts.drafts import OwnerDraft, PropertyDraft, PropertyEdit
from contacts.errors import PropertyExists
from contacts.models import Property
from contacts.queries import properties as read
from contacts.routes.contacts import Reader, Writer
from contacts.services.properties import PropertyService
from contacts.views import PropertyDetail, PropertyView

router = ApiRouter(prefix="/api/v1/properties", tags=["properties"])


@router.get("")
async def list_properties(
    uow: Needs[UnitOfWork],
    user: Reader,
    params: PageParams,
    q: Annotated[str | None, Query(max_length=200, description="Words of an address, APN or owner.")] = None,
) -> Page[PropertyView]:
    """Properties, newest first."""
    return await read.list_properties(uow.session, q, params)


@router.get("/{property_id}", responses=problems(NotFound))
async def get_property(property_id: UUID, uow: Needs[UnitOfWork], user: Reader, response: Response) -> PropertyDetail:
    found = await read.view_property(uow.session, property_id)
    set_etag(response, found.version)
    return found


@router.post("", status_code=201, responses=problems(PropertyExists))
async def create_property(
    draft: PropertyDraft, properties: Needs[PropertyService], uow: Needs[UnitOfWork], user: Writer, response: Response
) -> PropertyDetail:
    created = await properties.create(draft)
    response.headers["Location"] = f"/api/v1/properties/{created.id}"
    return await _answer(uow, created, response)


@router.patch("/{property_id}", responses=problems(NotFound, PropertyExists, PreconditionFailed, PreconditionRequired))
async def edit_property(
    property_id: UUID,
    edit: PropertyEdit,
    version: IfMatch,
    properties: Needs[PropertyService],
    uow: Needs[UnitOfWork],
    user: Writer,
    response: Response,
) -> PropertyDetail:
    """Change what is given. Needs If-Match with the ETag that was read."""
    return await _answer(uow, await properties.edit(property_id, version, edit), response)


@router.put("/{property_id}/contacts/{contact_id}", responses=problems(NotFound, Conflict))
async def link_contact(
    property_id: UUID,
    contact_id: UUID,
    part: OwnerDraft,
    properties: Needs[PropertyService],
    uow: Needs[UnitOfWork],
    user: Writer,
    response: Response,
) -> PropertyDetail:
    """Say what a contact has to do with the property. Repeating it changes nothing."""
    return await _answer(uow, await properties.link(property_id, contact_id, part), response)


@router.delete("/{property_id}/contacts/{contact_id}", responses=problems(NotFound))
async def unlink_contact(
    property_id: UUID,
    contact_id: UUID,
    properties: Needs[PropertyService],
    uow: Needs[UnitOfWork],
    user: Writer,
    response: Response,
) -> PropertyDetail:
    return await _answer(uow, await properties.unlink(property_id, contact_id), response)


async def _answer(uow: UnitOfWork, found: Property, response: Response) -> PropertyDetail:
    set_etag(response, found.version)
    return await read.view_property(uow.session, found.id)
