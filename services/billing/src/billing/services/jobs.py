"""Jobs for a contact at a property: planned in visits, told to others, done or called off."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version
from shared.events.billing import JobCompleted, JobMoved, JobScheduled
from shared.ids import uuid7
from sqlalchemy import Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import ContactForgotten, JobClosed, VisitCancelled
from billing.models import ContactCopy, Job, PropertyCopy, Visit
from billing.models.work import last_visit, next_visit
from billing.queries import contacts_of
from billing.services.people import PeopleService
from billing.states import JobStatus, VisitKind

CLOSED = (JobStatus.COMPLETED, JobStatus.CANCELLED)


@dataclass(frozen=True)
class NewJob:
    title: str
    contact_id: UUID
    property_id: UUID | None = None
    place: str | None = None
    notes: str | None = None


@dataclass(frozen=True)
class NewVisit:
    kind: VisitKind
    starts_at: datetime
    minutes: int
    assignee: str | None = None
    notes: str | None = None


@dataclass(frozen=True)
class Planned:
    """A job as it is shown. `contact` is whoever it is for after all merges; None once their data was erased."""

    job: Job
    contact: ContactCopy | None
    visits: Sequence[Visit]


@dataclass(frozen=True)
class JobFilter:
    """`starts_from` and `starts_before` hold for a visit that takes place."""

    status: JobStatus | None = None
    contact_id: UUID | None = None
    starts_from: datetime | None = None
    starts_before: datetime | None = None


def name_of(contact: ContactCopy | None) -> str | None:
    if contact is None:
        return None
    return " ".join(filter(None, (contact.given_name, contact.family_name))) or contact.company_name


async def known_as(session: AsyncSession, people: PeopleService, ids: Collection[UUID]) -> Mapping[UUID, ContactCopy]:
    """Whom each of these ids stands for after all merges, as far as we know them."""
    persons = await people.persons(ids)
    known = await contacts_of(session, set(persons.values()))
    return {contact_id: known[person] for contact_id, person in persons.items() if person in known}


class JobService:
    """Lives in one transaction. Whoever changes a job or a visit of it has the job's row locked."""

    def __init__(self, uow: UnitOfWork, people: PeopleService) -> None:
        self._uow = uow
        self._people = people

    # Reads

    async def get(self, job_id: UUID, *, lock: bool = False) -> Job:
        """Raises NotFound."""
        found = await self._uow.session.get(Job, job_id, with_for_update=lock or None, populate_existing=lock)
        if found is None:
            raise NotFound("There is no such job.")
        return found

    async def selected(self, wanted: JobFilter) -> Select[Any]:
        """The jobs that the filter asks for. A contact's are also those of whoever was merged into them."""
        statement = select(Job)
        if wanted.status is not None:
            statement = statement.where(Job.status == wanted.status)
        if wanted.contact_id is not None:
            family = await self._people.family(await self._people.person(wanted.contact_id))
            statement = statement.where(Job.contact_id.in_(family))
        if wanted.starts_from is not None or wanted.starts_before is not None:
            visit = exists().where(Visit.job_id == Job.id, ~Visit.is_cancelled)
            if wanted.starts_from is not None:
                visit = visit.where(Visit.starts_at >= wanted.starts_from)
            if wanted.starts_before is not None:
                visit = visit.where(Visit.starts_at < wanted.starts_before)
            statement = statement.where(visit)
        return statement

    async def planned(self, jobs: Sequence[Job]) -> list[Planned]:
        """Each with its contact and its visits, the earliest first."""
        visits: defaultdict[UUID, list[Visit]] = defaultdict(list)
        for visit in await self._visits(*(job.id for job in jobs)):
            visits[visit.job_id].append(visit)
        contacts = await known_as(self._uow.session, self._people, {job.contact_id for job in jobs})
        return [Planned(job, contacts.get(job.contact_id), visits[job.id]) for job in jobs]

    async def _visits(self, *job_ids: UUID) -> Sequence[Visit]:
        statement = select(Visit).where(Visit.job_id.in_(job_ids)).order_by(Visit.starts_at, Visit.id)
        return (await self._uow.session.scalars(statement)).all()

    async def _visit(self, job: Job, visit_id: UUID) -> Visit:
        found = await self._uow.session.get(Visit, visit_id, populate_existing=True)
        if found is None or found.job_id != job.id:
            raise NotFound("This job has no such visit.")
        return found

    # Jobs

    async def create(self, new: NewJob, *, by: str) -> Job:
        """Raises NotFound (contact, property) or ContactGone."""
        contact = await self._people.contact(new.contact_id)
        place = await self._place(contact.contact_id, new.property_id)
        job = Job(
            id=uuid7(),
            version=1,
            title=new.title,
            contact_id=contact.contact_id,
            property_id=new.property_id,
            place=new.place or place,
            notes=new.notes,
            status=JobStatus.OPEN,
            status_at=self._uow.now,
            created_by=by,
            created_at=self._uow.now,
            changed_at=self._uow.now,
        )
        self._uow.session.add(job)
        await self._uow.session.flush()
        self._uow.hint("jobs", job.id, job.version)
        return job

    async def _check_known(self, job: Job) -> None:
        """Raises ContactForgotten."""
        if await self._people.is_erased(job.contact_id):
            raise ContactForgotten("The person of this job was erased. Choose another contact for it first.")

    async def _place(self, contact_id: UUID, property_id: UUID | None) -> str | None:
        """Where a job takes place unless somebody says otherwise. Raises NotFound."""
        if property_id is not None:
            known = await self._uow.session.get(PropertyCopy, property_id)
            if known is None:
                raise NotFound("There is no such property.")
            return known.address or None
        contact = await self._uow.session.get(ContactCopy, await self._people.person(contact_id))
        if contact is None:
            return None
        parts = (contact.street, contact.city, contact.region, contact.postal_code)
        return ", ".join(filter(None, parts)) or None

    async def edit(self, job_id: UUID, changes: Mapping[str, Any], *, expected_version: int) -> Job:
        """Set columns. The place follows contact and property unless one is given; None is a place that follows them.

        Others are told where the job becomes another person's. Raises PreconditionFailed, ContactForgotten, and as
        `create` does.
        """
        await self._people.hold_erasures()
        job = await self.get(job_id, lock=True)
        check_version(job.version, expected_version)
        before = (job.contact_id, job.property_id)
        wanted = await self._without_same_person(job, changes)
        if "contact_id" not in wanted:
            await self._check_known(job)
        if not _set(job, wanted):
            return job
        is_moved = before != (job.contact_id, job.property_id)
        if is_moved or "place" in changes:
            default = await self._place(job.contact_id, job.property_id)
            job.place = changes.get("place") or default
        self._touch(job)
        if before[0] != job.contact_id:
            await self._tell_standing(job)
        return job

    async def _without_same_person(self, job: Job, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes; a contact that only is another name of the job's is none."""
        wanted = dict(changes)
        if "contact_id" in wanted:
            person = await self._people.person(wanted.pop("contact_id"))
            if person != await self._people.person(job.contact_id):
                wanted["contact_id"] = (await self._people.contact(person)).contact_id
        return wanted

    async def _tell_standing(self, job: Job) -> None:
        visits = await self._visits(job.id)
        if job.status is JobStatus.COMPLETED:
            self._tell(JobCompleted, job, last_visit(visits))
        elif (ahead := next_visit(visits, self._uow.now)) is not None:
            self._tell(JobScheduled, job, ahead)

    async def complete(self, job_id: UUID) -> Job:
        """The work is done: visits that have not begun are called off. Raises InvalidTransition."""
        job = await self._close(job_id, JobStatus.COMPLETED)
        self._tell(JobCompleted, job, last_visit(await self._visits(job.id)))
        return job

    async def cancel(self, job_id: UUID) -> Job:
        """Nothing more is done: visits that have not begun are called off. Raises InvalidTransition."""
        return await self._close(job_id, JobStatus.CANCELLED)

    async def _close(self, job_id: UUID, status: JobStatus) -> Job:
        job = await self.get(job_id, lock=True)
        job.move(status, now=self._uow.now)
        for visit in await self._visits(job.id):
            if not visit.is_cancelled and visit.starts_at > self._uow.now:
                self._call_off(visit)
        self._touch(job)
        return job

    async def reopen(self, job_id: UUID) -> Job:
        """Open, or scheduled where a visit of it took place; those called off stay so. Raises InvalidTransition."""
        job = await self.get(job_id, lock=True)
        job.move(await self._standing(job), now=self._uow.now)
        self._touch(job)
        return job

    async def _standing(self, job: Job) -> JobStatus:
        """What an unfinished job is by its visits."""
        has_visits = any(not visit.is_cancelled for visit in await self._visits(job.id))
        return JobStatus.SCHEDULED if has_visits else JobStatus.OPEN

    # Visits

    async def add_visit(self, job_id: UUID, new: NewVisit) -> Visit:
        """Schedules the job, also one that was completed (a callback).

        Raises NotFound, ContactForgotten, or JobClosed if it is cancelled.
        """
        job = await self.get(job_id, lock=True)
        await self._check_known(job)
        if job.status is JobStatus.CANCELLED:
            raise JobClosed("This job is cancelled. Reopen it first.")
        visit = Visit(
            id=uuid7(),
            version=1,
            job_id=job.id,
            kind=new.kind,
            starts_at=new.starts_at,
            minutes=new.minutes,
            assignee=new.assignee,
            notes=new.notes,
            is_cancelled=False,
            changed_at=self._uow.now,
        )
        self._uow.session.add(visit)
        await self._visits_changed(job)
        await self._tell_next(job)
        return visit

    async def edit_visit(
        self, job_id: UUID, visit_id: UUID, changes: Mapping[str, Any], *, expected_version: int
    ) -> Visit:
        """Move it, or set who goes there.

        Raises NotFound, PreconditionFailed, ContactForgotten, JobClosed or VisitCancelled.
        """
        job = await self.get(job_id, lock=True)
        await self._check_known(job)
        visit = await self._visit(job, visit_id)
        check_version(visit.version, expected_version)
        if visit.is_cancelled:
            raise VisitCancelled("This visit is called off. Set another one instead.")
        self._check_unfinished(job)
        before = (visit.starts_at, visit.minutes, visit.kind)
        if _set(visit, changes):
            self._touch_visit(visit)
            await self._visits_changed(job)
            if before != (visit.starts_at, visit.minutes, visit.kind):
                await self._tell_next(job)
        return visit

    async def cancel_visit(self, job_id: UUID, visit_id: UUID) -> Visit:
        """Call it off; calendars go on showing it as cancelled. Once called off, this changes nothing.

        Raises NotFound or JobClosed.
        """
        job = await self.get(job_id, lock=True)
        visit = await self._visit(job, visit_id)
        if visit.is_cancelled:
            return visit
        self._check_unfinished(job)
        was_next = next_visit(await self._visits(job.id), self._uow.now) is visit
        self._call_off(visit)
        await self._visits_changed(job)
        if was_next:
            await self._tell_next(job)
        return visit

    @staticmethod
    def _check_unfinished(job: Job) -> None:
        if job.status in CLOSED:
            raise JobClosed(f"This job is {job.status}. Reopen it first.")

    def _call_off(self, visit: Visit) -> None:
        visit.is_cancelled = True
        self._touch_visit(visit)

    def _touch_visit(self, visit: Visit) -> None:
        visit.changed_at = self._uow.now
        visit.touch()

    async def _visits_changed(self, job: Job) -> None:
        """What follows for the job from a change of its visits."""
        await self._uow.session.flush()
        standing = await self._standing(job)
        if job.status is not standing:
            job.move(standing, now=self._uow.now)
        self._touch(job, is_its_own=False)

    def _touch(self, job: Job, *, is_its_own: bool = True) -> None:
        """Count a change of the job or, which is not `its_own`, of one of its visits."""
        if is_its_own:
            job.changed_at = self._uow.now
        self._uow.hint("jobs", job.id, job.touch())

    async def _tell_next(self, job: Job) -> None:
        """Nobody needs to be told of visits that are over."""
        ahead = next_visit(await self._visits(job.id), self._uow.now)
        if ahead is not None:
            self._tell(JobScheduled, job, ahead)

    def _tell(self, move: type[JobMoved], job: Job, visit: Visit | None) -> None:
        self._uow.publish(
            move(
                job_id=job.id,
                version=job.version,
                property_id=job.property_id,
                contact_id=job.contact_id,
                title=job.title,
                starts_at=visit.starts_at if visit else None,
                kind=visit.kind.value if visit else None,
                occurred_at=self._uow.now,
            )
        )


def _set(row: Job | Visit, changes: Mapping[str, Any]) -> bool:
    """Whether anything is another value than before."""
    differing = {name: value for name, value in changes.items() if getattr(row, name) != value}
    for name, value in differing.items():
        setattr(row, name, value)
    return bool(differing)
