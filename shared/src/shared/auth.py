"""Who is asking: short-lived signed tokens, made by the gateway and verified by every service."""

import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ConfigDict, SecretStr

from shared.errors import ServiceUnavailable, Unauthorized
from shared.telemetry import current_traceparent

ISSUER = "crm-gateway"
ALGORITHM = "Ed25519"  # EdDSA, under the fully specified name of RFC 9864.
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type of RFC 9068, not a secret
MAX_AGE_SECONDS = 300
JWKS_FRESH_SECONDS = 300
JWKS_RETRY_SECONDS = 5


class Principal(BaseModel):
    """Who makes a request, and what they may do. `actor_id` is the person behind a service's call.

    `session` tells one sign-in or API key of theirs from another; None for a service. It opens nothing.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Literal["user", "api_key", "service"]
    name: str
    permissions: frozenset[str]
    actor_id: UUID | None = None
    session: str | None = None

    def may(self, permission: str) -> bool:
        """Permissions are `resource:action`; `*` and `resource:*` grant all of their kind."""
        resource = permission.partition(":")[0]
        return not self.permissions.isdisjoint({permission, f"{resource}:*", "*"})


class TokenVerifier(Protocol):
    async def verify(self, token: str, audience: str) -> Principal:
        """The principal of a valid token. Raises Unauthorized, or ServiceUnavailable without the keys."""


def read_token(token: str, audience: str, keys: KeySet) -> Principal:
    """The principal of `token`: Ed25519 only, our type, issuer and exactly this audience, at most five minutes old."""
    try:
        decoded = jwt.decode(token, keys, algorithms=[ALGORITHM])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unauthorized("The access token is not valid; sign in again.") from error
    _check_claims(decoded.header, decoded.claims, audience, time.time())
    claims = decoded.claims
    return Principal(
        id=str(claims["sub"]),
        kind=claims["kind"],
        name=str(claims["name"]),
        permissions=frozenset(claims["perms"]),
        actor_id=claims.get("actor"),
        session=claims.get("sid"),
    )


def _check_claims(header: dict[str, Any], claims: dict[str, Any], audience: str, now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise Unauthorized("The access token carries no times; sign in again.")
    is_ours = header.get("typ") == TOKEN_TYPE and claims.get("iss") == ISSUER and claims.get("aud") == audience
    is_current = issued - 5 <= now < expires and expires - issued <= MAX_AGE_SECONDS and claims.get("nbf", 0) <= now + 5
    if not (is_ours and is_current):
        raise Unauthorized("The access token has expired or is meant for another service; sign in again.")


@dataclass
class JwksVerifier:
    """Verifies with the gateway's key set, fetched once and again when a token names a key we do not know.

    The keys are kept while the gateway is away: a service goes on serving requests that are already signed.
    """

    jwks_url: str
    transport: httpx.AsyncBaseTransport | None = None
    seconds: Callable[[], float] = time.monotonic
    _keys: KeySet | None = None
    _fetched_at: float = float("-inf")

    async def verify(self, token: str, audience: str) -> Principal:
        keys = await self._keys_for(token)
        return read_token(token, audience, keys)

    async def ready(self) -> None:
        """Raises ServiceUnavailable while no key set could be had."""
        await self._refresh_if(self._keys is None)
        if self._keys is None:
            raise ServiceUnavailable("The gateway's signing keys cannot be read yet.")

    async def _keys_for(self, token: str) -> KeySet:
        age = self.seconds() - self._fetched_at
        unknown = self._keys is None or (age > JWKS_RETRY_SECONDS and not _names_known_key(token, self._keys))
        await self._refresh_if(unknown or age > JWKS_FRESH_SECONDS)
        if self._keys is None:
            raise ServiceUnavailable("The gateway's signing keys cannot be read yet; try again in a moment.")
        return self._keys

    async def _refresh_if(self, wanted: bool) -> None:
        if not wanted or (self._keys and self.seconds() - self._fetched_at < JWKS_RETRY_SECONDS):
            return
        try:
            async with httpx.AsyncClient(timeout=3, transport=self.transport) as client:
                answer = await client.get(self.jwks_url)
                answer.raise_for_status()
                self._keys = KeySet.import_key_set(answer.json())
        except (httpx.HTTPError, ValueError, JoseError):
            # An older key set goes on serving; without one, the caller answers 503.
            pass
        self._fetched_at = self.seconds() if self._keys else float("-inf")


def _names_known_key(token: str, keys: KeySet) -> bool:
    from joserfc.util import json_b64decode  # Only needed for a token we have not seen the key of.

    try:
        header = json_b64decode(token.split(".", 1)[0].encode())
    except (ValueError, TypeError):
        header = None
    if not isinstance(header, dict):
        return True  # Not a token at all: fetching keys would not help.
    return any(key.kid == header.get("kid") for key in keys.keys)


@dataclass
class ServiceTokens:
    """This service's own tokens for calling others: client credentials at the gateway, kept until near expiry."""

    gateway_url: str
    service: str
    secret: SecretStr
    _cached: dict[str, tuple[str, float]] = field(default_factory=dict)

    async def token_for(self, audience: str) -> str:
        token, expires_at = self._cached.get(audience, ("", 0.0))
        if time.monotonic() < expires_at - 30:
            return token
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.post(
                f"{self.gateway_url}/internal/v1/token",
                json={
                    "service": self.service,
                    "secret": self.secret.get_secret_value(),
                    "audience": audience,
                },
            )
        if answer.status_code != 200:
            raise ServiceUnavailable(f"The gateway gave no token for {audience} ({answer.status_code}).")
        body = answer.json()
        self._cached[audience] = (body["token"], time.monotonic() + body["expires_in"])
        return str(body["token"])


class ServiceAuth(httpx.Auth):
    """Puts this service's token on each request to `audience`, and the trace that it belongs to."""

    def __init__(self, tokens: ServiceTokens, audience: str) -> None:
        self._tokens = tokens
        self._audience = audience

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = f"Bearer {await self._tokens.token_for(self._audience)}"
        if traceparent := current_traceparent():
            request.headers["traceparent"] = traceparent
        yield request
