"""What a write says: built of what is mirrored, once it is due."""

from shared.database import UnitOfWork
from shared.errors import AppError

from billing import documents
from billing.clashes import CustomerEdit
from billing.errors import PartsChanged
from billing.lines import read_lines
from billing.models import Connection, Customer, Estimate, Invoice, Push, Term
from billing.models.books import Form
from billing.parts import Part, billed_cents, changed_words
from billing.queries import invoices_of
from billing.services.mirrored import customer_now
from billing.settlement import company_day
from billing.states import EstimateStatus, InvoicePart, PushKind, Source


class NotReady(AppError):
    """An intent that cannot be written as things stand: its sentence says what to mend."""


class DocumentBuilder:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def document(self, push: Push, target: Customer | Estimate | Invoice) -> documents.Document:
        """Raises NotReady."""
        if isinstance(target, Customer):
            if push.kind is PushKind.UPDATE_CUSTOMER:
                return documents.changed_customer(target, CustomerEdit.of(push.argument).values)
            return documents.customer(target)
        if push.kind in (PushKind.SEND_ESTIMATE, PushKind.SEND_INVOICE):
            return {}
        if push.kind is PushKind.VOID_INVOICE:
            return documents.voided(str(target.qb_id), target.sync_token)
        if push.kind is PushKind.MARK_ESTIMATE and isinstance(target, Estimate):
            accepted = target.status is not EstimateStatus.DECLINED
            connection = await self._uow.session.get_one(Connection, target.realm_id)
            day = company_day(target.status_at, connection.zone).isoformat()
            return documents.marked_estimate(target, "Accepted" if accepted else "Rejected", target.answered_by, day)
        customer = await self._customer_of(target)
        if isinstance(target, Invoice):
            await self._check_not_invoiced(target)
            await self._check_parts(target)
        if isinstance(target, Estimate):
            return documents.estimate(target, customer)
        estimate = await self._completed_estimate(target)
        term = await self._uow.session.get(Term, target.term_id) if target.term_id else None
        return documents.invoice(
            target, customer, estimate_qb_id=estimate, term_qb_id=term.qb_id if term is not None else None
        )

    async def _customer_of(self, form: Form) -> str:
        customer = await customer_now(self._uow.session, form)
        if customer.qb_id is None:
            raise NotReady(
                f"The customer {customer.display_name} is not in QuickBooks, as writing it there was given up. Try"
                " again: it is written first.",
                code="customer_not_written",
            )
        if not customer.is_active:
            raise NotReady(
                f"The customer {customer.display_name} was deleted or made inactive in QuickBooks. Make it active again"
                " there and try again, or give this up.",
                code="customer_gone",
            )
        return customer.qb_id

    async def _check_not_invoiced(self, invoice: Invoice) -> None:
        """Raises NotReady where somebody has invoiced the estimate in QuickBooks meanwhile."""
        if invoice.estimate_id is None:
            return
        theirs = await self._uow.session.scalar(
            invoices_of(invoice.estimate_id)
            .where(Invoice.id != invoice.id, Invoice.source == Source.QUICKBOOKS)
            .limit(1)
        )
        if theirs is not None:
            raise NotReady(
                f"Somebody made invoice {theirs.number} of this estimate in QuickBooks. Give this one up, or void that"
                " one and try again.",
                code="invoiced_in_quickbooks",
            )

    async def _check_parts(self, invoice: Invoice) -> None:
        """Raises NotReady where this part, or an earlier one, is none of the estimate's lines any more."""
        if invoice.estimate_id is None or invoice.part is InvoicePart.FULL:
            return
        estimate = await self._uow.session.get_one(Estimate, invoice.estimate_id)
        rows = (await self._uow.session.scalars(invoices_of(estimate.id))).all()
        if billed_cents(read_lines(estimate.lines), map(Part.of, rows)) is None:
            raise NotReady(changed_words(estimate.number, (row.number for row in rows)), code=PartsChanged.code)

    async def _completed_estimate(self, invoice: Invoice) -> str | None:
        """The estimate that QuickBooks is to close with this invoice: the one of which all is billed there by then.

        Of what is closed there already, it passes the link over.
        """
        if invoice.estimate_id is None:
            return None
        estimate = await self._uow.session.get_one(Estimate, invoice.estimate_id)
        rows = await self._uow.session.scalars(invoices_of(estimate.id).where(Invoice.qb_id.is_not(None)))
        written = sum(row.subtotal_cents for row in rows)
        return estimate.qb_id if written + invoice.subtotal_cents >= estimate.subtotal_cents else None
