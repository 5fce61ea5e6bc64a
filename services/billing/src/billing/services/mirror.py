"""The mirror: what was read of QuickBooks becomes our rows, and what that changes becomes events."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import select, text, update

from billing import documents
from billing.lines import store_lines
from billing.matching import names_of_customer
from billing.models import (
    Connection,
    CreditMemo,
    Customer,
    Estimate,
    Invoice,
    Item,
    Payment,
    Push,
    Term,
    among,
    insert_all,
    unwatched,
)
from billing.models.books import Form
from billing.provider import (
    NOBODY,
    CreditMemoSeen,
    CustomerSeen,
    EstimateSeen,
    FormSeen,
    Garbled,
    InvoiceSeen,
    ItemSeen,
    PaymentSeen,
    RefundSeen,
    Seen,
    TermSeen,
)
from billing.services.announcing import NO_INVOICE, Announcer, Party
from billing.services.payments import PaymentMirror
from billing.settlement import company_day
from billing.states import EstimateStatus, PaymentKind, PushKind, PushState, Source

MIRROR_LOCK = 7_300_001

References = dict[str, set[str]]
"""Entity → ids in QuickBooks."""

_STATUSES = {
    "pending": EstimateStatus.OPEN,
    "accepted": EstimateStatus.ACCEPTED,
    "rejected": EstimateStatus.DECLINED,
    "closed": EstimateStatus.CLOSED,
    "converted": EstimateStatus.CLOSED,
}
_MODELS: dict[str, type[Any]] = {
    "Customer": Customer,
    "Item": Item,
    "Term": Term,
    "Estimate": Estimate,
    "Invoice": Invoice,
    "CreditMemo": CreditMemo,
    "Payment": Payment,
    "RefundReceipt": Payment,
}
_OF_CUSTOMERS = ("Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt")
R = TypeVar("R", Customer, Item, Term, Estimate, Invoice, CreditMemo, Payment)


def references_of(entity: str, seen: Iterable[Seen]) -> References:
    """What these objects name, and what therefore has to be mirrored before them."""
    found: References = defaultdict(set)
    for one in seen:
        if one.is_deleted:
            continue
        if isinstance(one, FormSeen | PaymentSeen | RefundSeen):
            found["Customer"] |= {one.customer} - {NOBODY}
        if isinstance(one, InvoiceSeen):
            found["Estimate"] |= {one.estimate} if one.estimate else set()
            found["Term"] |= {one.term} if one.term else set()
        if isinstance(one, PaymentSeen):
            for share in one.shares:
                found[share.kind].add(share.id)
    return dict(found)


def is_newer(seen: Seen, sync_token: int, updated_at: str) -> bool:
    """Whether a state that was read may replace the one we have. The same state, read again, may: a balance moves
    without its SyncToken. Nothing replaces what was deleted: nobody brings that back, but a reader may be late.
    """
    return seen.is_deleted or (seen.sync_token, seen.updated_at) >= (sync_token, updated_at)


class Named(NamedTuple):
    """A customer that a form or a payment names: hundreds of a page, of whom nothing else is read."""

    id: UUID
    contact_id: UUID | None


class MirrorService:
    """Lives in one transaction. Everything of one company."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer, payments: PaymentMirror) -> None:
        self._uow = uow
        self._announcer = announcer
        self._payments = payments
        self._new: list[Any] = []
        """Rows that are not inserted yet, in their order."""

    async def missing(self, realm_id: str, references: References) -> References:
        """Those that are not mirrored."""
        found: References = {}
        for entity, ids in references.items():
            known = set(
                await self._uow.session.scalars(
                    select(_MODELS[entity].qb_id).where(
                        _MODELS[entity].realm_id == realm_id, among(_MODELS[entity].qb_id, ids)
                    )
                )
            )
            if ids - known:
                found[entity] = ids - known
        return found

    async def store(self, realm_id: str, entity: str, seen: Sequence[Seen]) -> set[str]:
        """Take over what was read, where it is not older than what we have.

        Whatever it names has to be mirrored already; what cannot be had stands as an inactive stub. Returns the ids of
        invoices whose balance may be another now: read them again.
        """
        readable = {one.id: one for one in seen if not isinstance(one, Garbled)}
        await self._serialise(realm_id)
        ordered = sorted(readable.values(), key=lambda one: one.id)
        if entity in ("Payment", "RefundReceipt"):
            kind = PaymentKind.PAYMENT if entity == "Payment" else PaymentKind.REFUND
            customers = await self._customers(realm_id, ordered)
            return await self._payments.store(realm_id, kind, ordered, customers)
        rows = await self._lock(_MODELS[entity], realm_id, [one.id for one in ordered])
        match entity:
            case "Customer":
                await self._store_customers(realm_id, ordered, rows)
            case "Item" | "Term":
                self._store_list(realm_id, ordered, rows)
            case "Estimate":
                await self._store_estimates(realm_id, ordered, rows)
            case "Invoice":
                await self._store_invoices(realm_id, ordered, rows)
            case "CreditMemo":
                await self._store_credit_memos(realm_id, ordered, rows)
        await self._insert_new()
        await self._uow.session.flush()
        return set()

    async def _insert_new(self) -> None:
        new, self._new = self._new, []
        await insert_all(self._uow.session, new)

    async def _serialise(self, realm_id: str) -> None:
        """One writer of a company's mirror at a time: notices, changes, pulls and answers to writes all end here."""
        lock = text("SELECT pg_advisory_xact_lock(:kind, hashtext(:realm))")
        await self._uow.session.execute(lock, {"kind": MIRROR_LOCK, "realm": realm_id})

    async def merge_customers(self, realm_id: str, kept_id: str, gone_id: str) -> References:
        """Two customers became one in QuickBooks. Returns the forms and payments that have to be read again."""
        await self._serialise(realm_id)
        rows = await self._lock(Customer, realm_id, sorted((kept_id, gone_id)))
        kept, gone = rows.get(kept_id), rows.get(gone_id)
        if gone is None or kept is None:
            return {}
        if gone.merged_into_id != kept.id:
            gone.merged_into_id, gone.is_active = kept.id, False
            gone.touch()
            self._announcer.move_link(gone, kept)
        # Told again, whoever read them the first time may not have come to its end.
        found = {entity: await self._ids_of_customer(entity, gone.id) for entity in _OF_CUSTOMERS}
        return {entity: ids for entity, ids in found.items() if ids}

    async def _ids_of_customer(self, entity: str, customer_id: UUID) -> set[str]:
        model = _MODELS[entity]
        statement = select(model.qb_id).where(model.customer_id == customer_id, model.qb_id.is_not(None))
        if model is Payment:
            kind = PaymentKind.PAYMENT if entity == "Payment" else PaymentKind.REFUND
            statement = statement.where(Payment.kind == kind)
        return set(await self._uow.session.scalars(statement))

    async def _lock(self, model: type[R], realm_id: str, ids: Sequence[str]) -> dict[str, R]:
        rows = await self._uow.session.scalars(
            select(model)
            .where(model.realm_id == realm_id, among(model.qb_id, ids))
            .order_by(model.id)
            .with_for_update()
        )
        return {str(row.qb_id): row for row in rows}

    async def _adopt(self, model: type[R], notes: Mapping[str, str]) -> dict[str, R]:
        """Ours whose write arrived before its answer did: by the mark in the note. `notes`: id → note."""
        marked = {
            note.removeprefix(documents.MARK)[:36]: qb_id
            for qb_id, note in notes.items()
            if note.startswith(documents.MARK)
        }
        if not marked:
            return {}
        ids = [found for text in marked if (found := _uuid(text))]
        rows = await self._uow.session.scalars(
            select(model).where(among(model.id, ids), model.qb_id.is_(None)).order_by(model.id).with_for_update()
        )
        # One that was given up here and stands there all the same is mirrored as anybody's.
        return {marked[str(row.id)]: row for row in rows if not getattr(row, "is_deleted", False)}

    # --- Customers and lists

    async def _store_customers(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Customer]) -> None:
        unknown = {one.id: one.note for one in seen if isinstance(one, CustomerSeen) and one.id not in rows}
        rows |= await self._adopt(Customer, unknown)
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, CustomerSeen):
                if row is not None and row.is_active:
                    row.is_active = False
                    row.touch()
                continue
            if row is None:
                row = self._begin_customer(realm_id)
            elif not is_newer(one, row.sync_token, row.qb_updated_at):
                continue
            self._fill_customer(row, one)

    def _begin_customer(self, realm_id: str) -> Customer:
        row = unwatched(
            Customer,
            id=uuid7(),
            realm_id=realm_id,
            sync_token=-1,
            qb_updated_at="",
            source=Source.QUICKBOOKS,
            created_at=self._uow.now,
            version=0,
            link_version=0,
            is_active=True,
            needs_match=False,
        )
        self._new.append(row)
        return row

    def _fill_customer(self, row: Customer, seen: CustomerSeen) -> None:
        fields = (
            "display_name", "given_name", "family_name", "company_name", "email", "phone", "street", "city", "region",
            "postal_code", "address_rest", "is_active",
        )  # fmt: skip
        before = [getattr(row, name) for name in fields]
        for name in fields:
            setattr(row, name, getattr(seen, name))
        row.name_keys = names_of_customer(row).keys
        _head(row, seen)
        if before != [getattr(row, name) for name in fields]:
            row.touch()
            row.needs_match = row.contact_id is None and row.is_active
            if row.needs_match:
                self._uow.wake("matching")

    def _store_list(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Any]) -> None:
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, ItemSeen | TermSeen):
                if row is not None:
                    row.is_active = False
                continue
            if row is None:
                row = (Item if isinstance(one, ItemSeen) else Term)(realm_id=realm_id, sync_token=-1, qb_updated_at="")
                self._uow.session.add(row)
            elif not is_newer(one, row.sync_token, row.qb_updated_at):
                continue
            for name in ("name", "is_active", *_LIST_FIELDS[type(one)]):
                setattr(row, name, getattr(one, name))
            _head(row, one)

    # --- Forms

    async def _customers(self, realm_id: str, seen: Iterable[Seen]) -> dict[str, Party]:
        """The customers that these name; one that QuickBooks does not give stands as a stub."""
        ids = {one.customer for one in seen if isinstance(one, FormSeen | PaymentSeen | RefundSeen)}
        rows = await self._uow.session.execute(
            select(Customer.qb_id, Customer.id, Customer.contact_id).where(
                Customer.realm_id == realm_id, among(Customer.qb_id, ids)
            )
        )
        found: dict[str, Party] = {str(qb_id): Named(row_id, contact_id) for qb_id, row_id, contact_id in rows}
        for qb_id in sorted(ids - set(found)):
            found[qb_id] = stub = self._begin_customer(realm_id)
            name = "No customer" if qb_id == NOBODY else f"Customer {qb_id}"
            stub.qb_id, stub.display_name, stub.is_active, stub.version = qb_id, name, False, 1
        await self._insert_new()
        return found

    async def _forms(self, model: type[R], seen: Sequence[Seen], rows: dict[str, R]) -> dict[str, R]:
        unknown = {one.id: one.note for one in seen if isinstance(one, FormSeen) and one.id not in rows}
        return rows | await self._adopt(model, unknown)

    def _begin_form(self, row: Form, realm_id: str) -> None:
        row.id, row.realm_id, row.sync_token, row.qb_updated_at = uuid7(), realm_id, -1, ""
        row.source, row.created_at, row.version, row.is_deleted = Source.QUICKBOOKS, self._uow.now, 0, False
        self._new.append(row)

    def _fill_form(self, row: Form, seen: FormSeen, customer: Party) -> None:
        row.number, row.customer_id, row.currency = seen.number, customer.id, seen.currency
        row.written_on = seen.written_on or self._uow.now.date()
        row.lines = store_lines(seen.lines)
        row.subtotal_cents, row.tax_cents, row.total_cents = seen.subtotal_cents, seen.tax_cents, seen.total_cents
        row.email, row.memo = seen.email or row.email, seen.memo
        if seen.is_sent and row.sent_at is None:
            row.sent_at = seen.sent_at or self._uow.now
        _head(row, seen)

    async def _store_estimates(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Estimate]) -> None:
        customers = await self._customers(realm_id, seen)
        rows = await self._forms(Estimate, seen, rows)
        answered = await self._being_marked([row.id for row in rows.values()])
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, EstimateSeen):
                if row is not None and not row.is_deleted:
                    row.is_deleted, row.status, row.status_at = True, EstimateStatus.DELETED, self._uow.now
                    row.touch()
                continue
            if row is None:
                row = unwatched(Estimate, status=EstimateStatus.OPEN, status_at=self._uow.now)
                self._begin_form(row, realm_id)
            elif row.is_deleted or not is_newer(one, row.sync_token, row.qb_updated_at):
                continue
            before = self._announcer.standing_of_estimate(row)
            self._fill_form(row, one, customers[one.customer])
            row.expires_on = one.expires_on
            self._fill_status(row, one, is_answered=row.id in answered)
            self._announcer.estimate_moved(row, before, customers[one.customer])

    def _fill_status(self, row: Estimate, seen: EstimateSeen, *, is_answered: bool) -> None:
        """`is_answered`: here, and QuickBooks is still to be told; only an invoice says more than that."""
        status = _STATUSES.get(seen.status.lower(), EstimateStatus.OPEN)
        if is_answered and status is not EstimateStatus.CLOSED:
            return
        # QuickBooks knows no expiry: an expired one is still pending there.
        if status is EstimateStatus.OPEN and row.status is EstimateStatus.EXPIRED and not _is_later(row, self._uow):
            return
        if status is not row.status:
            row.status, row.status_at = status, self._uow.now
            row.answered_by = seen.accepted_by or row.answered_by

    async def _being_marked(self, ids: Sequence[UUID]) -> set[UUID]:
        """Estimates whose answer is still to be written into QuickBooks: what it says of them there is older."""
        found = await self._uow.session.scalars(
            select(Push.target_id).where(
                among(Push.target_id, ids),
                Push.kind == PushKind.MARK_ESTIMATE,
                Push.state.in_((PushState.PENDING, PushState.FAILED)),
            )
        )
        return set(found)

    async def _store_invoices(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Invoice]) -> None:
        customers = await self._customers(realm_id, seen)
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
                self._begin_form(row, realm_id)
            elif row.is_deleted or not is_newer(one, row.sync_token, row.qb_updated_at):
                continue
            else:
                before = self._announcer.standing_of_invoice(row)
            self._fill_form(row, one, customers[one.customer])
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
            if row.due_on is None or row.due_on >= company_day(self._uow.now, zone):
                row.overdue_at = None
        elif row.paid_at is None:
            # Of one that was paid before we first saw it, the last change is the best that is known.
            row.paid_at = datetime.fromisoformat(seen.updated_at) if is_first and seen.updated_at else self._uow.now
            row.paid_on = company_day(row.paid_at, zone)

    async def _store_credit_memos(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, CreditMemo]) -> None:
        customers = await self._customers(realm_id, seen)
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, CreditMemoSeen):
                if row is not None and not row.is_deleted:
                    row.is_deleted, row.total_cents, row.remaining_cents = True, 0, 0
                    row.touch()
                continue
            if row is None:
                row = unwatched(CreditMemo)
                self._begin_form(row, realm_id)
            elif row.is_deleted or not is_newer(one, row.sync_token, row.qb_updated_at):
                continue
            self._fill_form(row, one, customers[one.customer])
            row.remaining_cents = one.remaining_cents
            row.touch()

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

    async def note_tax(self, realm_id: str, seen: Iterable[Seen]) -> None:
        """Remember the rate that QuickBooks used last, for previews."""
        rates = [one.tax_percent for one in seen if isinstance(one, FormSeen) and one.tax_percent is not None]
        if rates:
            rate = format(rates[-1].normalize(), "f")
            await self._uow.session.execute(
                update(Connection)
                .where(Connection.realm_id == realm_id, Connection.tax_percent.is_distinct_from(rate))
                .values(tax_percent=rate)
            )


_LIST_FIELDS: dict[type[Any], tuple[str, ...]] = {
    ItemSeen: ("kind", "description", "unit_price", "is_taxable"),
    TermSeen: ("due_days", "day_of_month"),
}


def _head(row: Any, seen: Seen) -> None:
    row.qb_id, row.sync_token, row.qb_updated_at = seen.id, seen.sync_token, seen.updated_at


def _is_later(row: Estimate, uow: UnitOfWork) -> bool:
    """Whether somebody gave the estimate a later last day since it expired."""
    return row.expires_on is None or row.expires_on >= uow.now.date()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
