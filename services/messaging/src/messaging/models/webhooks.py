"""What arrives from the provider, and what we arranged with it."""

from datetime import datetime
from enum import StrEnum

from shared.database import Identified, str_enum
from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.models.tables import Base


class Scheme(StrEnum):
    LEGACY = "legacy"
    DATED = "dated"


class DeliveryState(StrEnum):
    PENDING = "pending"
    PROCESSED = "processed"
    IGNORED = "ignored"
    FAILED = "failed"


class WebhookDelivery(Identified, Base):
    """The raw bytes of one signed delivery, committed before it is answered, processed afterwards."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("scheme", "delivery_id"),
        Index("ix_webhook_delivery_failed", "id", postgresql_where=text("state = 'failed'")),
        Index("ix_webhook_delivery_pending", "event_type", "id", postgresql_where=text("state = 'pending'")),
    )

    scheme: Mapped[Scheme] = mapped_column(str_enum(Scheme))
    delivery_id: Mapped[str]
    event_type: Mapped[str]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime]
    """Wall time."""
    state: Mapped[DeliveryState] = mapped_column(str_enum(DeliveryState), default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    """Wall time."""
    error: Mapped[str | None]
    processed_at: Mapped[datetime | None]


class WebhookSubscription(Identified, Base):
    """A subscription we made at the provider, with its signing key sealed."""

    __tablename__ = "webhook_subscription"

    scheme: Mapped[Scheme] = mapped_column(str_enum(Scheme))
    provider_id: Mapped[str] = mapped_column(unique=True)
    url: Mapped[str]
    sealed_key: Mapped[str]
    created_at: Mapped[datetime]


class ProviderRate(Base):
    """When the next call with one provider key may leave. One row for all calls of all workers."""

    __tablename__ = "provider_rate"

    key: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]
    """Wall time of the database."""


class SyncMark(Base):
    """How far a reconciling walk has come, and what it found."""

    __tablename__ = "sync_mark"

    name: Mapped[str] = mapped_column(primary_key=True)
    reached_at: Mapped[datetime]
    runs: Mapped[int] = mapped_column(default=0)
    repaired: Mapped[int] = mapped_column(default=0)
    ran_at: Mapped[datetime]
