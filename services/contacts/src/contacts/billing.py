"""What an event of billing is here: an entry of a timeline, and the rows of the copies. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeAlias
from uuid import UUID

from shared.events.billing import (
    CustomerLinked,
    CustomerLinkMoved,
    EstimateMoved,
    EstimateSent,
    InvoiceMoved,
    InvoiceOverdue,
    JobMoved,
    PaymentMoved,
)
from shared.ids import uuid7

from contacts.models import CustomerLink, EntryKind, EstimateCopy, InvoiceCopy, JobCopy, PaymentCopy

DocumentMoved: TypeAlias = EstimateMoved | InvoiceMoved | PaymentMoved
BillingEvent: TypeAlias = CustomerLinkMoved | DocumentMoved | JobMoved
CopyTable: TypeAlias = type[CustomerLink] | type[EstimateCopy] | type[InvoiceCopy] | type[PaymentCopy] | type[JobCopy]

# Told again, these are the same fact; anything else may happen to a document several times.
ONCE = {"issued", "received", "refunded", "voided"}
NOT_SHOWN = {"version", "contact_id", "occurred_at", "paid_at", "status"}
# Of a change, what a person would want to see. The rest is told by other entries, as a balance is by payments.
COMPARED = ("amount_cents", "currency", "due_on", "received_on", "expires_on", "state", "customer_id")


def entry_of(event: BillingEvent) -> dict[str, Any]:
    """The event's row of billing_entry."""
    _, noun, move, _ = event.type.split(".")
    about_id = about(event)
    key = f"{noun}:{about_id}:{move}"
    return {
        "id": uuid7(),
        "key": key if move in ONCE else f"{key}:{event.version}",
        "about_id": about_id,
        "contact_id": event.contact_id if isinstance(event, CustomerLinkMoved) else None,
        "version": event.version,
        "kind": EntryKind(noun),
        "occurred_at": event.occurred_at,
        "details": {"status": move, **_details(event)},
    }


def about(event: BillingEvent) -> UUID:
    """The id of the document, job or customer that the event is about."""
    found: UUID = getattr(event, event.about)
    return found


def _details(event: BillingEvent) -> dict[str, Any]:
    """What the event says, of its optional members only what is known."""
    told = {
        name: value
        for name, value in event.model_dump(mode="json", exclude=NOT_SHOWN, exclude_none=True).items()
        if value != ""
    }
    if (amount := told.pop("amount", None)) is not None:
        told |= amount
    if (balance := told.pop("balance", None)) is not None:
        told["balance_cents"] = balance["amount_cents"]
    if isinstance(event, EstimateMoved):
        told["state"] = _state(event)
    if "applied" in told:
        told["applied"] = [
            {"invoice_id": item["invoice_id"], "amount_cents": item["amount"]["amount_cents"]}
            for item in told["applied"]
        ]
    return told


def _state(event: EstimateMoved) -> str:
    """Of events from before they said it, the type does."""
    return event.status or ("open" if isinstance(event, EstimateSent) else event.type.split(".")[2])


def changed_details(details: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """The details of a change, with what they were before it."""
    differing = {name: before.get(name) for name in COMPARED if before.get(name) != details.get(name)}
    return {**details, "before": differing}


def copies_of(events: Iterable[BillingEvent]) -> dict[CopyTable, list[dict[str, Any]]]:
    """The rows that the events put into each table of copies, in the order of the events."""
    rows: defaultdict[CopyTable, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        match event:
            case CustomerLinkMoved():
                rows[CustomerLink].append(_link(event, event.version, is_linked=isinstance(event, CustomerLinked)))
            case EstimateMoved():
                rows[EstimateCopy].append(_document(event) | {"is_open": _state(event) == "open"})
            case InvoiceMoved():
                rows[InvoiceCopy].append(_document(event) | _terms(event))
            case PaymentMoved():
                rows[PaymentCopy].append(_document(event) | {"received_on": event.received_on})
            case JobMoved():
                rows[JobCopy].append({"job_id": event.job_id, "version": event.version, "contact_id": event.contact_id})
        if not isinstance(event, CustomerLinkMoved | JobMoved) and event.contact_id is not None:
            rows[CustomerLink].append(_link(event, version=0, is_linked=True))
    return rows


def _link(event: CustomerLinkMoved | DocumentMoved, version: int, *, is_linked: bool) -> dict[str, Any]:
    return {
        "customer_id": event.customer_id,
        "version": version,
        "contact_id": event.contact_id,
        "is_linked": is_linked,
        "occurred_at": event.occurred_at,
    }


def _document(event: DocumentMoved) -> dict[str, Any]:
    return {
        event.about: about(event),
        "version": event.version,
        "customer_id": event.customer_id,
        "amount_cents": event.amount.amount_cents,
        "currency": event.amount.currency,
    }


def _terms(event: InvoiceMoved) -> dict[str, Any]:
    # Without a due day it is due on receipt.
    due_on = event.due_on or event.issued_on
    return {
        "balance_cents": event.balance.amount_cents,
        "due_on": due_on,
        "passed_due_on": due_on if isinstance(event, InvoiceOverdue) else None,
    }
