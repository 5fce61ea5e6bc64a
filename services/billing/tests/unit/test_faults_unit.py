"""What each of QuickBooks's refusals means for the caller (reference, section 5)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import httpx
import orjson
import pytest
import structlog
from billing.clients.quickbooks import client
from billing.clients.quickbooks.client import Call, QuickBooksClient, Wire
from billing.clients.quickbooks.faults import Fault, error_of, find_fault, is_about_tokens
from billing.provider import (
    CompanySuspended,
    DuplicateName,
    DuplicateNumber,
    ObjectMissing,
    QuickBooksRefused,
    RepeatedRequest,
    StaleObject,
)
from shared.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable

READ = Call("read invoice", "GET", "invoice/1", {})
WRITE = Call("write invoice", "POST", "invoice", {"requestid": "r1"}, body="{}", is_write=True)
THROTTLED = (
    '<IntuitResponse time="…" xmlns="http://schema.intuit.com/finance/v3"><Fault type="SERVICE"><Error code="3001">'
    "<Message>message=ThrottleExceeded; errorCode=003001; statusCode=429</Message>"
    "<Detail>The request limit was reached.  Try again later</Detail></Error></Fault></IntuitResponse>"
).encode()
TOKEN_XML = (
    b'<?xml version="1.0"?><IntuitResponse><Fault type="AuthenticationFault"><Error code=\'100\'>'
    b"<Message>General Authentication Error</Message><Detail>Token expired &amp; gone</Detail></Error></Fault>"
    b"</IntuitResponse>"
)
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


def fault(code: str, detail: str = "Said so.", message: str = "Refused") -> bytes:
    error = {"Message": message, "Detail": detail, "code": code, "element": ""}
    return orjson.dumps({"Fault": {"Error": [error], "type": "ValidationFault"}, "time": "2026-11-22T02:00:00-08:00"})


def gateway(code: str, status: int) -> bytes:
    """The lower case shape, with everything that stands around it."""
    error = {"message": f"message=X; errorCode=00{code}; statusCode={status}", "detail": "No", "code": code}
    return orjson.dumps(
        {"warnings": None, "fault": {"error": [error], "type": "SERVICE"}, "queryResponse": None, "cdcresponse": []}
    )


T = TypeVar("T")


class Company:
    """A QuickBooks that answers every call the same, and what our client made of it."""

    def __init__(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.status, self.content, self.headers = status, content, headers or {}
        self.tokens: list[str | None] = []
        self.waits: list[float] = []
        self.calls = 0
        self.versions: list[str | None] = []
        self.turns_come_at: list[float] = []
        self.timeout_seconds = 30.0

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.versions.append(request.url.params.get("minorversion"))
        return httpx.Response(self.status, content=self.content, headers=self.headers)

    async def _token(self, realm_id: str, rejected: str | None = None) -> str:
        self.tokens.append(rejected)
        return f"token {len(self.tokens)}"

    async def _turn(self, realm_id: str) -> None:
        comes_at = self.turns_come_at.pop(0) if self.turns_come_at else time.monotonic()
        await asyncio.sleep(comes_at - time.monotonic())

    async def _take_if_free(self, realm_id: str) -> bool:
        """As long as nobody has had a turn."""
        return len(self.tokens) == 1

    async def _back_off(self, realm_id: str, seconds: float) -> None:
        self.waits.append(seconds)

    async def ask(self, call: Call) -> dict[str, Any]:
        return await self.does(lambda books: books.send(call))

    async def does(self, what: Callable[[QuickBooksClient], Awaitable[T]]) -> T:
        async with httpx.AsyncClient(base_url="http://q", transport=httpx.MockTransport(self._answer)) as http:
            wire = Wire(
                http,
                self._token,
                self._turn,
                self._take_if_free,
                self._back_off,
                throttle_seconds=60,
                timeout_seconds=self.timeout_seconds,
            )
            return await what(QuickBooksClient(wire, "1"))

    async def refuses(self, call: Call) -> ProviderError:
        with pytest.raises(ProviderError) as raised:
            await self.ask(call)
        return raised.value


@pytest.mark.parametrize(
    ("status", "content", "read", "write"),
    [
        pytest.param(400, fault("6000"), QuickBooksRefused, QuickBooksRefused, id="fault"),
        pytest.param(403, gateway("3100", 403), CompanySuspended, CompanySuspended, id="lower case 403"),
        pytest.param(403, PAGE, CompanySuspended, CompanySuspended, id="page 403"),
        pytest.param(401, gateway("3200", 401), ProviderUnavailable, ProviderUnavailable, id="lower case 401"),
        pytest.param(429, gateway("3001", 429), ProviderUnavailable, ProviderUnavailable, id="lower case 429"),
        pytest.param(429, THROTTLED, ProviderUnavailable, ProviderUnavailable, id="XML 429"),
        pytest.param(403, THROTTLED, ProviderUnavailable, ProviderUnavailable, id="XML 403, an older 429"),
        pytest.param(401, TOKEN_XML, ProviderUnavailable, ProviderUnavailable, id="XML 401"),
        pytest.param(502, PAGE, ProviderUnavailable, ProviderOutcomeUnknown, id="page 502"),
        pytest.param(200, PAGE, ProviderError, ProviderOutcomeUnknown, id="page 200"),
        pytest.param(404, PAGE, QuickBooksRefused, QuickBooksRefused, id="page 404"),
        pytest.param(200, b"", ProviderOutcomeUnknown, ProviderOutcomeUnknown, id="empty 200"),
        pytest.param(500, b"", ProviderUnavailable, ProviderOutcomeUnknown, id="empty 500"),
        pytest.param(400, b"", QuickBooksRefused, QuickBooksRefused, id="empty 400"),
        pytest.param(429, b"", ProviderUnavailable, ProviderUnavailable, id="empty 429"),
        pytest.param(200, fault("6000"), QuickBooksRefused, QuickBooksRefused, id="fault in 200"),
        pytest.param(200, fault("5010"), StaleObject, StaleObject, id="stale in 200"),
        pytest.param(200, fault("10000"), ProviderUnavailable, ProviderOutcomeUnknown, id="application error in 200"),
        pytest.param(200, fault("3001"), ProviderUnavailable, ProviderUnavailable, id="throttled in 200"),
        pytest.param(
            200, b'{"Invoice":{"Id":"1","Tot', ProviderOutcomeUnknown, ProviderOutcomeUnknown, id="truncated 200"
        ),
        pytest.param(500, b'{"Fault":{"Err', ProviderUnavailable, ProviderOutcomeUnknown, id="truncated 500"),
        pytest.param(200, b"[]", ProviderOutcomeUnknown, ProviderOutcomeUnknown, id="a list"),
        pytest.param(500, fault("10000"), ProviderUnavailable, ProviderOutcomeUnknown, id="application error"),
        pytest.param(400, fault("10000"), ProviderUnavailable, ProviderOutcomeUnknown, id="application error as 400"),
    ],
)
async def test_every_shape_means_the_same_as_what_it_says(
    status: int, content: bytes, read: type[ProviderError], write: type[ProviderError]
) -> None:
    assert isinstance(await Company(status, content).refuses(READ), read)
    assert isinstance(await Company(status, content).refuses(WRITE), write)


async def test_what_was_cut_off_before_it_left_was_not_done() -> None:
    class Down(Company):
        def _answer(self, request: httpx.Request) -> httpx.Response:
            raise self.error

    company = Down(200, b"")
    company.error = httpx.ConnectError("no route")  # type: ignore[attr-defined]
    assert isinstance(await company.refuses(WRITE), ProviderUnavailable)
    company.error = httpx.ReadTimeout("silence")  # type: ignore[attr-defined]
    assert isinstance(await company.refuses(WRITE), ProviderOutcomeUnknown)
    assert isinstance(await company.refuses(READ), ProviderUnavailable)


async def test_who_gives_way_has_one_turn_for_both_tries() -> None:
    company = Company(401, TOKEN_XML)
    with pytest.raises(ProviderUnavailable) as raised:
        await company.does(lambda books: books.pay_link("1", gives_way=True))
    assert (company.calls, "access token" in str(raised.value)) == (2, True)


@pytest.mark.parametrize("content", [gateway("3200", 401), TOKEN_XML, fault("100"), fault("120"), b""])
async def test_a_token_that_is_refused_is_replaced_once(content: bytes) -> None:
    company = Company(401, content)
    assert isinstance(await company.refuses(WRITE), ProviderUnavailable)
    assert (company.tokens, company.calls) == ([None, "token 1"], 2)


@pytest.mark.parametrize("status", [429, 403])
async def test_throttling_slows_every_call_to_the_company(status: int) -> None:
    untold = Company(status, THROTTLED)
    error = await untold.refuses(READ)
    assert isinstance(error, ProviderUnavailable)
    assert (untold.waits, error.retry_after, untold.calls) == ([60], 60, 1)
    told = Company(status, THROTTLED, {"Retry-After": "7"})
    await told.refuses(READ)
    assert told.waits == [7]


async def test_an_application_that_may_not_enter_is_told_so_and_asks_for_no_token() -> None:
    company = Company(403, gateway("3100", 403))
    error = await company.refuses(READ)
    assert "does not let this application into the company" in error.message
    assert (company.calls, company.tokens) == (1, [None])


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        ("600", RepeatedRequest),
        ("610", ObjectMissing),
        ("5010", StaleObject),
        ("6140", DuplicateNumber),
        ("3100", CompanySuspended),
        ("6190", CompanySuspended),
        ("6240", DuplicateName),
        *((code, QuickBooksRefused) for code in ("500", "620", "1040", "2010", "2020", "2030", "2040", "2050", "2130")),
        *((code, QuickBooksRefused) for code in ("2170", "2210", "2250", "2290", "2500", "4000", "4001", "5020")),
        *((code, QuickBooksRefused) for code in ("5030", "6000", "6070", "6080", "6100", "6200", "6210", "6220")),
        *((code, QuickBooksRefused) for code in ("6420", "6450", "6460", "6540", "99999", "")),
    ],
)
def test_each_code_has_its_meaning_also_with_leading_zeros(code: str, meaning: type[QuickBooksRefused]) -> None:
    for written in {code, f"00{code}" if code else code}:
        found = find_fault(httpx.Response(400, content=fault(written)))
        error = error_of(400, found, operation="write", is_write=True, wait=60)
        assert type(error) is meaning
        assert isinstance(error, QuickBooksRefused)
        assert (error.fault_code, error.detail) == (code, "Said so.")
        assert "Said so." in error.message


@pytest.mark.parametrize("code", ["130", "140", "150", "10000", "003001", "0130"])
def test_what_passes_is_tried_again_whatever_its_status(code: str) -> None:
    for status in (400, 403, 500):
        read = error_of(status, Fault(code), operation="read", is_write=False, wait=60)
        assert isinstance(read, ProviderUnavailable)
        assert not isinstance(error_of(status, Fault(code), operation="w", is_write=True, wait=60), QuickBooksRefused)


@pytest.mark.parametrize("status", [400, 403])
def test_what_the_plan_lacks_is_no_matter_of_the_application(status: int) -> None:
    error = error_of(status, Fault("5020", "", "Permission Denied Error"), operation="w", is_write=True, wait=60)
    assert isinstance(error, QuickBooksRefused)
    assert "Permission Denied Error" in error.message
    assert "application" not in error.message


def test_a_taken_number_says_whose_it_is() -> None:
    detail = "You must specify a different number. DocNumber=I-1001 is assigned to TxnType=Invoice with TxnId=145"
    for said, other in ((detail, "145"), ("This number has already been used.", None)):
        found = find_fault(httpx.Response(400, content=fault("6140", said)))
        error = error_of(400, found, operation="write", is_write=True, wait=60)
        assert isinstance(error, DuplicateNumber)
        assert error.other_id == other


def test_only_tokens_are_refreshed_for_tokens() -> None:
    assert is_about_tokens(401, None)
    assert is_about_tokens(400, Fault("003200"))
    assert not is_about_tokens(403, Fault("3200"))
    assert not is_about_tokens(400, Fault("6000"))
    assert not is_about_tokens(500, None)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"Invoice":{"Id":"1"}}', None),
        (b'{"fault":null,"queryResponse":{}}', None),
        (b"%PDF-1.4", None),
        (b"", None),
        (b'{"Fault":{"Error":[],"type":"SystemFault"}}', Fault(message="{'Error': [], 'type': 'SystemFault'}")),
        (b'{"Fault":{"Error":[{"code":610},{"code":"6000"}]}}', Fault("610")),
        (TOKEN_XML, Fault("100", "General Authentication Error", "Token expired & gone")),
        (PAGE, Fault(message="a page instead of an answer")),
    ],
)
def test_a_fault_is_found_where_there_is_one(content: bytes, found: Fault | None) -> None:
    assert find_fault(httpx.Response(200, content=content)) == found


async def test_what_waited_too_long_for_its_turn_does_not_leave() -> None:
    company = Company(200, b'{"Invoice":{"Id":"1"}}')
    soon = time.monotonic() + 0.05
    company.turns_come_at = [soon]
    assert isinstance(await company.refuses(replace(WRITE, not_after=soon - 0.01)), ProviderUnavailable)
    assert company.calls == 0
    await company.ask(replace(WRITE, not_after=time.monotonic() + 60))
    assert company.calls == 1


async def test_nor_does_it_with_another_token_once_it_is_too_late() -> None:
    company = Company(401, TOKEN_XML)
    soon = time.monotonic() + 2
    company.turns_come_at = [0, soon]
    assert isinstance(await company.refuses(replace(WRITE, not_after=soon - 0.01)), ProviderUnavailable)
    assert company.calls == 1


class Endless(Company):
    """It begins to answer, again and again, and never comes to the end."""

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


@pytest.mark.parametrize(("call", "error"), [(READ, ProviderUnavailable), (WRITE, ProviderOutcomeUnknown)])
async def test_a_call_as_a_whole_has_an_end(call: Call, error: type[ProviderError]) -> None:
    company = Endless(200, b"")
    company.timeout_seconds = 0.01
    assert type(await company.refuses(call)) is error


@pytest.mark.parametrize(
    "what",
    [
        lambda books: books.company(),
        lambda books: books.read("Invoice", "1"),
        lambda books: books.find("Invoice", ["1"]),
        lambda books: books.page("Invoice", 1, 10),
        lambda books: books.page_changed("Invoice", datetime(2031, 1, 1, tzinfo=UTC), 1, 10),
        lambda books: books.changes(["Invoice"], datetime(2031, 1, 1, tzinfo=UTC)),
        lambda books: books.by_number("Invoice", "I-1"),
        lambda books: books.by_name("Ana"),
        lambda books: books.owed(date(2031, 1, 1)),
        lambda books: books.write("Invoice", "{}", request_id="r1"),
        lambda books: books.write("Invoice", "{}", request_id="r1", operation="void"),
        lambda books: books.send_form("Invoice", "1", to="ana@example.com", request_id="r1"),
        lambda books: books.pdf("Invoice", "1"),
    ],
)
async def test_every_call_names_the_minor_version_that_its_answer_is_read_by(
    what: Callable[[QuickBooksClient], Awaitable[Any]],
) -> None:
    company = Company(401, TOKEN_XML)
    with pytest.raises(ProviderUnavailable):
        await company.does(what)
    assert company.versions == ["75", "75"], "also when it is tried again with another token"


@pytest.mark.parametrize(("status", "content"), [(200, b'{"Invoice":{}}'), (400, fault("6000")), (502, PAGE)])
async def test_intuits_name_of_a_call_is_logged_however_it_ends(
    status: int, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not by capture_logs(): tests that run before this one may have set a level above these lines.
    logged = structlog.testing.LogCapture()
    every_level = structlog.make_filtering_bound_logger(logging.NOTSET)
    monkeypatch.setattr(client, "log", structlog.wrap_logger(None, processors=[logged], wrapper_class=every_level))
    company = Company(status, content, {"intuit_tid": "1-2ab"})
    with suppress(ProviderError):
        await company.ask(WRITE)
    (line,) = logged.entries
    assert (line["event"], line["tid"], line["requestid"], line["status"]) == ("quickbooks.call", "1-2ab", "r1", status)
