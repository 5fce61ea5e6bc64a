"""Notes: created by HTTP or by an event, published as events."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import svcs
from fastapi import Response
from pydantic import BaseModel
from shared.auth import Principal
from shared.consuming import consume
from shared.database import Begin, Identified, TypedColumns, UnitOfWork, Versioned, service_metadata
from shared.errors import Conflict, NotFound
from shared.etag import IfMatch, check_version, set_etag
from shared.events.contacts import ConsentRecorded
from shared.events.messaging import ContactSeen
from shared.http import PUBLIC, UPLOAD, ApiRouter, Needs, build_app, can, problems
from shared.jobs import Backlog, Job
from shared.main import ServiceSpec
from shared.paging import Page, PageParams, page
from shared.registry import base_registry
from shared.settings import ServiceSettings
from shared.worker import Worker
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.requests import Request


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


class Note(Identified, Versioned, Base):
    __tablename__ = "note"
    body: Mapped[str]
    created_at: Mapped[datetime]
    topic: Mapped[str] = mapped_column(unique=True)


class NoteService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def create(self, topic: str, body: str) -> Note:
        note = Note(topic=topic, body=body, created_at=self._uow.now, version=1)
        self._uow.session.add(note)
        await self._uow.session.flush()
        self._uow.publish(
            ConsentRecorded(phone=topic, is_granted=True, source="probe", evidence=body, recorded_at=self._uow.now)
        )
        self._uow.wake("shout")
        if body == "refuse":
            raise Conflict("This note is refused after it was written.")
        return note

    async def record_seen(self, event: ContactSeen) -> None:
        if event.phone == "poison":
            raise RuntimeError("poison")
        self._uow.session.add(Note(topic=event.phone, body="seen", created_at=self._uow.now, version=1))

    async def find(self, note_id: UUID) -> Note:
        note = await self._uow.session.get(Note, note_id, with_for_update=True)
        if note is None:
            raise NotFound("There is no such note.")
        return note


CONSUMES = (consume(ContactSeen, NoteService.record_seen),)


class ShoutProcess:
    """A job: turns bodies into capitals, one note a step."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            note = (await uow.session.execute(select(Note).where(Note.body == "whisper").limit(1))).scalar()
            if note is None:
                return 0
            note.body = "SHOUT"
            return 1


class NewNote(BaseModel):
    topic: str
    body: str = ""


class NoteOut(BaseModel):
    id: UUID
    topic: str
    body: str


router = ApiRouter(prefix="/api/v1/notes")
Reader = Annotated[Principal, can("notes:read")]
Writer = Annotated[Principal, can("notes:write")]


@router.post("", status_code=201, responses=problems(Conflict))
async def create_note(new: NewNote, notes: Needs[NoteService], user: Writer) -> NoteOut:
    return NoteOut.model_validate(await notes.create(new.topic, new.body), from_attributes=True)


@router.get("")
async def list_notes(params: PageParams, uow: Needs[UnitOfWork], user: Reader, q: str = "") -> Page[NoteOut]:
    rows, cursor, total = await page(
        uow.session,
        select(Note).where(Note.topic.contains(q)),
        keys=[Note.created_at.desc(), Note.id.desc()],
        params=params,
        scope={"q": q},
    )
    items = [NoteOut.model_validate(row, from_attributes=True) for row in rows]
    return Page(items=items, next_cursor=cursor, total=total)


@router.patch("/{note_id}", responses=problems(NotFound))
async def edit_note(
    note_id: UUID, new: NewNote, version: IfMatch, notes: Needs[NoteService], user: Writer, response: Response
) -> NoteOut:
    note = await notes.find(note_id)
    check_version(note.version, version)
    note.body = new.body
    set_etag(response, note.touch())
    return NoteOut.model_validate(note, from_attributes=True)


@router.put("/file", openapi_extra=UPLOAD(2000))
async def upload(request: Request, user: Writer) -> int:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return size


@router.get("/public", openapi_extra=PUBLIC)
async def greet() -> str:
    return "hello"


def build_registry(settings: ServiceSettings) -> svcs.Registry:
    registry = base_registry(settings, name="probe_service", consumes=CONSUMES)
    registry.provide(NoteService, lambda c: NoteService(c.get(UnitOfWork)))
    registry.provide(ShoutProcess, lambda c: ShoutProcess(c.get(Begin)))
    registry.register_value(Backlog, Backlog())
    return registry


SPEC = ServiceSpec(
    name="probe_service",
    settings=ServiceSettings,
    registry=build_registry,
    app=lambda registry, settings: build_app(
        registry, settings=settings, title="Probe", audience="probe_service", routers=[router]
    ),
    worker=lambda registry, settings: Worker(
        registry, settings, name="probe_service", jobs=[Job("shout", ShoutProcess, timedelta(seconds=5), "shout")]
    ),
    consumes=CONSUMES,
)
