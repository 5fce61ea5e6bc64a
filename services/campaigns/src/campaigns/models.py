"""Mapped classes of the campaigns database, with the rules and transitions that belong to one row."""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.database import Identified, TypedColumns, Versioned, service_metadata, str_enum
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
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from campaigns.pacing import Schedule
from campaigns.states import (
    AUDIENCE_MOVES,
    CAMPAIGN_MOVES,
    RECIPIENT_MOVES,
    AudienceStatus,
    CampaignStatus,
    ExclusionReason,
    RecipientStatus,
    check_move,
)


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


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


class Audience(Base, Identified):
    """One version of a campaign's audience: a consistent snapshot, built by a job, launched only when ready."""

    __tablename__ = "audience"
    __table_args__ = (
        UniqueConstraint("campaign_id", "number"),
        Index("ix_audience_building", "created_at", postgresql_where=text("status = 'building'")),
    )

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    number: Mapped[int]
    """1, 2, 3 … within the campaign; what people name at launch."""
    status: Mapped[AudienceStatus] = mapped_column(str_enum(AudienceStatus), default=AudienceStatus.BUILDING)
    lists: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    exclude_lists: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    recontact_days: Mapped[int]
    blocks_on_missing: Mapped[bool]
    includes_earlier_conversations: Mapped[bool] = mapped_column(default=False)
    read_count: Mapped[int] = mapped_column(default=0)
    """Contacts taken from the snapshot so far: true progress, equal to the rows stored."""
    expected_count: Mapped[int | None]
    attempt: Mapped[int] = mapped_column(default=0)
    """Fences off a builder that was thought dead: only the newest attempt may write."""
    leased_until: Mapped[datetime | None]
    """Security time, as for every lease."""
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    snapshot_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]

    def move(self, target: AudienceStatus) -> None:
        check_move(AUDIENCE_MOVES, self.status, target, what="audience")
        self.status = target


class Place(Base):
    """A combination of zones and region that occurs in an audience: the plan looks at these, not at each person."""

    __tablename__ = "place"

    audience_id: Mapped[UUID] = mapped_column(ForeignKey("audience.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    zones: Mapped[list[str]]
    region: Mapped[str | None]


class Recipient(Base, Identified):
    """One member of an audience, with the snapshot of the person and the text that it will get."""

    __tablename__ = "recipient"
    __table_args__ = (
        UniqueConstraint("audience_id", "contact_id"),
        # One phone gets one text from a campaign, whoever shares it and however the audience was built.
        Index(
            "uq_recipient_phone",
            "audience_id",
            "phone",
            unique=True,
            postgresql_where=text("status <> 'excluded'"),
        ),
        # Two plans at the same moment cannot both pick a phone that two campaigns hold.
        Index("uq_recipient_requested", "phone", unique=True, postgresql_where=text("status = 'requested'")),
        Index("ix_recipient_results", "audience_id", "status", "reason", "variant"),
        Index(
            "ix_recipient_plan",
            "audience_id",
            "place_key",
            "position",
            postgresql_where=text("status = 'waiting'"),
        ),
        Index("ix_recipient_open", "campaign_id", postgresql_where=text("status IN ('requested', 'unknown')")),
        Index("ix_recipient_phone", "phone", "sent_at"),
        Index("ix_recipient_contact", "contact_id"),
        Index(
            "ix_recipient_counted",
            "number_id",
            "counted_on",
            postgresql_where=text("counted_on IS NOT NULL"),
        ),
        Index("ix_recipient_page", "audience_id", "position", "id"),
    )

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaign.id", ondelete="CASCADE"))
    audience_id: Mapped[UUID] = mapped_column(ForeignKey("audience.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID]
    contact_version: Mapped[int]
    position: Mapped[int] = mapped_column(BigInteger)
    """The order of turns: a hash, so that arms and lists mix and the order can be reproduced."""
    phone: Mapped[str | None]
    values: Mapped[dict[str, Any]]
    """The placeholders' values, as far as the variants use them, and the names that screens show."""
    place_key: Mapped[str]
    variant: Mapped[str]
    text: Mapped[str | None]
    segments: Mapped[int] = mapped_column(default=0)
    next_text: Mapped[str | None]
    """What replaces a text that is on its way, should its turn come back."""
    next_segments: Mapped[int | None]
    status: Mapped[RecipientStatus] = mapped_column(str_enum(RecipientStatus))
    reason: Mapped[str | None]
    status_at: Mapped[datetime]
    barred: Mapped[ExclusionReason | None] = mapped_column(str_enum(ExclusionReason))
    """Set while a text is on its way: should the turn come back, the recipient is excluded for this."""
    step: Mapped[int] = mapped_column(SmallInteger, default=1)
    turn: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    message_id: Mapped[UUID | None]
    number_id: Mapped[UUID | None]
    counted_on: Mapped[date | None]
    """The day, in the number's zone, whose cap this text uses up; empty again when the turn is returned."""
    requested_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    replied_at: Mapped[datetime | None]
    opted_out_at: Mapped[datetime | None]
    billed_segments: Mapped[int | None]
    cost_cents: Mapped[int | None]

    def move(
        self, target: RecipientStatus, *, at: datetime, reason: str | None = None, cause: UUID | None = None
    ) -> "Transition":
        """Change the state if that is legal; returns the line for the log."""
        check_move(RECIPIENT_MOVES, self.status, target, what="recipient")
        line = Transition(
            campaign_id=self.campaign_id,
            recipient_id=self.id,
            from_status=self.status,
            to_status=target,
            reason=reason,
            cause=cause,
            occurred_at=at,
        )
        self.status, self.reason, self.status_at = target, reason, at
        if target is RecipientStatus.WAITING and self.next_text is not None:
            self.text, self.segments = self.next_text, self.next_segments or 0
            self.next_text = self.next_segments = None
        return line

    def reword(self, text: str, segments: int) -> None:
        """Take the text that was rendered anew. One that is on its way stays what it is: it was asked for already."""
        if self.status is RecipientStatus.REQUESTED:
            self.next_text, self.next_segments = text, segments
        else:
            self.text, self.segments = text, segments

    def bar(self, reason: ExclusionReason, *, at: datetime) -> "Transition | None":
        """Exclude who waits at once, and who has a text on its way if that comes back unsent."""
        if self.status is RecipientStatus.WAITING:
            return self.move(RecipientStatus.EXCLUDED, at=at, reason=reason)
        self.barred = reason
        return None


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


class PhoneNumber(Base):
    """Copy of a sending number (messaging owns it). Its row lock serialises the plans that share its daily cap."""

    __tablename__ = "phone_number"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    e164: Mapped[str]
    name: Mapped[str]
    zone: Mapped[str]
    daily_cap: Mapped[int]
    is_active: Mapped[bool]


class PhoneConsent(Base):
    """Copy of a phone's opt-out state (messaging's ledger is the authority)."""

    __tablename__ = "phone_consent"

    phone: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    is_opted_out: Mapped[bool]
    changed_at: Mapped[datetime]


class LineType(Base):
    """Copy of what kind of line a phone is."""

    __tablename__ = "line_type"

    phone: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    line_type: Mapped[str]


class Hold(Base):
    """Copy of a sending hold, so that no turns are spent on texts that messaging would not let out."""

    __tablename__ = "hold"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    scope: Mapped[str]
    campaign_id: Mapped[UUID | None]
    number_id: Mapped[UUID | None]
    is_placed: Mapped[bool]


class ContactAlias(Base):
    """The secondary of a merge is the primary from now on; ids in other rows are never rewritten."""

    __tablename__ = "contact_alias"

    __table_args__ = (Index("ix_contact_alias_primary", "primary_id", postgresql_where=text("is_merged")),)

    secondary_id: Mapped[UUID] = mapped_column(primary_key=True)
    primary_id: Mapped[UUID]
    version: Mapped[int]
    primary_version: Mapped[int]
    """From this version on, the primary holds what the secondary had."""
    is_merged: Mapped[bool]


class LateChange(Base):
    """A contact's newest change that came while an audience was being built: its snapshot may be older."""

    __tablename__ = "late_change"

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    item: Mapped[dict[str, Any] | None]
    """The ContactItem; None for somebody whose data was erased."""


class Reply(Base):
    """Copy of an inbound text's time: which send it belongs to is worked out whenever either side gets news."""

    __tablename__ = "reply"
    __table_args__ = (Index("ix_reply_phone", "phone", "received_at"),)

    message_id: Mapped[UUID] = mapped_column(primary_key=True)
    phone: Mapped[str]
    received_at: Mapped[datetime]
