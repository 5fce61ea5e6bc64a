"""The provider's edge: version, rate limit, key, shape; then the operation; then its answer held to the description."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

import orjson
import svcs
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import AppError
from starlette.requests import Request
from starlette.responses import Response

from sandbox.bell import Bell
from sandbox.description import DATED_VERSION, VERSION_HEADER, Description, Operation, violations
from sandbox.models import ApiKey
from sandbox.provider_errors import (
    GatewayRefusal,
    OpenPhoneError,
    bad_request,
    invalid,
    missing_key,
    rate_limited,
    wrong_key,
)
from sandbox.rate_limit import RateLimiter
from sandbox.routes.wire import FaultyResponse, WireFault
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace

MAX_BODY_BYTES = 1_048_576
CORRELATION = "x-correlation-id"
S = TypeVar("S")


@dataclass
class Call:
    """One request that has passed the edge, in its transaction."""

    operation: Operation
    tx: svcs.Container
    uow: UnitOfWork
    workspace: Workspace
    key: ApiKey
    path: dict[str, str]
    query: dict[str, Any]
    body: Any
    correlation_id: str
    received_at: datetime

    async def needs(self, service: type[S]) -> S:
        return await self.tx.aget(service)

    def instant(self, name: str) -> datetime | None:
        """A query parameter that the description holds to date-time."""
        value = self.query.get(name)
        return datetime.fromisoformat(value) if value is not None else None


@dataclass
class Answer:
    """What an operation answers. Returning one commits; raising rolls back."""

    status: int
    body: Any = None
    fault: WireFault | None = None
    fault_seconds: float = 0.0
    raw: bytes | None = None
    """Sent instead of the body where that is to be unreadable."""
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Answer]]


class Edge:
    """Serves one operation of the description."""

    def __init__(self, operation: Operation, handler: Handler) -> None:
        self._operation = operation
        self._handler = handler

    async def __call__(self, request: Request) -> Response:
        received_at, correlation_id = wall_now(), uuid4().hex
        container: svcs.Container = request.app.state.container
        headers = {CORRELATION: correlation_id}
        try:
            self._check_version(request)
            body = await self._read_body(request)
            begin = await container.aget(Begin)
            async with begin() as tx:
                workspace = await tx.aget(Workspace)
                headers |= self._take(container, workspace, request, received_at)
                call = Call(
                    operation=self._operation,
                    tx=tx,
                    uow=await tx.aget(UnitOfWork),
                    workspace=workspace,
                    key=_key_of(workspace, request),
                    path={name: str(value) for name, value in request.path_params.items()},
                    query=self._checked_query(request, body),
                    body=body,
                    correlation_id=correlation_id,
                    received_at=received_at,
                )
                answer = await self._handler(call)
            # Before the answer, which a fault may hold back for long.
            container.get(Bell).ring()
        except OpenPhoneError as error:
            answer = Answer(error.status, self._error_body(error))
        except GatewayRefusal as refusal:
            answer = Answer(refusal.status, refusal.body())
            headers |= refusal.headers
        self._check_answer(container, answer)
        return _respond(answer, headers)

    def _check_version(self, request: Request) -> None:
        if self._operation.is_dated and request.headers.get(VERSION_HEADER) != DATED_VERSION:
            raise bad_request(f"Unsupported or missing {VERSION_HEADER} header. Supported versions: {DATED_VERSION}")

    @staticmethod
    def _take(container: svcs.Container, workspace: Workspace, request: Request, at: datetime) -> dict[str, str]:
        """The rate headers of a request that fits; one that does not is refused, whoever it comes from."""
        presented = request.headers.get("authorization", "")
        # Keys nobody gave out share one count: a caller must not grow the limiter's memory.
        key = presented if presented in workspace.keys else ""
        limiter = container.get(RateLimiter)
        verdict = limiter.take(key, at.timestamp(), workspace.controls.rate_limit)
        if not verdict.allowed:
            raise rate_limited(verdict.headers())
        return verdict.headers()

    async def _read_body(self, request: Request) -> Any:
        """The decoded body; a marker that fits no schema where it cannot be decoded."""
        if self._operation.body is None:
            return None
        chunks, size = [], 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise OpenPhoneError(400, "The request body is too large", "Bad Request")
            chunks.append(chunk)
        try:
            return orjson.loads(b"".join(chunks))
        except orjson.JSONDecodeError:
            return None

    def _checked_query(self, request: Request, body: Any) -> dict[str, Any]:
        """The query, when the description allows it and the body."""
        query, errors = self._operation.read_query(request.query_params.multi_items())
        if self._operation.body is not None:
            errors += violations(self._operation.body, body)
        if errors or _holds_nul(query, body, request.path_params):
            raise invalid(errors)
        return query

    def _check_answer(self, container: svcs.Container, answer: Answer) -> None:
        if answer.raw is None and container.get(SandboxSettings).sandbox_checks_answers:
            self._operation.check_answer(answer.status, answer.body)

    def _error_body(self, error: OpenPhoneError) -> dict[str, Any]:
        return error.dated_body() if self._operation.is_dated else error.v1_body(self._operation.area)


def _key_of(workspace: Workspace, request: Request) -> ApiKey:
    presented = request.headers.get("authorization")
    if not presented:
        raise missing_key()
    key = workspace.live_key(presented)
    if key is None:
        raise wrong_key()
    return key


def _holds_nul(*values: Any) -> bool:
    return b"\\u0000" in orjson.dumps(values)


def _respond(answer: Answer, headers: dict[str, str]) -> Response:
    headers = {**headers, **answer.headers}
    if answer.raw is not None:
        response = Response(answer.raw, answer.status, headers, media_type="application/json")
    elif answer.body is None:
        response = Response(None, answer.status, headers)
    else:
        response = Response(orjson.dumps(answer.body), answer.status, headers, media_type="application/json")
    return FaultyResponse(response, answer.fault, answer.fault_seconds) if answer.fault else response


HANDLERS: dict[str, Handler] = {}


def operation(operation_id: str) -> Callable[[Handler], Handler]:
    """Registers the handler of an operation of the description."""

    def register(handler: Handler) -> Handler:
        HANDLERS[operation_id] = handler
        return handler

    return register


def edges(description: Description) -> list[tuple[str, str, Edge]]:
    """(path, method, edge) of every operation; one without a handler stops the process here."""
    missing = description.operations.keys() - HANDLERS.keys()
    if missing:
        raise AppError(f"The sandbox does not serve {sorted(missing)}.")
    return [
        (described.path, described.method, Edge(described, HANDLERS[described.id]))
        for described in description.operations.values()
    ]
