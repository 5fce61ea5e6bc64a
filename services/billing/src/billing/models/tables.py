"""The declarative base of billing's tables."""

from shared.database import TypedColumns, service_metadata
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


class OfCompany:
    """A row of one QuickBooks company. `qb_id` repeats between kinds and companies; None before it exists there."""

    realm_id: Mapped[str]
    qb_id: Mapped[str | None] = mapped_column(Text)
    sync_token: Mapped[int] = mapped_column(default=-1)
    """Of the newest state mirrored; an older one is refused."""
    qb_updated_at: Mapped[str] = mapped_column(Text, default="")
    """MetaData.LastUpdatedTime in UTC, as text that sorts: two states of one SyncToken are told apart by it."""
