"""Idempotency-Key on POST: the answer is stored in the transaction of the effect, so a repeat finds both or neither."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from shared.clock import wall_now
from shared.errors import Conflict, Invalid

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"
"""Stands on an answer that was kept."""
KEPT_HEADERS = ("etag", "location", "content-type")
MAX_KEY_LENGTH = 200


class IdempotencyKeyReused(Conflict):
    code = "idempotency_key_reused"


class AnsweredBefore(Exception):
    """Carries the stored answer out of the dependency that found it."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


@dataclass
class Claim:
    """An idempotency key that this transaction holds until it commits its answer with its effect."""

    session: AsyncSession
    scope: dict[str, Any]

    async def store(self, response: Response) -> None:
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        await self.session.execute(
            text(
                "UPDATE idempotency_key SET status = :status, headers = :headers, body = :body"
                " WHERE principal = :principal AND method = :method AND path = :path AND key = :key"
            ),
            {
                **{name: self.scope[name] for name in ("principal", "method", "path", "key")},
                "status": response.status_code,
                "headers": orjson.dumps(headers).decode(),
                "body": bytes(response.body),
            },
        )


async def claim(session: AsyncSession, request: Request, principal: str) -> Claim | None:
    """Take the request's key for this transaction; None where it carries none.

    A second request with the key waits here for the first one's commit, then leaves through AnsweredBefore with the
    stored answer. The same key with another body raises IdempotencyKeyReused. A first one that fails rolls back
    and leaves the key free.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise Invalid(f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable characters.")
    body_hash = hashlib.sha256(await request.body() + b"\0" + request.url.query.encode()).hexdigest()
    scope = {
        "principal": principal,
        "method": request.method,
        "path": request.url.path,
        "key": key,
        "body_hash": body_hash,
        "created_at": wall_now(),
    }
    inserted = await session.execute(
        text(
            "INSERT INTO idempotency_key (principal, method, path, key, body_hash, created_at) VALUES"
            " (:principal, :method, :path, :key, :body_hash, :created_at) ON CONFLICT DO NOTHING RETURNING 1"
        ),
        scope,
    )
    if inserted.first() is None:
        await _leave_with_stored(session, scope)
    return Claim(session, scope)


async def _leave_with_stored(session: AsyncSession, scope: dict[str, Any]) -> None:
    stored = (
        await session.execute(
            text(
                "SELECT body_hash, status, headers, body FROM idempotency_key WHERE principal = :principal"
                " AND method = :method AND path = :path AND key = :key"
            ),
            {name: scope[name] for name in ("principal", "method", "path", "key")},
        )
    ).one()
    if stored.body_hash != scope["body_hash"]:
        raise IdempotencyKeyReused("This Idempotency-Key was used with another request; take a new key.")
    headers = {**orjson.loads(stored.headers or "{}"), REPLAYED: "true"}
    raise AnsweredBefore(Response(content=stored.body, status_code=stored.status, headers=headers))


async def forget_old_keys(session: AsyncSession, *, days: int = 7) -> int:
    """Delete keys older than `days`; returns how many."""
    deleted = await session.execute(
        text("DELETE FROM idempotency_key WHERE created_at < :before"),
        {"before": wall_now() - timedelta(days=days)},
    )
    return int(deleted.rowcount)  # type: ignore[attr-defined]
