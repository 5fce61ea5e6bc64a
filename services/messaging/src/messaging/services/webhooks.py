"""Webhook deliveries: committed raw before they are answered, processed afterwards, once each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.database_errors import translate_database_error
from shared.errors import InvalidTransition, NotFound, ServiceUnavailable
from shared.failpoints import failpoint
from shared.ids import uuid7
from shared.log import said_of
from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.models import DeliveryState, Scheme, WebhookDelivery
from messaging.provider import EventParser, ProviderMessage, Unparsable
from messaging.services.inbound import InboundService
from messaging.services.receipts import ReceiptService
from messaging.settings import MessagingSettings
from messaging.states import Direction

log = structlog.get_logger(__name__)

REFUSED = Counter("crm_webhooks_refused_total", "Webhooks whose signature was not valid")
STORED = Counter("crm_webhooks_stored_total", "Webhooks committed")

FAILED = Counter("crm_webhooks_failed_total", "Webhooks that could not be processed; /internal/v1/failed-webhooks")

INBOUND_TYPE = "message.received"
MAX_ATTEMPTS = 8
STATUS_BATCH = 100
INBOUND_BATCH = 50

_INSERT = text(
    "INSERT INTO webhook_delivery (id, scheme, delivery_id, event_type, body, received_at, state, attempts)"
    " SELECT id, scheme, delivery_id, event_type, body, :at, 'pending', 0"
    " FROM unnest(CAST(:ids AS uuid[]), CAST(:schemes AS text[]), CAST(:delivery_ids AS text[]),"
    " CAST(:types AS text[]), CAST(:bodies AS bytea[])) AS d(id, scheme, delivery_id, event_type, body)"
    " ORDER BY scheme, delivery_id ON CONFLICT DO NOTHING"
)
_WAKE = text("SELECT pg_notify('wake', 'webhooks')")


@dataclass(frozen=True, slots=True)
class Arrival:
    scheme: Scheme
    delivery_id: str
    event_type: str
    body: bytes


class DeliveryStore:
    """Commits arrivals in groups: while one commit is under way, the next ones gather for the following one."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Arrival, asyncio.Future[None]]] = []
        self._committer: asyncio.Task[None] | None = None

    async def put(self, arrival: Arrival) -> None:
        """Return once the arrival is durable; a repeated delivery is as good as stored. Raises if it is not."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, stored))
        if self._committer is None or self._committer.done():
            self._committer = asyncio.create_task(self._commit_all())
        await stored

    async def _commit_all(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:200], self._waiting[200:]
            await self._commit_group(group)

    async def _commit_group(self, group: Sequence[tuple[Arrival, asyncio.Future[None]]]) -> None:
        try:
            await self._commit([arrival for arrival, _ in group])
        except Exception as error:  # noqa: BLE001 - each of those who wait has to be told
            if len(group) > 1 and not _is_passing(error):
                # One of them can't be stored: it must not take the others with it.
                for waiting in group:
                    await self._commit_group([waiting])
                return
            for _, stored in group:
                if not stored.done():
                    stored.set_exception(error)
        else:
            for _, stored in group:
                if not stored.done():
                    stored.set_result(None)

    async def _commit(self, arrivals: Sequence[Arrival]) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(
                _INSERT,
                {
                    "at": wall_now(),
                    "ids": [uuid7() for _ in arrivals],
                    "schemes": [arrival.scheme.value for arrival in arrivals],
                    "delivery_ids": [arrival.delivery_id for arrival in arrivals],
                    "types": [arrival.event_type for arrival in arrivals],
                    "bodies": [arrival.body for arrival in arrivals],
                },
            )
            await connection.execute(_WAKE)
        failpoint("webhook.after_commit")
        STORED.inc(len(arrivals))


class DeliveryService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, parse: EventParser, inbound: InboundService, receipts: ReceiptService) -> None:
        self._uow = uow
        self._parse = parse
        self._inbound = inbound
        self._receipts = receipts

    async def claim(self, *, inbound: bool, limit: int) -> list[WebhookDelivery]:
        """Pending deliveries nobody else is at. Inbound texts apart: a STOP does not wait behind receipts."""
        is_inbound = WebhookDelivery.event_type == INBOUND_TYPE
        rows = await self._uow.session.scalars(
            select(WebhookDelivery)
            .where(
                WebhookDelivery.state == DeliveryState.PENDING,
                is_inbound if inbound else ~is_inbound,
                or_(WebhookDelivery.next_attempt_at.is_(None), WebhookDelivery.next_attempt_at <= wall_now()),
            )
            .order_by(WebhookDelivery.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return list(rows)

    async def process(self, deliveries: Sequence[WebhookDelivery]) -> None:
        """Do what the deliveries say and mark them, in this transaction."""
        reports: list[ProviderMessage] = []
        for delivery in deliveries:
            message = self._read(delivery)
            if message is None:
                continue
            if message.direction is Direction.INBOUND:
                await self._inbound.receive(message)
            else:
                reports.append(message)
        if reports:
            await self._receipts.apply(reports, by="provider")

    async def replay(self, delivery_id: UUID) -> WebhookDelivery:
        """Let one that failed be processed again. Raises NotFound, or InvalidTransition where it has not failed."""
        delivery = await self._uow.session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if delivery is None:
            raise NotFound("There is no such delivery.")
        if delivery.state is not DeliveryState.FAILED:
            raise InvalidTransition("This delivery has not failed.")
        delivery.state, delivery.attempts, delivery.next_attempt_at = DeliveryState.PENDING, 0, None
        self._uow.wake("webhooks")
        return delivery

    def _read(self, delivery: WebhookDelivery) -> ProviderMessage | None:
        delivery.processed_at = self._uow.now
        try:
            event = self._parse(delivery.body)
        except Unparsable as error:
            delivery.state, delivery.error = DeliveryState.FAILED, str(error)
            FAILED.inc()
            return None
        delivery.error = None
        delivery.state = DeliveryState.PROCESSED if event.message else DeliveryState.IGNORED
        return event.message


class WebhookProcess:
    def __init__(self, begin: Begin, settings: MessagingSettings) -> None:
        self._begin = begin
        self._retry = settings.webhook_retry_seconds

    async def run_once(self) -> int:
        """Process what is pending: inbound texts one by one, receipts in batches."""
        done = 0
        for _ in range(INBOUND_BATCH):
            step = await self._step(inbound=True, limit=1)
            if step == 0:
                break
            done += step
        return done + await self._step(inbound=False, limit=STATUS_BATCH)

    async def _step(self, *, inbound: bool, limit: int) -> int:
        deliveries: list[WebhookDelivery] = []
        try:
            async with self._begin() as tx:
                service = await tx.aget(DeliveryService)
                deliveries = await service.claim(inbound=inbound, limit=limit)
                if not deliveries:
                    return 0
                failpoint("webhook.before_process")
                await service.process(deliveries)
        except Exception as error:
            if translate_database_error(error) is not None and not deliveries:
                raise
            await self._one_by_one(deliveries, error)
        return len(deliveries)

    async def _one_by_one(self, deliveries: Sequence[WebhookDelivery], error: Exception) -> None:
        """One of them can't be processed: find it, and let the others through."""
        if len(deliveries) == 1:
            await self._put_off(deliveries[0], error)
            return
        log.info("webhook.batch_split", size=len(deliveries), error=said_of(error))
        for delivery in deliveries:
            try:
                async with self._begin() as tx:
                    service = await tx.aget(DeliveryService)
                    fresh = await self._lock(tx, delivery)
                    if fresh is not None:
                        await service.process([fresh])
            except Exception as own_error:  # noqa: BLE001 - this is the one, or another of its kind
                await self._put_off(delivery, own_error)

    async def _put_off(self, delivery: WebhookDelivery, error: Exception) -> None:
        log.warning("webhook.put_off", delivery=str(delivery.id), exc_info=error)
        async with self._begin() as tx:
            fresh = await self._lock(tx, delivery)
            if fresh is None:
                return
            # What others hold or an absent database does not use up the delivery's chances.
            fresh.attempts += not _is_passing(error)
            fresh.error = said_of(error, 1000)
            fresh.next_attempt_at = wall_now() + timedelta(seconds=self._retry * 2**fresh.attempts)
            if fresh.attempts >= MAX_ATTEMPTS:
                fresh.state = DeliveryState.FAILED
                FAILED.inc()
                log.error("webhook.failed", delivery=str(fresh.id))

    @staticmethod
    async def _lock(tx: object, delivery: WebhookDelivery) -> WebhookDelivery | None:
        uow: UnitOfWork = await tx.aget(UnitOfWork)  # type: ignore[attr-defined]
        fresh = await uow.session.get(
            WebhookDelivery, delivery.id, with_for_update={"skip_locked": True}, populate_existing=True
        )
        return fresh if fresh is not None and fresh.state is DeliveryState.PENDING else None


def _is_passing(error: Exception) -> bool:
    return isinstance(translate_database_error(error), ServiceUnavailable)


class OrphanProcess:
    """Links receipts that arrived in the very moment in which their text was being bound."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(ReceiptService)).link_all()
