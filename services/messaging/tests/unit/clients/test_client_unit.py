"""What a send's answer, or the lack of one, means; over httpx's own transport seam."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from messaging.clients.openphone.client import OpenPhoneClient, http_client
from messaging.provider import Accepted, MessageQuery, OutboundText, Rejected, Unavailable, Unknown
from shared.clock import wall_now
from shared.errors import ProviderRejected, ProviderUnavailable

MESSAGE = {
    "id": "AC1",
    "from": "+18575550110",
    "to": ["+16175550143"],
    "text": "Hello",
    "direction": "outgoing",
    "status": "queued",
    "phoneNumberId": "PN1",
    "createdAt": "2026-11-22T19:30:05.120Z",
}
Answer = Callable[[httpx.Request], httpx.Response]


async def no_wait() -> None:
    """Reads need no slot here."""


def client(answer: Answer, waits: list[float] | None = None) -> OpenPhoneClient:
    """`waits` collects how long the client asks everybody to back off."""
    transport = httpx.MockTransport(answer)
    http = http_client("http://provider", "key", timeout=1, connections=4, transport=transport)

    async def back_off(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    return OpenPhoneClient(http, no_wait, back_off)


def text(seconds: float = 20) -> OutboundText:
    return OutboundText(
        message_id=uuid4(),
        fence=uuid4(),
        from_provider_id="PN1",
        to="+16175550143",
        body="Hello",
        deadline=time.monotonic() + seconds,
        not_after=wall_now() + timedelta(seconds=seconds),
    )


def answering(status: int, body: Any = None, **headers: str) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(body, bytes):
            return httpx.Response(status, content=body, headers=headers)
        return httpx.Response(status, json=body, headers=headers)

    return answer


def raising(error: Exception) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        raise error

    return answer


def refusal(code: str, message: str, title: str = "Bad Request") -> dict[str, str]:
    return {"code": code, "message": message, "title": title}


async def test_an_accepted_text_sends_the_raw_key_and_one_recipient() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"data": MESSAGE})

    outcome = await client(answer).send(text())
    assert isinstance(outcome, Accepted)
    assert outcome.provider_id == "AC1"
    [request] = seen
    assert request.headers["authorization"] == "key"
    assert request.read() == b'{"content":"Hello","from":"PN1","to":["+16175550143"]}'


@pytest.mark.parametrize(
    "answer",
    [
        answering(500, refusal("0201500", "Unknown")),
        answering(502, b"<html>"),
        answering(202, b"{"),
        answering(202, {"data": {}}),
        answering(302, b""),
        answering(408, b""),
        raising(httpx.ReadTimeout("")),
        raising(httpx.WriteTimeout("")),
        raising(httpx.ReadError("")),
        raising(httpx.RemoteProtocolError("")),
    ],
)
async def test_whatever_may_have_been_sent_is_unknown(answer: Answer) -> None:
    assert isinstance(await client(answer).send(text()), Unknown)


@pytest.mark.parametrize(
    "error", [httpx.ConnectError(""), httpx.ConnectTimeout(""), httpx.PoolTimeout("")], ids=lambda e: type(e).__name__
)
async def test_without_a_connection_nothing_was_sent(error: Exception) -> None:
    assert isinstance(await client(raising(error)).send(text()), Unavailable)


async def test_past_its_deadline_nothing_is_begun() -> None:
    outcome = await client(raising(AssertionError("it was sent"))).send(text(seconds=-1))
    assert outcome == Unavailable("too_late", 1.0)


async def test_too_many_requests_wait_as_long_as_the_provider_says() -> None:
    outcome = await client(answering(429, b"", **{"retry-after": "7"})).send(text())
    assert outcome == Unavailable("rate_limited", 7.0, is_limited=True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, {"error": {"message": "Missing authorization header", "key": "Unauthorized"}}),
        (402, refusal("0201402", "Subscription expired")),
        (402, {"message": "The organization does not have enough prepaid credits to send the message"}),
        (400, refusal("0206400", "The organization is not approved for A2P")),
    ],
)
async def test_what_concerns_the_account_stops_everything_and_loses_nothing(status: int, body: Any) -> None:
    outcome = await client(answering(status, body)).send(text())
    assert isinstance(outcome, Unavailable)
    assert outcome.halts


async def test_the_providers_daily_cap_is_waited_for() -> None:
    outcome = await client(answering(403, refusal("0204403", "Daily cap reached"))).send(text())
    assert isinstance(outcome, Unavailable)
    assert outcome.halts is None
    assert outcome.retry_after >= 600


@pytest.mark.parametrize(
    ("body", "opted_out", "do_not_text"),
    [
        (refusal("0200400", "The recipient has Opted Out"), True, False),
        (refusal("21610", "Blocked"), True, False),
        (refusal("0200400", "The recipient number is not valid"), False, True),
        (refusal("0200400", "The recipient number is unreachable"), False, True),
        (refusal("0200400", "The input was invalid"), False, False),
    ],
)
async def test_refusals_are_final_and_tell_whether_to_text_again(
    body: dict[str, str], opted_out: bool, do_not_text: bool
) -> None:
    outcome = await client(answering(400, body)).send(text())
    assert isinstance(outcome, Rejected)
    assert (outcome.opted_out, outcome.do_not_text) == (opted_out, do_not_text)


@pytest.mark.parametrize("body", [b"", b"<html>Not Found</html>", b"[]", b'{"error": "x"}'])
async def test_a_refusal_without_words_is_final_too(body: bytes) -> None:
    assert isinstance(await client(answering(403, body)).send(text()), Rejected)


@pytest.fixture
def pages() -> list[httpx.Request]:
    return []


async def test_lists_are_read_to_their_end_on_the_dated_surface(pages: list[httpx.Request]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        pages.append(request)
        token = "two" if len(pages) == 1 else None
        return httpx.Response(200, json={"data": [MESSAGE | {"id": f"AC{len(pages)}"}], "nextPageToken": token})

    query = MessageQuery("PN1", "+18575550110", other="+16175550143", since=wall_now())
    listing = await client(answer).list_messages(query)
    assert [message.provider_id for message in listing.messages] == ["AC1", "AC2"]
    assert pages[0].headers["quo-api-version"] == "2026-03-30"
    assert b"to=%2B16175550143" in pages[0].url.query
    assert pages[1].url.params["pageToken"] == "two"


async def test_without_the_dated_surface_a_thread_is_read_on_v1(pages: list[httpx.Request]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        pages.append(request)
        if request.url.path == "/messages":
            return httpx.Response(404, text="<html>")
        return httpx.Response(200, json={"data": [MESSAGE], "nextPageToken": None})

    listing = await client(answer).list_messages(MessageQuery("PN1", "+18575550110", other="+16175550143"))
    assert len(listing.messages) == 1
    assert pages[1].url.path == "/v1/messages"
    assert b"participants=%2B16175550143" in pages[1].url.query


async def test_reads_tell_a_refusal_from_an_outage() -> None:
    with pytest.raises(ProviderRejected):
        await client(answering(401, b"")).list_numbers()
    for answer in (answering(503, b""), answering(429, b""), raising(httpx.ReadTimeout(""))):
        with pytest.raises(ProviderUnavailable):
            await client(answer).list_numbers()


async def test_a_message_that_is_not_there_is_none() -> None:
    assert await client(answering(404, refusal("0200404", "Not Found"))).get_message("AC9") is None


async def test_an_odd_item_is_left_out_of_a_list_and_the_others_are_read() -> None:
    odd = [MESSAGE | {"id": "AC2", "to": []}, None, MESSAGE | {"id": "AC3", "createdAt": "soon"}]
    answer = answering(200, {"data": [MESSAGE, *odd, MESSAGE | {"id": "AC4"}], "nextPageToken": None})
    listing = await client(answer).list_messages(MessageQuery("PN1", "+18575550110"))
    assert [message.provider_id for message in listing.messages] == ["AC1", "AC4"]


async def test_an_odd_message_is_none() -> None:
    assert await client(answering(200, {"data": MESSAGE | {"to": []}})).get_message("AC1") is None


async def test_too_many_reads_make_everybody_wait() -> None:
    waits: list[float] = []
    with pytest.raises(ProviderUnavailable):
        await client(answering(429, b"", **{"retry-after": "7"}), waits).list_numbers()
    assert waits == [7.0]


async def test_without_the_dated_surface_a_number_is_read_by_its_conversations(pages: list[httpx.Request]) -> None:
    threads = [{"id": "CN1", "participants": ["+16175550143"]}, {"participants": []}, {"participants": ["+1", "+2"]}]

    def answer(request: httpx.Request) -> httpx.Response:
        pages.append(request)
        match request.url.path:
            case "/messages":
                return httpx.Response(404, text="<html>")
            case "/v1/conversations":
                return httpx.Response(200, json={"data": threads, "nextPageToken": None})
        return httpx.Response(200, json={"data": [MESSAGE | {"id": f"AC{len(pages)}"}], "nextPageToken": None})

    since = wall_now()
    listing = await client(answer).list_number(MessageQuery("PN1", "+18575550110", since=since))
    assert len(listing.messages) == 2
    _, conversations, first, second = pages
    assert conversations.url.params["phoneNumbers"] == "PN1"
    assert "updatedAfter" in conversations.url.params
    assert first.url.params.get_list("participants") == ["+16175550143"]
    assert second.url.params.get_list("participants") == ["+1", "+2"]
