"""How we are connected with QuickBooks."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import Versioned, str_enum
from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base
from billing.states import CONNECTION_MOVES, ConnectionStatus, check_move


class Connection(Base, Versioned):
    """One company of QuickBooks, with the health of our connection to it. Links and books outlive a disconnect."""

    __tablename__ = "connection"
    __table_args__ = (
        Index("uq_connection_active", text("(true)"), unique=True, postgresql_where=text("status <> 'disconnected'")),
    )

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[ConnectionStatus] = mapped_column(str_enum(ConnectionStatus))
    company_name: Mapped[str | None]
    zone: Mapped[str] = mapped_column(default="America/New_York")
    """Days of the company are days here: due dates, "overdue", the day of a payment."""
    currency: Mapped[str] = mapped_column(default="USD")
    tax_percent: Mapped[str | None]
    """As last seen on a document; previews use it, QuickBooks decides."""
    preferences: Mapped[dict[str, Any]] = mapped_column(default=dict)
    closed_until: Mapped[date | None]
    connected_by: Mapped[str]
    connected_at: Mapped[datetime]
    status_at: Mapped[datetime]
    last_sync_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    last_error_at: Mapped[datetime | None]

    def move(self, target: ConnectionStatus, *, now: datetime) -> bool:
        """Whether this changed anything; raises InvalidTransition."""
        if self.status is target:
            return False
        check_move(CONNECTION_MOVES, self.status, target, what="connection")
        self.status, self.status_at = target, now
        self.touch()
        return True


class OAuthToken(Base):
    """The tokens of a company, sealed. Its row lock lets one refresh happen at a time; `version` refuses older writes.

    Times are security time.
    """

    __tablename__ = "oauth_token"

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    sealed_access: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_refresh: Mapped[bytes] = mapped_column(LargeBinary)
    access_expires_at: Mapped[datetime]
    refresh_expires_at: Mapped[datetime]
    consent_expires_at: Mapped[datetime | None]
    """No refresh moves it; None where Intuit did not say."""
    refreshed_at: Mapped[datetime]
    refreshes: Mapped[int] = mapped_column(default=0)


class OAuthState(Base):
    """A consent that was begun: its `state`, hashed with the session, is one person's, for ten minutes, once."""

    __tablename__ = "oauth_state"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str]
    expires_at: Mapped[datetime]
    """Security time."""


class ProviderRate(Base):
    """When the next call to a company may leave: one row for all workers (shared.rate)."""

    __tablename__ = "provider_rate"

    key: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]


class ContactAlias(Base):
    """The secondary of a merge is the primary from now on; ids in other rows are never rewritten."""

    __tablename__ = "contact_alias"
    __table_args__ = (Index("ix_contact_alias_primary", "primary_id", postgresql_where=text("is_merged")),)

    secondary_id: Mapped[UUID] = mapped_column(primary_key=True)
    primary_id: Mapped[UUID]
    version: Mapped[int]
    is_merged: Mapped[bool]
