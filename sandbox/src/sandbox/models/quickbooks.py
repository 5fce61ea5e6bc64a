"""QuickBooks' tables: companies, who may act in them, their books, and what was asked and told."""

from datetime import datetime
from typing import Any

from shared.database import Identified, str_enum
from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Identity, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from sandbox.models.tables import Base
from sandbox.quickbooks.entities import Subscription

Amount = Numeric(18, 2)


class QbCompany(Base):
    """One company. Every write to its books locks this row first, so that they happen one after the other."""

    __tablename__ = "qb_company"

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    zone: Mapped[str]
    """IANA zone: the offset of MetaData, and what day it is there."""
    preferences: Mapped[dict[str, Any]]
    next_ids: Mapped[dict[str, Any]]
    """The next id of each sequence: transactions share one, customers and vendors another."""
    tax_percent: Mapped[str]
    subscription: Mapped[Subscription] = mapped_column(str_enum(Subscription), default=Subscription.ACTIVE)
    created_at: Mapped[datetime]

    @property
    def takes_online_payments(self) -> bool:
        return bool(self.preferences["SalesFormsPrefs"]["ETransactionPaymentEnabled"])


class QbAuthorization(Base):
    """The code that a consent gave: good once, for ten minutes."""

    __tablename__ = "qb_authorization"

    code: Mapped[str] = mapped_column(primary_key=True)
    realm_id: Mapped[str] = mapped_column(ForeignKey("qb_company.realm_id"))
    redirect_uri: Mapped[str]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class QbGrant(Identified, Base):
    """One consent and the refresh token that stands for it now."""

    __tablename__ = "qb_grant"
    __table_args__ = (Index("ix_qb_grant_former", "former_token"),)

    realm_id: Mapped[str] = mapped_column(ForeignKey("qb_company.realm_id"), index=True)
    refresh_token: Mapped[str] = mapped_column(unique=True)
    rotated_at: Mapped[datetime]
    """When the present value was given out."""
    refreshed_at: Mapped[datetime]
    former_token: Mapped[str | None]
    """The value before: presenting it is the race that apps lose."""
    hard_expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    refreshes: Mapped[int] = mapped_column(default=0)


class QbAccess(Base):
    """An access token."""

    __tablename__ = "qb_access"

    token: Mapped[str] = mapped_column(primary_key=True)
    grant_id: Mapped[Any] = mapped_column(ForeignKey("qb_grant.id"), index=True)
    expires_at: Mapped[datetime]


class QbObject(Base):
    """An entity as it stands, or the tombstone of one that was deleted."""

    __tablename__ = "qb_object"
    __table_args__ = (
        Index("ix_qb_object_updated", "realm_id", "kind", "updated_at"),
        Index("ix_qb_object_name", "realm_id", "name", postgresql_where=text("name IS NOT NULL")),
        Index("ix_qb_object_number", "realm_id", "doc_number", postgresql_where=text("doc_number IS NOT NULL")),
        Index("ix_qb_object_customer", "realm_id", "customer_id", postgresql_where=text("customer_id IS NOT NULL")),
    )

    realm_id: Mapped[str] = mapped_column(ForeignKey("qb_company.realm_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    sync_token: Mapped[int]
    body: Mapped[str]
    """JSON text, so that amounts stay what was written. Without what is derived: links, balances."""
    name: Mapped[str | None]
    """What has to be unique among customers and vendors, lower-cased."""
    doc_number: Mapped[str | None]
    customer_id: Mapped[str | None]
    total: Mapped[Any | None] = mapped_column(Amount)
    is_active: Mapped[bool] = mapped_column(default=True)
    is_deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class QbLink(Base):
    """What one transaction does to another: a payment's share of an invoice or a credit, an invoice's estimate."""

    __tablename__ = "qb_link"
    __table_args__ = (
        ForeignKeyConstraint(
            ["realm_id", "from_kind", "from_id"], ["qb_object.realm_id", "qb_object.kind", "qb_object.id"]
        ),
        ForeignKeyConstraint(
            ["realm_id", "to_kind", "to_id"], ["qb_object.realm_id", "qb_object.kind", "qb_object.id"]
        ),
        Index("ix_qb_link_to", "realm_id", "to_kind", "to_id"),
    )

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    from_kind: Mapped[str] = mapped_column(primary_key=True)
    from_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    to_kind: Mapped[str] = mapped_column(primary_key=True)
    to_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    amount: Mapped[Any] = mapped_column(Amount)


class QbRequest(Base):
    """What a write under this `requestid` was answered, to be answered again."""

    __tablename__ = "qb_request"

    realm_id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    batch_item: Mapped[str] = mapped_column(primary_key=True)
    """The `bId` of an item of a batch; empty for a write of its own."""
    digest: Mapped[str]
    """Of the operation and its body."""
    answer: Mapped[str]
    created_at: Mapped[datetime]


class QbEvent(Identified, Base):
    """A change that the company's apps are to hear of."""

    __tablename__ = "qb_event"
    __table_args__ = (Index("ix_qb_event_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),)

    realm_id: Mapped[str] = mapped_column(ForeignKey("qb_company.realm_id"))
    kind: Mapped[str]
    entity_id: Mapped[str]
    operation: Mapped[str]
    """created, updated, deleted, merged, void, emailed."""
    deleted_id: Mapped[str | None]
    fault: Mapped[str | None]
    occurred_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    """When it is to be delivered; None once it was, or where it is lost."""
    attempts: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[datetime | None]


class QbEmail(Base):
    """A form that was e-mailed, with what it said then: nobody gets it, the outbox shows it."""

    __tablename__ = "qb_email"
    __table_args__ = (Index("ix_qb_email_realm", "realm_id", "seq"),)

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    realm_id: Mapped[str] = mapped_column(ForeignKey("qb_company.realm_id"))
    kind: Mapped[str]
    entity_id: Mapped[str]
    doc_number: Mapped[str | None]
    address: Mapped[str]
    total: Mapped[Any | None] = mapped_column(Amount)
    balance: Mapped[Any | None] = mapped_column(Amount)
    """None where a form of the kind has none."""
    sent_at: Mapped[datetime]


class QbLedgerEntry(Base):
    """Every write that took effect, in order: what the product's own books are held against."""

    __tablename__ = "qb_ledger"

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    realm_id: Mapped[str]
    kind: Mapped[str]
    entity_id: Mapped[str]
    operation: Mapped[str]
    by: Mapped[str]
    """`api`, or `person` for what the control endpoints did as somebody typing in QuickBooks."""
    request_id: Mapped[str | None]
    doc_number: Mapped[str | None]
    total: Mapped[Any | None] = mapped_column(Amount)
    at: Mapped[datetime]
