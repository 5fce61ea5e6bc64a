"""The one timeline of a person, and the names of campaigns that it shows."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from contacts.models.metadata import Base


class EntryKind(StrEnum):
    TEXT = "text"
    CALL = "call"
    CONSENT = "consent"
    IMPORT = "import"
    MERGE = "merge"
    NOTE = "note"
    CHANGE = "change"
    CUSTOMER = "customer"
    ESTIMATE = "estimate"
    INVOICE = "invoice"
    PAYMENT = "payment"
    JOB = "job"


class TimelineEntry(Identified, Versioned, Base):
    """`key` names the fact, so that a repeated or late report changes the entry instead of adding one."""

    __tablename__ = "timeline_entry"
    __table_args__ = (
        Index("uq_timeline_entry_key", "key", unique=True),
        Index("ix_timeline_entry_contact", "contact_id", "occurred_at", "id"),
    )

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"))
    key: Mapped[str]
    kind: Mapped[EntryKind] = mapped_column(str_enum(EntryKind))
    occurred_at: Mapped[datetime]
    details: Mapped[dict[str, Any]]


class CampaignCopy(Base):
    """Campaigns by name, for texts that belong to one."""

    __tablename__ = "campaign_copy"

    campaign_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    name: Mapped[str]
    status: Mapped[str]
    launched_at: Mapped[datetime | None]
