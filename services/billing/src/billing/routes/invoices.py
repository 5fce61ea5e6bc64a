"""Invoices: of accepted estimates, whole or in parts; sending, voiding, printing."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, model_validator
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound, ProviderError
from shared.etag import set_etag
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import ColumnElement, and_, select

from billing.errors import (
    AlreadyInvoiced,
    CustomerGone,
    NoEmailAddress,
    NoPayLink,
    NotConnected,
    NothingLeft,
    NotWritten,
    NumbersNotOurs,
    OfAnotherCompany,
    PartsChanged,
    PeriodClosed,
    PriceChanged,
)
from billing.lines import read_lines
from billing.models import Customer, Estimate, Invoice
from billing.queries import items_by_qb_id
from billing.routes.estimates import PDF, SendIn, printed
from billing.routes.forms import CustomerRef, LineOut, WriteOut
from billing.routes.schemas import Body, DueDay, Email, MoneyOut, Plain, Share, known_money, money, person_of
from billing.services.connections import ConnectionService
from billing.services.forms import FormService
from billing.services.intents import IntentService
from billing.services.invoices import InvoiceService, NewInvoice
from billing.services.paying import PayLinks
from billing.services.people import PeopleService
from billing.settlement import Standing, company_day, status_of
from billing.states import InvoicePart, InvoiceStatus, Source
from billing.totals import Totals

router = ApiRouter(prefix="/api/v1/invoices", tags=["invoices"])

Reader = Annotated[Principal, can("invoices:read")]
Writer = Annotated[Principal, can("invoices:write")]


class InvoiceIn(Body):
    """`full`: the estimate's own lines, once. `deposit` and `progress`: a `share` (0.3 is 30 %) of each line.

    A progress invoice without a share bills all that is left.
    """

    estimate_id: UUID
    part: InvoicePart = InvoicePart.FULL
    share: Share | None = None
    due_on: DueDay | None = None
    term_id: UUID | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.part is InvoicePart.FULL and self.share is not None:
            raise ValueError("a full invoice has no share")
        if self.part is InvoicePart.DEPOSIT and self.share is None:
            raise ValueError("a deposit needs a share, such as 0.3")
        return self

    def to_service(self) -> NewInvoice:
        return NewInvoice(**self.model_dump())


class InvoiceItem(BaseModel):
    """`status` follows from the figures; QuickBooks keeps none.

    `tax`, `total` and `balance` are null as long as they are not known: QuickBooks says the company's tax rate with the
    first taxed form that it writes.
    """

    id: UUID
    number: str | None
    status: InvoiceStatus
    part: InvoicePart
    customer: CustomerRef
    estimate_id: UUID | None
    job_id: UUID | None
    subtotal: MoneyOut
    tax: MoneyOut | None
    total: MoneyOut | None
    balance: MoneyOut | None
    written_on: date
    due_on: date | None
    sent_at: Instant | None
    paid_on: date | None
    source: Source
    created_at: Instant
    version: int


class InvoiceOut(InvoiceItem):
    qb_id: str | None
    lines: list[LineOut]
    email: str | None
    memo: str | None
    share: Plain | None = None
    accepted_total: MoneyOut | None = None
    """What the customer accepted, where QuickBooks made another total of it: a tax rate was changed meanwhile, say."""
    writes: list[WriteOut]


def _fields(row: Invoice, customer: Customer, totals: Totals, today: date) -> dict[str, object]:
    names = (
        "id", "number", "part", "estimate_id", "job_id", "written_on", "due_on", "sent_at", "paid_on", "source",
        "created_at", "version",
    )  # fmt: skip
    standing = Standing(
        is_written=row.qb_id is not None,
        total_cents=row.total_cents,
        balance_cents=row.balance_cents,
        due_on=row.due_on,
        is_voided=row.is_voided,
        is_deleted=row.is_deleted,
    )
    return {name: getattr(row, name) for name in names} | {
        "status": status_of(standing, today),
        "customer": CustomerRef(id=customer.id, display_name=customer.display_name, contact_id=customer.contact_id),
        "subtotal": money(totals.subtotal, row.currency),
        "tax": known_money(totals.tax, row.currency),
        "total": known_money(totals.total, row.currency),
        "balance": known_money(row.balance_cents if standing.is_written else totals.total, row.currency),
    }


class ShownInvoice:
    """How an invoice is answered with; lives in the request's transaction."""

    def __init__(
        self, uow: UnitOfWork, forms: FormService, intents: IntentService, connections: ConnectionService
    ) -> None:
        self._uow = uow
        self._forms = forms
        self._intents = intents
        self._connections = connections

    async def out(self, row: Invoice, response: Response) -> InvoiceOut:
        set_etag(response, row.version)
        session = self._uow.session
        customer = await session.get_one(Customer, row.customer_id)
        lines = read_lines(row.lines)
        items = await items_by_qb_id(session, row.realm_id, {line.item for line in lines if line.item})
        return InvoiceOut(
            **_fields(row, customer, await self._forms.shown_totals(row), await self.today()),
            qb_id=row.qb_id,
            lines=LineOut.all_of(lines, row.currency, items),
            email=row.email,
            memo=row.memo,
            accepted_total=await self._accepted_total(row),
            writes=[WriteOut.of(push) for push in await self._intents.unsettled(row.id)],
        )

    async def _accepted_total(self, row: Invoice) -> MoneyOut | None:
        is_ours = row.source is Source.CRM and row.part is InvoicePart.FULL
        if row.estimate_id is None or not is_ours or row.qb_id is None or row.is_voided or row.is_deleted:
            return None
        estimate = await self._uow.session.get_one(Estimate, row.estimate_id)
        accepted = estimate.total_cents if estimate.accepted_cents is None else estimate.accepted_cents
        return money(accepted, row.currency) if accepted != row.total_cents else None

    async def today(self) -> date:
        connection = await self._connections.current()
        return company_day(self._uow.now, connection.zone if connection else "UTC")


async def _shown(
    uow: Needs[UnitOfWork],
    forms: Needs[FormService],
    intents: Needs[IntentService],
    connections: Needs[ConnectionService],
) -> ShownInvoice:
    return ShownInvoice(uow, forms, intents, connections)


AsShown = Annotated[ShownInvoice, Depends(_shown, scope="function")]


def _is(status: InvoiceStatus, today: date) -> ColumnElement[bool]:
    """settlement.status_of(), as the database says it."""
    gone = Invoice.is_voided | Invoice.is_deleted
    written = Invoice.qb_id.is_not(None)
    late = Invoice.due_on < today
    owed = and_(~gone, written, Invoice.balance_cents > 0)
    settled = and_(~gone, written, Invoice.balance_cents <= 0)
    conditions: dict[InvoiceStatus, ColumnElement[bool]] = {
        InvoiceStatus.DELETED: and_(Invoice.is_deleted),
        InvoiceStatus.VOIDED: and_(Invoice.is_voided, ~Invoice.is_deleted),
        InvoiceStatus.PENDING: and_(~gone, ~written),
        InvoiceStatus.PAID: and_(settled, Invoice.total_cents > 0),
        InvoiceStatus.NOTHING_DUE: and_(settled, Invoice.total_cents <= 0),
        InvoiceStatus.OVERDUE: and_(owed, late),
        InvoiceStatus.PARTIAL: and_(owed, late.is_not(True), Invoice.balance_cents < Invoice.total_cents),
        InvoiceStatus.OPEN: and_(owed, late.is_not(True), Invoice.balance_cents >= Invoice.total_cents),
    }
    return conditions[status]


def _listed(
    realm_id: str,
    condition: ColumnElement[bool] | None,
    *,
    customer_id: UUID | None,
    contact_ids: Sequence[UUID] | None,
    estimate_id: UUID | None,
) -> Any:
    statement: Any = select(Invoice, Customer).join(Customer, Customer.id == Invoice.customer_id)
    statement = statement.where(Invoice.realm_id == realm_id)
    if condition is not None:
        statement = statement.where(condition)
    if customer_id is not None:
        statement = statement.where(Invoice.customer_id == customer_id)
    if contact_ids is not None:
        statement = statement.where(Customer.contact_id.in_(contact_ids))
    if estimate_id is not None:
        statement = statement.where(Invoice.estimate_id == estimate_id)
    return statement


@router.get("")
async def list_invoices(
    params: PageParams,
    uow: Needs[UnitOfWork],
    forms: Needs[FormService],
    connections: Needs[ConnectionService],
    people: Needs[PeopleService],
    shown: AsShown,
    user: Reader,
    status: Annotated[InvoiceStatus | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    estimate_id: Annotated[UUID | None, Query()] = None,
) -> Page[InvoiceItem]:
    """Newest first; those of the company that is, or was last, connected. `contact_id` finds a merged contact's too."""
    today = await shown.today()
    family = await people.family(await people.person(contact_id)) if contact_id else None
    condition = None if status is None else _is(status, today)
    rows, cursor, total = await page(
        uow.session,
        _listed(
            await connections.current_realm(),
            condition,
            customer_id=customer_id,
            contact_ids=family,
            estimate_id=estimate_id,
        ),
        keys=[Invoice.written_on.desc(), Invoice.id.desc()],
        params=params,
        scope={"status": status, "customer_id": customer_id, "contact_id": contact_id, "estimate_id": estimate_id},
        counted=False,
    )
    items = [
        InvoiceItem.model_validate(_fields(row, customer, await forms.shown_totals(row), today))
        for row, customer in rows
    ]
    return Page(items=items, next_cursor=cursor, total=total)


@router.post(
    "",
    status_code=202,
    responses=problems(
        NotFound,
        NotConnected,
        OfAnotherCompany,
        InvalidTransition,
        PartsChanged,
        PriceChanged,
        AlreadyInvoiced,
        NothingLeft,
        CustomerGone,
        PeriodClosed,
        NumbersNotOurs,
    ),
)
async def make_invoice(
    new: InvoiceIn, invoices: Needs[InvoiceService], shown: AsShown, user: Writer, response: Response
) -> InvoiceOut:
    """Of an accepted estimate, and written into QuickBooks: once."""
    row = await invoices.make(new.to_service(), by=person_of(user))
    response.headers["Location"] = f"/api/v1/invoices/{row.id}"
    return await shown.out(row, response)


@router.get("/{invoice_id}", responses=problems(NotFound))
async def get_invoice(
    invoice_id: UUID, invoices: Needs[InvoiceService], shown: AsShown, user: Reader, response: Response
) -> InvoiceOut:
    return await shown.out(await invoices.get(invoice_id), response)


@router.post(
    "/{invoice_id}/send",
    status_code=202,
    responses=problems(NotFound, NotConnected, OfAnotherCompany, NoEmailAddress, InvalidTransition),
)
async def send_invoice(
    invoice_id: UUID,
    wanted: SendIn,
    invoices: Needs[InvoiceService],
    shown: AsShown,
    user: Writer,
    response: Response,
) -> InvoiceOut:
    """E-mail it through QuickBooks."""
    row = await invoices.send(invoice_id, to=wanted.to, by=person_of(user))
    return await shown.out(row, response)


@router.post(
    "/{invoice_id}/void",
    status_code=202,
    responses=problems(NotFound, NotConnected, OfAnotherCompany, NotWritten, InvalidTransition),
)
async def void_invoice(
    invoice_id: UUID, invoices: Needs[InvoiceService], shown: AsShown, user: Writer, response: Response
) -> InvoiceOut:
    """Void it in QuickBooks; here it is void once QuickBooks says so."""
    return await shown.out(await invoices.void(invoice_id, by=person_of(user)), response)


class PayLinkOut(BaseModel):
    url: str
    """QuickBooks's own page."""


@router.get(
    "/{invoice_id}/pay-link",
    responses=problems(NotFound, NoPayLink, NotConnected, OfAnotherCompany, ProviderError),
)
async def get_pay_link(invoice_id: UUID, request: Request, user: Reader) -> PayLinkOut:
    """Where the customer pays it online: to be sent to them as it stands."""
    links: PayLinks = await request.app.state.container.aget(PayLinks)
    return PayLinkOut(url=await links.link(invoice_id))


@router.get(
    "/{invoice_id}/pdf",
    response_class=Response,
    responses={**PDF, **problems(NotFound, NotWritten, NotConnected, OfAnotherCompany, ProviderError)},
)
async def get_invoice_pdf(invoice_id: UUID, request: Request, user: Reader) -> Response:
    """QuickBooks's own."""
    return await printed(request, Invoice, invoice_id)
