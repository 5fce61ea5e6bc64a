"""The landing page and the API reference. Everything they load comes from here: the policy allows nothing inline."""

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

from fastapi import Response
from fastapi.responses import HTMLResponse, JSONResponse
from shared.auth import Principal
from shared.errors import NotFound
from shared.http import PUBLIC, ApiRouter, can

from gateway import reference
from gateway.api_documents import Document, load_documents, merged
from gateway.routes.dependencies import FromApp
from gateway.settings import GatewaySettings

router = ApiRouter()

_ASSETS = {"style.css": "text/css", "reference.js": "text/javascript"}


@cache
def _document(root: str) -> Document:
    return merged(load_documents(Path(root)))


@router.get("/api/v1/openapi.json", tags=["system"])
async def api_document(
    me: Annotated[Principal, can("session:read")], settings: FromApp[GatewaySettings]
) -> dict[str, object]:
    """The OpenAPI document of the whole API, merged from the services' own."""
    return _document(str(settings.api_documents))


@router.get("/docs/openapi.json", include_in_schema=False, openapi_extra=PUBLIC)
async def public_document(settings: FromApp[GatewaySettings]) -> Response:
    return JSONResponse(_document(str(settings.api_documents)))


@router.get("/docs", include_in_schema=False, openapi_extra=PUBLIC)
async def reference_page(settings: FromApp[GatewaySettings]) -> HTMLResponse:
    return HTMLResponse(_reference(str(settings.api_documents)))


@cache
def _reference(root: str) -> str:
    return reference.render(_document(root))


@router.get("/docs/assets/{name}", include_in_schema=False, openapi_extra=PUBLIC)
async def asset(name: str) -> Response:
    if name not in _ASSETS:
        raise NotFound("There is nothing at this address.")
    content = resources.files("gateway").joinpath("web", name).read_text()
    return Response(content, media_type=_ASSETS[name])


@router.get("/", include_in_schema=False, openapi_extra=PUBLIC)
async def landing_page() -> HTMLResponse:
    return HTMLResponse(resources.files("gateway").joinpath("web", "landing.html").read_text())
