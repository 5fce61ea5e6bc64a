"""The company's numbers, what is known of each outside phone, and the append-only consent ledger."""

import hashlib
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from shared.clock import rfc3339
from shared.database import Identified, Versioned, str_enum
from sqlalchemy import BigInteger, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from messaging.models.tables import Base


class LineType(StrEnum):
    MOBILE = "mobile"
    LANDLINE = "landline"
    VOIP = "voip"
    UNKNOWN = "unknown"


class PhoneNumber(Identified, Versioned, Base):
    """A number of ours at the provider. Its daily cap for campaign texts is counted in its zone."""

    __tablename__ = "phone_number"

    provider_id: Mapped[str] = mapped_column(unique=True)
    e164: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    zone: Mapped[str]
    daily_cap: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime]


class PhoneState(Base):
    """One row per outside phone, made with its first message either way: what every send locks and reads."""

    __tablename__ = "phone_state"
    __table_args__ = (
        Index(
            "ix_phone_state_opted_out",
            "consent_at",
            "phone",
            postgresql_where=text("is_opted_out AND consent_at IS NOT NULL"),
        ),
    )

    phone: Mapped[str] = mapped_column(primary_key=True)
    is_opted_out: Mapped[bool] = mapped_column(default=False)
    needs_review: Mapped[bool] = mapped_column(default=False)
    consent_version: Mapped[int] = mapped_column(default=0)
    consent_at: Mapped[datetime | None]
    """The provider's time of the newest consent change: an older one that arrives later changes nothing."""
    consent_source: Mapped[str | None]
    line_type: Mapped[LineType] = mapped_column(str_enum(LineType), default=LineType.UNKNOWN)
    line_type_version: Mapped[int] = mapped_column(default=0)
    last_inbound_at: Mapped[datetime | None]


class ConsentAction(StrEnum):
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    GRANT = "grant"
    SUPPRESSION = "suppression"
    ERASURE = "erasure"


class ConsentEntry(Base):
    """One line of the consent ledger. Rows are only ever added; each carries the hash of the one before it."""

    __tablename__ = "consent_entry"
    __table_args__ = (Index("ix_consent_entry_phone", "phone", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    phone: Mapped[str]
    version: Mapped[int]
    action: Mapped[ConsentAction] = mapped_column(str_enum(ConsentAction))
    purpose: Mapped[str]
    source: Mapped[str]
    evidence: Mapped[str]
    evidence_message_id: Mapped[UUID | None] = mapped_column(ForeignKey("message.id"))
    is_effective: Mapped[bool]
    """False where a newer change of this phone was known already: kept as evidence, changes nothing."""
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str | None]
    previous_hash: Mapped[str]
    hash: Mapped[str]

    def seal(self, previous_hash: str) -> None:
        """Chain this entry to the one before it of the same phone."""
        self.previous_hash = previous_hash
        self.hash = self.expected_hash()

    def expected_hash(self) -> str:
        """SHA-256 over everything the entry claims, and over the hash before it."""
        claims = (
            self.previous_hash,
            self.phone,
            str(self.version),
            self.action.value,
            self.purpose,
            self.source,
            self.evidence,
            str(self.evidence_message_id or ""),
            str(self.is_effective),
            rfc3339(self.occurred_at),
            rfc3339(self.recorded_at),
            self.recorded_by or "",
        )
        return hashlib.sha256("\x1f".join(claims).encode()).hexdigest()


class CapScope(StrEnum):
    CAMPAIGN = "campaign"
    ALL = "all"


class CapCounter(Base):
    """Texts of one number on one day of its zone. Always the last lock of a transaction."""

    __tablename__ = "cap_counter"

    number_id: Mapped[UUID] = mapped_column(ForeignKey("phone_number.id"), primary_key=True)
    on_date: Mapped[date] = mapped_column(primary_key=True)
    scope: Mapped[CapScope] = mapped_column(str_enum(CapScope), primary_key=True)
    taken: Mapped[int]


class ContactPhone(Base):
    """A copy from contacts: whose phone it is, how they are called, and where they may be."""

    __tablename__ = "contact_phone"
    __table_args__ = (Index("ix_contact_phone_contact", "contact_id"),)

    phone: Mapped[str] = mapped_column(primary_key=True)
    contact_id: Mapped[UUID]
    changed_at: Mapped[datetime]
    """When contacts told us: of two contacts that claim a phone, the one told of later has it."""
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    company: Mapped[str | None]
    zones: Mapped[list[str]]
    region: Mapped[str | None]


class ContactVersion(Base):
    """The newest state of a contact that was taken over, even where it left no phone."""

    __tablename__ = "contact_version"

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]


class ContactAlias(Base):
    """A merged contact: `secondary_id` is read as `primary_id`."""

    __tablename__ = "contact_alias"

    secondary_id: Mapped[UUID] = mapped_column(primary_key=True)
    primary_id: Mapped[UUID]
    version: Mapped[int]
    is_active: Mapped[bool] = mapped_column(default=True)
