"""The states of what billing keeps, and the only moves between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from shared.errors import InvalidTransition


class ConnectionStatus(StrEnum):
    CONNECTED = "connected"
    NEEDS_RECONNECT = "needs_reconnect"
    """QuickBooks refuses our tokens: a person has to consent again. What waits to be written is kept."""
    SUSPENDED = "suspended"
    """The company's subscription has ended or it is read-only: reads go on, writes wait."""
    DISCONNECTED = "disconnected"


class Source(StrEnum):
    CRM = "crm"
    QUICKBOOKS = "quickbooks"


class EstimateStatus(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    CLOSED = "closed"
    """Invoiced in full, or closed by hand."""
    DELETED = "deleted"


class InvoiceStatus(StrEnum):
    """Derived, never stored: see settlement.py."""

    PENDING = "pending"
    """Not yet in QuickBooks."""
    OPEN = "open"
    PARTIAL = "partial"
    OVERDUE = "overdue"
    PAID = "paid"
    NOTHING_DUE = "nothing_due"
    """Over nothing, and not voided: nobody owed or paid anything."""
    VOIDED = "voided"
    DELETED = "deleted"


class InvoicePart(StrEnum):
    FULL = "full"
    DEPOSIT = "deposit"
    PROGRESS = "progress"


class PaymentKind(StrEnum):
    PAYMENT = "payment"
    REFUND = "refund"


class PushKind(StrEnum):
    CREATE_CUSTOMER = "create_customer"
    UPDATE_CUSTOMER = "update_customer"
    CREATE_ESTIMATE = "create_estimate"
    MARK_ESTIMATE = "mark_estimate"
    """Its state at the customer's: accepted or rejected."""
    SEND_ESTIMATE = "send_estimate"
    CREATE_INVOICE = "create_invoice"
    SEND_INVOICE = "send_invoice"
    VOID_INVOICE = "void_invoice"


class PushState(StrEnum):
    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    """QuickBooks refused it for good: a person mends what `error` says, and tries again or gives up."""
    DROPPED = "dropped"


UNSETTLED = (PushState.PENDING, PushState.FAILED)
"""Still to be written, or to be decided by a person."""


class JobStatus(StrEnum):
    OPEN = "open"
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class VisitKind(StrEnum):
    ASSESSMENT = "assessment"
    INSPECTION = "inspection"
    REPAIR = "repair"
    CALLBACK = "callback"


_E, _C, _J = EstimateStatus, ConnectionStatus, JobStatus

ESTIMATE_MOVES: Mapping[EstimateStatus, frozenset[EstimateStatus]] = {
    _E.DRAFT: frozenset({_E.OPEN, _E.DELETED}),
    _E.OPEN: frozenset({_E.ACCEPTED, _E.DECLINED, _E.EXPIRED, _E.CLOSED, _E.DELETED}),
    # Somebody in QuickBooks may take an acceptance back, or an invoice be deleted; a late yes is a yes.
    _E.ACCEPTED: frozenset({_E.OPEN, _E.DECLINED, _E.CLOSED, _E.DELETED}),
    _E.DECLINED: frozenset({_E.OPEN, _E.ACCEPTED, _E.CLOSED, _E.DELETED}),
    _E.EXPIRED: frozenset({_E.OPEN, _E.ACCEPTED, _E.DECLINED, _E.CLOSED, _E.DELETED}),
    _E.CLOSED: frozenset({_E.OPEN, _E.ACCEPTED, _E.DECLINED, _E.DELETED}),
    _E.DELETED: frozenset(),
}

CONNECTION_MOVES: Mapping[ConnectionStatus, frozenset[ConnectionStatus]] = {
    _C.CONNECTED: frozenset({_C.NEEDS_RECONNECT, _C.SUSPENDED, _C.DISCONNECTED}),
    _C.NEEDS_RECONNECT: frozenset({_C.CONNECTED, _C.DISCONNECTED}),
    _C.SUSPENDED: frozenset({_C.CONNECTED, _C.NEEDS_RECONNECT, _C.DISCONNECTED}),
    _C.DISCONNECTED: frozenset({_C.CONNECTED}),
}

JOB_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    _J.OPEN: frozenset({_J.SCHEDULED, _J.COMPLETED, _J.CANCELLED}),
    _J.SCHEDULED: frozenset({_J.OPEN, _J.COMPLETED, _J.CANCELLED}),
    # One that was completed without a visit is open again; a callback schedules a completed one.
    _J.COMPLETED: frozenset({_J.OPEN, _J.SCHEDULED}),
    _J.CANCELLED: frozenset({_J.OPEN, _J.SCHEDULED}),
}

S = TypeVar("S", bound=StrEnum)


def check_move(moves: Mapping[S, frozenset[S]], current: S, target: S, *, what: str) -> None:
    """Raise InvalidTransition unless the table lists the move."""
    if target not in moves[current]:
        raise InvalidTransition(f"A {what} that is {current} cannot become {target}.", current=current, target=target)
