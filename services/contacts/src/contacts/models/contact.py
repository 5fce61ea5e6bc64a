"""A contact and what identifies and describes it: phones, e-mails, tags, the copies of consent and line type."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import Boolean, ForeignKey, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from contacts.models.metadata import Base


class PhoneType(StrEnum):
    """A label for people; whether a number can be texted is its line type."""

    MOBILE = "mobile"
    HOME = "home"
    WORK = "work"
    OTHER = "other"


class LineType(StrEnum):
    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    UNKNOWN = "unknown"


class Consent(StrEnum):
    """A copy of messaging's ledger. `unknown` means that nobody withdrew or granted anything."""

    UNKNOWN = "unknown"
    OPTED_IN = "opted_in"
    OPTED_OUT = "opted_out"


def strictest(states: Iterable[Consent]) -> Consent:
    """One opted-out phone opts the person out."""
    found = set(states)
    return (
        next((state for state in (Consent.OPTED_OUT, Consent.UNKNOWN) if state in found), Consent.OPTED_IN)
        if found
        else Consent.UNKNOWN
    )


class Contact(Identified, Versioned, Base):
    """A person or organisation. An inactive one is kept as an alias of `merged_into_id`."""

    __tablename__ = "contact"
    __table_args__ = (
        Index(
            "ix_contact_search_text",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
        Index("ix_contact_active_sort_name", "sort_name", "id", postgresql_where=text("is_active")),
        Index("ix_contact_merged_into_id", "merged_into_id", postgresql_where=text("merged_into_id IS NOT NULL")),
    )

    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    company: Mapped[str | None]
    street: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zip: Mapped[str | None]
    notes: Mapped[str | None]
    source: Mapped[str]
    custom_fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("contact.id"))
    sort_name: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Phone(Identified, Base):
    """A number of a contact. It belongs to at most one active contact; `is_active` follows the contact's."""

    __tablename__ = "phone"
    __table_args__ = (
        Index("uq_phone_e164_active", "e164", unique=True, postgresql_where=text("is_active")),
        Index("ix_phone_contact_id", "contact_id"),
    )

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"))
    e164: Mapped[str]
    type: Mapped[PhoneType] = mapped_column(str_enum(PhoneType))
    status: Mapped[str | None]
    is_primary: Mapped[bool]
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)


class Email(Identified, Base):
    """An address of a contact. Several contacts may share one: it identifies nobody."""

    __tablename__ = "email"
    __table_args__ = (Index("uq_email_contact_id_address", "contact_id", "address", unique=True),)

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"))
    address: Mapped[str]
    status: Mapped[str | None]
    is_primary: Mapped[bool]


class PhoneFact(Base):
    """What messaging told about a phone; each kind applied if its version is newer. Kept whoever has the phone."""

    __tablename__ = "phone_fact"

    e164: Mapped[str] = mapped_column(primary_key=True)
    consent: Mapped[Consent] = mapped_column(str_enum(Consent), default=Consent.UNKNOWN)
    consent_version: Mapped[int] = mapped_column(default=0)
    consent_source: Mapped[str | None]
    consent_at: Mapped[datetime | None]
    line_type: Mapped[LineType] = mapped_column(str_enum(LineType), default=LineType.UNKNOWN)
    line_type_version: Mapped[int] = mapped_column(default=0)


class Tag(Identified, Base):
    """A label; names are lower case."""

    __tablename__ = "tag"
    __table_args__ = (Index("uq_tag_name", "name", unique=True),)

    name: Mapped[str]
    created_at: Mapped[datetime]


class ContactTag(Base):
    __tablename__ = "contact_tag"
    __table_args__ = (Index("ix_contact_tag_tag_id", "tag_id", "contact_id"),)

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"), primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True)


class ContactMerge(Identified, Base):
    """One merge: what was filled, and what the secondary had, so that it can be explained."""

    __tablename__ = "contact_merge"
    __table_args__ = (
        Index("ix_contact_merge_primary_id", "primary_id"),
        Index("ix_contact_merge_secondary_id", "secondary_id"),
    )

    primary_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"))
    secondary_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"))
    plan: Mapped[dict[str, Any]]
    before: Mapped[dict[str, Any]]
    merged_by: Mapped[str]
    merged_at: Mapped[datetime]
