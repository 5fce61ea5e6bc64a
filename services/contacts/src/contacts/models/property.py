"""Properties, and which contacts they belong to."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import BigInteger, ForeignKey, Index, Numeric, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from contacts.models.metadata import Base


class Role(StrEnum):
    OWNER = "owner"
    TENANT = "tenant"
    AGENT = "agent"
    PAST_OWNER = "past_owner"


class Property(Identified, Versioned, Base):
    """A house. Known by its APN, or, without one, by its address and ZIP (`address_key`)."""

    __tablename__ = "property"
    __table_args__ = (
        Index("uq_property_apn", "apn", unique=True, postgresql_where=text("apn IS NOT NULL")),
        Index("ix_property_address_key", "address_key"),
        Index("uq_property_address_key_no_apn", "address_key", unique=True, postgresql_where=text("apn IS NULL")),
        Index(
            "ix_property_search_text",
            "search_text",
            postgresql_using="gin",
            postgresql_ops={"search_text": "gin_trgm_ops"},
        ),
    )

    type: Mapped[str | None]
    street: Mapped[str | None]
    city: Mapped[str | None]
    state: Mapped[str | None]
    zip: Mapped[str | None]
    address_key: Mapped[str | None]
    subdivision: Mapped[str | None]
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(10, 7))
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(10, 7))
    apn: Mapped[str | None]
    year_built: Mapped[int | None]
    purchased_on: Mapped[date | None]
    months_since_purchase: Mapped[int | None]
    square_feet: Mapped[int | None]
    beds: Mapped[int | None]
    baths: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    estimated_value_cents: Mapped[int | None] = mapped_column(BigInteger)
    estimated_equity_cents: Mapped[int | None] = mapped_column(BigInteger)
    equity_percent: Mapped[Decimal | None] = mapped_column(Numeric(9, 4))
    owner_name: Mapped[str | None]
    mail_street: Mapped[str | None]
    mail_city: Mapped[str | None]
    mail_state: Mapped[str | None]
    mail_zip: Mapped[str | None]
    is_owner_occupied: Mapped[bool | None]
    is_listed_for_sale: Mapped[bool | None]
    listing_status: Mapped[str | None]
    is_foreclosure: Mapped[bool | None]
    is_high_equity: Mapped[bool | None]
    search_text: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


PROPERTY_FIELDS: tuple[str, ...] = tuple(
    column.name
    for column in Property.__table__.columns
    if column.name not in {"id", "version", "search_text", "created_at", "updated_at"}
)
"""What an import may write."""


class ContactProperty(Base):
    """A contact's part in a property. One link of a property is primary."""

    __tablename__ = "contact_property"
    __table_args__ = (
        Index("ix_contact_property_property_id", "property_id"),
        Index("uq_contact_property_primary", "property_id", unique=True, postgresql_where=text("is_primary")),
    )

    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"), primary_key=True)
    property_id: Mapped[UUID] = mapped_column(ForeignKey("property.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(str_enum(Role), default=Role.OWNER)
    share: Mapped[Decimal | None] = mapped_column(Numeric(7, 4))
    is_primary: Mapped[bool]
