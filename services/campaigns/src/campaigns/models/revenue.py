"""Money: copies of what billing reports, what was attributed of it, and what has to be attributed anew."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.database import Versioned, str_enum
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from campaigns import attribution
from campaigns.attribution import Model, Outcome
from campaigns.models.tables import Base


class Reason(StrEnum):
    """The news that led to an entry."""

    PAYMENT = "payment"
    CHANGE = "change"
    VOID = "void"
    REFUND = "refund"
    LINK = "link"
    UNLINK = "unlink"
    MERGE = "merge"
    UNMERGE = "unmerge"
    TEXT = "text"
    WINDOW = "window"


class Subject(StrEnum):
    """What the news is of."""

    PAYMENT = "payment"
    CUSTOMER = "customer"
    CONTACT = "contact"


class Payment(Base):
    """Copy of a payment or refund. Its row lock serialises the attributions of it."""

    __tablename__ = "payment"
    __table_args__ = (
        Index("ix_payment_customer", "customer_id"),
        Index("ix_payment_contact", "contact_id"),
        Index("ix_payment_received", "received_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    reason: Mapped[Reason] = mapped_column(str_enum(Reason))
    """What the newest version told."""
    customer_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    """Whom billing took the customer for then; a customer_link says it better."""
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    received_on: Mapped[date]
    occurred_at: Mapped[datetime]
    applied: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    """`invoice_id` and `amount_cents` of each part."""
    outcome: Mapped[Outcome | None] = mapped_column(str_enum(Outcome))
    attributed_version: Mapped[int | None]
    """The version that the entries add up to; while it is not `version`, the outcome is not known yet."""

    def to_rule(self) -> attribution.Payment:
        return attribution.Payment(
            id=self.id,
            amount_cents=self.amount_cents,
            currency=self.currency,
            received_on=self.received_on,
            applied=tuple((UUID(part["invoice_id"]), part["amount_cents"]) for part in self.applied),
        )


class CustomerLink(Base):
    """Copy of whom a customer of QuickBooks is taken for."""

    __tablename__ = "customer_link"
    __table_args__ = (Index("ix_customer_link_contact", "contact_id"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_id: Mapped[UUID]
    version: Mapped[int]
    is_linked: Mapped[bool]


class RevenueEntry(Base):
    """Append-only: what a recipient earned of a payment is the sum of these; a correction is one more of them."""

    __tablename__ = "revenue_entry"
    __table_args__ = (
        CheckConstraint("amount_cents <> 0", name="amount"),
        Index("ix_revenue_entry_payment", "payment_id", "id"),
        Index("ix_revenue_entry_campaign", "campaign_id", "id"),
        Index("ix_revenue_entry_contact", "contact_id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    payment_version: Mapped[int]
    model: Mapped[Model] = mapped_column(str_enum(Model))
    campaign_id: Mapped[UUID]
    variant: Mapped[str]
    # No foreign key: its check would wait for whoever holds the recipient to record a report.
    recipient_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    invoice_id: Mapped[UUID | None]
    """Empty for money that is not applied to an invoice yet."""
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    reason: Mapped[Reason] = mapped_column(str_enum(Reason))
    occurred_at: Mapped[datetime]


class AttributionRequest(Base):
    """News that attributions have to take in: committed with the news, so that whoever works it off sees both."""

    __tablename__ = "attribution_request"
    __table_args__ = (Index("ix_attribution_request_subject", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[Subject] = mapped_column(str_enum(Subject))
    subject_id: Mapped[UUID]
    reason: Mapped[Reason] = mapped_column(str_enum(Reason))


class AttributionWindow(Base, Versioned):
    """The one row that says for how many days a text may earn money."""

    __tablename__ = "attribution_window"
    __table_args__ = (CheckConstraint("is_only", name="one_row"), CheckConstraint("days > 0", name="days"))

    is_only: Mapped[bool] = mapped_column(primary_key=True, default=True)
    days: Mapped[int]
    changed_at: Mapped[datetime | None]
    changed_by: Mapped[str | None]
    sweep_after: Mapped[UUID | None]
    """Payments with higher ids are still to be looked at under these days; empty once all were."""
