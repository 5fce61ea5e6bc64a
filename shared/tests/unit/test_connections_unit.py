"""Which connection a request gets, when it is free again, and when it is never used again."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from shared.connections import ConnectionStack


class Line(httpx.AsyncBaseTransport):
    """A connection that answers with its name, once it may, and whose answers are closed once they may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_answer, self.may_close = asyncio.Event(), asyncio.Event()
        self.may_answer.set()
        self.may_close.set()
        self.is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.may_answer.wait()
        if request.url.path == "/broken":
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(200, stream=Body([self.name.encode()], self.may_close))

    async def aclose(self) -> None:
        self.is_closed = True


class Body(httpx.AsyncByteStream):
    def __init__(self, chunks: list[bytes], may_close: asyncio.Event) -> None:
        self._chunks = chunks
        self._may_close = may_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        await self._may_close.wait()


@pytest.fixture
def lines() -> list[Line]:
    """All that were made, the newest last."""
    return []


def stack(lines: list[Line], keepalive_seconds: float = 60.0, connections: int = 2) -> ConnectionStack:
    def make() -> Line:
        lines.append(Line("abcdefghijklmnopqrstuvwxyz"[len(lines)]))
        return lines[-1]

    return ConnectionStack(make, connections, keepalive_seconds=keepalive_seconds)


@pytest.fixture
async def client(lines: list[Line]) -> AsyncIterator[httpx.AsyncClient]:
    timeout = httpx.Timeout(1, pool=0.02)
    async with httpx.AsyncClient(transport=stack(lines), base_url="http://x", timeout=timeout) as client:
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


async def test_an_answer_that_nobody_read_frees_its_connection(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        async with client.stream("GET", "/"):
            pass
    assert (await client.get("/")).text == "b"


async def test_a_connection_on_which_something_went_wrong_is_not_used_again(
    client: httpx.AsyncClient, lines: list[Line]
) -> None:
    with pytest.raises(httpx.ReadError):
        await client.get("/broken")
    await asyncio.sleep(0)
    assert lines[1].is_closed
    assert (await client.get("/")).text == "a"
    async with client.stream("GET", "/") as one, client.stream("GET", "/") as other:
        assert {await one.aread(), await other.aread()} == {b"a", b"c"}


@pytest.mark.parametrize("where", ["answer", "close"])
async def test_a_request_that_is_cut_off_leaves_no_connection_in_doubt(
    client: httpx.AsyncClient, lines: list[Line], where: str
) -> None:
    event = lines[1].may_answer if where == "answer" else lines[1].may_close
    event.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await client.get("/")
    assert [(await client.get("/")).text for _ in range(2)] == ["a", "a"]
    await asyncio.sleep(0)
    assert lines[1].is_closed
    async with client.stream("GET", "/") as one, client.stream("GET", "/") as other:
        assert {await one.aread(), await other.aread()} == {b"a", b"c"}


async def test_an_idle_connection_is_dropped_by_the_next_that_is_free(lines: list[Line]) -> None:
    async with httpx.AsyncClient(transport=stack(lines, 0.0, connections=3), base_url="http://x") as client:
        async with client.stream("GET", "/"), client.stream("GET", "/"):
            pass
        await client.get("/")
        await asyncio.sleep(0)
        assert any(line.is_closed for line in lines[:3])


async def test_closing_the_client_closes_every_connection(client: httpx.AsyncClient, lines: list[Line]) -> None:
    await client.aclose()
    assert all(line.is_closed for line in lines)
