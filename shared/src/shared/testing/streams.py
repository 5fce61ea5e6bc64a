"""Streams and durables for tests, made as the bootstrap makes them, and a look at what is in them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from nats.js.errors import NotFoundError

from shared.bootstrap import STREAMS, create_durables, create_streams
from shared.bus import Bus, stream_of
from shared.clock import wall_now
from shared.events.envelope import Envelope, Event
from shared.ids import uuid7


async def make_streams(bus: Bus, service: str, durables: Sequence[dict[str, Any]]) -> None:
    """Empty streams, and the durables of the service under test."""
    for name in STREAMS:
        with suppress(NotFoundError):
            await bus.jetstream.delete_stream(name)
    await create_streams(bus.client)
    await create_durables(bus.client, service, durables)


class TestBus(Bus):
    """The bus with what only tests need: publish any event as its publisher would, and read a stream."""

    __test__ = False

    async def publish_event(self, event: Event, *, event_id: str | None = None, source: str = "") -> str:
        """Publish `event` with its envelope; returns its id. The same id twice is one message within two minutes."""
        identity = event_id or str(uuid7())
        envelope = Envelope(
            id=identity,
            type=event.type,
            source=f"/crm/{source or event.type.split('.', 1)[0]}",
            subject=event.subject_id,
            time=wall_now(),
            data=event.model_dump(mode="json"),
            aggregateversion=event.aggregate_version,
        )
        await self.publish(event.type, envelope.model_dump_json(exclude_none=True).encode(), identity)
        return identity

    async def envelopes(self, event_type: str) -> list[Envelope]:
        """Every event of `event_type` that its stream holds, in stream order."""
        stream = stream_of(event_type)
        state = (await self.jetstream.stream_info(stream)).state
        found = []
        for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
            message = await self.jetstream.get_msg(stream, sequence)
            if message.subject == event_type and message.data:
                found.append(Envelope.model_validate_json(message.data))
        return found
