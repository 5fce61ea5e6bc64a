"""Copies of what billing knows, its entries on timelines, and the sums that contacts are filtered and sorted by."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from shared.database import Identified, str_enum
from sqlalchemy import BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from contacts.models.metadata import Base
from contacts.models.timeline import EntryKind

CURRENCY = "USD"
"""What every sum is in. Documents in another currency are kept and shown, and never added up."""


class CustomerLink(Base):
    """Who a customer of QuickBooks is, or was until `is_linked` ended. The contact stays as billing said it.

    Version 0 is not a link that was told: until one is, the customer's documents say whose they are.
    """

    __tablename__ = "customer_link"
    __table_args__ = (Index("ix_customer_link_contact_id", "contact_id"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    contact_id: Mapped[UUID]
    is_linked: Mapped[bool]
    occurred_at: Mapped[datetime]


class EstimateCopy(Base):
    """`is_open`: sent, and neither answered, expired, closed nor deleted."""

    __tablename__ = "estimate_copy"
    __table_args__ = (Index("ix_estimate_copy_customer_id", "customer_id"),)

    estimate_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    customer_id: Mapped[UUID]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    is_open: Mapped[bool]


class InvoiceCopy(Base):
    """Overdue is what is left of an invoice whose `due_on` billing has seen pass: it, or a later one."""

    __tablename__ = "invoice_copy"
    __table_args__ = (Index("ix_invoice_copy_customer_id", "customer_id"),)

    invoice_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    customer_id: Mapped[UUID]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    balance_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    due_on: Mapped[date]
    passed_due_on: Mapped[date | None]
    """The latest due day that was reported overdue, by whichever version."""


class PaymentCopy(Base):
    """Money received, or, with a negative amount, given back."""

    __tablename__ = "payment_copy"
    __table_args__ = (Index("ix_payment_copy_customer_id", "customer_id"),)

    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    customer_id: Mapped[UUID]
    amount_cents: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str]
    received_on: Mapped[date]


class JobCopy(Base):
    """Whose job it is. Jobs know contacts, not customers."""

    __tablename__ = "job_copy"
    __table_args__ = (Index("ix_job_copy_contact_id", "contact_id"),)

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    contact_id: Mapped[UUID | None]


class BillingEntry(Identified, Base):
    """One thing that billing told, whoever's it is: that is read from the copies, as it may change.

    `about_id` is the document's; that of a link is its customer's, and only links name their contact here.
    `key` names the fact, so that a repeated report adds nothing.
    """

    __tablename__ = "billing_entry"
    __table_args__ = (
        Index("uq_billing_entry_key", "key", unique=True),
        Index("ix_billing_entry_about_id", "about_id"),
        Index("ix_billing_entry_contact_id", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
    )

    key: Mapped[str]
    about_id: Mapped[UUID]
    contact_id: Mapped[UUID | None]
    version: Mapped[int]
    kind: Mapped[EntryKind] = mapped_column(str_enum(EntryKind))
    occurred_at: Mapped[datetime]
    details: Mapped[dict[str, Any]]


class ContactMoney(Base):
    """The copies of one person's customers, added up in the transaction that changes them.

    There is a row for each contact that stands for itself and has a customer. No foreign key: what only adds up must
    not wait for whoever edits the contact.
    """

    __tablename__ = "contact_money"
    __table_args__ = (
        Index("ix_contact_money_invoiced", "invoiced_cents", "contact_id"),
        Index("ix_contact_money_paid", "paid_cents", "contact_id"),
        Index("ix_contact_money_balance", "balance_cents", "contact_id"),
        Index("ix_contact_money_overdue", "overdue_cents", "contact_id"),
        Index("ix_contact_money_open_estimates", "open_estimate_cents", "contact_id"),
        Index("ix_contact_money_last_paid", "last_paid_on", "contact_id"),
    )

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)
    customers: Mapped[int]
    invoiced_cents: Mapped[int] = mapped_column(BigInteger)
    paid_cents: Mapped[int] = mapped_column(BigInteger)
    balance_cents: Mapped[int] = mapped_column(BigInteger)
    overdue_cents: Mapped[int] = mapped_column(BigInteger)
    last_paid_on: Mapped[date | None]
    open_estimates: Mapped[int]
    open_estimate_cents: Mapped[int] = mapped_column(BigInteger)
    has_other_currency: Mapped[bool]

    @property
    def currency(self) -> str:
        return CURRENCY

    @property
    def is_overdue(self) -> bool:
        return self.overdue_cents > 0
