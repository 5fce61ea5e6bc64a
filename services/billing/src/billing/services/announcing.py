"""What a change of the books means for others: the events, each with the state that it leaves behind."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.billing import (
    AppliedItem,
    CustomerLinked,
    CustomerUnlinked,
    EstimateAccepted,
    EstimateChanged,
    EstimateDeclined,
    EstimateExpired,
    EstimateMoved,
    EstimateSent,
    InvoiceChanged,
    InvoiceIssued,
    InvoiceMoved,
    InvoiceOverdue,
    InvoicePaid,
    InvoiceSent,
    InvoiceVoided,
    PaymentMoved,
)
from shared.events.envelope import Event, Money
from sqlalchemy import text

from billing.models import Customer, Estimate, Invoice, Payment
from billing.states import EstimateStatus

ANSWERS: dict[EstimateStatus, type[EstimateMoved]] = {
    EstimateStatus.ACCEPTED: EstimateAccepted,
    EstimateStatus.DECLINED: EstimateDeclined,
    EstimateStatus.EXPIRED: EstimateExpired,
}


# One statement for thousands of facts.
_PUT_UNTOLD = text(
    "INSERT INTO untold_fact (realm_id, type, row_id)"
    " SELECT * FROM unnest(CAST(:realms AS text[]), CAST(:types AS text[]), CAST(:rows AS uuid[]))"
)
Applied = Sequence[tuple[UUID, int]]
"""Invoice and cents."""


class Party(Protocol):
    """The customer of a form or of a payment: what others are told of them."""

    @property
    def id(self) -> UUID: ...

    @property
    def contact_id(self) -> UUID | None: ...


@dataclass(frozen=True)
class EstimateStanding:
    is_written: bool
    status: EstimateStatus
    sent_at: datetime | None
    rest: tuple[Any, ...]


@dataclass(frozen=True)
class InvoiceStanding:
    is_written: bool
    total_cents: int
    balance_cents: int
    customer_id: UUID | None
    issued_on: date | None
    due_on: date | None
    is_gone: bool
    sent_at: datetime | None
    paid_at: datetime | None
    number: str | None


NO_INVOICE = InvoiceStanding(
    is_written=False, total_cents=0, balance_cents=0, customer_id=None, issued_on=None, due_on=None, is_gone=False,
    sent_at=None, paid_at=None, number=None,
)  # fmt: skip
"""Of one that is new here."""


class Announcer:
    """Lives in one transaction. Every method is called with what stood before and the row as it stands now."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._keeps_history = False
        self._untold: list[tuple[str, str, UUID]] = []

    def keep_history(self) -> None:
        """From now on, what new rows mean is told later (TellingService): a first reading is years of events."""
        self._keeps_history = True

    async def store_history(self) -> None:
        """Write down what is to be told later."""
        facts, self._untold = self._untold, []
        if facts:
            columns = [list(column) for column in zip(*facts, strict=True)]
            await self._uow.session.execute(_PUT_UNTOLD, dict(zip(("realms", "types", "rows"), columns, strict=True)))

    def _is_kept(self, event: type[Event], row: Any, *, is_new: bool) -> bool:
        """Whether the event is told later; a change of a row that others may know is told at once."""
        if not (self._keeps_history and is_new):
            return False
        self._untold.append((row.realm_id, event.type, row.id))
        return True

    @staticmethod
    def standing_of_estimate(row: Estimate) -> EstimateStanding:
        rest = (row.number, row.customer_id, row.total_cents, row.expires_on, row.lines, row.is_deleted)
        return EstimateStanding(row.qb_id is not None, row.status, row.sent_at, rest)

    @staticmethod
    def standing_of_invoice(row: Invoice) -> InvoiceStanding:
        return InvoiceStanding(
            is_written=row.qb_id is not None,
            total_cents=row.total_cents or 0,
            balance_cents=row.balance_cents or 0,
            customer_id=row.customer_id,
            issued_on=row.written_on,
            due_on=row.due_on,
            is_gone=bool(row.is_voided or row.is_deleted),
            sent_at=row.sent_at,
            paid_at=row.paid_at,
            number=row.number,
        )

    def estimate_moved(self, row: Estimate, before: EstimateStanding, customer: Party) -> None:
        after = self.standing_of_estimate(row)
        if after == before:
            return
        row.touch()
        for event in _estimate_events(before, after):
            if not self._is_kept(event, row, is_new=not before.is_written):
                self.say_estimate(event, row, customer)
        self._uow.hint("estimates", row.id, row.version)

    def say_estimate(self, event: type[EstimateMoved], row: Estimate, customer: Party) -> None:
        self._uow.publish(
            event(
                estimate_id=row.id,
                version=row.version,
                number=row.number,
                customer_id=customer.id,
                contact_id=customer.contact_id,
                job_id=row.job_id,
                amount=Money(amount_cents=row.total_cents, currency=row.currency),
                expires_on=row.expires_on,
                status=row.status,
                occurred_at=self._uow.now,
            )
        )

    def invoice_moved(self, row: Invoice, before: InvoiceStanding, customer: Party) -> None:
        after = self.standing_of_invoice(row)
        if after == before:
            return
        row.touch()
        for event in _invoice_events(before, after):
            if not self._is_kept(event, row, is_new=not before.is_written):
                self.say_invoice(event, row, customer)
        self._uow.hint("invoices", row.id, row.version)

    def say_invoice(self, event: type[InvoiceMoved], row: Invoice, customer: Party) -> None:
        self._uow.publish(
            event(
                invoice_id=row.id,
                version=row.version,
                number=row.number,
                estimate_id=row.estimate_id,
                customer_id=customer.id,
                contact_id=customer.contact_id,
                job_id=row.job_id,
                amount=Money(amount_cents=row.total_cents, currency=row.currency),
                balance=Money(amount_cents=row.balance_cents, currency=row.currency),
                issued_on=row.written_on,
                due_on=row.due_on,
                paid_at=row.paid_at,
                occurred_at=self._uow.now,
            )
        )

    def invoice_overdue(self, row: Invoice, customer: Party) -> None:
        row.overdue_at = self._uow.now
        row.touch()
        self.say_invoice(InvoiceOverdue, row, customer)

    def payment_moved(
        self, event: type[PaymentMoved], row: Payment, customer: Party, applied: Applied, *, is_new: bool
    ) -> None:
        if not self._is_kept(event, row, is_new=is_new):
            self.say_payment(event, row, customer, applied)
        self._uow.hint("payments", row.id, row.version)

    def say_payment(self, event: type[PaymentMoved], row: Payment, customer: Party, applied: Applied) -> None:
        self._uow.publish(
            event(
                payment_id=row.id,
                version=row.version,
                customer_id=customer.id,
                contact_id=customer.contact_id,
                amount=Money(amount_cents=row.amount_cents, currency=row.currency),
                applied=[
                    AppliedItem(invoice_id=invoice, amount=Money(amount_cents=cents, currency=row.currency))
                    for invoice, cents in applied
                ],
                received_on=row.received_on,
                occurred_at=self._uow.now,
            )
        )

    def link(self, row: Customer, contact_id: UUID, *, reason: str, score: int | None, by: str) -> None:
        """From now on all that is this customer's is that person's."""
        row.contact_id, row.link_reason, row.link_score = contact_id, reason, score
        row.linked_by, row.linked_at, row.needs_match = by, self._uow.now, False
        row.link_version += 1
        row.touch()
        self._uow.publish(
            CustomerLinked(
                customer_id=row.id,
                contact_id=contact_id,
                version=row.link_version,
                reason=reason,
                occurred_at=self._uow.now,
            )
        )
        self._uow.hint("customers", row.id, row.version)

    def unlink(self, row: Customer, *, reason: str) -> None:
        """Told only to whom the link was told: of a customer that only drafts name, nobody knows."""
        if row.contact_id is None:
            return
        contact_id, row.contact_id = row.contact_id, None
        row.link_reason = row.link_score = row.linked_by = row.linked_at = None
        self._uow.hint("customers", row.id, row.touch())
        if row.link_version == 0:
            return
        row.link_version += 1
        self._uow.publish(
            CustomerUnlinked(
                customer_id=row.id,
                contact_id=contact_id,
                version=row.link_version,
                reason=reason,
                occurred_at=self._uow.now,
            )
        )

    def move_link(self, gone: Customer, kept: Customer) -> None:
        """Of two customers that became one: the link goes along where the one that stays has none."""
        contact_id = gone.contact_id
        if contact_id is None:
            return
        self.unlink(gone, reason="merged in QuickBooks")
        if kept.contact_id is None:
            self.link(kept, contact_id, reason="merged in QuickBooks", score=None, by="quickbooks")


def _estimate_events(before: EstimateStanding, after: EstimateStanding) -> list[type[EstimateMoved]]:
    found: list[type[EstimateMoved]] = []
    if after.sent_at and not before.sent_at:
        found.append(EstimateSent)
    if after.status in ANSWERS and (after.status is not before.status or not before.is_written):
        found.append(ANSWERS[after.status])
    # Of one that was neither sent nor answered nobody was told.
    was_told = before.is_written and (before.sent_at is not None or before.status in ANSWERS)
    return found or ([EstimateChanged] if was_told else [])


def _invoice_events(before: InvoiceStanding, after: InvoiceStanding) -> list[type[InvoiceMoved]]:
    found: list[type[InvoiceMoved]] = []
    if not before.is_written:
        found.append(InvoiceIssued)
    if after.sent_at and not before.sent_at:
        found.append(InvoiceSent)
    if after.is_gone and not before.is_gone:
        found.append(InvoiceVoided)
    if after.paid_at and not before.paid_at:
        found.append(InvoicePaid)
    return found or [InvoiceChanged]
