"""Invoices: made of an accepted estimate, whole or in parts, written into QuickBooks once; sent, voided, overdue."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.errors import Invalid, InvalidTransition, NotFound
from shared.ids import uuid7
from shared.rules.money import Money
from sqlalchemy import select

from billing.errors import AlreadyInvoiced, NoEmailAddress, NothingLeft, NotWritten, PartsChanged, PriceChanged
from billing.lines import Line, read_lines, share_of, store_lines
from billing.models import Connection, Customer, Estimate, Invoice, Term
from billing.parts import Part, billed_cents, changed_words
from billing.queries import invoices_of, terms
from billing.services.announcing import Announcer
from billing.services.connections import ConnectionService
from billing.services.estimates import EstimateService
from billing.services.forms import FormService
from billing.services.intents import IntentService
from billing.services.marks import is_kept_up
from billing.settlement import company_day
from billing.states import EstimateStatus, InvoicePart, PushKind, Source
from billing.totals import compute_totals, line_amounts, split_by_share

_MOST = 500


@dataclass(frozen=True)
class NewInvoice:
    """Of an estimate. `share` (more than 0, at most 1) of each line for a deposit or progress invoice; None of a
    progress invoice is all that is left.
    """

    estimate_id: UUID
    part: InvoicePart = InvoicePart.FULL
    share: Decimal | None = None
    due_on: date | None = None
    term_id: UUID | None = None
    email: str | None = None


class InvoiceService:
    """Lives in one transaction."""

    def __init__(
        self,
        uow: UnitOfWork,
        connections: ConnectionService,
        estimates: EstimateService,
        forms: FormService,
        intents: IntentService,
        announcer: Announcer,
    ) -> None:
        self._uow = uow
        self._connections = connections
        self._estimates = estimates
        self._forms = forms
        self._intents = intents
        self._announcer = announcer

    async def get(self, invoice_id: UUID, *, lock: bool = False) -> Invoice:
        """Raises NotFound."""
        found = await self._uow.session.get(Invoice, invoice_id, with_for_update=lock or None, populate_existing=lock)
        if found is None:
            raise NotFound("There is no such invoice.")
        return found

    async def make(self, new: NewInvoice, *, by: str) -> Invoice:
        """The invoice, its lines and the intent to write it, in one commit. The estimate's row lock lets one be made at
        a time.

        Raises NotConnected, OfAnotherCompany, InvalidTransition where the estimate is not accepted, PriceChanged where
        it costs something else by now than was accepted, AlreadyInvoiced, NothingLeft, PartsChanged where earlier parts
        are none of its lines any more, or what would keep QuickBooks from taking it.
        """
        estimate = await self._estimates.get(new.estimate_id, lock=True)
        connection = await self._connections.active_for(estimate.realm_id)
        await self._check_accepted(estimate)
        customer = await self._uow.session.get_one(Customer, estimate.customer_id)
        today = self._forms.today(connection)
        self._forms.check_writable(connection, customer, today)
        await self._check_term(connection.realm_id, new.term_id)
        lines, shares = await self._lines(estimate, new)
        row = Invoice(
            id=uuid7(),
            realm_id=estimate.realm_id,
            sync_token=-1,
            qb_updated_at="",
            version=1,
            number=await self._intents.next_number(Invoice),
            customer_id=estimate.customer_id,
            currency=estimate.currency,
            written_on=today,
            lines=store_lines(lines),
            email=new.email or estimate.email or customer.email,
            memo=estimate.memo,
            source=Source.CRM,
            created_by=by,
            created_at=self._uow.now,
            part=new.part,
            estimate_id=estimate.id,
            shares=shares,
            job_id=estimate.job_id,
            due_on=new.due_on,
            term_id=new.term_id,
            is_voided=False,
            is_deleted=False,
        )
        self._forms.fill_totals(row, self._forms.totals(lines, connection))
        row.balance_cents = row.total_cents
        self._uow.session.add(row)
        await self._uow.session.flush()
        self._intents.queue(PushKind.CREATE_INVOICE, row, by=by, after=customer)
        self._uow.hint("invoices", row.id, row.version)
        return row

    async def _check_accepted(self, estimate: Estimate) -> None:
        """One that an invoice of ours closed was accepted: of what was voided since, something is left to be billed."""
        if estimate.status is EstimateStatus.CLOSED and not await self._was_invoiced_here(estimate.id):
            raise AlreadyInvoiced("This estimate was closed in QuickBooks. Mark it accepted there to invoice it here.")
        if estimate.status not in (EstimateStatus.ACCEPTED, EstimateStatus.CLOSED):
            raise InvalidTransition(f"This estimate is {estimate.status}; one that the customer accepted is invoiced.")
        if estimate.accepted_cents not in (None, estimate.total_cents):
            accepted, now = (
                Money(cents, estimate.currency) for cents in (estimate.accepted_cents, estimate.total_cents)
            )
            raise PriceChanged(
                f"The customer accepted {estimate.number} at {accepted}; in QuickBooks it is {now}. Ask the customer,"
                " and accept it here once more at that, or change it back there."
            )

    async def _was_invoiced_here(self, estimate_id: UUID) -> bool:
        ours = select(Invoice.id).where(
            Invoice.estimate_id == estimate_id, Invoice.source == Source.CRM, Invoice.qb_id.is_not(None)
        )
        return await self._uow.session.scalar(ours.limit(1)) is not None

    async def _check_term(self, realm_id: str, term_id: UUID | None) -> None:
        if term_id is None:
            return
        if await self._uow.session.scalar(terms(realm_id).where(Term.id == term_id)) is None:
            raise Invalid("There is no such term. Choose one that QuickBooks has.", request_field="body.term_id")

    async def _lines(self, estimate: Estimate, new: NewInvoice) -> tuple[list[Line], list[int]]:
        """The lines, and what they are of each line of the estimate."""
        lines = read_lines(estimate.lines)
        earlier = await self.of_estimate(estimate.id)
        if new.part is InvoicePart.FULL:
            if earlier:
                raise AlreadyInvoiced(
                    f"Invoice {earlier[0].number} was made of this estimate already.", invoice_id=str(earlier[0].id)
                )
            return lines, line_amounts(lines)
        if any(invoice.part is InvoicePart.FULL for invoice in earlier):
            raise AlreadyInvoiced("This estimate is invoiced in full already.", invoice_id=str(earlier[0].id))
        amounts = line_amounts(lines)
        if earlier and sum(invoice.subtotal_cents for invoice in earlier) >= estimate.subtotal_cents:
            raise NothingLeft("Everything of this estimate is invoiced already.")
        billed = billed_cents(lines, map(Part.of, earlier))
        if billed is None:
            raise PartsChanged(changed_words(estimate.number, (invoice.number for invoice in earlier)))
        left = [amount - done for amount, done in zip(amounts, billed, strict=True)]
        if not any(left):
            raise NothingLeft("Everything of this estimate is invoiced already.")
        cents = left if new.share is None else split_by_share(amounts, billed, new.share)
        part = share_of(lines, cents, _prefix(new, estimate))
        if compute_totals(part, None).subtotal <= 0:
            raise NothingLeft("This share is less than a cent; choose a larger one.")
        return part, cents

    async def of_estimate(self, estimate_id: UUID) -> Sequence[Invoice]:
        """Those that count: neither voided nor deleted."""
        return (await self._uow.session.scalars(invoices_of(estimate_id))).all()

    async def send(self, invoice_id: UUID, *, to: str | None, by: str) -> Invoice:
        """E-mail it.

        Raises NotConnected, OfAnotherCompany, NoEmailAddress, or InvalidTransition for one that is voided or deleted.
        """
        row = await self.get(invoice_id, lock=True)
        await self._connections.active_for(row.realm_id)
        _check_stands(row)
        address = to or row.email
        if not address:
            raise NoEmailAddress("There is no e-mail address to send it to. Enter one and send again.")
        row.email = address
        self._intents.queue(PushKind.SEND_INVOICE, row, by=by, argument=address)
        return row

    async def void(self, invoice_id: UUID, *, by: str) -> Invoice:
        """Void it in QuickBooks; here it is void once QuickBooks says so.

        Raises NotConnected, OfAnotherCompany, NotWritten or InvalidTransition.
        """
        row = await self.get(invoice_id, lock=True)
        await self._connections.active_for(row.realm_id)
        _check_stands(row)
        if row.qb_id is None:
            raise NotWritten("This invoice is not in QuickBooks yet. Wait until it is written, or give the write up.")
        if not any(push.kind is PushKind.VOID_INVOICE for push in await self._intents.unsettled(row.id)):
            self._intents.queue(PushKind.VOID_INVOICE, row, by=by)
        return row

    async def mark_overdue(self) -> int:
        """Invoices whose day to be paid has passed; returns how many."""
        found = await self._uow.session.execute(
            select(Invoice, Customer, Connection.zone)
            .join(Customer, Customer.id == Invoice.customer_id)
            .join(Connection, Connection.realm_id == Invoice.realm_id)
            .where(Invoice.balance_cents > 0, Invoice.overdue_at.is_(None), Invoice.due_on <= self._uow.now.date())
            .where(Invoice.qb_id.is_not(None), is_kept_up(Invoice.realm_id, "Invoice", self._uow.now))
            .order_by(Invoice.due_on)
            .limit(_MOST)
            .with_for_update(of=Invoice, skip_locked=True)
        )
        done = 0
        for row, customer, zone in found.all():
            if row.due_on and row.due_on < company_day(self._uow.now, zone):
                self._announcer.invoice_overdue(row, customer)
                done += 1
        return done


def _prefix(new: NewInvoice, estimate: Estimate) -> str:
    if new.share is None:
        return f"Rest of {estimate.number}: "
    word = "Deposit" if new.part is InvoicePart.DEPOSIT else "Part"
    return f"{word} {format((new.share * 100).normalize(), 'f')} % of {estimate.number}: "


def _check_stands(row: Invoice) -> None:
    if row.is_voided or row.is_deleted:
        raise InvalidTransition("This invoice was voided or deleted.")


class OverdueProcess:
    """Notices when invoices fall overdue."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(InvoiceService)).mark_overdue()
