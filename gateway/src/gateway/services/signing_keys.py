"""The keys that sign access tokens: made at first start, sealed in the database, rotated with two live at a time."""

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from joserfc.jwk import KeySet, OKPKey
from shared.auth import Principal, read_token
from shared.clock import wall_now
from shared.database import Begin
from shared.sealing import Seal
from sqlalchemy import delete, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.models import SigningKey
from gateway.tokens import Claims, new_key, sign

ROTATE_AFTER = timedelta(days=30)
# Verifiers keep the key set for 5 minutes: a key is published for longer than that before it signs.
PUBLISHED_BEFORE = timedelta(minutes=10)
# Tokens live for 5 minutes: a key stays published for longer than that after it has signed for the last time.
KEPT_AFTER = timedelta(minutes=10)
FRESH_SECONDS = 30.0
_LOCK = 7_010_117


@dataclass
class _Loaded:
    signing: OKPKey
    public: dict[str, Any]
    keys: KeySet
    at: float = field(default_factory=time.monotonic)


class SigningKeys:
    """The key set as this process knows it: at most FRESH_SECONDS old while the database answers."""

    def __init__(self, begin: Begin, seal: Seal) -> None:
        self._begin = begin
        self._seal = seal
        self._loaded: _Loaded | None = None

    async def sign(self, claims: Claims) -> str:
        return sign(claims, (await self._current()).signing)

    async def public_set(self) -> dict[str, Any]:
        return (await self._current()).public

    async def verify(self, token: str, audience: str) -> Principal:
        """As services verify, without asking ourselves over HTTP."""
        return read_token(token, audience, (await self._current()).keys)

    async def ready(self) -> None:
        await self._current()

    async def _current(self) -> _Loaded:
        if self._loaded is None or time.monotonic() - self._loaded.at > FRESH_SECONDS:
            async with self._begin() as tx:
                self._loaded = self._load(await live_keys(await tx.aget(AsyncSession), self._seal))
        return self._loaded

    def _load(self, rows: list[SigningKey]) -> _Loaded:
        now = wall_now()
        signing = max((row for row in rows if row.signs_from <= now), key=lambda row: row.signs_from)
        private = json.loads(self._seal.open(signing.private_sealed, context=signing.kid))
        public = {"keys": [row.public_jwk for row in rows]}
        return _Loaded(OKPKey.import_key(private), public, KeySet.import_key_set(public))  # type: ignore[arg-type]


async def live_keys(session: AsyncSession, seal: Seal) -> list[SigningKey]:
    """The published keys; the first one is made here, by whoever comes first."""
    statement = select(SigningKey).where(or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > wall_now()))
    rows = list((await session.execute(statement.order_by(SigningKey.created_at))).scalars())
    if any(row.signs_from <= wall_now() for row in rows):
        return rows
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    rows = list((await session.execute(statement.order_by(SigningKey.created_at))).scalars())
    if not any(row.signs_from <= wall_now() for row in rows):
        rows.append(_add_key(session, seal, signs_from=wall_now()))
    return rows


def _add_key(session: AsyncSession, seal: Seal, *, signs_from: datetime) -> SigningKey:
    key = new_key()
    row = SigningKey(
        kid=str(key.kid),
        private_sealed=seal.seal(json.dumps(key.as_dict(private=True)).encode(), context=str(key.kid)),
        public_jwk=dict(key.as_dict(private=False)),
        created_at=wall_now(),
        signs_from=signs_from,
    )
    session.add(row)
    return row


class KeyRotation:
    """A worker's job: a new key every 30 days. It is published before it signs; the old one outlives its tokens."""

    def __init__(self, begin: Begin, seal: Seal) -> None:
        self._begin = begin
        self._seal = seal

    async def run_once(self) -> int:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            await session.execute(delete(SigningKey).where(SigningKey.retires_at < wall_now()))
            keys = await live_keys(session, self._seal)
            if wall_now() - max(key.created_at for key in keys) >= ROTATE_AFTER:
                self._rotate(session, keys)
        return 0

    def _rotate(self, session: AsyncSession, keys: list[SigningKey]) -> None:
        signs_from = wall_now() + PUBLISHED_BEFORE
        for key in keys:
            key.retires_at = key.retires_at or signs_from + KEPT_AFTER
        _add_key(session, self._seal, signs_from=signs_from)
