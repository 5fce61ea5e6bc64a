"""Outbox, relay, consumers and jobs, on the probe service with real PostgreSQL and NATS."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import orjson
import pytest
from nats.aio.msg import Msg
from probe_service.spec import CONSUMES
from shared.bus import Puller
from shared.clock import wall_now
from shared.consuming import Consumer, Consumptions
from shared.database import MOST_HINTS, Begin, UnitOfWork
from shared.events.messaging import ContactSeen
from shared.main import durables
from shared.relay import Relay, republish
from shared.testing import until
from shared.testing.drift import assert_no_drift
from shared.testing.plugin import Database
from shared.testing.streams import TestBus, make_streams
from shared.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared import failpoints

NOTES = "/api/v1/notes"
CONSENT = "contacts.consent.recorded.v1"


def seen(phone: str = "+16175550100") -> ContactSeen:
    return ContactSeen(phone=phone, conversation_id=uuid4(), seen_at=wall_now())


async def rows(begin: Begin, query: str) -> list[tuple]:
    async with begin() as tx:
        return [tuple(row) for row in (await (await tx.aget(AsyncSession)).execute(text(query))).all()]


@pytest.fixture
def failpoint():
    yield failpoints.configure
    failpoints.configure("")


async def test_models_and_migrations_agree(database: Database, service_under_test) -> None:
    from probe_service.spec import Base

    await assert_no_drift(database.owner_url, Base.metadata)


async def test_an_event_reaches_the_stream_with_its_state(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, begin: Begin
) -> None:
    await client.post(NOTES, json={"topic": "+16175550100", "body": "whisper"})
    await client.post(NOTES, json={"topic": "+16175550101", "body": "refuse"})
    await worker.run_until_idle()
    published = await bus.envelopes(CONSENT)
    assert [envelope.subject for envelope in published] == ["+16175550100"]
    assert published[0].source == "/crm/probe_service"
    assert published[0].traceparent
    assert await rows(begin, "SELECT body FROM note") == [("SHOUT",)]


async def test_a_relay_that_dies_after_the_acknowledgement_publishes_once_more_under_the_same_id(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, failpoint
) -> None:
    await client.post(NOTES, json={"topic": "a"})
    failpoint("relay.after_ack=raise")
    with pytest.raises(failpoints.FailpointError):
        await worker.run_until_idle()
    await worker.run_until_idle()
    assert len(await bus.envelopes(CONSENT)) == 1


async def test_a_stream_that_was_lost_is_filled_again_from_the_outbox(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, begin: Begin, service_under_test
) -> None:
    await client.post(NOTES, json={"topic": "a"})
    await client.post(NOTES, json={"topic": "b"})
    await worker.run_until_idle()
    before = [envelope.id for envelope in await bus.envelopes(CONSENT)]
    await make_streams(bus, service_under_test.name, durables(service_under_test))
    assert await bus.envelopes(CONSENT) == []
    hour_ago = wall_now() - timedelta(hours=1)
    assert await republish(begin, since=wall_now()) == 0
    assert await republish(begin, since=hour_ago, event_type="contacts.contact.changed.v1") == 0
    assert await republish(begin, since=hour_ago, event_type=CONSENT) == 2
    await worker.run_until_idle()
    assert [envelope.id for envelope in await bus.envelopes(CONSENT)] == before


async def test_rows_that_commit_out_of_order_are_all_published(
    database: Database, registry, worker: Worker, bus: TestBus, begin: Begin
) -> None:
    async def publish(topic: str, go: asyncio.Event, inserted: asyncio.Event) -> None:
        from probe_service.spec import NoteService

        async with begin() as tx:
            await (await tx.aget(NoteService)).create(topic, "")
            from shared.database import UnitOfWork

            await (await tx.aget(UnitOfWork)).flush()
            inserted.set()
            await go.wait()

    first_go, second_go, first_in, second_in = (asyncio.Event() for _ in range(4))
    first = asyncio.create_task(publish("first", first_go, first_in))
    await first_in.wait()
    second = asyncio.create_task(publish("second", second_go, second_in))
    await second_in.wait()
    second_go.set()
    await second
    await worker.run_until_idle()
    first_go.set()
    await first
    await worker.run_until_idle()
    assert {envelope.subject for envelope in await bus.envelopes(CONSENT)} == {"first", "second"}


async def test_two_relays_share_one_lock(database: Database, bus: TestBus, client: httpx.AsyncClient) -> None:
    for number in range(20):
        await client.post(NOTES, json={"topic": f"t{number}"})
    engines: list[AsyncEngine] = [create_async_engine(database.url) for _ in range(2)]
    done = await asyncio.gather(*(Relay(engine, bus).run_once() for engine in engines))
    assert sorted(done) == [0, 20] or sum(done) == 20
    for engine in engines:
        await engine.dispose()
    assert len(await bus.envelopes(CONSENT)) == 20


async def test_a_redelivered_event_has_one_effect(worker: Worker, bus: TestBus, begin: Begin) -> None:
    event = seen()
    event_id = await bus.publish_event(event)
    await worker.run_until_idle()
    # The stream forgets ids after two minutes; a later repeat is a new message with the old event.
    await bus.jetstream.publish(
        "messaging.contact.seen.v1", (await bus.envelopes("messaging.contact.seen.v1"))[0].model_dump_json().encode()
    )
    await worker.run_until_idle()
    assert await rows(begin, "SELECT count(*) FROM note") == [(1,)]
    assert await rows(begin, "SELECT event_id FROM consumed_event") == [(UUID(event_id),)]


async def test_a_consumer_that_dies_before_the_acknowledgement_has_one_effect(
    worker: Worker, bus: TestBus, begin: Begin, failpoint
) -> None:
    await acknowledge_within_a_second(bus)
    await bus.publish_event(seen())
    failpoint("consumer.after_commit=raise")
    with pytest.raises(failpoints.FailpointError):
        await worker.run_until_idle()
    await worker.run_until_idle()
    assert await rows(begin, "SELECT count(*) FROM note") == [(1,)]


class Lossy:
    """A puller whose last message is acknowledged by a connection that has just gone."""

    def __init__(self, puller: Puller) -> None:
        self._puller = puller
        self.stream = puller.stream

    async def fetch(self, batch: int, wait: float) -> list[Msg]:
        messages = await self._puller.fetch(batch, wait)
        for message in messages[-1:]:
            message.ack_sync = self._lose
        return messages

    async def _lose(self, timeout: float) -> None:
        raise TimeoutError(f"no answer within {timeout} s")


async def acknowledge_within_a_second(bus: TestBus) -> None:
    config = (await bus.jetstream.consumer_info("MESSAGING", "probe_service")).config
    await bus.jetstream.add_consumer("MESSAGING", replace(config, ack_wait=1))


async def test_a_batch_that_is_acknowledged_in_part_is_no_failed_batch(
    worker: Worker, bus: TestBus, begin: Begin, registry
) -> None:
    await acknowledge_within_a_second(bus)
    for number in range(3):
        await bus.publish_event(seen(f"+1617555010{number}"))
    puller = await bus.puller("MESSAGING", "probe_service")
    consumer = Consumer(begin, Lossy(puller), Consumptions(CONSUMES))
    assert await consumer.run_once() == 3

    async def is_only_the_lost_one_left() -> bool:
        return await puller.backlog() == (0, 1)

    await until(is_only_the_lost_one_left)
    await worker.run_until_idle()
    assert await rows(begin, "SELECT count(*) FROM note") == [(3,)]
    assert await rows(begin, "SELECT count(*) FROM dead_letter") == [(0,)]


async def test_poison_of_a_stream_that_was_made_again_is_kept_too(
    worker: Worker, bus: TestBus, begin: Begin, service_under_test
) -> None:
    await bus.jetstream.publish("messaging.contact.seen.v1", b"{not json")
    await worker.run_until_idle()
    await make_streams(bus, service_under_test.name, durables(service_under_test))
    await bus.jetstream.publish("messaging.contact.seen.v1", b"{not this either")
    await worker.run_until_idle()
    assert await rows(begin, "SELECT count(DISTINCT payload), count(DISTINCT stream_seq) FROM dead_letter") == [(2, 1)]


async def test_poison_is_buried_and_the_rest_flows(worker: Worker, bus: TestBus, begin: Begin) -> None:
    await bus.jetstream.publish("messaging.contact.seen.v1", b"{not json")
    await bus.publish_event(seen("poison"))
    for number in range(5):
        await bus.publish_event(seen(f"+1617555010{number}"))
    await worker.run_until_idle()
    assert await rows(begin, "SELECT count(*) FROM note") == [(5,)]
    letters = await rows(begin, "SELECT stream_seq, tries FROM dead_letter ORDER BY stream_seq")
    assert [seq for seq, _ in letters] == [1, 2]
    assert letters[1][1] == 5
    report = await worker.idle()
    assert (report.idle, report.dead_letters) == (True, 2)


async def test_a_dead_letter_is_replayed_once_its_cause_is_mended(
    client: httpx.AsyncClient, worker: Worker, bus: TestBus, begin: Begin
) -> None:
    # The cause: a note of that topic stands in the way of the event's.
    note = (await client.post(NOTES, json={"topic": "+16175550100"})).json()
    await bus.publish_event(seen("+16175550100"))
    await worker.run_until_idle()
    letters = (await client.get("/internal/v1/dead-letters")).json()["items"]
    assert len(letters) == 1
    address = f"/internal/v1/dead-letters/{letters[0]['id']}/replay"
    assert (await client.post(address)).status_code == 409
    async with begin() as tx:
        await (await tx.aget(AsyncSession)).execute(text("DELETE FROM note WHERE id = :id"), {"id": note["id"]})
    assert (await client.post(address)).status_code == 200
    assert await rows(begin, "SELECT body FROM note") == [("seen",)]
    assert (await client.post(address)).status_code == 409
    assert (await client.get("/internal/v1/dead-letters")).json()["items"] == []


async def test_of_many_changes_a_browser_hears_one_hint(begin: Begin, database: Database) -> None:
    heard: list[dict[str, object]] = []
    listener = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    try:
        await listener.add_listener("live", lambda *notice: heard.append(orjson.loads(notice[-1])))
        async with begin() as tx:
            uow = await tx.aget(UnitOfWork)
            for version in (1, 2):
                uow.hint("few", "a", version)
            for number in range(MOST_HINTS + 1):
                uow.hint("many", str(number), 1)
        await until(lambda: len(heard) >= 2, what="both are heard")
    finally:
        await listener.close()
    assert heard == [
        {"resource": "few", "id": "a", "version": 2},
        {"resource": "many", "id": "*", "version": 0},
    ]
