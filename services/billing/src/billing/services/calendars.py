"""Secret addresses at which calendars read the visits, and what they read there."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.ids import uuid7
from sqlalchemy import select

from billing.calendar import Entry
from billing.models import CalendarFeed, ContactCopy, Job, Visit
from billing.services.jobs import known_as, name_of
from billing.services.people import PeopleService

_BACK, _AHEAD = timedelta(days=90), timedelta(days=400)
_TOKEN_BYTES = 32


class CalendarService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, people: PeopleService) -> None:
        self._uow = uow
        self._people = people

    async def create(self, name: str, *, by: str) -> tuple[CalendarFeed, str]:
        """The feed and its token, which is told this once: only its hash is kept."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        row = CalendarFeed(id=uuid7(), name=name, token_hash=_hash(token), created_by=by, created_at=self._uow.now)
        self._uow.session.add(row)
        await self._uow.session.flush()
        return row, token

    async def revoke(self, calendar_id: UUID) -> CalendarFeed:
        """Nobody reads at its address from now on. Raises NotFound."""
        row = await self._uow.session.get(CalendarFeed, calendar_id, with_for_update=True)
        if row is None:
            raise NotFound("There is no such calendar.")
        row.revoked_at = row.revoked_at or self._uow.now
        return row

    async def find(self, token: str) -> CalendarFeed:
        """Raises NotFound, in the same words for a token that was revoked and one that never was."""
        # Looked up by its hash: how long a comparison takes tells nothing about a token.
        statement = select(CalendarFeed).where(
            CalendarFeed.token_hash == _hash(token), CalendarFeed.revoked_at.is_(None)
        )
        row = (await self._uow.session.scalars(statement)).one_or_none()
        if row is None:
            raise NotFound("There is no calendar at this address.")
        return row

    async def entries(self) -> list[Entry]:
        """Visits from 90 days back to 400 days ahead, the earliest first, those called off among them."""
        now = self._uow.now
        found = await self._uow.session.execute(
            select(Visit, Job)
            .join(Job, Job.id == Visit.job_id)
            .where(Visit.starts_at >= now - _BACK, Visit.starts_at <= now + _AHEAD)
            .order_by(Visit.starts_at, Visit.id)
        )
        rows = [(visit, job) for visit, job in found]
        contacts = await known_as(self._uow.session, self._people, {job.contact_id for _, job in rows})
        return [_entry(visit, job, contacts.get(job.contact_id)) for visit, job in rows]


def _entry(visit: Visit, job: Job, contact: ContactCopy | None) -> Entry:
    # Somebody's name and number stand in it as well.
    changed = [visit.changed_at, job.changed_at, contact.changed_at if contact else None]
    return Entry(
        visit_id=visit.id,
        version=visit.version,
        kind=visit.kind,
        starts_at=visit.starts_at,
        minutes=visit.minutes,
        is_cancelled=visit.is_cancelled,
        changed_at=max(at for at in changed if at is not None),
        title=job.title,
        contact_name=name_of(contact),
        # The primary one is the first: whoever drives there may have to call, and needs no other.
        phone=next(iter(contact.phones), None) if contact else None,
        place=job.place,
        assignee=visit.assignee,
        visit_notes=visit.notes,
        job_notes=job.notes,
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
