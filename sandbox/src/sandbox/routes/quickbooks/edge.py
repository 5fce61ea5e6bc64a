"""The edge of the accounting API: token, limits, faults, memory of requests; then the operation."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import svcs
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from starlette.requests import Request
from starlette.responses import Response

from sandbox.bell import Bell
from sandbox.draw import draw, pick
from sandbox.models import QbCompany
from sandbox.quickbooks import faults
from sandbox.quickbooks.calls import CallCounter
from sandbox.quickbooks.controls import CallFault, QuickBooksControls
from sandbox.quickbooks.entities import Subscription
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.limits import CompanyLimiter
from sandbox.routes.quickbooks.operations import OPERATIONS, Asked, Operation, operation_of
from sandbox.routes.wire import FaultyResponse, WireFault
from sandbox.services.quickbooks.books import Books
from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.quickbooks.oauth import OAuthService
from sandbox.services.quickbooks.store import Store
from sandbox.workspace import Workspace
from shared import decimal_json

MAX_BODY_BYTES = 4_194_304
JSON = "application/json;charset=UTF-8"


@dataclass
class Answer:
    status: int
    content: bytes
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, shape: faults.Gateway) -> "Answer":
        status, content_type, content = shape
        return cls(status, content, content_type)


class Refused(Exception):
    """Ends the call, and rolls back, with an answer that is no business fault."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


async def serve_company(request: Request) -> Response:
    """Every call below /v3/company/{realm_id}."""
    container: svcs.Container = request.app.state.container
    asked = Asked(
        method=request.method,
        path=tuple(part for part in request.path_params["path"].lower().split("/") if part),
        query=dict(request.query_params),
        body=await _body(request),
    )
    struck: CallFault | None = None
    controls = QuickBooksControls()
    answer: Answer
    try:
        begin = await container.aget(Begin)
        async with begin() as tx:
            workspace = await tx.aget(Workspace)
            controls = workspace.controls.quickbooks
            company = await _company(tx, request, controls)
            _check_limits(container, company, controls, is_batch=asked.path == ("batch",))
            if company.subscription is Subscription.ENDED:
                raise faults.subscription_ended()
            if _holds_nul(asked):
                raise faults.invalid_string()
            operation = operation_of(asked)
            struck = _fault(container, operation, workspace)
            if struck is CallFault.NO_PERMISSION:
                raise faults.no_permission(controls.shapes.no_permission_status)
            if struck is not None and not struck.has_effect:
                raise Refused(_broken(struck, controls))
            answer = await _perform(tx, company, controls, operation, asked)
        container.get(Bell).ring()
    except QuickBooksFault as fault:
        answer = Answer(fault.status, decimal_json.write(fault.body(_time())).encode())
    except Refused as refusal:
        answer = refusal.answer
    return _respond(answer, struck, controls)


async def answer_nothing(request: Request) -> Response:
    """What is no company's call."""
    fault = faults.unsupported_operation(404)
    return _respond(Answer(fault.status, decimal_json.write(fault.body(_time())).encode()), None, QuickBooksControls())


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return b"\0"  # Refused like any text that cannot be stored.
        chunks.append(chunk)
    return b"".join(chunks)


def _holds_nul(asked: Asked) -> bool:
    """What no text column takes, as it is or escaped."""
    parts = (asked.body, *(part.encode() for part in (*asked.path, *asked.query.values())))
    return any(b"\0" in part or b"\\u0000" in part for part in parts)


async def _company(tx: svcs.Container, request: Request, controls: QuickBooksControls) -> QbCompany:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    realm_id = await (await tx.aget(OAuthService)).realm_of(token) if scheme.lower() == "bearer" else None
    if realm_id is None:
        raise Refused(Answer.of(_expired(controls)))
    if realm_id != request.path_params["realm_id"]:
        raise Refused(Answer.of(faults.forbidden_json()))
    # Reads wait for nobody; a write takes the row's lock, so that writes happen one after the other.
    company = await (await tx.aget(CompanyService)).find(realm_id, lock=request.method == "POST")
    if company is None:
        raise Refused(Answer.of(faults.forbidden_json()))
    return company


def _expired(controls: QuickBooksControls) -> faults.Gateway:
    shapes = {"json": faults.token_expired_json, "xml": faults.token_expired_xml, "empty": faults.unauthorized_empty}
    return shapes[controls.shapes.unauthorized_shape]()


def _check_limits(
    container: svcs.Container, company: QbCompany, controls: QuickBooksControls, *, is_batch: bool
) -> None:
    limiter = container.get(CompanyLimiter)
    if limiter.take(company.realm_id, wall_now().timestamp(), controls.limits, is_batch=is_batch):
        return
    is_json = controls.limits.throttled_shape == "json"
    answer = Answer.of(faults.throttled_json() if is_json else faults.throttled_xml())
    if controls.limits.retry_after is not None:
        answer.headers["Retry-After"] = str(controls.limits.retry_after)
    raise Refused(answer)


def _fault(container: svcs.Container, operation: Operation, workspace: Workspace) -> CallFault | None:
    profile = workspace.controls.quickbooks.calls
    number = container.get(CallCounter).next(operation.name, workspace.revision)
    chosen = profile.chosen.get(operation.name)
    if chosen is not None:
        return chosen[number - 1] if number <= len(chosen) else None
    return pick(profile.shares, draw(profile.seed, operation.name, number)) if profile.shares else None


def _broken(fault: CallFault, controls: QuickBooksControls) -> Answer:
    """The answer of a call that had no effect."""
    if fault is CallFault.FAULT_IN_200:
        body = faults.business("The transaction could not be processed.").body(_time())
        return Answer(200, decimal_json.write(body).encode())
    shapes: dict[CallFault, Callable[[], faults.Gateway]] = {
        CallFault.EXPIRED: lambda: _expired(controls),
        CallFault.EXPIRED_XML: faults.token_expired_xml,
        CallFault.FORBIDDEN: faults.forbidden_json,
        CallFault.THROTTLED: faults.throttled_json,
        CallFault.THROTTLED_XML: faults.throttled_xml,
        CallFault.APPLICATION_ERROR: lambda: _application_error(controls),
        CallFault.UNAVAILABLE_HTML: lambda: faults.html_error(503),
        CallFault.RESET_BEFORE_COMMIT: lambda: faults.html_error(503),
    }
    return Answer.of(shapes[fault]())


async def _perform(
    tx: svcs.Container, company: QbCompany, controls: QuickBooksControls, operation: Operation, asked: Asked
) -> Answer:
    """Do it, or answer a repeated write as it was before; each item of a batch is known by an id of its own."""
    uow = await tx.aget(UnitOfWork)
    request_id = asked.query.get("requestid") if operation.is_write else None
    if request_id is not None and not 0 < len(request_id) <= 50:
        raise faults.business("The requestid has between 1 and 50 characters.")
    store = Store(uow, company, controls)
    remembered_as = request_id if operation.handler != "batch" else None
    if remembered_as is not None:
        known = await store.answered(remembered_as, _digest(asked))
        if known is not None:
            return Answer(200, known.encode())
    books = Books(store, request_id=request_id)
    content, content_type = await OPERATIONS[operation.handler](operation, asked, store, books)
    if remembered_as is not None:
        store.remember(remembered_as, _digest(asked), content.decode())
    return Answer(200, content, content_type)


def _digest(asked: Asked) -> str:
    about = "\0".join((asked.method, *asked.path, asked.query.get("operation", ""), asked.query.get("include", "")))
    return hashlib.sha256(about.encode() + b"\0" + asked.body).hexdigest()


def _respond(answer: Answer, struck: CallFault | None, controls: QuickBooksControls) -> Response:
    headers = {"intuit_tid": f"1-{uuid.uuid4().hex}", "QBO-Version": "1982.142", **answer.headers}
    content = answer.content
    if struck is CallFault.TRUNCATED_AFTER_COMMIT:
        content = content[: len(content) // 2]
    response = Response(content, answer.status, headers, media_type=answer.content_type)
    if struck is CallFault.ERROR_AFTER_COMMIT:
        status, content_type, content = _application_error(controls)
        return Response(content, status, headers, media_type=content_type)
    if struck in (CallFault.RESET_BEFORE_COMMIT, CallFault.RESET_AFTER_COMMIT):
        return FaultyResponse(response, WireFault.RESET, 0.0)
    if struck is CallFault.TIMEOUT_AFTER_COMMIT:
        return FaultyResponse(response, WireFault.HANG, controls.calls.hang_seconds)
    return response


def _application_error(controls: QuickBooksControls) -> faults.Gateway:
    return faults.application_error(_time(), controls.shapes.application_error_status)


def _time() -> str:
    return wall_now().astimezone().isoformat(timespec="milliseconds")
