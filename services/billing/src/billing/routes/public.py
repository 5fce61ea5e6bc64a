"""The page on which a customer looks at an estimate and answers it. Its address is the only key."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Path, Request, Response
from fastapi.responses import HTMLResponse
from shared.errors import Invalid, NotFound
from shared.http import PUBLIC, ApiRouter, Needs, problems
from shared.rules.money import Money

from billing.errors import AlreadyAnswered
from billing.lines import read_lines
from billing.models import Estimate
from billing.pages import CSS, STYLESHEET, EstimatePage, estimate_page
from billing.public_links import PublicLinks
from billing.services.estimates import ANSWERABLE, EstimateService
from billing.settings import Settings
from billing.states import EstimateStatus

router = ApiRouter(tags=["public"])

Token = Annotated[str, Path(max_length=100)]
MAX_BODY = 16_384
"""A name and a note of the longest, each character in twelve as a form writes it."""
_ANSWER = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "note": {"type": "string", "maxLength": 1000},
    },
}
_FORM = {
    **PUBLIC,
    "x-max-bytes": MAX_BODY,
    "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": _ANSWER}}},
}
_NOT_YET = "This estimate is still being written. Look again in a minute."
_NOBODY_HERE = "There is no estimate at this address. Check it, or call us."


@router.get(STYLESHEET, openapi_extra=PUBLIC, response_class=Response)
async def get_stylesheet() -> Response:
    """How the public pages look."""
    return Response(CSS, media_type="text/css", headers={"Cache-Control": "public, max-age=3600"})


async def _estimate(token: str, links: PublicLinks, estimates: EstimateService) -> Estimate:
    found = links.read(token)
    row = await estimates.get(found) if found is not None else None
    if row is None or row.status is EstimateStatus.DRAFT:
        raise NotFound(_NOBODY_HERE)
    if row.qb_id is None and row.status is not EstimateStatus.DELETED:
        # Its tax is QuickBooks's to say: nobody agrees to a total that may be another one in a moment.
        raise NotFound(_NOT_YET)
    return row


@router.get(
    "/public/estimates/{token}", openapi_extra=PUBLIC, response_class=HTMLResponse, responses=problems(NotFound)
)
async def show_estimate(
    token: Token, links: Needs[PublicLinks], estimates: Needs[EstimateService], settings: Needs[Settings]
) -> HTMLResponse:
    """The estimate, with a form to accept or decline it."""
    return _page(await _estimate(token, links, estimates), token, settings)


@router.post(
    "/public/estimates/{token}/accept",
    openapi_extra=_FORM,
    response_class=HTMLResponse,
    responses=problems(NotFound, AlreadyAnswered),
)
async def accept(
    token: Token,
    request: Request,
    links: Needs[PublicLinks],
    estimates: Needs[EstimateService],
    settings: Needs[Settings],
) -> HTMLResponse:
    """Yes. Once given it stays; giving it again changes nothing."""
    row = await _estimate(token, links, estimates)
    name, note = _answered(await request.body())
    return _page(await estimates.answer(row.id, accepted=True, name=name, note=note), token, settings)


@router.post(
    "/public/estimates/{token}/decline",
    openapi_extra=_FORM,
    response_class=HTMLResponse,
    responses=problems(NotFound, AlreadyAnswered),
)
async def decline(
    token: Token,
    request: Request,
    links: Needs[PublicLinks],
    estimates: Needs[EstimateService],
    settings: Needs[Settings],
) -> HTMLResponse:
    """No."""
    row = await _estimate(token, links, estimates)
    name, note = _answered(await request.body())
    return _page(await estimates.answer(row.id, accepted=False, name=name, note=note), token, settings)


def _answered(body: bytes) -> tuple[str, str | None]:
    try:
        form = parse_qs(body.decode("utf-8", "replace").replace("\0", ""), max_num_fields=20, errors="replace")
    except ValueError:
        form = {}
    name, note = (form.get(field, [""])[0].replace("\0", "").strip() for field in ("name", "note"))
    if not 0 < len(name) <= 100 or len(note) > 1000:
        sentence = "Enter your name, of at most 100 characters, and a note of at most 1,000."
        raise Invalid(sentence, request_field="body.name")
    return name, note or None


def _page(row: Estimate, token: str, settings: Settings) -> HTMLResponse:
    shown = EstimatePage(
        business=settings.business_name,
        number=row.number or "",
        status=row.status,
        expires_on=row.expires_on,
        lines=tuple(read_lines(row.lines)),
        subtotal=Money(row.subtotal_cents, row.currency),
        tax=Money(row.tax_cents, row.currency),
        total=Money(row.total_cents, row.currency),
        action=f"/public/estimates/{token}" if row.status in ANSWERABLE else None,
    )
    return HTMLResponse(estimate_page(shown))
