"""Jobs and their visits."""

from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, Field, StrictInt, StringConstraints
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.events.envelope import Instant
from shared.http import ApiRouter, Moment, Needs, can, problems
from shared.paging import Page, PageParams, page

from billing.errors import ContactForgotten, ContactGone, JobClosed, VisitCancelled
from billing.models import Job
from billing.routes.schemas import Body, Name, Row, Text, person_of
from billing.services.jobs import JobFilter, JobService, NewJob, NewVisit, Planned, name_of
from billing.states import JobStatus, VisitKind

router = ApiRouter(prefix="/api/v1/jobs", tags=["jobs"])

Reader = Annotated[Principal, can("jobs:read")]
Writer = Annotated[Principal, can("jobs:write")]

Place = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Minutes = Annotated[StrictInt, Field(ge=5, le=1440)]


class JobIn(Body):
    """Without `place` it is the property's address or, without a property, the contact's."""

    title: Name
    contact_id: UUID
    property_id: UUID | None = None
    place: Place | None = None
    notes: Text | None = None

    def to_service(self) -> NewJob:
        return NewJob(**self.model_dump())


class JobPatch(Body):
    """Fields that are left out stay; null empties property and notes, and makes the place follow the address again."""

    title: Name | None = None
    contact_id: UUID | None = None
    property_id: UUID | None = None
    place: Place | None = None
    notes: Text | None = None

    def to_service(self) -> dict[str, Any]:
        return _given(self, emptied={"property_id", "place", "notes"})


class VisitIn(Body):
    kind: VisitKind
    starts_at: Moment
    minutes: Minutes
    assignee: Name | None = None
    """Who goes there, as the calendar says it."""
    notes: Text | None = None

    def to_service(self) -> NewVisit:
        return NewVisit(**self.model_dump())


class VisitPatch(Body):
    """Fields that are left out stay; null empties assignee and notes."""

    kind: VisitKind | None = None
    starts_at: Moment | None = None
    minutes: Minutes | None = None
    assignee: Name | None = None
    notes: Text | None = None

    def to_service(self) -> dict[str, Any]:
        return _given(self, emptied={"assignee", "notes"})


def _given(changes: Body, *, emptied: set[str]) -> dict[str, Any]:
    given = changes.model_dump(exclude_unset=True)
    return {name: value for name, value in given.items() if value is not None or name in emptied}


class VisitOut(Row):
    id: UUID
    version: int
    job_id: UUID
    kind: VisitKind
    starts_at: Instant
    ends_at: Instant
    minutes: int
    assignee: str | None
    notes: str | None
    is_cancelled: bool
    changed_at: Instant


class JobOut(BaseModel):
    """`contact_id` is whoever it is for after all merges; without a name once their data was erased."""

    id: UUID
    version: int
    title: str
    contact_id: UUID
    contact_name: str | None
    property_id: UUID | None
    place: str | None
    notes: str | None
    status: JobStatus
    status_at: Instant
    visits: list[VisitOut]
    created_by: str
    created_at: Instant
    changed_at: Instant

    @classmethod
    def of(cls, planned: Planned) -> Self:
        shown = {"contact_id", "contact_name", "visits"}
        values = {name: getattr(planned.job, name) for name in cls.model_fields if name not in shown}
        contact = planned.contact
        return cls(
            **values,
            contact_id=contact.contact_id if contact else planned.job.contact_id,
            contact_name=name_of(contact),
            visits=[VisitOut.model_validate(visit) for visit in planned.visits],
        )


async def answer(job: Job, jobs: JobService, response: Response) -> JobOut:
    set_etag(response, job.version)
    (planned,) = await jobs.planned([job])
    return JobOut.of(planned)


@router.post("", status_code=201, responses=problems(NotFound, ContactGone))
async def create_job(new: JobIn, jobs: Needs[JobService], user: Writer, response: Response) -> JobOut:
    """For a contact, at one of the properties."""
    job = await jobs.create(new.to_service(), by=person_of(user))
    response.headers["Location"] = f"/api/v1/jobs/{job.id}"
    return await answer(job, jobs, response)


@router.get("")
async def list_jobs(
    params: PageParams,
    uow: Needs[UnitOfWork],
    jobs: Needs[JobService],
    user: Reader,
    status: Annotated[JobStatus | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    starts_from: Annotated[Moment | None, Query(alias="from")] = None,
    starts_before: Annotated[Moment | None, Query(alias="to")] = None,
) -> Page[JobOut]:
    """Newest first. `from` and `to`: a visit that takes place begins at or after the one and before the other."""
    wanted = JobFilter(status, contact_id, starts_from, starts_before)
    rows, next_cursor, total = await page(
        uow.session,
        await jobs.selected(wanted),
        keys=[Job.created_at.desc(), Job.id.desc()],
        params=params,
        scope=vars(wanted),
    )
    items = [JobOut.of(planned) for planned in await jobs.planned(rows)]
    return Page(items=items, next_cursor=next_cursor, total=total)


@router.get("/{job_id}", responses=problems(NotFound))
async def get_job(job_id: UUID, jobs: Needs[JobService], user: Reader, response: Response) -> JobOut:
    return await answer(await jobs.get(job_id), jobs, response)


@router.patch(
    "/{job_id}",
    responses=problems(NotFound, ContactGone, ContactForgotten, PreconditionFailed, PreconditionRequired),
)
async def edit_job(
    job_id: UUID, changes: JobPatch, expected: IfMatch, jobs: Needs[JobService], user: Writer, response: Response
) -> JobOut:
    """Another contact or property without a place takes the job to their address.

    A job whose person was erased takes nothing but another contact.
    """
    return await answer(await jobs.edit(job_id, changes.to_service(), expected_version=expected), jobs, response)


@router.post("/{job_id}/complete", responses=problems(NotFound, InvalidTransition))
async def complete_job(job_id: UUID, jobs: Needs[JobService], user: Writer, response: Response) -> JobOut:
    """The work is done. Visits that have not begun are called off."""
    return await answer(await jobs.complete(job_id), jobs, response)


@router.post("/{job_id}/cancel", responses=problems(NotFound, InvalidTransition))
async def cancel_job(job_id: UUID, jobs: Needs[JobService], user: Writer, response: Response) -> JobOut:
    """Nothing more will be done. Visits that have not begun are called off."""
    return await answer(await jobs.cancel(job_id), jobs, response)


@router.post("/{job_id}/reopen", responses=problems(NotFound, InvalidTransition))
async def reopen_job(job_id: UUID, jobs: Needs[JobService], user: Writer, response: Response) -> JobOut:
    """Go on with a job that was completed or cancelled. Visits that were called off stay so."""
    return await answer(await jobs.reopen(job_id), jobs, response)


@router.post("/{job_id}/visits", status_code=201, responses=problems(NotFound, ContactForgotten, JobClosed))
async def create_visit(
    job_id: UUID, new: VisitIn, jobs: Needs[JobService], user: Writer, response: Response
) -> VisitOut:
    """Schedules the job; one that was completed, as by a callback, again. Its ETag is the visit's own."""
    visit = await jobs.add_visit(job_id, new.to_service())
    set_etag(response, visit.version)
    return VisitOut.model_validate(visit)


@router.patch(
    "/{job_id}/visits/{visit_id}",
    responses=problems(NotFound, ContactForgotten, JobClosed, VisitCancelled, PreconditionFailed, PreconditionRequired),
)
async def edit_visit(
    job_id: UUID,
    visit_id: UUID,
    changes: VisitPatch,
    expected: IfMatch,
    jobs: Needs[JobService],
    user: Writer,
    response: Response,
) -> VisitOut:
    """Move a visit, or set who goes there. If-Match is the visit's own ETag, or `version`."""
    visit = await jobs.edit_visit(job_id, visit_id, changes.to_service(), expected_version=expected)
    set_etag(response, visit.version)
    return VisitOut.model_validate(visit)


@router.post("/{job_id}/visits/{visit_id}/cancel", responses=problems(NotFound, JobClosed))
async def cancel_visit(
    job_id: UUID, visit_id: UUID, jobs: Needs[JobService], user: Writer, response: Response
) -> VisitOut:
    """Call a visit off; calendars show it as cancelled. Without another one the job is open again."""
    visit = await jobs.cancel_visit(job_id, visit_id)
    set_etag(response, visit.version)
    return VisitOut.model_validate(visit)
