"""Consuming events: each effect once, in the transaction that remembers its event; poison goes to dead_letter."""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import structlog
import svcs
from nats.aio.msg import Msg
from pydantic import BaseModel, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import telemetry
from shared.bus import Puller, stream_of
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.database_errors import translate_database_error
from shared.errors import Conflict, NotFound, ProviderUnavailable, ServiceUnavailable
from shared.events.envelope import Envelope, Event
from shared.failpoints import failpoint
from shared.ids import uuid7
from shared.log import said_of

log = structlog.get_logger(__name__)

BATCH = 100
MAX_TRIES = 5
MAX_DELAY_SECONDS = 30.0


@dataclass(frozen=True)
class Consumption:
    """What one event type does here: a method of a service that lives in the event's transaction."""

    event: type[Event]
    service: type[Any]
    method: str
    takes_envelope: bool = False
    takes_many: bool = False

    @property
    def handler(self) -> tuple[type[Any], str]:
        return self.service, self.method

    async def apply(self, tx: svcs.Container, envelope: Envelope) -> None:
        arguments: list[Any] = [self.read(envelope)]
        if self.takes_envelope:
            arguments.append(envelope)
        with telemetry.span(f"consume {envelope.type}", traceparent=envelope.traceparent):
            await getattr(await tx.aget(self.service), self.method)(*arguments)

    def read(self, envelope: Envelope) -> Event:
        return self.event.model_validate(envelope.data)


def consume(event: type[Event], method: Any) -> Consumption:
    """One line of CONSUMES: `consume(MessageDelivered, OutcomeService.record_delivery)`.

    The method takes the event and, if it has a parameter named `envelope`, the envelope too. One whose parameter is
    named `events` takes all that follow each other in a batch, in their order, of whatever types it consumes.
    """
    owner, _, name = method.__qualname__.rpartition(".")
    service = getattr(sys.modules[method.__module__], owner)
    parameters = inspect.signature(method).parameters
    return Consumption(event, service, name, "envelope" in parameters, "events" in parameters)


class Consumptions(tuple[Consumption, ...]):
    """All that a service consumes."""

    @cached_property
    def by_type(self) -> dict[str, Consumption]:
        return {item.event.type: item for item in self}

    async def apply(self, tx: svcs.Container, envelopes: Sequence[Envelope]) -> None:
        """Have these events' effects in this transaction, in their order. Raises Unreadable for what is not ours."""
        found = [(self._of(envelope), envelope) for envelope in envelopes]
        for _, group in itertools.groupby(found, key=lambda pair: pair[0].handler):
            run = list(group)
            if run[0][0].takes_many:
                await _apply_run(tx, run)
                continue
            for consumption, envelope in run:
                await consumption.apply(tx, envelope)

    def _of(self, envelope: Envelope) -> Consumption:
        found = self.by_type.get(envelope.type)
        if found is None:
            raise Unreadable(f"no consumer for {envelope.type}")
        return found

    def subjects(self) -> dict[str, list[str]]:
        """Stream → the subjects wanted from it."""
        found: dict[str, list[str]] = {}
        for item in self:
            found.setdefault(stream_of(item.event.type), []).append(item.event.type)
        return {stream: sorted(subjects) for stream, subjects in sorted(found.items())}


async def _apply_run(tx: svcs.Container, run: Sequence[tuple[Consumption, Envelope]]) -> None:
    """Events in a row that one method takes all at once; its span is linked to the trace of each."""
    first, traces = run[0][0], [envelope.traceparent for _, envelope in run]
    # One event's trace is continued; of several, none is more its own than the others.
    parent, links = (traces[0], []) if len(traces) == 1 else (None, traces)
    with telemetry.span(f"consume {first.method}", traceparent=parent, links=links):
        service = await tx.aget(first.service)
        await getattr(service, first.method)([consumption.read(envelope) for consumption, envelope in run])


class Unreadable(Exception):
    """A message that no number of tries will make readable."""


def read_envelope(payload: bytes) -> Envelope:
    try:
        return Envelope.model_validate_json(payload)
    except ValidationError as error:
        raise Unreadable(f"not an event: {error.error_count()} problems") from error


class Consumer:
    """Pulls one stream's events for one service and applies them."""

    def __init__(self, begin: Begin, puller: Puller, consumptions: Consumptions, *, retry_seconds: float = 0.5) -> None:
        self._begin = begin
        self._puller = puller
        self._consumptions = consumptions
        self._retry_seconds = retry_seconds

    async def run_once(self, wait: float = 5.0) -> int:
        """Apply what is there, at most a batch; returns how many messages were settled."""
        messages = await self._puller.fetch(BATCH, wait)
        if messages:
            await self._settle(messages)
        return len(messages)

    async def _settle(self, messages: Sequence[Msg]) -> None:
        """Apply, then acknowledge: a crash in between redelivers, harmlessly."""
        try:
            await self._apply(messages)
        except Exception as error:  # noqa: BLE001 - the broad except of consuming: one of the batch failed
            if len(messages) == 1:
                await self._put_off(messages[0], error)
                return
            log.info("consumer.batch_split", stream=self._puller.stream, size=len(messages), error=said_of(error))
            for message in messages:
                await self._settle([message])
        else:
            failpoint("consumer.after_commit")
            await self._acknowledge(messages)

    async def _acknowledge(self, messages: Sequence[Msg]) -> None:
        """A lost acknowledgement is no failure of the event: it comes again, is known, and is acknowledged then.

        The server takes acknowledgements in their order, so the answer to the last one stands for all.
        """
        try:
            for message in messages[:-1]:
                await message.ack()
            await messages[-1].ack_sync(timeout=10)
        except Exception as error:  # noqa: BLE001 - the effect is committed; whatever happened here is repeated
            log.warning("consumer.ack_lost", stream=self._puller.stream, error=said_of(error))

    async def _apply(self, messages: Sequence[Msg]) -> None:
        """All effects of the batch in one transaction."""
        envelopes = [read_envelope(message.data) for message in messages]
        async with self._begin() as tx:
            fresh = await _remember(await tx.aget(AsyncSession), self._puller.stream, envelopes)
            # A batch may hold one event twice.
            unique = {envelope.id: envelope for envelope in envelopes if envelope.id in fresh}
            await self._consumptions.apply(tx, list(unique.values()))
        for message, envelope in zip(messages, envelopes, strict=True):
            telemetry.CONSUMED.labels(envelope.type).inc()
            lag = wall_now() - message.metadata.timestamp
            telemetry.CONSUME_SECONDS.labels(self._puller.stream).observe(lag.total_seconds())

    async def _put_off(self, message: Msg, error: Exception) -> None:
        """Try again later, or give up on it where that can't help. Never acknowledge what had no effect."""
        tries = message.metadata.num_delivered or 1
        passing = _is_passing(error)
        is_poison = isinstance(error, Unreadable | ValidationError) or (not passing and tries >= MAX_TRIES)
        if not is_poison:
            # An explicit delay: a bare nak is redelivered at once, whatever the consumer's backoff says.
            await message.nak(delay=min(self._retry_seconds * 2 ** min(tries, 10), MAX_DELAY_SECONDS))
            log.warning("consumer.put_off", stream=self._puller.stream, tries=tries, error=said_of(error))
            return
        await self._bury(message, error, tries)
        await message.term()

    async def _bury(self, message: Msg, error: Exception, tries: int) -> None:
        log.error("consumer.dead_letter", stream=self._puller.stream, tries=tries, exc_info=error)
        telemetry.DEAD_LETTERS.labels(message.subject).inc()
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            await session.execute(
                text(
                    "INSERT INTO dead_letter"
                    " (id, stream, stream_seq, type, event_id, payload, error, tries, created_at)"
                    " VALUES (:id, :stream, :seq, :type, :event_id, :payload, :error, :tries, :at)"
                    " ON CONFLICT (stream, stream_seq, sha256(payload)) DO NOTHING"
                ),
                {
                    "id": uuid7(),
                    "stream": self._puller.stream,
                    "seq": message.metadata.sequence.stream,
                    "type": message.subject,
                    "event_id": (message.headers or {}).get("Nats-Msg-Id"),
                    "payload": message.data,
                    "error": said_of(error, 2000),
                    "tries": tries,
                    "at": wall_now(),
                },
            )


def _is_passing(error: Exception) -> bool:
    """Whether the cause is away for a while rather than in the event."""
    if isinstance(error, ProviderUnavailable | ServiceUnavailable):
        return True
    return isinstance(translate_database_error(error), ServiceUnavailable)


async def _remember(session: AsyncSession, stream: str, envelopes: Sequence[Envelope]) -> set[UUID]:
    """Enter the events into consumed_event; returns those that were not there."""
    rows = await session.execute(
        text(
            "INSERT INTO consumed_event (event_id, stream, type, consumed_at)"
            " SELECT event_id, :stream, type, :at"
            " FROM unnest(CAST(:ids AS uuid[]), CAST(:types AS text[])) AS e(event_id, type)"
            " ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id"
        ),
        {
            "stream": stream,
            "at": wall_now(),
            "ids": [envelope.id for envelope in envelopes],
            "types": [envelope.type for envelope in envelopes],
        },
    )
    return set(rows.scalars())


class DeadLetter(BaseModel):
    id: UUID
    stream: str
    stream_seq: int
    type: str
    error: str
    tries: int
    created_at: datetime
    replayed_at: datetime | None


class DeadLetterService:
    """What could not be consumed: to be looked at, and consumed again once the cause is mended."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def open_letters(self) -> list[DeadLetter]:
        rows = await self._uow.session.execute(
            text(
                "SELECT id, stream, stream_seq, type, error, tries, created_at, replayed_at FROM dead_letter"
                " WHERE replayed_at IS NULL ORDER BY created_at DESC LIMIT 500"
            )
        )
        return [DeadLetter.model_validate(dict(row)) for row in rows.mappings()]

    async def replay(self, letter_id: UUID, tx: Any, consumptions: Consumptions) -> DeadLetter:
        """Apply the letter's event in this transaction; raises Conflict where it cannot be read or was replayed."""
        row = (
            (
                await self._uow.session.execute(
                    text("SELECT * FROM dead_letter WHERE id = :id FOR UPDATE"), {"id": letter_id}
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise NotFound("There is no such dead letter.")
        if row["replayed_at"] is not None:
            raise Conflict("This event was replayed already.")
        await self._apply(row["stream"], row["payload"], tx, consumptions)
        await self._uow.session.execute(
            text("UPDATE dead_letter SET replayed_at = :at WHERE id = :id"),
            {"id": letter_id, "at": wall_now()},
        )
        return DeadLetter.model_validate({**row, "replayed_at": wall_now()})

    async def _apply(self, stream: str, payload: bytes, tx: Any, consumptions: Consumptions) -> None:
        try:
            envelope = read_envelope(payload)
            if await _remember(self._uow.session, stream, [envelope]):
                await consumptions.apply(tx, [envelope])
        except (Unreadable, ValidationError) as error:
            raise Conflict("This event cannot be read here, so it cannot be replayed.") from error
