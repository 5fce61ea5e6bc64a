"""The provider's surface as one router: every operation of the description, and its way of saying 404."""

from functools import cache
from html import escape

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.description import load_description
from sandbox.routes import conversations, directory, messages, webhooks
from sandbox.routes.edge import edges
from sandbox.routes.quickbooks import oauth
from sandbox.routes.quickbooks.edge import answer_nothing, serve_company

RESOURCES = (conversations, directory, messages, webhooks)
"""Importing them registers their handlers."""

OWN_PATHS = ("/sandbox/", "/internal/", "/livez", "/readyz", "/metrics", "/openapi.json")


@cache
def provider_router() -> APIRouter:
    router = APIRouter()
    for path, method, edge in edges(load_description()):
        router.add_route(path, edge.__call__, methods=[method], include_in_schema=False)
    return router


@cache
def quickbooks_router() -> APIRouter:
    """Intuit's surface: its OAuth endpoints and the accounting API."""
    router = APIRouter()
    router.add_route("/connect/oauth2", oauth.authorize, methods=["GET"], include_in_schema=False)
    router.add_route("/oauth2/v1/tokens/bearer", oauth.token, methods=["POST"], include_in_schema=False)
    router.add_route("/v2/oauth2/tokens/revoke", oauth.revoke, methods=["POST"], include_in_schema=False)
    router.add_route("/v1/openid_connect/userinfo", oauth.userinfo, methods=["GET"], include_in_schema=False)
    router.add_route("/op/v1/jwks", oauth.keys, methods=["GET"], include_in_schema=False)
    for name in ("openid_configuration", "openid_sandbox_configuration"):
        router.add_route(f"/.well-known/{name}", oauth.discovery, methods=["GET"], include_in_schema=False)
    everything = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    router.add_route("/v3/company/{realm_id}/{path:path}", serve_company, methods=everything, include_in_schema=False)
    for path in ("/v3", "/v3/{path:path}"):
        router.add_route(path, answer_nothing, methods=everything, include_in_schema=False)
    return router


def install_html_not_found(app: FastAPI) -> None:
    """Unknown routes of the provider answer an HTML page, as its server does; our own keep problem+json."""
    shared_handler = app.exception_handlers[HTTPException]

    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
        path = request.url.path
        if error.status_code in (404, 405) and not path.startswith(OWN_PATHS):
            page = f"<!DOCTYPE html>\n<html><body><pre>Cannot {request.method} {escape(path)}</pre></body></html>\n"
            return HTMLResponse(page, 404)
        response = await shared_handler(request, error)  # type: ignore[misc]
        assert isinstance(response, Response)  # noqa: S101 - what every handler of ours returns
        return response

    app.add_exception_handler(HTTPException, answer)
