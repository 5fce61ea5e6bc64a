"""Intuit's OAuth endpoints: consent, tokens, revocation, discovery."""

import base64
import hmac
import uuid
from html import escape
from urllib.parse import parse_qs, urlencode

import svcs
from shared.database import Begin
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.quickbooks.oauth import SCOPE, OAuthRefusal, OAuthService, TokenPair
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace
from shared import decimal_json

HARD_EXPIRY = "x-include-refresh-token-hard-expires-in"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
MAX_BODY_BYTES = 65_536


async def authorize(request: Request) -> Response:
    """The consent page, on which somebody consents at once. `realmId`, a parameter of ours, chooses the company."""
    container: svcs.Container = request.app.state.container
    asked = dict(request.query_params)
    problem = _problem(asked, container.get(SandboxSettings))
    if problem:
        return _page(problem)
    redirect_uri, state = asked["redirect_uri"], asked["state"]
    if SCOPE not in asked.get("scope", "").split():
        return _redirect(redirect_uri, {"error": "invalid_scope", "state": state})
    begin = await container.aget(Begin)
    async with begin() as tx:
        companies = await (await tx.aget(CompanyService)).all()
        realms = [company.realm_id for company in companies]
        realm_id = asked.get("realmId") or (realms[0] if realms else "")
        if realm_id not in realms:
            return _page("There is no such company.")
        workspace = await tx.aget(Workspace)
        if workspace.controls.quickbooks.tokens.consent == "deny":
            return _redirect(redirect_uri, {"error": "access_denied", "state": state})
        code = await (await tx.aget(OAuthService)).consent(realm_id, redirect_uri)
    return _redirect(redirect_uri, {"code": code, "state": state, "realmId": realm_id})


def _problem(asked: dict[str, str], settings: SandboxSettings) -> str:
    """Why the person sees a page instead of going back: without these nobody knows where back is."""
    if asked.get("client_id") != settings.quickbooks_client_id:
        return "The client_id is not known."
    if asked.get("response_type") != "code":
        return "The response_type has to be code."
    if not asked.get("state"):
        return "The state is missing."
    redirect_uri = asked.get("redirect_uri", "")
    if not redirect_uri.startswith(("http://", "https://")) or redirect_uri != _searchable(redirect_uri):
        return "The redirect_uri is not one of the app's."
    return ""


async def token(request: Request) -> Response:
    """Tokens for a code or for a refresh token."""
    container: svcs.Container = request.app.state.container
    sent = parse_qs((await _body(request)).decode("utf-8", "replace"))
    form = {name: _searchable(values[0]) for name, values in sent.items()}
    begin = await container.aget(Begin)
    async with begin() as tx:
        tokens = (await tx.aget(Workspace)).controls.quickbooks.tokens
        if tokens.fails == "before":
            return _unavailable()
        if not _is_the_app(request, form, container.get(SandboxSettings)):
            return JSONResponse({"error": "invalid_client"}, tokens.invalid_client_status, NO_STORE)
        service = await tx.aget(OAuthService)
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    pair = await service.exchange(form.get("code", ""), form.get("redirect_uri", ""))
                case "refresh_token":
                    pair = await service.refresh(form.get("refresh_token", ""))
                case _:
                    raise OAuthRefusal("unsupported_grant_type", "The grant_type is not supported")
            answer = JSONResponse(_tokens(pair, request), 200, NO_STORE)
        except OAuthRefusal as refusal:
            # Inside the transaction: what the refusal did to a grant is kept.
            body = {"error": refusal.error, "error_description": refusal.description}
            answer = JSONResponse(body, 400, NO_STORE)
    return _unavailable() if tokens.fails == "after" else answer


def _unavailable() -> Response:
    return HTMLResponse("<html><body>Service unavailable</body></html>", 503, NO_STORE)


def _tokens(pair: TokenPair, request: Request) -> dict[str, str | int]:
    body: dict[str, str | int] = {
        "token_type": "bearer",
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
        "x_refresh_token_expires_in": pair.refresh_expires_in,
    }
    if request.headers.get(HARD_EXPIRY, "").lower() == "true":
        body["x_refresh_token_hard_expires_in"] = pair.refresh_hard_expires_in
    return body


async def revoke(request: Request) -> Response:
    container: svcs.Container = request.app.state.container
    if not _is_the_app(request, {}, container.get(SandboxSettings)):
        return JSONResponse({"error": "invalid_client"}, 401, NO_STORE)
    try:
        body = decimal_json.read(await _body(request))
        presented = _searchable(str(body["token"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return JSONResponse({"error": "invalid_request"}, 400, NO_STORE)
    begin = await container.aget(Begin)
    async with begin() as tx:
        is_ended = await (await tx.aget(OAuthService)).revoke(presented)
    if not is_ended:
        return JSONResponse({"error": "invalid_request"}, 400, NO_STORE)
    return Response(headers=NO_STORE)


async def userinfo(request: Request) -> Response:
    """Who consented: one person per company, of whom nothing but an id is told without further scopes."""
    container: svcs.Container = request.app.state.container
    scheme, _, presented = request.headers.get("authorization", "").partition(" ")
    begin = await container.aget(Begin)
    async with begin() as tx:
        realm_id = await (await tx.aget(OAuthService)).realm_of(_searchable(presented))
    if realm_id is None or scheme.lower() != "bearer":
        return JSONResponse({"error": "invalid_token"}, 401, {**NO_STORE, "WWW-Authenticate": "Bearer"})
    return JSONResponse({"sub": str(uuid.uuid5(uuid.NAMESPACE_URL, f"quickbooks:{realm_id}"))}, 200, NO_STORE)


async def discovery(request: Request) -> Response:
    base = str(request.base_url).rstrip("/")
    return JSONResponse(
        {
            "issuer": f"{base}/op/v1",
            "authorization_endpoint": f"{base}/connect/oauth2",
            "token_endpoint": f"{base}/oauth2/v1/tokens/bearer",
            "userinfo_endpoint": f"{base}/v1/openid_connect/userinfo",
            "revocation_endpoint": f"{base}/v2/oauth2/tokens/revoke",
            "jwks_uri": f"{base}/op/v1/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile", "address", "phone"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }
    )


async def keys(request: Request) -> Response:
    """Of what signs id_tokens: none is given, as nobody asks for the scope openid."""
    return JSONResponse({"keys": []})


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return b""
    return body


def _searchable(text: str) -> str:
    """The text as a column may hold it. What had to be changed for that is no token: it is looked for in vain."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _is_the_app(request: Request, form: dict[str, str], settings: SandboxSettings) -> bool:
    """The app's id and secret, in the header or in the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    presented = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
    if scheme.lower() == "basic":
        try:
            presented = base64.b64decode(encoded, validate=True).decode()
        except ValueError:  # No base64, or no text in it.
            return False
    expected = f"{settings.quickbooks_client_id}:{settings.quickbooks_client_secret.get_secret_value()}"
    return hmac.compare_digest(presented.encode(), expected.encode())


def _redirect(to: str, parameters: dict[str, str]) -> Response:
    return RedirectResponse(f"{to}{'&' if '?' in to else '?'}{urlencode(parameters)}", 302)


def _page(problem: str) -> Response:
    return HTMLResponse(f"<!DOCTYPE html>\n<html><body><p>{escape(problem)}</p></body></html>\n", 400)
