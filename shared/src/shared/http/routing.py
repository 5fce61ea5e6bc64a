"""Routes that limit what they read, keep idempotent answers and refuse characters no database can hold."""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.params import Security
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from shared.errors import Invalid, TooLarge
from shared.http.dependencies import opens_transaction
from shared.http.idempotency import AnsweredBefore, Claim

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

REPEATABLE = "x-repeatable"
"""Marks a POST that keeps its answer for its Idempotency-Key, which happens in the request's transaction."""


class ApiRoute(APIRoute):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if "POST" in (self.methods or ()) and opens_transaction(self.dependant):
            self.openapi_extra = {**(self.openapi_extra or {}), REPEATABLE: True}

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        declared = (self.openapi_extra or {}).get("x-max-bytes")

        async def limited(request: Request) -> Response:
            limit = declared or request.app.state.max_json_bytes
            request = Request(request.scope, _limit(request, limit))
            _refuse_nul(request, b"" if declared else await request.body())
            try:
                response = await handle(request)
            except HTTPException as error:
                if error.status_code != 400:
                    raise
                raise Invalid("The body cannot be read; send well-formed JSON.") from error
            except AnsweredBefore as before:
                return before.response
            claim: Claim | None = getattr(request.state, "idempotency", None)
            if claim is not None:
                await claim.store(response)
            return response

        return limited


class ApiRouter(APIRouter):
    """The router that every resource uses."""

    def __init__(self, **options: Any) -> None:
        super().__init__(route_class=ApiRoute, **options)

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, _asking_who_first(endpoint), **options)


def _asking_who_first(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """`endpoint` with its caller as the first parameter.

    They are resolved in order: a stranger learns nothing else, nor gets as far as the database.
    """
    signature = inspect.signature(endpoint)
    ordered = sorted(signature.parameters.values(), key=lambda parameter: not _names_caller(parameter))
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in ordered]
    endpoint.__signature__ = signature.replace(parameters=keywords)  # type: ignore[attr-defined]
    return endpoint


def _names_caller(parameter: inspect.Parameter) -> bool:
    return any(isinstance(mark, Security) for mark in getattr(parameter.annotation, "__metadata__", ()))


def _limit(request: Request, limit: int) -> Receive:
    too_large = TooLarge(f"At most {limit:,} bytes are read here.", max_bytes=limit)
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise too_large
    seen = 0

    async def receive() -> Message:
        nonlocal seen
        message = await request.receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise too_large
        return message

    return receive


def _refuse_nul(request: Request, body: bytes) -> None:
    """PostgreSQL cannot store a NUL, and nobody means one."""
    if "\x00" in request.scope["path"] or "%00" in request.url.query or b"\\u0000" in body:
        raise Invalid("The request holds a NUL character; remove it.")
