"""The live stream: hints from the services' workers, handed to every open browser."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import structlog
from nats.aio.msg import Msg
from shared.bus import Bus
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

SUBJECT = "live.>"
CHECK_SECONDS = 5.0
HEARTBEAT_SECONDS = 15.0
WAITING_HINTS = 500
END_SECONDS = 0.5
RETRY_SECONDS = 1.0


class Hub:
    """One subscription for the process, one bounded queue for each open stream."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[dict[str, Any] | None]] = set()

    def subscribe(self) -> asyncio.Queue[dict[str, Any] | None]:
        queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(WAITING_HINTS)
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
        self._queues.discard(queue)

    def tell(self, hint: dict[str, Any]) -> None:
        """Hand a hint to everybody. Who cannot keep up is told to read everything again instead."""
        for queue in self._queues:
            if queue.full():
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(hint)

    def resynchronise(self) -> None:
        """Hints were lost: everybody reads again what they show."""
        for queue in self._queues:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(None)

    async def receive(self, subject: str, payload: bytes) -> None:
        """A message of `live.<service>.<resource>`; only these four members reach a browser."""
        try:
            hint = orjson.loads(payload)
            service = subject.split(".")[1]
            found = {"service": service, "resource": hint["resource"], "id": hint["id"], "version": hint["version"]}
        except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
            log.warning("live.unreadable", subject=subject)
            return
        self.tell(found)


async def feed(hub: Hub, settings: ServiceSettings) -> None:
    """Listen for ever. The api is ready without NATS: until it answers, streams carry heartbeats only."""
    while True:
        try:
            await _listen(hub, settings)
        except Exception as error:  # noqa: BLE001 - whatever keeps NATS away, signing people in goes on
            log.warning("live.no_bus", error=repr(error))
        await asyncio.sleep(RETRY_SECONDS)


async def ended(feeding: asyncio.Task[None]) -> None:
    """Return once it has ended. One that meets the client while it connects can be swallowed there: cancel again."""
    while not feeding.done():
        feeding.cancel()
        await asyncio.wait([feeding], timeout=END_SECONDS)


async def _listen(hub: Hub, settings: ServiceSettings) -> None:
    bus = await Bus.connect(settings, "gateway-live", exit_when_closed=False)

    async def receive(message: Msg) -> None:  # The client refuses callables that are not coroutine functions.
        await hub.receive(message.subject, message.data)

    try:
        await bus.subscribe_live(SUBJECT, receive)
        hub.resynchronise()
        await _watch(hub, bus)
    finally:
        await bus.close()


async def _watch(hub: Hub, bus: Bus) -> None:
    """Tell the streams when hints may have been lost while the connection was away."""
    was_connected = True
    while True:
        await asyncio.sleep(RETRY_SECONDS)
        is_connected = bus.client.is_connected
        if is_connected and not was_connected:
            hub.resynchronise()
        was_connected = is_connected


async def stream(
    hub: Hub,
    is_live: Callable[[], Awaitable[bool]],
    *,
    check_seconds: float = CHECK_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """Server-sent events: `ready` once, `hint` for each change, `resync` when all must be read again, `ended`.

    The session is looked up every `check_seconds`; the stream ends with it, and also where it cannot be looked up.
    """
    queue = hub.subscribe()
    checked = told = time.monotonic()
    try:
        yield _event("ready", {})
        while True:
            try:
                async with asyncio.timeout(max(0.0, checked + check_seconds - time.monotonic())):
                    hint = await queue.get()
                yield _event("hint", hint) if hint is not None else _event("resync", {})
                told = time.monotonic()
            except TimeoutError:
                pass  # Nothing to tell; time to look at the session again.
            if time.monotonic() - checked >= check_seconds:
                if not await _holds(is_live):
                    yield _event("ended", {})
                    return
                checked = time.monotonic()
            if time.monotonic() - told >= heartbeat_seconds:
                yield b": still here\n\n"
                told = time.monotonic()
    finally:
        hub.unsubscribe(queue)


async def _holds(is_live: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await is_live()
    except Exception as error:  # noqa: BLE001 - a session that cannot be looked up is not trusted
        log.warning("live.session_unknown", error=repr(error))
        return False


def _event(name: str, content: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(content))
