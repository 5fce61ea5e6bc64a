"""The mirror of estimates, invoices and credit memos: what they say there, and what that changes for others."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import select

from billing.lines import store_lines
from billing.models import Connection, CreditMemo, Customer, Estimate, Invoice, Push, Term, among, insert_all, unwatched
from billing.models.books import Form
from billing.provider import CreditMemoSeen, EstimateSeen, FormSeen, InvoiceSeen, Seen
from billing.services.announcing import NO_INVOICE, Announcer, Party
from billing.services.mirrored import R, adopted, is_newer, note_state
from billing.services.payments import PaymentMirror
from billing.settlement import company_day
from billing.states import UNSETTLED, EstimateStatus, PushKind, Source

Customers = Mapping[str, Party]


class FormMirror:
    """Lives in one transaction. Customers come by their ids in QuickBooks; whatever else a form names is mirrored."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer, payments: PaymentMirror) -> None:
        self._uow = uow
        self._announcer = announcer
        self._payments = payments
        self._new: list[Any] = []
        """Rows that are not inserted yet, in their order."""

    async def store_estimates(
        self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Estimate], customers: Customers
    ) -> None:
        rows = await self._forms(Estimate, seen, rows)
        answered = await self._being_marked([row.id for row in rows.values()])
        zone = await self._zone(realm_id)
        today = company_day(self._uow.now, zone)
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, EstimateSeen):
                if row is not None and not row.is_deleted:
                    before = self._announcer.standing_of_estimate(row)
                    row.is_deleted, row.status, row.status_at = True, EstimateStatus.DELETED, self._uow.now
                    self._announcer.estimate_moved(row, before, await self._customer(row.customer_id))
                continue
            at = self._uow.now if row is not None else self._first_status_at(one, zone)
            if row is None:
                row = unwatched(Estimate, status=EstimateStatus.OPEN, status_at=at)
                self._begin(row, realm_id)
            elif row.is_deleted or not is_newer(one, row):
                continue
            before = self._announcer.standing_of_estimate(row)
            self._fill(row, one, customers[one.customer])
            row.expires_on = one.expires_on
            self._fill_status(row, one, at, today=today, is_answered=row.id in answered)
            if not before.is_written and row.id in answered and row.status is EstimateStatus.ACCEPTED:
                # Accepted before QuickBooks had it: at what QuickBooks makes of it.
                row.accepted_cents = row.total_cents
            self._announcer.estimate_moved(row, before, customers[one.customer])
        await self._insert_new()

    def _first_status_at(self, seen: EstimateSeen, zone: str) -> datetime:
        """Of what was so before we first saw it, the last change is the best that is known, unless it says the day."""
        at = self._uow.now
        if seen.status is EstimateStatus.ACCEPTED and seen.accepted_on is not None:
            at = datetime.combine(seen.accepted_on, time(12), ZoneInfo(zone))
        elif seen.updated_at:
            at = datetime.fromisoformat(seen.updated_at)
        return min(at, self._uow.now)

    def _fill_status(self, row: Estimate, seen: EstimateSeen, at: datetime, *, today: date, is_answered: bool) -> None:
        """`is_answered`: here, and QuickBooks is still to be told; only an invoice says more than that."""
        if is_answered and seen.status is not EstimateStatus.CLOSED:
            return
        # QuickBooks knows no expiry: an expired one is still pending there.
        is_over = row.status is EstimateStatus.EXPIRED and not _is_later(row, today)
        if seen.status is EstimateStatus.OPEN and is_over:
            return
        if seen.status is not row.status:
            if EstimateStatus.CLOSED not in (seen.status, row.status):
                # What was said here is over; what was said there was to what it costs there.
                row.accepted_cents = None
            row.status, row.status_at = seen.status, at
            row.answered_by = seen.accepted_by or row.answered_by

    async def _being_marked(self, ids: Sequence[UUID]) -> set[UUID]:
        """Estimates whose answer is still to be written into QuickBooks: what it says of them there is older."""
        found = await self._uow.session.scalars(
            select(Push.target_id).where(
                among(Push.target_id, ids),
                Push.kind == PushKind.MARK_ESTIMATE,
                Push.state.in_(UNSETTLED),
            )
        )
        return set(found)

    async def store_invoices(
        self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Invoice], customers: Customers
    ) -> None:
        rows = await self._forms(Invoice, seen, rows)
        links = await self._ids(realm_id, Estimate, (one.estimate for one in seen if isinstance(one, InvoiceSeen)))
        terms = await self._ids(realm_id, Term, (one.term for one in seen if isinstance(one, InvoiceSeen)))
        zone = await self._zone(realm_id)
        paid: list[UUID] = []
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, InvoiceSeen):
                if row is not None and not row.is_deleted:
                    before = self._announcer.standing_of_invoice(row)
                    row.is_deleted, row.total_cents, row.balance_cents = True, 0, 0
                    row.subtotal_cents = row.tax_cents = 0
                    self._announcer.invoice_moved(row, before, await self._customer(row.customer_id))
                continue
            is_first = row is None
            if row is None:
                row, before = unwatched(Invoice, is_voided=False), NO_INVOICE
                self._begin(row, realm_id)
            elif row.is_deleted or not is_newer(one, row):
                continue
            else:
                before = self._announcer.standing_of_invoice(row)
            self._fill(row, one, customers[one.customer])
            if row.due_on != one.due_on:
                row.overdue_at = None  # It is overdue since another day, or not yet.
            row.balance_cents, row.due_on, row.is_voided = one.balance_cents, one.due_on, one.is_voided
            row.term_id = terms.get(one.term or "")
            kept = row.estimate_id if row.source is Source.CRM else None
            row.estimate_id = kept or links.get(one.estimate or "")
            self._settle(row, one, is_first=is_first, zone=zone)
            if row.paid_at and not before.paid_at:
                paid.append(row.id)
            self._announcer.invoice_moved(row, before, customers[one.customer])
        await self._insert_new()
        await self._payments.date_invoices(paid)

    def _settle(self, row: Invoice, seen: InvoiceSeen, *, is_first: bool, zone: str) -> None:
        is_paid = row.total_cents > 0 and row.balance_cents <= 0 and not row.is_voided
        if not is_paid:
            row.paid_at = row.paid_on = None
        elif row.paid_at is None:
            # Of one that was paid before we first saw it, the last change is the best that is known.
            row.paid_at = datetime.fromisoformat(seen.updated_at) if is_first and seen.updated_at else self._uow.now
            row.paid_on = company_day(row.paid_at, zone)

    async def store_credit_memos(
        self, realm_id: str, seen: Sequence[Seen], rows: dict[str, CreditMemo], customers: Customers
    ) -> None:
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, CreditMemoSeen):
                if row is not None and not row.is_deleted:
                    row.is_deleted, row.total_cents, row.remaining_cents = True, 0, 0
                    row.touch()
                continue
            if row is None:
                row = unwatched(CreditMemo)
                self._begin(row, realm_id)
            elif row.is_deleted or not is_newer(one, row):
                continue
            self._fill(row, one, customers[one.customer])
            row.remaining_cents = one.remaining_cents
            row.touch()
        await self._insert_new()

    async def _forms(self, model: type[R], seen: Sequence[Seen], rows: dict[str, R]) -> dict[str, R]:
        unknown = {one.id: one.note for one in seen if isinstance(one, FormSeen) and one.id not in rows}
        return rows | await adopted(self._uow.session, model, unknown)

    def _begin(self, row: Form, realm_id: str) -> None:
        row.id, row.realm_id, row.sync_token, row.qb_updated_at = uuid7(), realm_id, -1, ""
        row.source, row.created_at, row.version, row.is_deleted = Source.QUICKBOOKS, self._uow.now, 0, False
        self._new.append(row)

    def _fill(self, row: Form, seen: FormSeen, customer: Party) -> None:
        row.number, row.customer_id, row.currency = seen.number, customer.id, seen.currency
        row.written_on = seen.written_on or self._uow.now.date()
        row.lines = store_lines(seen.lines)
        row.subtotal_cents, row.tax_cents, row.total_cents = seen.subtotal_cents, seen.tax_cents, seen.total_cents
        row.email, row.memo = seen.email or row.email, seen.memo
        if seen.is_sent and row.sent_at is None:
            row.sent_at = seen.sent_at or self._uow.now
        note_state(row, seen)

    async def _insert_new(self) -> None:
        new, self._new = self._new, []
        await insert_all(self._uow.session, new)

    async def _customer(self, customer_id: UUID) -> Customer:
        return await self._uow.session.get_one(Customer, customer_id)

    async def _ids(self, realm_id: str, model: type[Any], qb_ids: Iterable[str | None]) -> dict[str, UUID]:
        wanted = {one for one in qb_ids if one}
        if not wanted:
            return {}
        named = select(model.qb_id, model.id).where(model.realm_id == realm_id, among(model.qb_id, wanted))
        rows = await self._uow.session.execute(named)
        return {str(qb_id): row_id for qb_id, row_id in rows}

    async def _zone(self, realm_id: str) -> str:
        return await self._uow.session.scalar(select(Connection.zone).where(Connection.realm_id == realm_id)) or "UTC"


def _is_later(row: Estimate, today: date) -> bool:
    """Whether somebody gave the estimate a later last day since it expired."""
    return row.expires_on is None or row.expires_on >= today
