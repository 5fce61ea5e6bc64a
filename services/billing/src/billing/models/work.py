"""Jobs: the work at a property, its visits, and the calendars that show them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base
from billing.states import JOB_MOVES, JobStatus, VisitKind, check_move


class Job(Base, Identified, Versioned):
    """Work for a contact at a property."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_created", text("created_at DESC"), text("id DESC")),
        Index("ix_job_contact", "contact_id"),
    )

    title: Mapped[str]
    contact_id: Mapped[UUID]
    property_id: Mapped[UUID | None]
    place: Mapped[str | None]
    """The address as it is written on the calendar."""
    notes: Mapped[str | None]
    status: Mapped[JobStatus] = mapped_column(str_enum(JobStatus), default=JobStatus.OPEN)
    status_at: Mapped[datetime]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    def move(self, target: JobStatus, *, now: datetime) -> None:
        """Raises InvalidTransition."""
        check_move(JOB_MOVES, self.status, target, what="job")
        self.status, self.status_at = target, now


class Visit(Base, Identified, Versioned):
    """A time at which somebody is there. One that is called off stays in calendars as cancelled."""

    __tablename__ = "visit"
    __table_args__ = (
        CheckConstraint("minutes BETWEEN 5 AND 1440", name="minutes"),
        Index("ix_visit_job", "job_id"),
        Index("ix_visit_starts", "starts_at"),
    )

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    kind: Mapped[VisitKind] = mapped_column(str_enum(VisitKind))
    starts_at: Mapped[datetime]
    minutes: Mapped[int]
    assignee: Mapped[str | None]
    notes: Mapped[str | None]
    is_cancelled: Mapped[bool] = mapped_column(default=False)
    changed_at: Mapped[datetime]

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)


def next_visit(visits: Iterable[Visit], now: datetime) -> Visit | None:
    """The first one that takes place and is not over."""
    ahead = [visit for visit in visits if not visit.is_cancelled and visit.ends_at > now]
    return min(ahead, key=lambda visit: (visit.starts_at, visit.id), default=None)


def last_visit(visits: Iterable[Visit]) -> Visit | None:
    """The latest one that takes place, or did."""
    kept = [visit for visit in visits if not visit.is_cancelled]
    return max(kept, key=lambda visit: (visit.starts_at, visit.id), default=None)


class CalendarFeed(Base, Identified):
    """A secret address at which calendars read the visits; only its hash is kept."""

    __tablename__ = "calendar_feed"

    name: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
