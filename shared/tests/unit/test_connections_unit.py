"""Which connection a request gets, and when it is free again."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from shared.connections import ConnectionStack


class Line(httpx.AsyncBaseTransport):
    """A connection that answers with its name, once it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.may_answer.wait()
        if request.url.path == "/broken":
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(200, stream=Body([self.name.encode()]))

    async def aclose(self) -> None:
        self.is_closed = True


class Body(httpx.AsyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


@pytest.fixture
def lines() -> list[Line]:
    return [Line("a"), Line("b")]


@pytest.fixture
async def client(lines: list[Line]) -> AsyncIterator[httpx.AsyncClient]:
    timeout = httpx.Timeout(1, pool=0.02)
    async with httpx.AsyncClient(transport=ConnectionStack(lines), base_url="http://x", timeout=timeout) as client:
        yield client


async def test_the_connection_used_last_is_used_first(client: httpx.AsyncClient) -> None:
    assert [(await client.get("/")).text for _ in range(3)] == ["b", "b", "b"]


async def test_a_request_at_the_same_time_gets_another_connection(client: httpx.AsyncClient, lines: list[Line]) -> None:
    lines[1].may_answer.clear()
    slow = asyncio.create_task(client.get("/"))
    await asyncio.sleep(0)
    assert (await client.get("/")).text == "a"
    lines[1].may_answer.set()
    assert (await slow).text == "b"


async def test_where_all_are_in_use_a_request_gives_up_and_a_later_one_goes_through(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/"), client.stream("GET", "/"):
        with pytest.raises(httpx.PoolTimeout, match="all 2 connections"):
            await client.get("/")
    assert (await client.get("/")).text in ("a", "b")


async def test_a_connection_is_free_after_a_failure_a_cancellation_and_an_answer_nobody_read(
    client: httpx.AsyncClient, lines: list[Line]
) -> None:
    for _ in range(3):
        with pytest.raises(httpx.ReadError):
            await client.get("/broken")
        async with client.stream("GET", "/"):
            pass
        for line in lines:
            line.may_answer.clear()
        cancelled = asyncio.create_task(client.get("/"))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        for line in lines:
            line.may_answer.set()
    async with client.stream("GET", "/") as one, client.stream("GET", "/") as other:
        assert {await one.aread(), await other.aread()} == {b"a", b"b"}


async def test_closing_the_client_closes_every_connection(client: httpx.AsyncClient, lines: list[Line]) -> None:
    await client.aclose()
    assert all(line.is_closed for line in lines)
