"""What arrives from QuickBooks, and how far we have read its books."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Identified, str_enum
from sqlalchemy import BigInteger, Identity, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base


class DeliveryState(StrEnum):
    PENDING = "pending"
    PROCESSED = "processed"
    FAILED = "failed"


class WebhookDelivery(Base, Identified):
    """The raw bytes of one signed delivery, committed before it is answered. The same bytes are one delivery."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_pending", "id", postgresql_where=text("state = 'pending'")),)

    digest: Mapped[str] = mapped_column(unique=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime]
    """Wall time."""
    state: Mapped[DeliveryState] = mapped_column(str_enum(DeliveryState), default=DeliveryState.PENDING)
    error: Mapped[str | None]


class Notice(Base):
    """One change that a webhook told of, by its event id, or one that we noted ourselves (`own …`): what is to be read
    again, a form that went to another customer, a merge that shows in those. What changed is always read.
    """

    __tablename__ = "notice"
    __table_args__ = (
        Index("ix_notice_pending", "realm_id", "seq", postgresql_where=text("processed_at IS NULL")),
        Index("ix_notice_gone", "realm_id", "gone_id", postgresql_where=text("gone_id IS NOT NULL")),
    )

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[str] = mapped_column(unique=True)
    realm_id: Mapped[str]
    entity: Mapped[str]
    qb_id: Mapped[str]
    operation: Mapped[str]
    gone_id: Mapped[str | None]
    """Of a merge: the customer that is no more. Of a form that went to another one, `qb_id`: whose it was before."""
    occurred_at: Mapped[datetime]
    received_at: Mapped[datetime]
    processed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    """Wall time."""
    error: Mapped[str | None]


class SyncMark(Base):
    """How far a company's books were read: by the first pull, per kind of entity, and by change data capture."""

    __tablename__ = "sync_mark"

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, default=1)
    """The next STARTPOSITION of a pull."""
    reached_at: Mapped[datetime | None]
    """Everything that changed before this instant was read."""
    done_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    """Domain time of the next run."""
    leased_until: Mapped[datetime | None]
    error: Mapped[str | None]


class UntoldFact(Base):
    """What a pull found and others are still to be told: one event, of a row as it will stand then."""

    __tablename__ = "untold_fact"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    realm_id: Mapped[str]
    type: Mapped[str]
    """Of the event, as of `billing.invoice.issued.v1`."""
    row_id: Mapped[UUID]


class DifferenceRun(Base, Identified):
    """One comparison of our books with QuickBooks's: empty, or explained line by line."""

    __tablename__ = "difference_run"
    __table_args__ = (Index("ix_difference_run_started", text("started_at DESC"), text("id DESC")),)

    realm_id: Mapped[str]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    compared: Mapped[dict[str, Any]]
    """How many objects were compared, by kind."""
    lines: Mapped[list[Any]] = mapped_column(JSONB)
