"""Answers Caddy's question for each request: who is this, may the request be made, and with which token?"""

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.clock import wall_now
from shared.database import Begin
from shared.errors import NotFound, Unauthorized
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.credentials import Bearer, CredentialKind, hashed, kind_of
from gateway.errors import ForeignOrigin
from gateway.models import ApiKey, Session, SessionKind, User
from gateway.rate_limits import Limiter, per_minute
from gateway.roles import expand, patterns_of
from gateway.services.signing_keys import SigningKeys
from gateway.settings import GatewaySettings
from gateway.tokens import Claims

# A logout, a disabled user, a changed role and a revoked key must count within 5 seconds.
REMEMBERED_SECONDS = 3.0
TOKEN_REUSED_SECONDS = 60.0
LAST_SEEN_EVERY = timedelta(seconds=60)
MAX_REMEMBERED = 20_000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class DeclaredPermissions:
    """By audience, what its operations ask for: a token holds nothing else."""

    by_audience: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Asked:
    """A request as Caddy describes it. Everything but address, host and scheme comes from the caller."""

    audience: str
    method: str
    authorization: str | None
    cookie: str | None
    origin: str | None
    fetch_site: str | None
    is_marked: bool
    """Carries our own header, which no foreign page can send without our consent."""
    host: str
    scheme: str
    address: str


@dataclass(frozen=True)
class Grant:
    token: str
    credential: str


class Memory:
    """A dictionary that forgets: each entry after its seconds, everything when there is too much."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: dict[Any, tuple[Any, float]] = {}

    def get(self, key: object) -> Any:
        value, until = self._entries.get(key, (None, 0.0))
        return value if time.monotonic() < until else None

    def put(self, key: object, value: object) -> None:
        if len(self._entries) >= MAX_REMEMBERED:
            now = time.monotonic()
            self._entries = {k: entry for k, entry in self._entries.items() if now < entry[1]}
            if len(self._entries) >= MAX_REMEMBERED:
                self._entries.clear()
        self._entries[key] = (value, time.monotonic() + self._seconds)


class Authorizer:
    def __init__(
        self, begin: Begin, keys: SigningKeys, declared: DeclaredPermissions, settings: GatewaySettings
    ) -> None:
        self._begin = begin
        self._keys = keys
        self._declared = declared.by_audience
        self._idle = timedelta(minutes=settings.session_idle_minutes)
        self._bearers = Memory(REMEMBERED_SECONDS)
        self._tokens = Memory(TOKEN_REUSED_SECONDS)
        self._requests = Limiter(settings.requests_per_second, settings.requests_per_second * 4)
        self._refusals = per_minute(settings.refusals_per_minute)

    async def authorize(self, asked: Asked) -> Grant:
        """Raises Unauthorized, ForeignOrigin, TooManyRequests. While the database is away, nobody new is let in."""
        if asked.audience not in self._declared:
            raise NotFound("There is no such service.")
        bearer = await self._recognise(asked)
        if bearer.kind == "cookie":
            refuse_foreign(asked)
        self._requests.take(bearer.credential, "Too many requests; slow down a little.")
        return Grant(await self._token(bearer, asked.audience), bearer.credential)

    async def is_live(self, credential: str) -> bool:
        """Whether `session:<id>` or `api_key:<id>` still opens the door; asked by long-lived streams."""
        kind, _, found = credential.partition(":")
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            if kind == "session":
                return await self._session_bearer(session, Session.id == UUID(found)) is not None
            return await self._key_bearer(session, ApiKey.id == UUID(found)) is not None

    async def _recognise(self, asked: Asked) -> Bearer:
        secret, kinds = _credential_of(asked)
        if secret is None:
            raise Unauthorized("Sign in, or send an API key.")
        bearer = await self._find(secret) if kind_of(secret) in kinds else None
        if bearer is None or (bearer.expires_at and bearer.expires_at <= wall_now()):
            # Only here: whoever is recognised pays for nobody else at their address.
            self._refusals.take(asked.address, "Too many requests with a wrong credential; wait a minute.")
            raise Unauthorized("This sign-in or key is not valid, or has ended; sign in again.")
        return bearer

    async def _find(self, secret: str) -> Bearer | None:
        digest = hashed(secret)
        remembered: Bearer | None = self._bearers.get(digest)
        return remembered or await self._look_up(secret, digest)

    async def _look_up(self, secret: str, digest: bytes) -> Bearer | None:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            if kind_of(secret) is CredentialKind.API_KEY:
                bearer = await self._key_bearer(session, ApiKey.key_hash == digest)
            else:
                bearer = await self._session_bearer(session, Session.token_hash == digest)
        if bearer is not None:
            self._bearers.put(digest, bearer)
        return bearer

    async def _session_bearer(self, db: AsyncSession, which: Any) -> Bearer | None:
        row = (
            await db.execute(select(Session, User).join(User, User.id == Session.user_id).where(which))
        ).one_or_none()
        now = wall_now()
        if row is None or not row.User.is_active or not row.Session.is_live(now, self._idle):
            return None
        if now - row.Session.last_seen_at > LAST_SEEN_EVERY:
            await db.execute(update(Session).where(Session.id == row.Session.id).values(last_seen_at=now))
        return Bearer(
            credential=f"session:{row.Session.id}",
            subject=row.User.id,
            kind="cookie" if row.Session.kind is SessionKind.COOKIE else "bearer",
            name=row.User.name,
            actor_id=row.User.id,
            patterns=patterns_of(row.User.role),
            expires_at=row.Session.expires_at,
        )

    async def _key_bearer(self, db: AsyncSession, which: Any) -> Bearer | None:
        row = (await db.execute(select(ApiKey, User).join(User, User.id == ApiKey.owner_id).where(which))).one_or_none()
        now = wall_now()
        if row is None or not row.User.is_active or not row.ApiKey.is_live(now):
            return None
        if row.ApiKey.last_used_at is None or now - row.ApiKey.last_used_at > LAST_SEEN_EVERY:
            await db.execute(update(ApiKey).where(ApiKey.id == row.ApiKey.id).values(last_used_at=now))
        return Bearer(
            credential=f"api_key:{row.ApiKey.id}",
            subject=row.ApiKey.id,
            kind="api_key",
            name=row.ApiKey.name,
            actor_id=row.User.id,
            patterns=row.ApiKey.patterns_under(row.User),
            expires_at=row.ApiKey.expires_at,
        )

    async def _token(self, bearer: Bearer, audience: str) -> str:
        key = (bearer.credential, bearer.name, bearer.patterns, audience)
        token: str | None = self._tokens.get(key)
        if token is None:
            is_key = bearer.kind == "api_key"
            token = await self._keys.sign(
                Claims(
                    audience=audience,
                    subject=str(bearer.subject),
                    kind="api_key" if is_key else "user",
                    name=bearer.name,
                    permissions=expand(bearer.patterns, self._declared[audience]),
                    actor_id=str(bearer.actor_id),
                    session=hashed(bearer.credential).hex(),
                )
            )
            self._tokens.put(key, token)
        return token


def refuse_foreign(asked: Asked) -> None:
    """A browser sends its cookie along whoever made the page: a change must come from our own page, and say so."""
    if asked.method.upper() in SAFE_METHODS:
        return
    if not asked.is_marked:
        raise ForeignOrigin("A change with a session cookie needs the header X-CRM-Request: 1.")
    refuse_foreign_origin(asked.origin, asked.fetch_site, host=asked.host, scheme=asked.scheme)


def refuse_foreign_origin(origin: str | None, fetch_site: str | None, *, host: str, scheme: str) -> None:
    """Raises ForeignOrigin unless the browser says that our own page sent this."""
    is_ours = origin == f"{scheme}://{host}" if origin is not None else fetch_site == "same-origin"
    if not is_ours:
        raise ForeignOrigin("This request was sent from another site.")


_BEARERS = (CredentialKind.BEARER, CredentialKind.API_KEY)


def _credential_of(asked: Asked) -> tuple[str | None, tuple[CredentialKind, ...]]:
    """What was shown, and as what it may count: a cookie is no bearer and a bearer no cookie."""
    if asked.authorization is not None:
        scheme, _, secret = asked.authorization.partition(" ")
        return (secret.strip() if scheme.lower() == "bearer" else ""), _BEARERS
    return asked.cookie, (CredentialKind.COOKIE,)
