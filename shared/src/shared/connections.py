"""Outgoing HTTP connections whose choosing costs the same however many there are."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx


class ConnectionStack(httpx.AsyncBaseTransport):
    """Hands each request a transport that nobody uses, the one used last before the others.

    A pool of httpx looks at all its connections, twice, for every request: of thirty-two that is more work than the
    request. A stack of transports with one connection each does not look, and keeps the warm ones warm.
    """

    def __init__(self, transports: Sequence[httpx.AsyncBaseTransport]) -> None:
        self._transports = tuple(transports)
        self._free = list(transports)
        self._places = asyncio.Semaphore(len(transports))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises PoolTimeout where none becomes free within the request's pool timeout."""
        await self._wait_for_place(request)
        transport = self._free.pop()

        def release() -> None:
            self._free.append(transport)
            self._places.release()

        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            release()
            raise
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Watched(response.stream, release)
        return response

    async def _wait_for_place(self, request: httpx.Request) -> None:
        patience = request.extensions.get("timeout", {}).get("pool")
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout(f"all {len(self._transports)} connections are in use", request=request) from error

    async def aclose(self) -> None:
        for transport in self._transports:
            await transport.aclose()


class _Watched(httpx.AsyncByteStream):
    """An answer's body that says, once, when its connection is free again."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release: Callable[[], None] | None = release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk

    async def aclose(self) -> None:
        release, self._release = self._release, None
        try:
            await self._stream.aclose()
        finally:
            if release is not None:
                release()


def connection_stack(connections: int, *, keepalive_seconds: float) -> ConnectionStack:
    """So many connections, none of which tries a request again; an idle one is dropped after `keepalive_seconds`."""
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive_seconds)
    context = httpx.create_ssl_context()  # One for all: making it is slow.
    return ConnectionStack(
        [httpx.AsyncHTTPTransport(verify=context, retries=0, limits=limits) for _ in range(connections)]
    )
