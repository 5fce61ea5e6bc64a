"""Webhooks on the wire: due deliveries in order of their time, many at once, tried again on the movable clock."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
from shared.clock import wall_now
from shared.connections import connection_stack
from shared.database import Begin, UnitOfWork
from sqlalchemy import Row, text

from sandbox.faults import WebhookFault
from sandbox.models import DeliveryState
from sandbox.retries import delay_after
from sandbox.settings import SandboxSettings
from sandbox.signing import Scheme, dated_headers, legacy_headers, spoil

DELIVERIES_A_STEP = 400
STALE_SECONDS = 3600

_DUE = text(
    "SELECT d.id, d.key, d.event_type, d.body, d.fault, d.attempts, d.first_timestamp_ms,"
    " w.scheme, w.url, w.key AS signing_key, w.previous_key, w.is_enabled, w.deleted_at"
    " FROM delivery d JOIN webhook w ON w.id = d.webhook_id"
    " WHERE d.next_attempt_at <= :now ORDER BY d.next_attempt_at, d.id LIMIT :limit"
)

_SETTLE = text(
    "UPDATE delivery d SET state = s.state, attempts = s.attempts, response_status = s.response_status,"
    " first_timestamp_ms = s.first_timestamp_ms, next_attempt_at = CAST(:now AS timestamptz) + s.delay"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:states AS text[]), CAST(:attempts AS int[]),"
    " CAST(:statuses AS int[]), CAST(:timestamps AS bigint[]), CAST(:delays AS interval[]))"
    " AS s(id, state, attempts, response_status, first_timestamp_ms, delay) WHERE d.id = s.id"
)


@dataclass(frozen=True)
class Attempt:
    """What one attempt led to. No status: there was no answer."""

    delivery: Row[Any]
    status: int | None
    timestamp_ms: int

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def headers_of(delivery: Row[Any], now_ms: int) -> dict[str, str]:
    """The signature of this attempt. The faults of signatures strike the first attempt only.

    A legacy signature keeps the timestamp of the first attempt; a dated one is always of now, by the wall clock.
    """
    is_first = delivery.attempts == 0
    body = delivery.body.encode()
    if delivery.scheme == Scheme.LEGACY:
        timestamp_ms = delivery.first_timestamp_ms or now_ms
        if is_first and delivery.fault == WebhookFault.OLD_TIMESTAMP:
            timestamp_ms -= STALE_SECONDS * 1000
        headers = legacy_headers(delivery.signing_key, timestamp_ms, body)
    else:
        timestamp = now_ms // 1000
        if is_first and delivery.fault == WebhookFault.OLD_TIMESTAMP:
            timestamp -= STALE_SECONDS
        keys = [key for key in (delivery.signing_key, delivery.previous_key) if key]
        headers = dated_headers(keys, delivery.key, timestamp, body)
    return spoil(headers) if is_first and delivery.fault == WebhookFault.BAD_SIGNATURE else headers


def delivery_client(settings: SandboxSettings) -> httpx.AsyncClient:
    transport = connection_stack(settings.sandbox_delivery_concurrency, keepalive_seconds=20)
    return httpx.AsyncClient(timeout=settings.sandbox_delivery_timeout_seconds, transport=transport)


class DeliveryProcess:
    """One such process runs at a time; a crash between wire and settling delivers again, as the provider does."""

    def __init__(self, begin: Begin, http: httpx.AsyncClient, settings: SandboxSettings) -> None:
        self._begin = begin
        self._http = http
        self._slots = asyncio.Semaphore(settings.sandbox_delivery_concurrency)
        self._timeout = settings.sandbox_delivery_timeout_seconds

    async def run_once(self) -> int:
        due = await self._read_due()
        if not due:
            return 0
        live = [row for row in due if row.is_enabled and row.deleted_at is None]
        attempts = await asyncio.gather(*(self._attempt(row) for row in live))
        dropped = [row for row in due if not row.is_enabled or row.deleted_at is not None]
        await self._settle(attempts, dropped)
        return len(due)

    async def _read_due(self) -> list[Row[Any]]:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            found = await uow.session.execute(_DUE, {"now": uow.now, "limit": DELIVERIES_A_STEP})
            return list(found.all())

    async def _attempt(self, delivery: Row[Any]) -> Attempt:
        async with self._slots:
            now_ms = int(wall_now().timestamp() * 1000)
            headers = {"content-type": "application/json", **headers_of(delivery, now_ms)}
            first_ms = delivery.first_timestamp_ms or now_ms
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._http.post(delivery.url, content=delivery.body, headers=headers)
                return Attempt(delivery, answer.status_code, first_ms)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
                return Attempt(delivery, None, first_ms)

    async def _settle(self, attempts: list[Attempt], dropped: list[Row[Any]]) -> None:
        settled = [_settled(attempt) for attempt in attempts]
        settled += [(row.id, DeliveryState.DROPPED, row.attempts, None, None, None) for row in dropped]
        columns = ("ids", "states", "attempts", "statuses", "timestamps", "delays")
        values = dict(zip(columns, map(list, zip(*settled, strict=True)), strict=True))
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            await uow.session.execute(_SETTLE, {**values, "now": uow.now})


def _settled(attempt: Attempt) -> tuple[Any, ...]:
    delivery, tries = attempt.delivery, attempt.delivery.attempts + 1
    if attempt.is_delivered:
        return (delivery.id, DeliveryState.DELIVERED, tries, attempt.status, attempt.timestamp_ms, None)
    delay = delay_after(tries)
    state = DeliveryState.FAILED if delay is None else DeliveryState.PENDING
    return (delivery.id, state, tries, attempt.status, attempt.timestamp_ms, delay)
