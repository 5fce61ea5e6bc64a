"""Estimates: drafts, their totals, writing, sending, answers."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import Conflict, InvalidTransition, NotFound, PreconditionFailed, PreconditionRequired, ProviderError
from shared.etag import IfMatch, set_etag
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from shared.rules.money import Money
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.errors import (
    AlreadyAnswered,
    ContactGone,
    CustomerGone,
    EmptyForm,
    LastDayPassed,
    NoEmailAddress,
    NotADraft,
    NotConnected,
    NothingToCallIt,
    NotWritten,
    NumbersNotOurs,
    OfAnotherCompany,
    PeriodClosed,
    PriceChanged,
    UnknownItem,
)
from billing.lines import read_lines
from billing.models import Customer, Estimate, Invoice
from billing.public_links import PublicLinks
from billing.queries import items_by_qb_id
from billing.routes.forms import CustomerRef, LineOut, Lines, WriteOut
from billing.routes.schemas import (
    Body,
    DueDay,
    Email,
    Memo,
    MoneyIn,
    MoneyOut,
    Name,
    Text,
    known_money,
    money,
    person_of,
)
from billing.services.connections import ConnectionService
from billing.services.documents import DocumentService
from billing.services.estimates import EstimateChanges, EstimateService, NewEstimate
from billing.services.forms import FormService
from billing.services.intents import IntentService
from billing.services.people import PeopleService
from billing.settings import Settings
from billing.states import EstimateStatus, Source
from billing.totals import Totals

router = ApiRouter(prefix="/api/v1/estimates", tags=["estimates"])

Reader = Annotated[Principal, can("estimates:read")]
Writer = Annotated[Principal, can("estimates:write")]

_BARRED = (
    NotConnected,
    OfAnotherCompany,
    ContactGone,
    CustomerGone,
    EmptyForm,
    LastDayPassed,
    NothingToCallIt,
    PeriodClosed,
    NumbersNotOurs,
    UnknownItem,
)


class EstimateIn(Body):
    """For a contact; who is no customer in QuickBooks yet is written there with the first form of theirs. Without
    `expires_on`: thirty days from the one on which it is written there.
    """

    contact_id: UUID
    lines: Lines = []
    job_id: UUID | None = None
    email: Email | None = None
    memo: Memo | None = None
    expires_on: DueDay | None = None

    def to_service(self) -> NewEstimate:
        given = self.model_dump(exclude={"lines"})
        return NewEstimate(**given, lines=[line.to_service() for line in self.lines])


class EstimatePatch(Body):
    """Fields that are left out stay; null empties those that may be empty. `lines` replaces all lines."""

    lines: Lines | None = None
    job_id: UUID | None = None
    email: Email | None = None
    memo: Memo | None = None
    expires_on: DueDay | None = None

    def to_service(self) -> EstimateChanges:
        columns = self.model_dump(exclude={"lines"}, exclude_unset=True)
        return EstimateChanges(columns, None if self.lines is None else [line.to_service() for line in self.lines])


class SendIn(Body):
    """Without `to`, to the estimate's own address."""

    to: Email | None = None


class AnswerIn(Body):
    """What the customer said, and who says so."""

    name: Name
    note: Text | None = None


class AcceptIn(AnswerIn):
    total: MoneyIn | None = None
    """What they said yes to. Needed where it was accepted before, and costs something else by now."""


class EstimateItem(BaseModel):
    """Totals of a draft are ours, worked out as QuickBooks will; after that they are QuickBooks's.

    `tax` and `total` are null as long as they are not known: QuickBooks says the company's tax rate with the first
    taxed form that it writes. So is `expires_on` of a draft for which nobody gave it: its days begin with the writing.
    """

    id: UUID
    number: str | None
    status: EstimateStatus
    status_at: Instant
    customer: CustomerRef
    job_id: UUID | None
    subtotal: MoneyOut
    tax: MoneyOut | None
    total: MoneyOut | None
    written_on: date
    expires_on: date | None
    sent_at: Instant | None
    source: Source
    created_at: Instant
    version: int

    @classmethod
    def of(cls, row: Estimate, customer: Customer, totals: Totals) -> Self:
        return cls(**_fields(row, customer, totals))


class EstimateOut(EstimateItem):
    qb_id: str | None
    lines: list[LineOut]
    email: str | None
    memo: str | None
    answered_by: str | None
    answer_note: str | None
    public_url: str | None
    """Where the customer looks at it and answers; null until QuickBooks has it."""
    writes: list[WriteOut]
    """What is still to be written into QuickBooks, or could not be."""


def _fields(row: Estimate, customer: Customer, totals: Totals) -> dict[str, object]:
    names = (
        "id", "number", "status", "status_at", "job_id", "written_on", "expires_on", "sent_at", "source", "created_at",
        "version",
    )  # fmt: skip
    return {name: getattr(row, name) for name in names} | {
        "customer": CustomerRef(id=customer.id, display_name=customer.display_name, contact_id=customer.contact_id),
        "subtotal": money(totals.subtotal, row.currency),
        "tax": known_money(totals.tax, row.currency),
        "total": known_money(totals.total, row.currency),
    }


class Shown:
    """How an estimate is answered with; lives in the request's transaction."""

    def __init__(
        self,
        session: AsyncSession,
        forms: FormService,
        intents: IntentService,
        links: PublicLinks,
        settings: Settings,
    ) -> None:
        self._session = session
        self._forms = forms
        self._intents = intents
        self._links = links
        self._public_url = settings.public_url

    async def out(self, row: Estimate, response: Response) -> EstimateOut:
        set_etag(response, row.version)
        customer = await self._session.get_one(Customer, row.customer_id)
        lines = read_lines(row.lines)
        items = await items_by_qb_id(self._session, row.realm_id, {line.item for line in lines if line.item})
        return EstimateOut(
            **_fields(row, customer, await self._forms.shown_totals(row)),
            qb_id=row.qb_id,
            lines=LineOut.all_of(lines, row.currency, items),
            email=row.email,
            memo=row.memo,
            answered_by=row.answered_by,
            answer_note=row.answer_note,
            public_url=f"{self._public_url}/public/estimates/{self._links.token(row.id)}" if row.qb_id else None,
            writes=[WriteOut.of(push) for push in await self._intents.unsettled(row.id)],
        )


async def _shown(
    session: Needs[UnitOfWork],
    forms: Needs[FormService],
    intents: Needs[IntentService],
    links: Needs[PublicLinks],
    settings: Needs[Settings],
) -> Shown:
    return Shown(session.session, forms, intents, links, settings)


ShownEstimate = Annotated[Shown, Depends(_shown, scope="function")]


def _listed(
    realm_id: str, status: EstimateStatus | None, *, customer_id: UUID | None, contact_ids: Sequence[UUID] | None
) -> Any:
    statement: Any = select(Estimate, Customer).join(Customer, Customer.id == Estimate.customer_id)
    statement = statement.where(Estimate.realm_id == realm_id)
    if status is not None:
        statement = statement.where(Estimate.status == status)
    if customer_id is not None:
        statement = statement.where(Estimate.customer_id == customer_id)
    if contact_ids is not None:
        statement = statement.where(Customer.contact_id.in_(contact_ids))
    return statement


@router.get("")
async def list_estimates(
    params: PageParams,
    uow: Needs[UnitOfWork],
    forms: Needs[FormService],
    connections: Needs[ConnectionService],
    people: Needs[PeopleService],
    user: Reader,
    status: Annotated[EstimateStatus | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
) -> Page[EstimateItem]:
    """Newest first; those of the company that is, or was last, connected. `contact_id` finds a merged contact's too."""
    family = await people.family(await people.person(contact_id)) if contact_id else None
    rows, cursor, total = await page(
        uow.session,
        _listed(await connections.current_realm(), status, customer_id=customer_id, contact_ids=family),
        keys=[Estimate.created_at.desc(), Estimate.id.desc()],
        params=params,
        scope={"status": status, "customer_id": customer_id, "contact_id": contact_id},
    )
    items = [EstimateItem.of(row, customer, await forms.shown_totals(row)) for row, customer in rows]
    return Page(items=items, next_cursor=cursor, total=total)


@router.post("", status_code=201, responses=problems(NotConnected, NotFound, UnknownItem, Conflict))
async def draft_estimate(
    new: EstimateIn, estimates: Needs[EstimateService], shown: ShownEstimate, user: Writer, response: Response
) -> EstimateOut:
    """A draft, which is ours alone until it is written into QuickBooks."""
    row = await estimates.draft(new.to_service(), by=person_of(user))
    response.headers["Location"] = f"/api/v1/estimates/{row.id}"
    return await shown.out(row, response)


@router.get("/{estimate_id}", responses=problems(NotFound))
async def get_estimate(
    estimate_id: UUID, estimates: Needs[EstimateService], shown: ShownEstimate, user: Reader, response: Response
) -> EstimateOut:
    return await shown.out(await estimates.get(estimate_id), response)


@router.patch(
    "/{estimate_id}",
    responses=problems(
        NotFound, NotADraft, NotConnected, OfAnotherCompany, PreconditionFailed, PreconditionRequired, UnknownItem
    ),
)
async def edit_estimate(
    estimate_id: UUID,
    changes: EstimatePatch,
    expected: IfMatch,
    estimates: Needs[EstimateService],
    shown: ShownEstimate,
    user: Writer,
    response: Response,
) -> EstimateOut:
    """Change a draft; its totals follow."""
    row = await estimates.edit(estimate_id, changes.to_service(), expected_version=expected)
    return await shown.out(row, response)


@router.delete(
    "/{estimate_id}",
    status_code=204,
    response_class=Response,
    responses=problems(NotFound, NotADraft, PreconditionFailed, PreconditionRequired),
)
async def discard_estimate(
    estimate_id: UUID, expected: IfMatch, estimates: Needs[EstimateService], user: Writer
) -> Response:
    """Throw a draft away."""
    await estimates.discard(estimate_id, expected_version=expected)
    return Response(status_code=204)


@router.post("/{estimate_id}/push", status_code=202, responses=problems(NotFound, *_BARRED))
async def push_estimate(
    estimate_id: UUID, estimates: Needs[EstimateService], shown: ShownEstimate, user: Writer, response: Response
) -> EstimateOut:
    """Write it into QuickBooks: once, however often this is asked for."""
    return await shown.out(await estimates.push(estimate_id, by=person_of(user)), response)


@router.post(
    "/{estimate_id}/send", status_code=202, responses=problems(NotFound, InvalidTransition, NoEmailAddress, *_BARRED)
)
async def send_estimate(
    estimate_id: UUID,
    wanted: SendIn,
    estimates: Needs[EstimateService],
    shown: ShownEstimate,
    user: Writer,
    response: Response,
) -> EstimateOut:
    """E-mail it through QuickBooks, after writing it there where that is still to be done."""
    row = await estimates.send(estimate_id, to=wanted.to, by=person_of(user))
    return await shown.out(row, response)


@router.post(
    "/{estimate_id}/accept",
    responses=problems(NotFound, AlreadyAnswered, PriceChanged, OfAnotherCompany, InvalidTransition),
)
async def accept_estimate(
    estimate_id: UUID,
    answer: AcceptIn,
    estimates: Needs[EstimateService],
    shown: ShownEstimate,
    user: Writer,
    response: Response,
) -> EstimateOut:
    """The customer said yes to us."""
    shown_total = Money(answer.total.amount_cents, answer.total.currency) if answer.total else None
    row = await estimates.answer(estimate_id, accepted=True, name=answer.name, note=answer.note, shown=shown_total)
    return await shown.out(row, response)


@router.post(
    "/{estimate_id}/decline", responses=problems(NotFound, AlreadyAnswered, OfAnotherCompany, InvalidTransition)
)
async def decline_estimate(
    estimate_id: UUID,
    answer: AnswerIn,
    estimates: Needs[EstimateService],
    shown: ShownEstimate,
    user: Writer,
    response: Response,
) -> EstimateOut:
    """The customer said no to us."""
    row = await estimates.answer(estimate_id, accepted=False, name=answer.name, note=answer.note)
    return await shown.out(row, response)


PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}
}


async def printed(request: Request, model: type[Estimate] | type[Invoice], form_id: UUID) -> Response:
    """The PDF of a form; QuickBooks is asked outside of any transaction."""
    documents: DocumentService = await request.app.state.container.aget(DocumentService)
    content = await documents.pdf(model, form_id)
    return Response(content, media_type="application/pdf", headers={"Content-Disposition": "inline"})


@router.get(
    "/{estimate_id}/pdf",
    response_class=Response,
    responses={**PDF, **problems(NotFound, NotWritten, NotConnected, OfAnotherCompany, ProviderError)},
)
async def get_estimate_pdf(estimate_id: UUID, request: Request, user: Reader) -> Response:
    """QuickBooks's own."""
    return await printed(request, Estimate, estimate_id)
