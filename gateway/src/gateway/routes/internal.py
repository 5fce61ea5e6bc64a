"""What Caddy and the services ask: authorisation, service tokens, the key set. Never routed from outside."""

import hmac
from importlib import resources

from fastapi import Request
from pydantic import BaseModel, Field, SecretStr
from shared.errors import Unauthorized
from shared.http import PUBLIC, ApiRouter, problems
from shared.http.problems import answer
from starlette.responses import HTMLResponse, Response

from gateway.errors import WrongCredentials
from gateway.roles import INTERNAL, SERVICE_PERMISSIONS
from gateway.routes.dependencies import Body, FromApp, client_address, host_of, scheme_of
from gateway.routes.session import cookie_name
from gateway.services.authorizer import Asked, Authorizer
from gateway.services.signing_keys import SigningKeys
from gateway.settings import GatewaySettings
from gateway.tokens import LIFETIME_SECONDS, Claims

router = ApiRouter(tags=["internal"])

TOKEN_HEADER = "X-CRM-Token"  # noqa: S105 - the header's name
MARK_HEADER = "x-crm-request"
_SIGNED_OUT_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""The page is shown wherever somebody wanted to go, also where nothing may be loaded."""


class ServiceCredentials(Body):
    service: str = Field(min_length=1, max_length=40)
    secret: SecretStr
    audience: str = Field(min_length=1, max_length=40)


class ServiceToken(BaseModel):
    token: str
    expires_in: int


class JsonWebKeys(BaseModel):
    keys: list[dict[str, str]]


@router.post("/internal/v1/token", openapi_extra=PUBLIC, responses=problems(WrongCredentials))
async def service_token(
    credentials: ServiceCredentials, settings: FromApp[GatewaySettings], keys: FromApp[SigningKeys]
) -> ServiceToken:
    """A service's own token for one audience, for its secret."""
    expected = settings.service_secrets.get(credentials.service, SecretStr("")).get_secret_value()
    shown = credentials.secret.get_secret_value()
    if not (hmac.compare_digest(expected.encode(), shown.encode()) and expected):
        raise WrongCredentials("This service or its secret is not known here.")
    service = credentials.service
    permissions = (INTERNAL, *SERVICE_PERMISSIONS.get(service, ()))
    token = await keys.sign(Claims(credentials.audience, service, "service", service, permissions))
    return ServiceToken(token=token, expires_in=LIFETIME_SECONDS)


@router.get("/.well-known/jwks.json", openapi_extra=PUBLIC)
async def key_set(keys: FromApp[SigningKeys]) -> JsonWebKeys:
    """The public keys that access tokens are verified with."""
    return JsonWebKeys.model_validate(await keys.public_set())


async def authorize(request: Request) -> Response:
    """Caddy's forward_auth: 200 with the token, or the problem that the caller gets.

    A bare Starlette route: it stands before every request of the system, and needs none of FastAPI's work.
    """
    authorizer: Authorizer = await request.app.state.container.aget(Authorizer)
    headers, scheme = request.headers, scheme_of(request)
    asked = Asked(
        audience=request.query_params.get("audience", ""),
        method=headers.get("x-forwarded-method", "POST"),
        authorization=headers.get("authorization"),
        cookie=request.cookies.get(cookie_name(scheme)),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        is_marked=headers.get(MARK_HEADER) == "1",
        host=host_of(request),
        scheme=scheme,
        address=client_address(request),
    )
    try:
        grant = await authorizer.authorize(asked)
    except Unauthorized as refusal:
        return _signed_out(refusal) if headers.get("sec-fetch-mode") == "navigate" else answer(refusal)
    return Response(headers={TOKEN_HEADER: f"Bearer {grant.token}", "X-CRM-Credential": grant.credential})


def _signed_out(refusal: Unauthorized) -> HTMLResponse:
    """For a browser that goes somewhere by itself, as back from a consent: it has nothing to show a problem with."""
    page = resources.files("gateway").joinpath("web", "signed_out.html").read_text()
    headers = {"WWW-Authenticate": "Bearer", "Content-Security-Policy": _SIGNED_OUT_POLICY}
    return HTMLResponse(page, status_code=refusal.status, headers=headers)
