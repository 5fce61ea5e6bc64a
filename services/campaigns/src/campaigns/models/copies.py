"""Copies of what other services own; a newer version replaces an older one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Index,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from campaigns.models.tables import Base


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
