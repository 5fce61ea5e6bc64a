"""Errors as problem+json (RFC 9457), each with a stable `code`, and how they stand in OpenAPI."""

from typing import Any

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from opentelemetry import trace
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from shared.database_errors import translate_database_error
from shared.errors import (
    AppError,
    Forbidden,
    Invalid,
    NotFound,
    ServiceUnavailable,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """Problem details. `code` is stable; `detail` is a sentence for a person."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    trace_id: str | None = Field(default=None, description="Quote it when you report the problem.")
    errors: list[FieldProblem] = []


def problems(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may end in these errors."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        known = documented.get(error.status)
        codes = f"{known['description']}, `{error.code}`" if known else f"`{error.code}`"
        documented[error.status] = problem_response(codes)
    return documented


def problem_response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


# Every operation may end in these: the edge itself answers them.
EDGE_ERRORS: tuple[type[AppError], ...] = (Invalid, TooLarge, TooManyRequests, ServiceUnavailable)
SIGNED_IN_ERRORS: tuple[type[AppError], ...] = (Unauthorized, Forbidden)


def answer(error: AppError, errors: list[FieldProblem] | None = None) -> Response:
    """The error as a response."""
    body = {
        # First, so that no detail takes the place of a member that every problem has.
        **error.details,
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
        "trace_id": _trace_id(),
        "errors": [problem.model_dump() for problem in errors or []],
    }
    headers = {}
    if isinstance(error, TooManyRequests | ServiceUnavailable):
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=error.status, headers=headers, media_type=MEDIA_TYPE)


def _trace_id() -> str | None:
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else None


async def _on_app_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)  # noqa: S101 - registered for this class only
    if error.status >= 500:
        log.warning("request.failed", code=error.code)
    named = isinstance(error, Invalid) and error.request_field
    return answer(error, [FieldProblem(field=named, message=error.message)] if named else None)


async def _on_validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    fields = [_field_problem(problem) for problem in error.errors()]
    return answer(Invalid("Some fields are missing or malformed; `errors` names each."), fields)


def _field_problem(problem: dict[str, Any]) -> FieldProblem:
    field, message = ".".join(str(part) for part in problem["loc"]), problem["msg"]
    match problem["type"]:
        case "json_invalid":
            # Here the place is a character's, not a field's.
            *place, at = problem["loc"]
            field, message = ".".join(map(str, place)), f"This is no JSON: {problem['ctx']['error']} at character {at}."
        case "value_error":
            message = str(problem["ctx"]["error"])
    return FieldProblem(field=field, message=message)


async def _on_http_exception(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == 404:
        return answer(NotFound("There is nothing at this address."))
    body = {
        "type": "about:blank",
        "title": str(error.detail),
        "status": error.status_code,
        "code": str(error.detail).lower().replace(" ", "_")[:60],
        "detail": f"{error.detail}.",
        "trace_id": _trace_id(),
        "errors": [],
    }
    return JSONResponse(body, error.status_code, headers=dict(error.headers or {}), media_type=MEDIA_TYPE)


async def _on_database_error(request: Request, error: Exception) -> Response:
    known = translate_database_error(error)
    if known is None:
        return await _on_unexpected(request, error)
    return answer(known)


async def _on_unexpected(_: Request, error: Exception) -> Response:
    log.error("request.crashed", exc_info=error)
    return answer(AppError("Something went wrong on our side. Nothing was changed; quote the trace id."))


def install_problem_handlers(app: FastAPI) -> None:
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for database_error in (DBAPIError, PoolTimeout, OSError, asyncpg.PostgresError, UnicodeEncodeError):
        app.add_exception_handler(database_error, _on_database_error)
    app.add_exception_handler(Exception, _on_unexpected)
