"""The live stream: who is told what, and when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from gateway.services.live import WAITING_HINTS, Hub, ended, stream

HINT = b'{"resource": "contacts", "id": "1", "version": 2, "name": "never shown"}'


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise OSError("the database is away")


async def read(events: AsyncIterator[bytes]) -> bytes:
    return await anext(events)


async def test_a_hint_carries_ids_only() -> None:
    hub = Hub()
    events = stream(hub, yes)
    assert await read(events) == b"event: ready\ndata: {}\n\n"
    await hub.receive("live.contacts.contacts", HINT)
    assert await read(events) == (
        b'event: hint\ndata: {"service":"contacts","resource":"contacts","id":"1","version":2}\n\n'
    )


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"resource": 1}'])
async def test_what_cannot_be_read_is_dropped(payload: bytes) -> None:
    hub = Hub()
    queue = hub.subscribe()
    await hub.receive("live.contacts.contacts", payload)
    assert queue.empty()


@pytest.mark.parametrize("answer", [no, broken])
async def test_the_stream_ends_with_its_session(answer: object) -> None:
    hub = Hub()
    events = stream(hub, answer, check_seconds=0.01)  # type: ignore[arg-type]
    assert [event async for event in events][-1] == b"event: ended\ndata: {}\n\n"
    assert hub._queues == set()


async def test_a_busy_stream_checks_its_session_too() -> None:
    hub = Hub()
    events = stream(hub, no, check_seconds=0.0)
    await read(events)
    await hub.receive("live.contacts.contacts", HINT)
    assert b"event: ended" in b"".join([event async for event in events])


async def test_who_cannot_keep_up_reads_everything_again() -> None:
    hub = Hub()
    events = stream(hub, yes)
    await read(events)
    for _ in range(WAITING_HINTS + 1):
        await hub.receive("live.contacts.contacts", HINT)
    assert await read(events) == b"event: resync\ndata: {}\n\n"


async def test_an_idle_stream_shows_that_it_lives() -> None:
    events = stream(Hub(), yes, check_seconds=0.01, heartbeat_seconds=0.0)
    await read(events)
    assert await read(events) == b": still here\n\n"


async def test_a_feed_that_swallows_a_cancellation_is_cancelled_again() -> None:
    async def swallow_one() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    feeding = asyncio.create_task(swallow_one())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await ended(feeding)
    assert feeding.cancelled()
