"""Outgoing HTTP connections whose choosing costs the same however many there are."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import structlog

log = structlog.get_logger(__name__)


@dataclass
class _Line:
    """A transport with one connection. `used_at` is None while it has none."""

    transport: httpx.AsyncBaseTransport
    used_at: float | None = None


class ConnectionStack(httpx.AsyncBaseTransport):
    """Hands each request a transport that nobody uses, the one used last before the others.

    A pool of httpx looks at all its connections, twice, for every request: of thirty-two that is more work than the
    request. A stack of transports with one connection each does not look, and keeps the warm ones warm. Whatever goes
    wrong with a request, or is cut off by a deadline, ends its transport: what the cut left behind in it is unknown.
    """

    def __init__(
        self, make: Callable[[], httpx.AsyncBaseTransport], connections: int, *, keepalive_seconds: float
    ) -> None:
        self._make = make
        self._keepalive_seconds = keepalive_seconds
        self._connections = connections
        self._lines = tuple(_Line(make()) for _ in range(connections))
        self._free = list(self._lines)
        self._places = asyncio.Semaphore(connections)
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises PoolTimeout where none becomes free within the request's pool timeout."""
        await self._wait_for_place(request)
        line = self._free.pop()
        try:
            response = await line.transport.handle_async_request(request)
        except BaseException:
            self._replace(line)
            raise
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Watched(response.stream, lambda: self._release(line), lambda: self._replace(line))
        else:
            self._release(line)
        return response

    async def _wait_for_place(self, request: httpx.Request) -> None:
        patience = request.extensions.get("timeout", {}).get("pool")
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout(f"all {self._connections} connections are in use", request=request) from error

    def _release(self, line: _Line) -> None:
        line.used_at = time.monotonic()
        self._free.append(line)
        self._places.release()
        # Who was not used for long is at the bottom, and its server may have hung up meanwhile.
        for idle in self._free:
            if idle.used_at is None:
                continue
            if idle.used_at > line.used_at - self._keepalive_seconds:
                break
            self._renew(idle)

    def _replace(self, line: _Line) -> None:
        self._renew(line)
        self._free.insert(0, line)
        self._places.release()

    def _renew(self, line: _Line) -> None:
        """Give the place a transport without a connection. The old one is closed on its own: no cut reaches that."""
        closing = asyncio.create_task(_close(line.transport))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        line.transport, line.used_at = self._make(), None

    async def aclose(self) -> None:
        await asyncio.gather(*(_close(line.transport) for line in self._lines), *self._closing)


async def _close(transport: httpx.AsyncBaseTransport) -> None:
    try:
        await transport.aclose()
    except Exception as error:  # noqa: BLE001 - nobody waits for it, and nothing uses it any more
        log.info("connections.closed_out_of_order", error=repr(error))


class _Watched(httpx.AsyncByteStream):
    """An answer's body that says, once, when its connection is free again, or that it must not be used any more."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], None], replace: Callable[[], None]) -> None:
        self._stream = stream
        self._release = release
        self._replace = replace
        self._is_broken = False
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except GeneratorExit:
            raise  # Nobody wants the rest: closing tells what becomes of the connection.
        except BaseException:
            self._is_broken = True
            raise

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            await self._stream.aclose()
        except BaseException:
            self._replace()
            raise
        (self._replace if self._is_broken else self._release)()


def connection_stack(connections: int, *, keepalive_seconds: float) -> ConnectionStack:
    """So many connections, none of which tries a request again; an idle one is dropped after `keepalive_seconds`."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive_seconds)
    context = httpx.create_ssl_context()  # One for all: making it is slow.

    def make() -> httpx.AsyncBaseTransport:
        return httpx.AsyncHTTPTransport(verify=context, retries=0, limits=limits)

    return ConnectionStack(make, connections, keepalive_seconds=keepalive_seconds)
