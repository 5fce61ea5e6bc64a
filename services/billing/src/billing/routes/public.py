"""The page on which a customer looks at an estimate and answers it. Its address is the only key."""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from shared.database import UnitOfWork
from shared.errors import AppError, Conflict, Invalid, NotFound, ProviderError
from shared.http import PUBLIC, ApiRouter, Needs, problems
from shared.rules.money import Money

from billing.errors import AlreadyAnswered, NoPayLink, NotConnected, OfAnotherCompany, PriceChanged
from billing.lines import read_lines
from billing.models import Estimate
from billing.pages import CSS, STYLESHEET, BillShown, Business, EstimatePage, estimate_page, message_page
from billing.public_links import PublicLinks
from billing.services.connections import ConnectionService
from billing.services.estimates import ANSWERABLE, EstimateService, costs_otherwise
from billing.services.paying import PayLinks, bills_of, is_invoiced
from billing.settings import Settings
from billing.states import EstimateStatus

router = ApiRouter(tags=["public"])

# Whatever a browser comes with: an address that we did not make is a page that is not there.
Token = Annotated[str, Path(description="As it stands in the address that we sent.")]
MAX_BODY = 16_384
"""A name and a note of the longest, each character in twelve as a form writes it."""
_ANSWER: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 100},
    "note": {"type": "string", "maxLength": 1000},
}
_PRICE: dict[str, Any] = {
    "total_cents": {"type": "integer", "description": "The total as it stood on the page."},
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
}
_NOT_YET = "This estimate is still being written. Look again in a minute."
_NOBODY_HERE = "There is no estimate at this address. Check it, or call us."
_ELSEWHERE = "This estimate cannot be answered here any more. Call us."
_NOT_ONLINE = "This cannot be paid online now. Call us."
_LATER = "Paying online does not work at this moment. Try again in a few minutes, or call us."
_TITLES = {
    404: "Nothing to see here",
    409: "Not possible now",
    422: "Something is missing",
    502: "Not possible at this moment",
}


def _form(*required: str, **fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "required": list(required), "properties": fields}
    body = {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}
    return {**PUBLIC, "x-max-bytes": MAX_BODY, "requestBody": body}


def page_problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that says these errors on a page; what the edge refuses is a problem as anywhere."""
    documented = problems(*errors)
    for response in documented.values():
        response["content"] = {"text/html": {"schema": {"type": "string"}}, **response["content"]}
    return documented


@dataclass(frozen=True)
class Answer:
    name: str
    note: str | None
    shown: Money | None = None
    """The total to which it is a yes."""


class CustomerPage:
    """The page of one estimate, and what is answered on it; lives in the request's transaction.

    Whatever is refused is said on a page as well: a browser has nothing else to show it with. Nothing was changed by
    then, so that there is nothing to be rolled back.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        links: PublicLinks,
        estimates: EstimateService,
        connections: ConnectionService,
        settings: Settings,
    ) -> None:
        self._uow = uow
        self._links = links
        self._estimates = estimates
        self._connections = connections
        self._business = _business_of(settings)

    async def show(self, token: str) -> HTMLResponse:
        try:
            row = await self._estimate(token)
        except NotFound as error:
            return _refusal(self._business, error)
        try:
            await self._connections.check_belongs(row.realm_id)
        except OfAnotherCompany:
            return await self._page(row, None, notice=_ELSEWHERE if row.status in ANSWERABLE else None)
        return await self._page(row, token, notice=_changed_since(row))

    async def accept(self, token: str, body: bytes) -> HTMLResponse:
        try:
            row = await self._estimate(token)
            answer = _read(body, is_yes=True)
        except (NotFound, Invalid) as error:
            return _refusal(self._business, error)
        try:
            return await self._page(await self._answer(row, answer, accepted=True), token)
        except PriceChanged as error:
            notice = f"{error.message} Nothing was accepted. Look at it again, and answer below."
            return await self._page(row, token, notice=notice, status=error.status)
        except Conflict as error:
            return _refusal(self._business, error)

    async def decline(self, token: str, body: bytes) -> HTMLResponse:
        try:
            row = await self._estimate(token)
            return await self._page(await self._answer(row, _read(body, is_yes=False), accepted=False), token)
        except (NotFound, Invalid, Conflict) as error:
            return _refusal(self._business, error)

    async def _estimate(self, token: str) -> Estimate:
        found = self._links.read(token)
        row = await self._estimates.get(found) if found is not None else None
        if row is None or row.status is EstimateStatus.DRAFT:
            raise NotFound(_NOBODY_HERE)
        if row.qb_id is None and row.status is not EstimateStatus.DELETED:
            # Its tax is QuickBooks's to say: nobody agrees to a total that may be another one in a moment.
            raise NotFound(_NOT_YET)
        return row

    async def _answer(self, row: Estimate, given: Answer, *, accepted: bool) -> Estimate:
        return await self._estimates.answer(
            row.id, accepted=accepted, name=given.name, note=given.note, shown=given.shown
        )

    async def _page(
        self, row: Estimate, token: str | None, *, notice: str | None = None, status: int = 200
    ) -> HTMLResponse:
        """Without a token there is nothing to answer or to pay."""
        shown = EstimatePage(
            business=self._business,
            number=row.number or "",
            status=row.status,
            expires_on=row.expires_on,
            lines=tuple(read_lines(row.lines)),
            subtotal=Money(row.subtotal_cents, row.currency),
            tax=Money(row.tax_cents, row.currency),
            total=Money(row.total_cents, row.currency),
            action=f"/public/estimates/{token}" if token and row.status in ANSWERABLE else None,
            is_invoiced=await is_invoiced(self._uow.session, row),
            notice=notice,
            bills=await self._bills(row, token) if token else (),
        )
        return HTMLResponse(estimate_page(shown), status_code=status)

    async def _bills(self, row: Estimate, token: str) -> tuple[BillShown, ...]:
        return tuple(
            BillShown(
                number=bill.number,
                balance=bill.balance,
                due_on=bill.due_on,
                pay_at=f"/public/estimates/{token}/pay/{bill.invoice_id}" if bill.is_payable else None,
            )
            for bill in await bills_of(self._uow.session, row.id)
        )


async def _customer_page(
    uow: Needs[UnitOfWork],
    links: Needs[PublicLinks],
    estimates: Needs[EstimateService],
    connections: Needs[ConnectionService],
    settings: Needs[Settings],
) -> CustomerPage:
    return CustomerPage(uow, links, estimates, connections, settings)


Shown = Annotated[CustomerPage, Depends(_customer_page, scope="function")]


@router.get(STYLESHEET, openapi_extra=PUBLIC, response_class=Response)
async def get_stylesheet() -> Response:
    """How the public pages look."""
    return Response(CSS, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


@router.get(
    "/public/estimates/{token}", openapi_extra=PUBLIC, response_class=HTMLResponse, responses=page_problems(NotFound)
)
async def show_estimate(token: Token, page: Shown) -> HTMLResponse:
    """The estimate, with a form to accept or decline it."""
    return await page.show(token)


@router.post(
    "/public/estimates/{token}/accept",
    openapi_extra=_form("name", *_PRICE, **_ANSWER, **_PRICE),
    response_class=HTMLResponse,
    responses=page_problems(NotFound, AlreadyAnswered, PriceChanged, OfAnotherCompany, Invalid),
)
async def accept(token: Token, request: Request, page: Shown) -> HTMLResponse:
    """Yes, to the total that was shown. Once given it stays; giving it again changes nothing."""
    return await page.accept(token, await request.body())


@router.post(
    "/public/estimates/{token}/decline",
    openapi_extra=_form("name", **_ANSWER),
    response_class=HTMLResponse,
    responses=page_problems(NotFound, AlreadyAnswered, OfAnotherCompany, Invalid),
)
async def decline(token: Token, request: Request, page: Shown) -> HTMLResponse:
    """No."""
    return await page.decline(token, await request.body())


@router.get(
    "/public/estimates/{token}/pay/{invoice_id}",
    openapi_extra=PUBLIC,
    status_code=303,
    response_class=RedirectResponse,
    responses=page_problems(NotFound, NoPayLink, NotConnected, OfAnotherCompany, ProviderError),
)
async def pay(
    token: Token, invoice_id: str, request: Request, links: Needs[PublicLinks], settings: Needs[Settings]
) -> Response:
    """Onward to QuickBooks's page, where an invoice of this estimate is paid."""
    pay_links: PayLinks = await request.app.state.container.aget(PayLinks)
    estimate_id, wanted, business = links.read(token), _id_in(invoice_id), _business_of(settings)
    try:
        if estimate_id is None or wanted is None:
            raise NotFound(_NOBODY_HERE)
        return RedirectResponse(await pay_links.link_for_customer(wanted, estimate_id), status_code=303)
    except NotFound as error:
        return _refusal(business, error)
    except Conflict as error:
        return _refusal(business, error, _NOT_ONLINE)
    except ProviderError as error:
        return _refusal(business, error, _LATER)


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _read(body: bytes, *, is_yes: bool) -> Answer:
    """Raises Invalid."""
    try:
        form = parse_qs(body.decode("utf-8", "replace").replace("\0", ""), max_num_fields=20, errors="replace")
    except ValueError:
        form = {}
    name, note, total, currency = (
        form.get(field, [""])[0].replace("\0", "") for field in ("name", "note", "total_cents", "currency")
    )
    name, note = name.strip(), note.strip()
    if not 0 < len(name) <= 100 or len(note) > 1000:
        raise Invalid("Go back and enter your name, of at most 100 characters, and a note of at most 1,000.")
    if not is_yes:
        return Answer(name, note or None)
    if not re.fullmatch(r"-?[0-9]{1,18}", total, re.ASCII) or not re.fullmatch(r"[A-Z]{3}", currency):
        raise Invalid("The price that you accept is missing. Open the page again from our e-mail, and answer there.")
    return Answer(name, note or None, Money(int(total), currency))


def _changed_since(row: Estimate) -> str | None:
    """What is to be said where it costs something else than was accepted."""
    if row.accepted_cents is None or not costs_otherwise(row):
        return None
    return f"It was accepted at {Money(row.accepted_cents, row.currency)}, and the price has changed since. Call us."


def _business_of(settings: Settings) -> Business:
    return Business(settings.business_name, settings.business_phone)


def _refusal(business: Business, error: AppError, sentence: str | None = None) -> HTMLResponse:
    # What is said of companies and connections is meant for the office.
    sentence = sentence or (_ELSEWHERE if isinstance(error, OfAnotherCompany) else error.message)
    return HTMLResponse(message_page(_TITLES[error.status], sentence, business=business), status_code=error.status)
