"""The books as QuickBooks has them, with what we add: links, drafts, what was said to the customer."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.database import Identified, Versioned, str_enum
from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT
from sqlalchemy.orm import Mapped, mapped_column

from billing.models.tables import Base, OfCompany
from billing.states import ESTIMATE_MOVES, EstimateStatus, InvoicePart, PaymentKind, Source, check_move


class Customer(Base, Identified, Versioned, OfCompany):
    """A customer of QuickBooks. `contact_id` is the person it was found to be, if any."""

    __tablename__ = "customer"
    __table_args__ = (
        UniqueConstraint("realm_id", "qb_id"),
        Index("ix_customer_contact", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
        Index("ix_customer_unmatched", "id", postgresql_where=text("needs_match")),
        Index("ix_customer_phone", "phone", postgresql_where=text("phone IS NOT NULL")),
        Index("ix_customer_email", "email", postgresql_where=text("email IS NOT NULL")),
        Index("ix_customer_name_keys", "name_keys", postgresql_using="gin"),
        Index("ix_customer_name", text("lower(display_name)"), "id"),
    )

    display_name: Mapped[str]
    given_name: Mapped[str | None]
    family_name: Mapped[str | None]
    company_name: Mapped[str | None]
    email: Mapped[str | None]
    """Lower case."""
    phone: Mapped[str | None]
    """E.164; what cannot be read as a phone is none."""
    street: Mapped[str | None]
    city: Mapped[str | None]
    region: Mapped[str | None]
    postal_code: Mapped[str | None]
    address_rest: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """What else QuickBooks has of the address, by its names: written along, never edited here."""
    name_keys: Mapped[list[str]] = mapped_column(ARRAY(TEXT), default=list)
    """By which people of the same name are found (matching.py)."""
    is_active: Mapped[bool] = mapped_column(default=True)
    merged_into_id: Mapped[UUID | None]
    source: Mapped[Source] = mapped_column(str_enum(Source))
    contact_id: Mapped[UUID | None]
    link_version: Mapped[int] = mapped_column(default=0)
    link_reason: Mapped[str | None]
    link_score: Mapped[int | None]
    linked_by: Mapped[str | None]
    linked_at: Mapped[datetime | None]
    needs_match: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Item(Base, Identified, OfCompany):
    """A line of the price book; QuickBooks owns it."""

    __tablename__ = "item"
    __table_args__ = (UniqueConstraint("realm_id", "qb_id"), Index("ix_item_name", "name", "id"))

    name: Mapped[str]
    kind: Mapped[str]
    description: Mapped[str | None]
    unit_price: Mapped[Decimal | None] = mapped_column(Numeric)
    is_taxable: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)


class Term(Base, Identified, OfCompany):
    """When a bill is due."""

    __tablename__ = "term"
    __table_args__ = (UniqueConstraint("realm_id", "qb_id"),)

    name: Mapped[str]
    due_days: Mapped[int | None]
    day_of_month: Mapped[int | None]
    is_active: Mapped[bool] = mapped_column(default=True)


class Form(Identified, Versioned, OfCompany):
    """What estimates, invoices and credit memos have in common. Amounts are QuickBooks's, in cents."""

    number: Mapped[str | None]
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    currency: Mapped[str] = mapped_column(default="USD")
    written_on: Mapped[date]
    lines: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    """See lines.py: decimals are text."""
    subtotal_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    tax_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    total_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    email: Mapped[str | None]
    memo: Mapped[str | None]
    source: Mapped[Source] = mapped_column(str_enum(Source))
    is_deleted: Mapped[bool] = mapped_column(default=False)
    created_by: Mapped[str | None]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class Estimate(Base, Form):
    """What the work would cost. A draft is ours alone; from `open` on it stands in QuickBooks too."""

    __tablename__ = "estimate"
    __table_args__ = (
        UniqueConstraint("realm_id", "qb_id"),
        Index("ix_estimate_number", "realm_id", "number"),
        Index("ix_estimate_created", text("created_at DESC"), text("id DESC")),
        Index("ix_estimate_customer", "customer_id"),
        Index("ix_estimate_expiring", "expires_on", postgresql_where=text("status = 'open'")),
    )

    status: Mapped[EstimateStatus] = mapped_column(str_enum(EstimateStatus))
    status_at: Mapped[datetime]
    job_id: Mapped[UUID | None]
    expires_on: Mapped[date | None]
    accepted_cents: Mapped[int | None] = mapped_column(BigInteger)
    """The total that the customer was shown and said yes to, here; None where QuickBooks had not said it yet."""
    answered_by: Mapped[str | None]
    answer_note: Mapped[str | None]

    def move(self, target: EstimateStatus, *, now: datetime) -> None:
        """Raises InvalidTransition."""
        check_move(ESTIMATE_MOVES, self.status, target, what="estimate")
        self.status, self.status_at = target, now


class Invoice(Base, Form):
    """What is to be paid. Its state is derived: settlement.py."""

    __tablename__ = "invoice"
    __table_args__ = (
        UniqueConstraint("realm_id", "qb_id"),
        Index("ix_invoice_number", "realm_id", "number"),
        Index("ix_invoice_created", text("written_on DESC"), text("id DESC")),
        Index("ix_invoice_customer", "customer_id"),
        Index("ix_invoice_estimate", "estimate_id", postgresql_where=text("estimate_id IS NOT NULL")),
        # Only what is owed is read for receivables, whatever the number of paid invoices.
        Index(
            "ix_invoice_receivable",
            "customer_id",
            "due_on",
            postgresql_include=["balance_cents", "currency"],
            postgresql_where=text("balance_cents > 0"),
        ),
        Index(
            "ix_invoice_falling_due",
            "due_on",
            postgresql_where=text("balance_cents > 0 AND overdue_at IS NULL"),
        ),
        # An estimate is invoiced in full once, whoever asks how often.
        Index(
            "uq_invoice_full",
            "estimate_id",
            unique=True,
            # What stands in QuickBooks has to be mirrored whatever becomes of it there, also two of one estimate.
            postgresql_where=text(
                "part = 'full' AND estimate_id IS NOT NULL AND qb_id IS NULL AND NOT is_voided AND NOT is_deleted"
            ),
        ),
    )

    part: Mapped[InvoicePart] = mapped_column(str_enum(InvoicePart), default=InvoicePart.FULL)
    estimate_id: Mapped[UUID | None]
    shares: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    """Of a part: the cents that it bills of each line of the estimate."""
    job_id: Mapped[UUID | None]
    balance_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    due_on: Mapped[date | None]
    term_id: Mapped[UUID | None]
    is_voided: Mapped[bool] = mapped_column(default=False)
    paid_on: Mapped[date | None]
    paid_at: Mapped[datetime | None]
    overdue_at: Mapped[datetime | None]


class CreditMemo(Base, Form):
    """What the customer need not pay after all; applied by payments of zero."""

    __tablename__ = "credit_memo"
    __table_args__ = (UniqueConstraint("realm_id", "qb_id"), Index("ix_credit_memo_customer", "customer_id"))

    remaining_cents: Mapped[int] = mapped_column(BigInteger, default=0)


class Payment(Base, Identified, Versioned, OfCompany):
    """Money received, or given back: `amount_cents` is then negative. Zero once it was voided or deleted."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("realm_id", "kind", "qb_id"),
        Index("ix_payment_received", text("received_on DESC"), text("id DESC")),
        Index("ix_payment_customer", "customer_id"),
    )

    kind: Mapped[PaymentKind] = mapped_column(str_enum(PaymentKind))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customer.id"))
    currency: Mapped[str] = mapped_column(default="USD")
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    unapplied_cents: Mapped[int] = mapped_column(BigInteger, default=0)
    received_on: Mapped[date]
    reference: Mapped[str | None]
    is_voided: Mapped[bool] = mapped_column(default=False)
    is_deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Application(Base):
    """The part of a payment that went to an invoice, or that a credit memo gave."""

    __tablename__ = "application"
    __table_args__ = (
        CheckConstraint("(invoice_id IS NULL) <> (credit_memo_id IS NULL)", name="one_side"),
        Index("ix_application_payment", "payment_id"),
        Index("ix_application_invoice", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
    )

    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[UUID | None]
    credit_memo_id: Mapped[UUID | None]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
