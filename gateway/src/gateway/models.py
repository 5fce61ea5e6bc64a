"""The gateway's tables: people, what proves who they are, and what they did."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Identified, TypedColumns, Versioned, service_metadata, str_enum
from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from gateway.roles import Role, pattern_covers, patterns_of


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


class SessionKind(StrEnum):
    COOKIE = "cookie"
    BEARER = "bearer"


class User(Identified, Versioned, Base):
    """A person of the company. Users are never deleted, only disabled: the audit log refers to them."""

    __tablename__ = "user_account"

    email: Mapped[str] = mapped_column(unique=True)
    """In lower case."""
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(str_enum(Role))
    is_active: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str]
    totp_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sealed. Set by the enrolment, asked for at sign-in once `totp_confirmed_at` is set."""
    totp_confirmed_at: Mapped[datetime | None]
    totp_last_step: Mapped[int | None]
    """The time step of the last code that was taken: each is good once."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def has_second_factor(self) -> bool:
        return self.totp_confirmed_at is not None

    @property
    def is_acting_admin(self) -> bool:
        return self.is_active and self.role is Role.ADMIN


class Session(Identified, Base):
    """One sign-in. Only the hash of its token is kept."""

    __tablename__ = "session"
    __table_args__ = (Index(None, "user_id"), Index(None, "expires_at"))

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    kind: Mapped[SessionKind] = mapped_column(str_enum(SessionKind))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    address: Mapped[str]
    user_agent: Mapped[str]

    def is_live(self, now: datetime, idle: timedelta) -> bool:
        return self.ended_at is None and now < self.expires_at and now - self.last_seen_at < idle


class Invite(Identified, Base):
    """A one-time right to choose a password: for a new user, or for one who lost theirs (`user_id`)."""

    __tablename__ = "invite"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    email: Mapped[str]
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(str_enum(Role))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user_account.id"))
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def is_open(self, now: datetime) -> bool:
        return self.accepted_at is None and self.revoked_at is None and now < self.expires_at


class ApiKey(Identified, Base):
    """A script's standing credential. It can do what it was given *and* what its owner may do now."""

    __tablename__ = "api_key"
    __table_args__ = (Index(None, "owner_id"),)

    name: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hint: Mapped[str]
    """The key's first characters, to tell keys apart."""
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user_account.id"))
    permissions: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def patterns_under(self, owner: User) -> tuple[str, ...]:
        """What the key grants while `owner` has the present role."""
        return narrow(tuple(self.permissions), patterns_of(owner.role))


class AuditEntry(Identified, Base):
    """Who did what. Append-only: the service's role may neither update nor delete."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "at", "id"), Index(None, "resource", "resource_id"))

    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    actor_name: Mapped[str]
    action: Mapped[str]
    """`<resource>.<past participle>`, for example `user.disabled`."""
    resource: Mapped[str]
    resource_id: Mapped[str]
    address: Mapped[str]
    details: Mapped[dict[str, Any]]


class SigningKey(Base):
    """A key pair for access tokens. It is published before it signs, and after it has signed for the last time."""

    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)
    private_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    public_jwk: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    signs_from: Mapped[datetime]
    retires_at: Mapped[datetime | None]


def narrow(wanted: tuple[str, ...], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns that both sides grant."""
    kept = [one for one in wanted if any(pattern_covers(other, one) for other in allowed)]
    kept += [other for other in allowed if any(pattern_covers(one, other) for one in wanted)]
    return tuple(dict.fromkeys(kept))
