"""OpenPhone's tables. What is sent, received and delivered here is the truth that the product is held against."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.database import Identified, str_enum
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sandbox.life_cycle import Life, MessageStatus, status_at, updated_at
from sandbox.models.tables import Base
from sandbox.signing import Scheme


class Direction(StrEnum):
    INCOMING = "incoming"
    OUTGOING = "outgoing"


class Configuration(Base):
    """One row: the controls, and which run of the ledger this is."""

    __tablename__ = "configuration"
    __table_args__ = (CheckConstraint("is_only", name="one_row"),)

    is_only: Mapped[bool] = mapped_column(primary_key=True, default=True)
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    """Counts every change to what a Workspace holds."""
    run: Mapped[int] = mapped_column(default=1)
    """A reset starts a new run; the ledger keeps the earlier ones."""
    controls: Mapped[dict[str, Any]]


class ApiKey(Base):
    __tablename__ = "api_key"

    key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    revoked_at: Mapped[datetime | None]


class WorkspaceUser(Base):
    __tablename__ = "workspace_user"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    role: Mapped[str]
    created_at: Mapped[datetime]


class PhoneNumber(Base):
    __tablename__ = "phone_number"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    group_id: Mapped[str]
    user_ids: Mapped[list[str]]
    created_at: Mapped[datetime]


class Recipient(Base):
    """A phone outside: how often it was asked for, and whether it has opted out of the whole workspace."""

    __tablename__ = "recipient"

    phone: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0)
    accepted: Mapped[int] = mapped_column(default=0)
    received: Mapped[int] = mapped_column(default=0)
    """How many texts came from it."""
    blocked_at: Mapped[datetime | None]


class Conversation(Base):
    """The thread of one of our numbers with one set of participants."""

    __tablename__ = "conversation"
    __table_args__ = (
        UniqueConstraint("phone_number_id", "participants_key"),
        Index("ix_conversation_activity", "last_activity_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    phone_number_id: Mapped[str] = mapped_column(ForeignKey("phone_number.id"))
    participants: Mapped[list[str]]
    participants_key: Mapped[str]
    inbox_status: Mapped[str] = mapped_column(default="open")
    is_read: Mapped[bool] = mapped_column(default=False)
    last_activity_at: Mapped[datetime]
    last_activity_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Message(Base):
    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_conversation", "conversation_id", "created_at", "id"),
        Index("ix_message_created", "created_at", "id"),
        Index("ix_message_counterpart", "counterpart", "created_at"),
        Index("ix_message_event_due", "event_due_at", postgresql_where=text("event_due_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id"))
    phone_number_id: Mapped[str] = mapped_column(ForeignKey("phone_number.id"))
    direction: Mapped[Direction] = mapped_column(str_enum(Direction))
    sender: Mapped[str]
    recipients: Mapped[list[str]]
    counterpart: Mapped[str]
    """The first participant outside: whom faults, lives and replies are chosen by."""
    text: Mapped[str]
    media: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    user_id: Mapped[str | None]
    attempt: Mapped[int]
    """Which request for the counterpart this was, from 1."""
    text_number: Mapped[int]
    """Which accepted text to the counterpart this was, from 1; 0 where nobody answers it."""
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    final_at: Mapped[datetime | None]
    final_status: Mapped[MessageStatus | None] = mapped_column(str_enum(MessageStatus))
    error_code: Mapped[str | None]
    event_due_at: Mapped[datetime | None]
    """When its final event goes out; null once it has, or where there is none."""

    @property
    def life(self) -> Life:
        return Life(self.sent_at, self.final_at, self.final_status, self.error_code)

    def revive(self, now: datetime, delivered_at: datetime) -> None:
        """Begin the life again: this time it is delivered."""
        self.sent_at = now
        self.final_at = self.event_due_at = delivered_at
        self.final_status = MessageStatus.DELIVERED

    def status_at(self, now: datetime) -> MessageStatus:
        return status_at(now, self.life)

    def updated_at(self, now: datetime) -> datetime:
        return updated_at(now, self.created_at, self.life)


class Call(Base):
    __tablename__ = "call"
    __table_args__ = (Index("ix_call_counterpart", "phone_number_id", "counterpart", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id"))
    phone_number_id: Mapped[str] = mapped_column(ForeignKey("phone_number.id"))
    direction: Mapped[Direction] = mapped_column(str_enum(Direction))
    counterpart: Mapped[str]
    participants: Mapped[list[str]]
    status: Mapped[str]
    user_id: Mapped[str]
    duration: Mapped[int]
    answered_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class PlannedReply(Identified, Base):
    """A text that somebody outside will send."""

    __tablename__ = "planned_reply"
    __table_args__ = (Index("ix_planned_reply_due", "due_at"),)

    due_at: Mapped[datetime]
    sender: Mapped[str]
    phone_number_id: Mapped[str] = mapped_column(ForeignKey("phone_number.id"))
    text: Mapped[str]
    media: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


class Webhook(Base):
    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(primary_key=True)
    scheme: Mapped[Scheme] = mapped_column(str_enum(Scheme))
    url: Mapped[str]
    key: Mapped[str]
    previous_key: Mapped[str | None]
    """Signs beside the new one after a rotation."""
    events: Mapped[list[str]]
    resource_ids: Mapped[list[str]]
    label: Mapped[str | None]
    is_enabled: Mapped[bool] = mapped_column(default=True)
    user_id: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"
    """Never tried: a missing delivery was asked for."""


class Delivery(Identified, Base):
    """One event on its way to one webhook."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_due", "next_attempt_at", "id", postgresql_where=text("next_attempt_at IS NOT NULL")),
        Index("ix_delivery_webhook", "webhook_id", "created_at", "id"),
    )

    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id"))
    key: Mapped[str]
    """The `webhook-id` header: stable over retries, and shared by a duplicate."""
    event_id: Mapped[str]
    event_type: Mapped[str]
    object_id: Mapped[str]
    body: Mapped[str]
    fault: Mapped[str | None]
    state: Mapped[DeliveryState] = mapped_column(str_enum(DeliveryState))
    attempts: Mapped[int] = mapped_column(default=0)
    response_status: Mapped[int | None]
    next_attempt_at: Mapped[datetime | None]
    first_timestamp_ms: Mapped[int | None] = mapped_column(BigInteger)
    """Wall time of the first attempt, which legacy signatures keep."""
    created_at: Mapped[datetime]


class LedgerEntry(Base):
    """One request that was accepted as a send or as another attempt of one. Rows are only ever added."""

    __tablename__ = "ledger"
    __table_args__ = (
        Index("ix_ledger_recipient", "run", "recipient", "seq"),
        Index("ix_ledger_run", "run", "seq"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run: Mapped[int]
    recv_at: Mapped[datetime]
    """Wall clock, when the request had been read."""
    crm_at: Mapped[datetime]
    sender: Mapped[str]
    recipient: Mapped[str]
    recipients: Mapped[list[str]]
    body: Mapped[str]
    key_name: Mapped[str]
    message_id: Mapped[str]
    """Of a text that was retried there is a row for each attempt."""
    correlation_id: Mapped[str]
    attempt: Mapped[int]
    fault: Mapped[str | None]


class RequestTally(Base):
    """How many requests a key made in a second of the wall clock."""

    __tablename__ = "request_tally"

    run: Mapped[int] = mapped_column(primary_key=True)
    key_name: Mapped[str] = mapped_column(primary_key=True)
    second: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    requests: Mapped[int]
    refused: Mapped[int]
    most_in_a_second: Mapped[int]
    """The most within any sliding second that ended in this one or since the tally before."""
