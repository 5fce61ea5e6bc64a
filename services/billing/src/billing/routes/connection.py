"""The connection to QuickBooks: consent, health, disconnect; what could not be written."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, StringConstraints
from shared.auth import Principal
from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import AppError, Forbidden, Invalid, InvalidTransition, NotFound, ProviderError, Unauthorized
from shared.events.envelope import Instant
from shared.http import PUBLIC, ApiRouter, Needs, can, problems
from shared.http.routing import ApiRoute, Handler
from shared.paging import Page, PageParams, page
from sqlalchemy import select

from billing.errors import AnotherCompany, ConsentRefused, NotConnected, StateRefused
from billing.models import DifferenceRun, Push
from billing.pages import message_page
from billing.queries import sync_health
from billing.routes.public import page_problems
from billing.routes.schemas import Body, Row, person_of
from billing.services.connections import ConnectionService, Connector, Health
from billing.services.intents import IntentService
from billing.services.marks import CDC, DIFFERENCES, MarkService
from billing.states import ConnectionStatus, PushKind, PushState

router = ApiRouter(tags=["quickbooks"])

Reader = Annotated[Principal, can("quickbooks:read")]
Connecter = Annotated[Principal, can("quickbooks:connect")]

Code = Annotated[str, StringConstraints(min_length=1, max_length=512)]
State = Annotated[str, StringConstraints(min_length=1, max_length=200)]
RealmId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,30}$")]


class ConsentOut(BaseModel):
    authorize_url: str
    """Where the person's browser goes to consent."""


class CallbackIn(Body):
    """What Intuit put into the address that it sent the browser back to."""

    code: Code
    state: State
    realm_id: RealmId


class MarkOut(BaseModel):
    name: str
    position: int
    is_done: bool
    due_at: Instant | None
    error: str | None


class ConnectionOut(BaseModel):
    """`status` is null before the first consent. Times that are not known are null."""

    realm_id: str | None = None
    status: ConnectionStatus | None = None
    company_name: str | None = None
    zone: str | None = None
    currency: str | None = None
    tax_percent: str | None = None
    has_own_numbers: bool | None = None
    connected_at: Instant | None = None
    connected_by: str | None = None
    status_at: Instant | None = None
    access_expires_at: Instant | None = None
    refresh_expires_at: Instant | None = None
    consent_expires_at: Instant | None = None
    """When a person has to consent again, however often tokens were refreshed."""
    last_sync_at: Instant | None = None
    last_error: str | None = None
    last_error_at: Instant | None = None
    what_to_do: str | None = None
    sync: list[MarkOut] = []
    waiting_writes: int = 0
    failed_writes: int = 0
    waiting_notices: int = 0


WARN_DAYS = 30
_ADVICE = {
    None: "Connect QuickBooks: estimates and invoices are written there, payments are read from there.",
    ConnectionStatus.NEEDS_RECONNECT: "Reconnect QuickBooks. Links, books and what waits to be written are all kept.",
    ConnectionStatus.SUSPENDED: "QuickBooks takes no writes: see there that the company's subscription runs, and lets"
    " this application in. Writes wait.",
    ConnectionStatus.DISCONNECTED: "Connect QuickBooks again. Links and books are kept.",
}


class PushOut(Row):
    """A write into QuickBooks that waits, failed or was done."""

    id: UUID
    kind: PushKind
    target_id: UUID
    state: PushState
    attempts: int
    error_code: str | None
    error: str | None
    created_at: Instant
    settled_at: Instant | None


class DifferenceLine(BaseModel):
    entity: str
    qb_id: str | None
    number: str | None = None
    what: str
    ours: str | None
    theirs: str | None
    explanation: str


class DifferencesOut(Row):
    id: UUID
    realm_id: str
    started_at: Instant
    finished_at: Instant
    compared: dict[str, Any]
    lines: list[DifferenceLine]


@router.get("/api/v1/quickbooks/connection")
async def get_connection(connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: Reader) -> ConnectionOut:
    """How we are connected, and what waits because of it."""
    return await _shown(await connections.health(), uow)


async def _shown(health: Health, uow: UnitOfWork) -> ConnectionOut:
    row = health.connection
    if row is None:
        return ConnectionOut(what_to_do=_ADVICE[None])
    counts, marks = await sync_health(uow.session, row.realm_id)
    fields = (
        "realm_id", "status", "company_name", "zone", "currency", "tax_percent", "connected_at", "connected_by",
        "status_at", "last_sync_at", "last_error", "last_error_at",
    )  # fmt: skip
    return ConnectionOut(
        **{name: getattr(row, name) for name in fields},
        has_own_numbers=row.preferences.get("has_own_numbers"),
        access_expires_at=health.access_expires_at,
        refresh_expires_at=health.refresh_expires_at,
        consent_expires_at=health.consent_expires_at,
        what_to_do=_ADVICE.get(row.status) or _expiry_advice(health.refresh_expires_at, health.consent_expires_at),
        sync=[
            MarkOut(
                name=mark.name,
                position=mark.position,
                is_done=mark.done_at is not None,
                due_at=mark.due_at,
                error=mark.error,
            )
            for mark in marks
        ],
        waiting_writes=counts.get("pending", 0),
        failed_writes=counts.get("failed", 0),
        waiting_notices=counts.get("notices", 0),
    )


def _expiry_advice(*ends: datetime | None) -> str | None:
    """Intuit tells people 30 days before. A refresh moves the tokens' end on, so that none has worked for long where it
    is near; nothing moves the end of the consent.
    """
    days = min(((end - wall_now()).days for end in ends if end), default=WARN_DAYS)
    if days >= WARN_DAYS:
        return None
    return f"QuickBooks lets us in for {max(0, days)} more days. Reconnect it before."


@router.post("/api/v1/quickbooks/connect", status_code=201)
async def begin_consent(request: Request, user: Connecter) -> ConsentOut:
    """Begin a consent. Only whoever began it can bring it back, from the same sign-in, within ten minutes, once."""
    connector = await request.app.state.container.aget(Connector)
    return ConsentOut(authorize_url=await connector.begin_consent(person=person_of(user), session=user.session))


_CONSENT_ERRORS = (StateRefused, AnotherCompany, ConsentRefused, ProviderError)
_CALLBACK = "/api/v1/quickbooks/callback"
_MOST_SAID = 200


@router.post(_CALLBACK, responses=problems(*_CONSENT_ERRORS))
async def complete_consent(given: CallbackIn, request: Request, user: Connecter) -> ConnectionOut:
    """The consent that a browser brought back."""
    connector: Connector = await request.app.state.container.aget(Connector)
    row = await connector.complete(
        state=given.state, code=given.code, realm_id=given.realm_id, person=person_of(user), session=user.session
    )
    return ConnectionOut(realm_id=row.realm_id, status=row.status, connected_at=row.connected_at)


class _PageRoute(ApiRoute):
    """Says on a page what it refuses to a browser, which has nothing else to show it with."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def handle_visibly(request: Request) -> Response:
            try:
                return await handle(request)
            except (AppError, RequestValidationError) as error:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                return _refusal(error)

        return handle_visibly


def _refusal(error: AppError | RequestValidationError) -> HTMLResponse:
    status = error.status if isinstance(error, AppError) else Invalid.status
    said = message_page("QuickBooks was not connected now", _said(error), onward="/", is_at_once=False)
    return HTMLResponse(said, status_code=status)


def _said(error: AppError | RequestValidationError) -> str:
    match error:
        case RequestValidationError():
            return "Some of what Intuit sends along is missing here. Begin anew: connect QuickBooks."
        case Unauthorized():
            return "Your sign-in has ended. Sign in, and begin anew: connect QuickBooks."
        case StateRefused():
            # Whoever loads the page again that told of the success comes here.
            return f"{error.message} Where this page said before that QuickBooks is connected, it is."
        case ProviderError():
            return "Intuit does not answer at this moment. Wait a few minutes and begin anew: connect QuickBooks."
    return error.message


async def complete_consent_in_browser(
    code: Annotated[Code, Query()],
    state: Annotated[State, Query()],
    realm_id: Annotated[RealmId, Query(alias="realmId")],
    request: Request,
    user: Connecter,
) -> HTMLResponse:
    """The same, for the browser itself; the state, used once, stands for the request's good faith."""
    connector: Connector = await request.app.state.container.aget(Connector)
    await connector.complete(state=state, code=code, realm_id=realm_id, person=person_of(user), session=user.session)
    return HTMLResponse(message_page("QuickBooks is connected", "Its books are being read. You can close this page."))


router.add_api_route(
    _CALLBACK,
    complete_consent_in_browser,
    methods=["GET"],
    responses=page_problems(*_CONSENT_ERRORS, Invalid, Unauthorized, Forbidden),
    response_class=HTMLResponse,
    route_class_override=_PageRoute,
)


@router.get("/public/quickbooks/callback", openapi_extra=PUBLIC, response_class=HTMLResponse)
async def return_from_intuit(request: Request, error: str = "") -> HTMLResponse:
    """Where Intuit sends the browser back to. Our cookie does not come along from a foreign site, so the browser is
    sent on from a page of our own.
    """
    if error:
        said = "You did not consent." if error == "access_denied" else f"Intuit says: {error[:_MOST_SAID]}."
        return HTMLResponse(
            message_page("QuickBooks is not connected", f"{said} Begin anew where you connect QuickBooks.")
        )
    onward = f"{_CALLBACK}?{request.url.query}"
    return HTMLResponse(message_page("Connecting QuickBooks", "One moment.", onward=onward))


@router.post("/api/v1/quickbooks/disconnect", responses=problems(NotConnected, ProviderError))
async def disconnect(request: Request, user: Connecter) -> ConnectionOut:
    """Forget the tokens here and at Intuit. Links, books and what waits to be written are kept."""
    connector: Connector = await request.app.state.container.aget(Connector)
    row = await connector.disconnect()
    return ConnectionOut(realm_id=row.realm_id, status=row.status, status_at=row.status_at)


@router.post("/api/v1/quickbooks/sync", status_code=202, response_class=Response, responses=problems(NotConnected))
async def sync_now(connections: Needs[ConnectionService], marks: Needs[MarkService], user: Connecter) -> Response:
    """Read at once what changed, instead of within the hour."""
    connection = await connections.active()
    await marks.due(connection.realm_id, CDC)
    return Response(status_code=202)


@router.post(
    "/api/v1/quickbooks/differences", status_code=202, response_class=Response, responses=problems(NotConnected)
)
async def compare_now(connections: Needs[ConnectionService], marks: Needs[MarkService], user: Connecter) -> Response:
    """Compare our books with QuickBooks's at once, instead of at night; where they are read for the first time, after
    that.
    """
    connection = await connections.active()
    await marks.due(connection.realm_id, DIFFERENCES)
    return Response(status_code=202)


@router.get("/api/v1/quickbooks/differences")
async def list_differences(
    params: PageParams, connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: Reader
) -> Page[DifferencesOut]:
    """The comparisons of our books with those of the company that is connected, newest first: each empty, or explained
    line by line.
    """
    rows, cursor, total = await page(
        uow.session,
        select(DifferenceRun).where(DifferenceRun.realm_id == await connections.current_realm()),
        keys=[DifferenceRun.started_at.desc(), DifferenceRun.id.desc()],
        params=params,
    )
    return Page(items=[DifferencesOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.get("/api/v1/quickbooks/writes")
async def list_writes(
    params: PageParams,
    connections: Needs[ConnectionService],
    uow: Needs[UnitOfWork],
    user: Reader,
    state: Annotated[PushState | None, Query()] = None,
) -> Page[PushOut]:
    """What was, or is to be, written into the books of the company that is connected, newest first."""
    statement = select(Push).where(Push.realm_id == await connections.current_realm())
    if state is not None:
        statement = statement.where(Push.state == state)
    rows, cursor, total = await page(
        uow.session, statement, keys=[Push.seq.desc()], params=params, scope={"state": state}
    )
    return Page(items=[PushOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("/api/v1/quickbooks/writes/{push_id}/retry", responses=problems(NotFound, InvalidTransition))
async def retry_write(push_id: UUID, intents: Needs[IntentService], user: Connecter) -> PushOut:
    """What it failed for is mended: write it anew."""
    return PushOut.model_validate(await intents.retry(push_id))


@router.post("/api/v1/quickbooks/writes/{push_id}/drop", responses=problems(NotFound, InvalidTransition))
async def drop_write(push_id: UUID, intents: Needs[IntentService], user: Connecter) -> PushOut:
    """Give up a write that failed; what waited behind it goes on."""
    return PushOut.model_validate(await intents.drop(push_id))
