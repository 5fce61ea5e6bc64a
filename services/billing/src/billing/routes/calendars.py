"""Calendars of visits: secret addresses, and what is read at them."""

import asyncio
import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import Header, Request, Response
from shared.auth import Principal
from shared.database import Begin, UnitOfWork
from shared.errors import NotFound
from shared.events.envelope import Instant
from shared.http import PUBLIC, ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import select

from billing.calendar import calendar_text
from billing.models import CalendarFeed
from billing.routes.schemas import Body, Name, Row, person_of
from billing.services.calendars import CalendarService
from billing.settings import Settings

router = ApiRouter(tags=["calendars"])

Manager = Annotated[Principal, can("calendars:manage")]
_PATH = "/api/v1/calendars"


class CalendarIn(Body):
    name: Name


class CalendarOut(Row):
    id: UUID
    name: str
    created_by: str
    created_at: Instant
    revoked_at: Instant | None


class CalendarCreated(CalendarOut):
    url: str
    """Shown once: whoever knows it reads the calendar."""


class CalendarText(Response):
    media_type = "text/calendar"


_NOT_CHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As If-None-Match says."}}


@router.get(_PATH)
async def list_calendars(params: PageParams, uow: Needs[UnitOfWork], user: Manager) -> Page[CalendarOut]:
    """Newest first, those revoked among them; never their addresses."""
    rows, next_cursor, total = await page(
        uow.session,
        select(CalendarFeed),
        keys=[CalendarFeed.created_at.desc(), CalendarFeed.id.desc()],
        params=params,
    )
    return Page(items=[CalendarOut.model_validate(row) for row in rows], next_cursor=next_cursor, total=total)


@router.post(_PATH, status_code=201)
async def create_calendar(new: CalendarIn, request: Request, user: Manager) -> CalendarCreated:
    """A secret address to subscribe to in any calendar program. Takes no Idempotency-Key: its answer is a secret."""
    container = request.app.state.container
    begin: Begin = await container.aget(Begin)
    settings: Settings = await container.aget(Settings)
    async with begin() as tx:
        calendar, token = await (await tx.aget(CalendarService)).create(new.name, by=person_of(user))
    url = f"{settings.public_url}/public/calendars/{token}.ics"
    return CalendarCreated(**CalendarOut.model_validate(calendar).model_dump(), url=url)


@router.post(_PATH + "/{calendar_id}/revoke", responses=problems(NotFound))
async def revoke_calendar(calendar_id: UUID, calendars: Needs[CalendarService], user: Manager) -> CalendarOut:
    """Nothing is read at its address from now on."""
    return CalendarOut.model_validate(await calendars.revoke(calendar_id))


@router.get(
    "/public/calendars/{token}.ics",
    openapi_extra=PUBLIC,
    response_class=CalendarText,
    responses={**problems(NotFound), **_NOT_CHANGED},
)
async def read_calendar(
    token: str, calendars: Needs[CalendarService], if_none_match: Annotated[str | None, Header()] = None
) -> Response:
    """The visits, from 90 days back to 400 days ahead, for calendar programs."""
    calendar = await calendars.find(token)
    entries = await calendars.entries()
    # Thousands of visits take a second to write, in which others want answers.
    text = (await asyncio.to_thread(calendar_text, calendar.name, entries)).encode()
    tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, max-age=300"}
    if _knows(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return CalendarText(text, headers=headers)


def _knows(if_none_match: str | None, tag: str) -> bool:
    known = {one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")}
    return bool(known & {tag, "*"})
