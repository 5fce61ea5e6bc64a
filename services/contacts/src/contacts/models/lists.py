"""Static lists of contacts."""

from datetime import datetime
from uuid import UUID

from shared.database import Identified, Versioned
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from contacts.models.metadata import Base


class ContactList(Identified, Versioned, Base):
    __tablename__ = "contact_list"

    name: Mapped[str]
    import_id: Mapped[UUID | None]
    member_count: Mapped[int] = mapped_column(default=0)
    """Kept by triggers on list_member, whoever writes there: counting a large list for every screen took too long."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ListMember(Base):
    __tablename__ = "list_member"
    __table_args__ = (Index("ix_list_member_contact_id", "contact_id"),)

    list_id: Mapped[UUID] = mapped_column(ForeignKey("contact_list.id", ondelete="CASCADE"), primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contact.id"), primary_key=True)
    added_at: Mapped[datetime]
