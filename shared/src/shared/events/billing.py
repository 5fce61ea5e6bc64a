"""Events of the billing service (stream BILLING): what became of money, as QuickBooks has it."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from shared.events.envelope import Event, Instant, Money, Payload


class CustomerLinkMoved(Event):
    """`version` orders the links of one customer; a customer is linked to one contact at most."""

    about: ClassVar[str] = "customer_id"

    customer_id: UUID
    contact_id: UUID
    version: int
    reason: str = ""
    occurred_at: Instant


class CustomerLinked(CustomerLinkMoved):
    """A customer of QuickBooks is this contact: all its estimates, invoices and payments are that person's."""

    type: ClassVar[str] = "billing.customer.linked.v1"


class CustomerUnlinked(CustomerLinkMoved):
    """A customer of QuickBooks is no longer taken for this contact."""

    type: ClassVar[str] = "billing.customer.unlinked.v1"

    ERASED: ClassVar[str] = "erased"
    """The reason where it was this contact, and is to be forgotten."""


class EstimateMoved(Event):
    """An estimate as it stands after the move; a copy applies it if `version` is newer than its own.

    `status` is open, accepted, declined, expired, closed or deleted; where it is missing, the type says it.
    """

    about: ClassVar[str] = "estimate_id"

    estimate_id: UUID
    version: int
    number: str | None = None
    customer_id: UUID
    contact_id: UUID | None = None
    job_id: UUID | None = None
    amount: Money
    expires_on: date | None = None
    status: str | None = None
    occurred_at: Instant


class EstimateChanged(EstimateMoved):
    """Amount, expiry, customer or state of an estimate changed otherwise than the other events say."""

    type: ClassVar[str] = "billing.estimate.changed.v1"


class EstimateSent(EstimateMoved):
    """The customer was sent an estimate."""

    type: ClassVar[str] = "billing.estimate.sent.v1"


class EstimateAccepted(EstimateMoved):
    """The customer accepted an estimate."""

    type: ClassVar[str] = "billing.estimate.accepted.v1"


class EstimateDeclined(EstimateMoved):
    """The customer declined an estimate."""

    type: ClassVar[str] = "billing.estimate.declined.v1"


class EstimateExpired(EstimateMoved):
    """The day until which an estimate could be accepted has passed."""

    type: ClassVar[str] = "billing.estimate.expired.v1"


class InvoiceMoved(Event):
    """An invoice as it stands after the move; a copy applies it if `version` is newer than its own."""

    about: ClassVar[str] = "invoice_id"

    invoice_id: UUID
    version: int
    number: str | None = None
    estimate_id: UUID | None = None
    customer_id: UUID
    contact_id: UUID | None = None
    job_id: UUID | None = None
    amount: Money
    balance: Money
    issued_on: date
    due_on: date | None = None
    paid_at: Instant | None = None
    occurred_at: Instant


class InvoiceIssued(InvoiceMoved):
    """An invoice exists in QuickBooks, whoever made it."""

    type: ClassVar[str] = "billing.invoice.issued.v1"


class InvoiceChanged(InvoiceMoved):
    """Amount, balance, dates or customer of an invoice changed otherwise than the other events say."""

    type: ClassVar[str] = "billing.invoice.changed.v1"


class InvoiceSent(InvoiceMoved):
    """The customer was sent an invoice."""

    type: ClassVar[str] = "billing.invoice.sent.v1"


class InvoicePaid(InvoiceMoved):
    """Nothing is left to pay of an invoice."""

    type: ClassVar[str] = "billing.invoice.paid.v1"


class InvoiceOverdue(InvoiceMoved):
    """The day until which an invoice was to be paid has passed, and something is left to pay."""

    type: ClassVar[str] = "billing.invoice.overdue.v1"


class InvoiceVoided(InvoiceMoved):
    """An invoice was voided or deleted: amount and balance are zero."""

    type: ClassVar[str] = "billing.invoice.voided.v1"


class AppliedItem(Payload):
    """The part of a payment that went to an invoice."""

    invoice_id: UUID
    amount: Money


class PaymentMoved(Event):
    """Money received, or given back, as it stands after the move; a copy applies it if `version` is newer than its own.

    `amount` is all of it: zero once it was voided or deleted, negative where it was given back to the customer. What
    `applied` does not account for is not applied to any invoice yet. `received_on` is a day of the company.
    """

    about: ClassVar[str] = "payment_id"

    payment_id: UUID
    version: int
    customer_id: UUID
    contact_id: UUID | None = None
    amount: Money
    applied: list[AppliedItem] = []
    received_on: date
    occurred_at: Instant


class PaymentReceived(PaymentMoved):
    """A payment exists in QuickBooks, however it was entered."""

    type: ClassVar[str] = "billing.payment.received.v1"


class PaymentChanged(PaymentMoved):
    """Amount, day, customer or invoices of a payment were changed."""

    type: ClassVar[str] = "billing.payment.changed.v1"


class PaymentVoided(PaymentMoved):
    """A payment was voided or deleted."""

    type: ClassVar[str] = "billing.payment.voided.v1"


class PaymentRefunded(PaymentMoved):
    """Money was given back to a customer; `payment_id` is the refund's own."""

    type: ClassVar[str] = "billing.payment.refunded.v1"


class JobMoved(Event):
    """A job at a property; `starts_at` is its next visit, or the last one once it is completed."""

    about: ClassVar[str] = "job_id"

    job_id: UUID
    version: int
    property_id: UUID | None = None
    contact_id: UUID | None = None
    title: str
    starts_at: Instant | None = None
    kind: Literal["assessment", "inspection", "repair", "callback"] | None = None
    occurred_at: Instant


class JobScheduled(JobMoved):
    """A visit was set, or moved."""

    type: ClassVar[str] = "billing.job.scheduled.v1"


class JobCompleted(JobMoved):
    """The work is done."""

    type: ClassVar[str] = "billing.job.completed.v1"


class ConnectionMoved(Event):
    about: ClassVar[str] = "realm_id"

    realm_id: str
    version: int
    reason: str = ""
    since: Instant


class ConnectionLost(ConnectionMoved):
    """QuickBooks no longer lets us in; a person has to reconnect."""

    type: ClassVar[str] = "billing.connection.lost.v1"


class ConnectionRestored(ConnectionMoved):
    """QuickBooks lets us in."""

    type: ClassVar[str] = "billing.connection.restored.v1"
