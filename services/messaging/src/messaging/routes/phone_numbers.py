"""/api/v1/phone-numbers: the company's own numbers."""

from typing import Annotated
from uuid import UUID

from fastapi import Response
from shared.auth import Principal
from shared.errors import NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http.dependencies import Needs, can
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.paging import Page, PageParams, page
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from messaging.models import PhoneNumber
from messaging.routes.payloads import PhoneNumberEdit, PhoneNumberOut
from messaging.services.numbers import NumberService

router = ApiRouter(prefix="/api/v1/phone-numbers", tags=["phone-numbers"])
Reader = Annotated[Principal, can("phone-numbers:read")]
Editor = Annotated[Principal, can("phone-numbers:write")]


@router.get("")
async def list_phone_numbers(session: Needs[AsyncSession], params: PageParams, user: Reader) -> Page[PhoneNumberOut]:
    """As the provider lists them; those it no longer has are inactive."""
    rows, cursor, total = await page(
        session, select(PhoneNumber), keys=[PhoneNumber.e164.asc(), PhoneNumber.id.asc()], params=params
    )
    return Page(items=[PhoneNumberOut.of(row) for row in rows], next_cursor=cursor, total=total)


@router.get("/{number_id}", responses=problems(NotFound))
async def get_phone_number(
    number_id: UUID, session: Needs[AsyncSession], response: Response, user: Reader
) -> PhoneNumberOut:
    number = await session.get(PhoneNumber, number_id)
    if number is None:
        raise NotFound("There is no such number.")
    set_etag(response, number.version)
    return PhoneNumberOut.of(number)


@router.patch("/{number_id}", responses=problems(NotFound, PreconditionFailed, PreconditionRequired))
async def edit_phone_number(
    number_id: UUID,
    edit: PhoneNumberEdit,
    version: IfMatch,
    numbers: Needs[NumberService],
    response: Response,
    user: Editor,
) -> PhoneNumberOut:
    """Set how many campaign texts a day leave from it, and in which zone its days begin."""
    number = await numbers.edit(number_id, version, daily_cap=edit.daily_cap, zone=edit.zone)
    set_etag(response, number.version)
    return PhoneNumberOut.of(number)
