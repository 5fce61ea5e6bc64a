"""Texts in and out, each move of theirs, and what the provider told us about texts we do not know yet."""

import hashlib
from datetime import date, datetime
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.models.tables import Base
from messaging.states import NEVER_LEFT, Direction, Kind, Status


def body_hash(body: str) -> str:
    """What a provider's listing is matched by. Providers trim white space at the ends."""
    return hashlib.sha256(body.strip().encode()).hexdigest()


_WITHOUT_TRACE = ", ".join(sorted(f"'{status.value}'" for status in NEVER_LEFT))
_IS_CAMPAIGNS = "campaign_id IS NOT NULL"
_OPEN_KEY = f"{_IS_CAMPAIGNS} AND status NOT IN ({_WITHOUT_TRACE})"


class Message(Identified, Versioned, Base):
    """One text. For an outbound one this row is also the intent that is committed before the provider is called."""

    __tablename__ = "message"
    __table_args__ = (
        Index(
            "uq_message_business_key",
            "campaign_id",
            "step",
            "phone",
            "resend_of",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(_OPEN_KEY),
        ),
        Index("ix_message_queue", "priority", "not_before", postgresql_where=text("status = 'queued'")),
        Index("ix_message_queued_phone", "phone", postgresql_where=text("status = 'queued'")),
        Index("ix_message_queued_campaign", "campaign_id", postgresql_where=text("status = 'queued'")),
        Index("ix_message_created", "created_at", "id"),
        Index("ix_message_campaign", "campaign_id", "created_at", "id", postgresql_where=text(_IS_CAMPAIGNS)),
        Index("ix_message_resend_of", "resend_of", postgresql_where=text("resend_of IS NOT NULL")),
        Index("ix_message_expiry", "expires_at", postgresql_where=text("status = 'queued'")),
        Index("ix_message_in_flight", "not_after", postgresql_where=text("status = 'in_flight'")),
        Index("ix_message_next_look", "next_look_at", postgresql_where=text("status = 'unknown'")),
        Index("ix_message_awaiting_receipt", "next_look_at", postgresql_where=text("status = 'accepted'")),
        Index("ix_message_phone_intent", "phone", "intent_at"),
        Index("ix_message_conversation", "conversation_id", "created_at", "id"),
        Index("ix_message_words", "body", postgresql_using="gin", postgresql_ops={"body": "gin_trgm_ops"}),
        Index("ix_message_recent", "intent_at", postgresql_where=text("kind = 'campaign' AND intent_at IS NOT NULL")),
    )

    direction: Mapped[Direction] = mapped_column(str_enum(Direction))
    kind: Mapped[Kind | None] = mapped_column(str_enum(Kind))
    status: Mapped[Status] = mapped_column(str_enum(Status))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversation.id"))
    number_id: Mapped[UUID | None] = mapped_column(ForeignKey("phone_number.id"))
    phone: Mapped[str] = mapped_column(ForeignKey("phone_state.phone"))
    """The other side, E.164."""
    body: Mapped[str]
    body_hash: Mapped[str]
    segments: Mapped[int | None]
    cost_cents: Mapped[int | None]
    reason: Mapped[str | None]
    author_id: Mapped[str | None]
    created_at: Mapped[datetime]
    provider_id: Mapped[str | None] = mapped_column(unique=True)

    campaign_id: Mapped[UUID | None]
    recipient_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    variant: Mapped[str | None]
    step: Mapped[int | None]
    turn: Mapped[int | None]
    zones: Mapped[list[str] | None]
    region: Mapped[str | None]

    priority: Mapped[int] = mapped_column(default=1)
    """0: a person waits for it. 1: everything else."""
    not_before: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    resend_of: Mapped[UUID | None] = mapped_column(ForeignKey("message.id"))
    in_reply_to: Mapped[UUID | None] = mapped_column(ForeignKey("message.id"))
    """For a confirmation: the inbound message that is its evidence."""
    repeats_text: Mapped[bool] = mapped_column(default=False)
    """The same text to the same phone within 24 hours is meant."""

    intent_at: Mapped[datetime | None]
    """When the intent was written, domain time: comparable to the provider's `createdAt`."""
    not_after: Mapped[datetime | None]
    """Wall time: past it, no process may put this text on the wire any more."""
    fence: Mapped[UUID | None]
    """Names the claim; only its holder may settle what never left."""
    capped_on: Mapped[date | None]
    """The day, in the sending number's zone, whose counters it took a place in."""
    settled_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    looks: Mapped[int] = mapped_column(default=0)
    """How often the resolver listed the provider's messages without finding this one."""
    next_look_at: Mapped[datetime | None]
    is_alarmed: Mapped[bool] = mapped_column(default=False)
    """Several provider messages match this one intent: somebody got it twice."""


class MessageTransition(Base):
    """The append-only log of every move of every outbound text."""

    __tablename__ = "message_transition"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("message.id"), index=True)
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    reason: Mapped[str | None]
    by: Mapped[str]
    """sender, resolver, provider, person, campaigns, consent, gate."""
    at: Mapped[datetime]


class ProviderReceipt(Base):
    """A status the provider reported for a message id that no row had yet; linked as soon as one does."""

    __tablename__ = "provider_receipt"

    provider_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[Status] = mapped_column(str_enum(Status))
    error_code: Mapped[str | None]
    number_provider_id: Mapped[str | None]
    phone: Mapped[str | None]
    body_hash: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    """The provider's `createdAt`."""
    reported_at: Mapped[datetime]
