"""The campaign with its wordings, the log of moves, and what wakes its plan."""

from datetime import datetime, time
from decimal import Decimal
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Numeric,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from campaigns.models.tables import Base
from campaigns.pacing import Schedule
from campaigns.states import (
    CAMPAIGN_MOVES,
    CampaignStatus,
    check_move,
)


class Campaign(Base, Identified, Versioned):
    """The aggregate: what is said, to whom, when, how fast. Its row lock is what launch, pause and planning share."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("window_start < window_end", name="window"),
        CheckConstraint("daily_cap > 0 AND rate_per_second > 0", name="caps"),
        Index("ix_campaign_created", text("created_at DESC"), text("id DESC")),
        Index("ix_campaign_due", "next_plan_at", postgresql_where=text("status IN ('scheduled', 'running')")),
    )

    name: Mapped[str]
    status: Mapped[CampaignStatus] = mapped_column(str_enum(CampaignStatus), default=CampaignStatus.DRAFT)
    number_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), default=list)
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    window_start: Mapped[time]
    window_end: Mapped[time]
    starts_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    daily_cap: Mapped[int]
    """Texts a day from each sending number; the number's own cap holds over all campaigns as well."""
    rate_per_second: Mapped[Decimal] = mapped_column(Numeric(8, 3))
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    launched_by: Mapped[str | None]
    launched_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    audience_id: Mapped[UUID | None]
    """The audience version that was launched; while draft, the newest one that is ready."""
    approved_audience_id: Mapped[UUID | None]
    approved_by: Mapped[str | None]
    next_plan_at: Mapped[datetime | None]
    """The next instant at which the plan has something to do; None while only reports are awaited."""
    next_slot_at: Mapped[datetime | None]
    """The rate limit across plans and restarts: no text is planned before it."""

    variants: Mapped[list["Variant"]] = relationship(
        lazy="raise", order_by="Variant.position", cascade="all, delete-orphan", passive_deletes=True
    )

    @property
    def schedule(self) -> Schedule:
        return Schedule(
            weekdays=frozenset(self.weekdays),
            window_start=self.window_start,
            window_end=self.window_end,
            starts_at=self.starts_at,
            deadline_at=self.deadline_at,
        )

    def move(self, target: CampaignStatus, *, now: datetime) -> "Transition":
        """Change the state if that is legal; returns the line for the log."""
        check_move(CAMPAIGN_MOVES, self.status, target, what="campaign")
        line = Transition(campaign_id=self.id, from_status=self.status, to_status=target, occurred_at=now)
        self.status = target
        if target in (CampaignStatus.COMPLETED, CampaignStatus.CANCELLED):
            self.finished_at, self.next_plan_at = now, None
        self.touch()
        return line


class Variant(Base, Identified):
    """One wording of a campaign, with its share of the audience."""

    __tablename__ = "variant"
    __table_args__ = (
        UniqueConstraint("campaign_id", "label"),
        CheckConstraint("weight > 0", name="weight"),
    )

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(SmallInteger)
    label: Mapped[str]
    message: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)


class Template(Base, Identified, Versioned):
    """A wording kept for later campaigns."""

    __tablename__ = "template"
    __table_args__ = (
        UniqueConstraint("name"),
        Index("ix_template_created", text("created_at DESC"), text("id DESC")),
    )

    name: Mapped[str]
    message: Mapped[str]
    created_at: Mapped[datetime]


class Transition(Base):
    """The log of every move of a campaign or a recipient: append-only."""

    __tablename__ = "transition"
    __table_args__ = (Index("ix_transition_campaign", "campaign_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    campaign_id: Mapped[UUID]
    recipient_id: Mapped[UUID | None]
    from_status: Mapped[str]
    to_status: Mapped[str]
    reason: Mapped[str | None]
    actor: Mapped[str | None]
    cause: Mapped[UUID | None]
    """The id of the text or event that led to it."""
    occurred_at: Mapped[datetime]


class PlanRequest(Base):
    """News that a campaign's plan has to take in. Rows, not a flag: writers never wait for the planner's lock."""

    __tablename__ = "plan_request"
    __table_args__ = (Index("ix_plan_request_campaign", "campaign_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    campaign_id: Mapped[UUID]
