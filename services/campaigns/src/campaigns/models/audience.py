"""Audiences and their recipients, with the rules and transitions of one row."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import Identified, str_enum
from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    SmallInteger,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from campaigns.models.campaign import Transition
from campaigns.models.tables import Base
from campaigns.states import (
    AUDIENCE_MOVES,
    NEVER_ARRIVED,
    RECIPIENT_MOVES,
    AudienceStatus,
    ExclusionReason,
    RecipientStatus,
    check_move,
)


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

    @property
    def touched_at(self) -> datetime | None:
        """When this person got a text that may have arrived: what a carrier gave back has touched nobody."""
        return None if self.status in NEVER_ARRIVED else self.sent_at

    def move(
        self, target: RecipientStatus, *, at: datetime, reason: str | None = None, cause: UUID | None = None
    ) -> Transition:
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

    def bar(self, reason: ExclusionReason, *, at: datetime) -> Transition | None:
        """Exclude who waits at once, and who has a text on its way if that comes back unsent."""
        if self.status is RecipientStatus.WAITING:
            return self.move(RecipientStatus.EXCLUDED, at=at, reason=reason)
        self.barred = reason
        return None
