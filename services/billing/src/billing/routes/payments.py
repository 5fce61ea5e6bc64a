"""Payments, as QuickBooks has them; receivables, days to pay and win rate, from our mirror."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import select

from billing import queries
from billing.errors import NotConnected
from billing.models import Application, Customer, Payment
from billing.routes.forms import CustomerRef
from billing.routes.schemas import MoneyOut, money
from billing.services.connections import ConnectionService
from billing.settlement import company_day
from billing.states import PaymentKind

router = ApiRouter(tags=["payments"])

PaymentReader = Annotated[Principal, can("payments:read")]
ReceivablesReader = Annotated[Principal, can("receivables:read")]


class AppliedOut(BaseModel):
    """Either an invoice that it went to, or a credit memo that it was paid from."""

    invoice_id: UUID | None
    credit_memo_id: UUID | None
    amount: MoneyOut


class PaymentOut(BaseModel):
    """A refund's amount is negative; one that was voided or deleted is zero."""

    id: UUID
    kind: PaymentKind
    qb_id: str
    customer: CustomerRef
    amount: MoneyOut
    unapplied: MoneyOut
    applied: list[AppliedOut]
    received_on: date
    reference: str | None
    is_voided: bool
    is_deleted: bool
    created_at: Instant
    version: int


class TotalOut(BaseModel):
    count: int
    amount: MoneyOut


class PaymentTotals(BaseModel):
    """Money received less money given back, by currency: QuickBooks's to the cent."""

    realm_id: str
    totals: list[TotalOut]


class Aged(BaseModel):
    """In cents, by days past due."""

    current: int
    days_1_30: int
    days_31_60: int
    days_61_90: int
    days_91_and_over: int
    total: int
    invoices: int


class AgedCustomer(Aged):
    customer: CustomerRef
    currency: str


class AgedTotals(Aged):
    customers: int


class Receivables(BaseModel):
    """By currency. `credit` is, in cents, what customers have paid or been credited beyond invoices."""

    as_of: date
    totals: dict[str, AgedTotals]
    credit: dict[str, int]


class Figures(BaseModel):
    """Over the days named. A figure is null where there is nothing to work it out from."""

    days: int
    days_to_pay_median: float | None
    days_to_pay_mean: float | None
    paid_invoices: int
    accepted: int
    declined: int
    expired: int
    win_rate: float | None
    """Accepted of all that were answered or ran out."""
    accepted_cents: int


@router.get("/api/v1/payments")
async def list_payments(
    params: PageParams,
    uow: Needs[UnitOfWork],
    connections: Needs[ConnectionService],
    user: PaymentReader,
    customer_id: Annotated[UUID | None, Query()] = None,
    invoice_id: Annotated[UUID | None, Query()] = None,
) -> Page[PaymentOut]:
    """Newest first, refunds among them."""
    realm_id = await connections.current_realm()
    statement: Any = (
        select(Payment, Customer).join(Customer, Customer.id == Payment.customer_id).where(Payment.realm_id == realm_id)
    )
    if customer_id is not None:
        statement = statement.where(Payment.customer_id == customer_id)
    if invoice_id is not None:
        statement = statement.where(
            Payment.id.in_(select(Application.payment_id).where(Application.invoice_id == invoice_id))
        )
    rows, cursor, total = await page(
        uow.session,
        statement,
        keys=[Payment.received_on.desc(), Payment.id.desc()],
        params=params,
        scope={"customer_id": customer_id, "invoice_id": invoice_id},
        counted=False,
    )
    applied = await queries.applications(uow.session, [payment.id for payment, _ in rows])
    items = [_shown(payment, customer, applied[payment.id]) for payment, customer in rows]
    return Page(items=items, next_cursor=cursor, total=total)


@router.get("/api/v1/payments/totals", responses=problems(NotConnected))
async def get_payment_totals(
    connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: PaymentReader
) -> PaymentTotals:
    connection = await connections.active()
    found = await queries.payment_totals(uow.session, connection.realm_id)
    totals = [
        TotalOut(count=count, amount=money(cents, currency)) for currency, (count, cents) in sorted(found.items())
    ]
    return PaymentTotals(realm_id=connection.realm_id, totals=totals)


@router.get("/api/v1/payments/{payment_id}", responses=problems(NotFound))
async def get_payment(payment_id: UUID, uow: Needs[UnitOfWork], user: PaymentReader) -> PaymentOut:
    payment = await uow.session.get(Payment, payment_id)
    if payment is None:
        raise NotFound("There is no such payment.")
    customer = await uow.session.get_one(Customer, payment.customer_id)
    applied = await queries.applications(uow.session, [payment.id])
    return _shown(payment, customer, applied[payment.id])


def _shown(row: Payment, customer: Customer, applied: list[Application]) -> PaymentOut:
    return PaymentOut(
        id=row.id,
        kind=row.kind,
        qb_id=str(row.qb_id),
        customer=_ref(customer),
        amount=money(row.amount_cents, row.currency),
        unapplied=money(row.unapplied_cents, row.currency),
        applied=[
            AppliedOut(
                invoice_id=one.invoice_id,
                credit_memo_id=one.credit_memo_id,
                amount=money(one.amount_cents, row.currency),
            )
            for one in applied
        ],
        received_on=row.received_on,
        reference=row.reference,
        is_voided=row.is_voided,
        is_deleted=row.is_deleted,
        created_at=row.created_at,
        version=row.version,
    )


@router.get("/api/v1/receivables", responses=problems(NotConnected))
async def get_receivables(
    connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: ReceivablesReader
) -> Receivables:
    """What is owed in all, by how long it has been due."""
    connection = await connections.active()
    today = company_day(uow.now, connection.zone)
    totals = await queries.receivable_totals(uow.session, connection.realm_id, today)
    credit = await queries.customer_credit(uow.session, connection.realm_id)
    return Receivables(as_of=today, totals={name: AgedTotals(**sums) for name, sums in totals.items()}, credit=credit)


@router.get("/api/v1/receivables/customers", responses=problems(NotConnected))
async def list_receivables(
    params: PageParams, connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: ReceivablesReader
) -> Page[AgedCustomer]:
    """Who owes what, by how long it has been due; those who owe most first."""
    connection = await connections.active()
    aged = queries.aged_receivables(connection.realm_id, company_day(uow.now, connection.zone))
    columns = [aged.c[name] for name in ("currency", *queries.AGES, "total", "invoices")]
    statement: Any = select(Customer, *columns).join(aged, aged.c.customer_id == Customer.id)
    rows, cursor, total = await page(
        uow.session, statement, keys=[aged.c.total.desc(), aged.c.currency, aged.c.customer_id], params=params
    )
    names = [column.name for column in columns]
    items = [AgedCustomer(customer=_ref(row[0]), **dict(zip(names, row[1:], strict=True))) for row in rows]
    return Page(items=items, next_cursor=cursor, total=total)


def _ref(customer: Customer) -> CustomerRef:
    return CustomerRef(id=customer.id, display_name=customer.display_name, contact_id=customer.contact_id)


@router.get("/api/v1/receivables/figures", responses=problems(NotConnected))
async def get_figures(
    connections: Needs[ConnectionService],
    uow: Needs[UnitOfWork],
    user: ReceivablesReader,
    days: Annotated[int, Query(ge=1, le=3650)] = 365,
) -> Figures:
    """Days to pay and win rate over the last `days`."""
    connection = await connections.active()
    since = uow.now - timedelta(days=days)
    paid = await queries.days_to_pay(uow.session, connection.realm_id, company_day(since, connection.zone))
    answers = await queries.answers(uow.session, connection.realm_id, since)
    won = answers.get("accepted", (0, 0)), answers.get("closed", (0, 0))
    accepted, declined, expired = (
        won[0][0] + won[1][0],
        answers.get("declined", (0, 0))[0],
        answers.get("expired", (0, 0))[0],
    )
    answered = accepted + declined + expired
    return Figures(
        days=days,
        days_to_pay_median=None if paid.median is None else float(paid.median),
        days_to_pay_mean=None if paid.mean is None else round(float(paid.mean), 1),
        paid_invoices=paid.invoices,
        accepted=accepted,
        declined=declined,
        expired=expired,
        win_rate=round(accepted / answered, 4) if answered else None,
        accepted_cents=won[0][1] + won[1][1],
    )
