"""Copies of what contacts owns, and the doubts about who is who."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Identified, str_enum
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base


class ContactCopy(Base):
    """Copy of a person (contacts owns it), as far as matching and drafting need it."""

    __tablename__ = "contact_copy"
    __table_args__ = (
        Index("ix_contact_copy_phones", "phones", postgresql_using="gin"),
        Index("ix_contact_copy_emails", "emails", postgresql_using="gin"),
        Index("ix_contact_copy_name_keys", "name_keys", postgresql_using="gin"),
    )

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    company_name: Mapped[str | None]
    phones: Mapped[list[str]] = mapped_column(ARRAY(TEXT), default=list)
    emails: Mapped[list[str]] = mapped_column(ARRAY(TEXT), default=list)
    street: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    postal_code: Mapped[str | None]
    name_keys: Mapped[list[str]] = mapped_column(ARRAY(TEXT), default=list)
    """By which customers of the same name are found (matching.py)."""
    is_active: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime | None]
    """When somebody else was told of last under this id: themselves, or whom they became by a merge."""


class ErasedContact(Base):
    """Somebody whose data were erased: what is told of them late brings nobody back."""

    __tablename__ = "erased_contact"

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    erased_as: Mapped[UUID]
    """The person whom the erasure named: this one, or whom it had been merged into."""
    erased_at: Mapped[datetime]


class PropertyCopy(Base):
    """Copy of a property's address (contacts owns it)."""

    __tablename__ = "property_copy"

    property_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    address: Mapped[str]


class CandidateStatus(StrEnum):
    OPEN = "open"
    LINKED = "linked"
    REFUSED = "refused"
    OBSOLETE = "obsolete"


class MatchCandidate(Base, Identified):
    """A contact that a customer may be; a person decides. One that was refused is not proposed again."""

    __tablename__ = "match_candidate"
    __table_args__ = (
        UniqueConstraint("customer_id", "contact_id"),
        Index("ix_match_candidate_open", text("score DESC"), "id", postgresql_where=text("status = 'open'")),
    )

    customer_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    score: Mapped[int]
    reasons: Mapped[list[Any]] = mapped_column(JSONB)
    status: Mapped[CandidateStatus] = mapped_column(str_enum(CandidateStatus), default=CandidateStatus.OPEN)
    decided_by: Mapped[str | None]
    created_at: Mapped[datetime]
