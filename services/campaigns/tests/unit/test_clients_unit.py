"""What our clients make of answers, good and bad; the transport is the seam."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from campaigns.clients.contacts import ContactsClient
from campaigns.clients.messaging import MessagingClient
from campaigns.exclusion import Line
from shared.errors import ProviderRejected, ProviderUnavailable

LISTS = [UUID(int=1)]


def contacts(answer: httpx.Response) -> ContactsClient:
    transport = httpx.MockTransport(lambda _: answer)
    return ContactsClient(httpx.AsyncClient(transport=transport, base_url="http://contacts"))


def messaging(answer: httpx.Response) -> MessagingClient:
    transport = httpx.MockTransport(lambda _: answer)
    return MessagingClient(httpx.AsyncClient(transport=transport, base_url="http://messaging"))


def line(n: int, **fields: object) -> str:
    return json.dumps({"contact_id": str(UUID(int=n)), "version": 1, **fields}, ensure_ascii=False) + "\n"


class Chunks(httpx.AsyncByteStream):
    def __init__(self, body: bytes, size: int, *, breaks_off: bool = False) -> None:
        self._body, self._size, self._breaks_off = body, size, breaks_off

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), self._size):
            yield self._body[start : start + self._size]
        if self._breaks_off:
            raise httpx.RemoteProtocolError("peer closed connection")


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_people_are_read_whatever_the_chunks(size) -> None:
    # U+2028 ends a line for many readers, but not in NDJSON.
    body = (line(1, first_name="José\u2028Luis") + line(2)).encode()
    client = contacts(httpx.Response(200, stream=Chunks(body, size)))
    people = [person async for person in client.members(LISTS, [])]
    assert [(p.contact_id.int, p.first_name) for p in people] == [(1, "José\u2028Luis"), (2, None)]


async def test_a_stream_that_breaks_off_is_no_audience() -> None:
    client = contacts(httpx.Response(200, stream=Chunks(line(1).encode(), 10, breaks_off=True)))
    with pytest.raises(ProviderUnavailable):
        [person async for person in client.members(LISTS, [])]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, json={"detail": "There is no such list."}), ProviderRejected),
        (httpx.Response(503), ProviderUnavailable),
        (httpx.Response(200, text='{"contact_id": 5}\n'), ProviderRejected),
        (httpx.Response(200, text="<html>"), ProviderRejected),
    ],
)
async def test_other_answers_are_errors(answer, error) -> None:
    with pytest.raises(error):
        [person async for person in contacts(answer).members(LISTS, [])]


async def test_phone_states_are_read() -> None:
    known = {"phone": "+1", "is_opted_out": True, "line_type": "mobile", "has_conversation": False}
    states = await messaging(httpx.Response(200, json={"items": [known]})).phone_states(["+1", "+2"])
    assert {phone: (s.is_opted_out, s.line_type) for phone, s in states.items()} == {"+1": (True, Line.MOBILE)}


async def test_nothing_is_asked_about_no_phones() -> None:
    assert await messaging(httpx.Response(500)).phone_states([]) == {}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(500), ProviderUnavailable),
        (httpx.Response(200, text="?"), ProviderRejected),
        (httpx.Response(200, json={"items": [{"phone": 5}]}), ProviderRejected),
    ],
)
async def test_unreadable_states_are_errors(answer, error) -> None:
    with pytest.raises(error):
        await messaging(answer).phone_states(["+1"])
