"""The OpenPhone (Quo) API over httpx: sends on v1, lists and subscribes on both surfaces."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import orjson
import structlog
from prometheus_client import Counter
from shared.clock import rfc3339, wall_now
from shared.connections import connection_stack
from shared.errors import ProviderOutcomeUnknown, ProviderRejected, ProviderUnavailable
from shared.failpoints import failpoint

from messaging.clients.openphone import payloads
from messaging.clients.openphone.refusals import classify_refusal, read_error, retry_after
from messaging.provider import (
    Accepted,
    Listing,
    MessageQuery,
    OutboundText,
    Outcome,
    ProviderMessage,
    ProviderNumber,
    Subscribed,
    Unavailable,
    Unknown,
    Unparsable,
)

log = structlog.get_logger(__name__)

UNREADABLE = Counter("crm_unreadable_items_total", "Listed messages that could not be read and were left out")

DATED_VERSION = {"Quo-Api-Version": "2026-03-30"}
DATED_EVENTS = ["message.received", "message.delivered", "message.failed", "message.undelivered"]
LEGACY_EVENTS = ["message.received", "message.delivered"]
_PAGE = 100
_READ_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
"""Of everything but sends, whose time is a setting: a slow list costs nothing but patience."""
_NAME = "openphone"

Params = dict[str, str | int | list[str]]


class DeadlinePassed(Exception):
    """Too late to begin: nothing was written."""


class OpenPhoneClient:
    """One key's view of the provider.

    `reads` is awaited before every call but a send, which has its own slot; `back_off` when a read was one too many.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        reads: Callable[[], Awaitable[None]],
        back_off: Callable[[float], Awaitable[None]],
    ) -> None:
        self._http = http
        self._reads = reads
        self._back_off = back_off

    async def send(self, text: OutboundText) -> Outcome:
        """One POST, never repeated here. Only what happened before the first byte is a definite no-send."""
        wire = _Wire(text)
        try:
            wire.check_deadline()
            async with asyncio.timeout(max(0.0, text.deadline - time.monotonic())):
                response = await self._http.post(
                    "/v1/messages",
                    json={"content": text.body, "from": text.from_provider_id, "to": [text.to]},
                    extensions={"trace": wire.observe},
                )
        except (httpx.HTTPError, DeadlinePassed, TimeoutError) as error:
            return wire.failed(error)
        failpoint("send.after_response")
        return _outcome(response)

    async def list_messages(self, query: MessageQuery) -> Listing:
        """Newest first. The dated surface where it answers; v1 for one thread otherwise."""
        pages = self._dated_pages(query)
        try:
            return await _collect(pages, query.limit)
        except ProviderRejected:
            if query.other is None:
                raise
        return await _collect(self._v1_pages(query, query.other), query.limit)

    async def list_number(self, query: MessageQuery) -> Listing:
        """The dated surface where it answers; on v1, which lists no number, each conversation that moved since."""
        try:
            return await _collect(self._dated_pages(query), query.limit)
        except ProviderRejected as error:
            log.info("openphone.walks_conversations", reason=error.message)
        return await _collect(self._v1_number_pages(query), query.limit)

    async def get_message(self, provider_id: str) -> ProviderMessage | None:
        try:
            body = await self._read("get_message", "GET", f"/v1/messages/{provider_id}")
        except ProviderRejected as error:
            if error.details.get("status_code") == 404:
                return None
            raise
        return next(iter(_readable([body["data"]])), None)

    async def list_numbers(self) -> list[ProviderNumber]:
        body = await self._read("list_numbers", "GET", "/v1/phone-numbers")
        return [payloads.number(item) for item in body["data"]]

    async def list_subscriptions(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for path, headers in (("/webhooks", DATED_VERSION), ("/v1/webhooks", {})):
            try:
                body = await self._read("list_webhooks", "GET", path, headers=headers)
            except ProviderRejected:
                continue  # A surface that this account does not have holds no subscription of ours.
            found += [(str(item["id"]), str(item["url"])) for item in body["data"]]
        return found

    async def subscribe(self, url: str) -> Subscribed:
        """On the dated surface, which alone reports failed texts; on the legacy one where there is no other."""
        try:
            wanted: dict[str, Any] = {"url": url, "events": DATED_EVENTS, "label": "crm"}
            body = await self._read("subscribe", "POST", "/webhooks", json=wanted, headers=DATED_VERSION)
            scheme = "dated"
        except ProviderRejected:
            wanted = {"url": url, "events": LEGACY_EVENTS, "label": "crm", "resourceIds": ["*"]}
            body = await self._read("subscribe", "POST", "/v1/webhooks/messages", json=wanted)
            scheme = "legacy"
        item = body["data"]
        return Subscribed(scheme, str(item["id"]), url, str(item["key"]))

    async def unsubscribe(self, provider_id: str) -> None:
        """Of whichever surface it is; one that is gone already is as good as deleted."""
        is_legacy = provider_id.startswith("WH")
        path = f"/v1/webhooks/{provider_id}" if is_legacy else f"/webhooks/{provider_id}"
        await self._reads()
        try:
            await self._http.delete(path, headers={} if is_legacy else DATED_VERSION)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(type(error).__name__, provider=_NAME, operation="unsubscribe") from error

    async def _dated_pages(self, query: MessageQuery) -> AsyncIterator[list[ProviderMessage]]:
        params: Params = {"phoneNumberId": query.number_provider_id, "maxResults": _PAGE}
        if query.since:
            params["createdAt[gt]"] = rfc3339(query.since)
        if query.until:
            params["createdAt[lt]"] = rfc3339(query.until)
        if query.other:
            params["to"] = query.other
        async for page in self._pages("/messages", params, DATED_VERSION):
            yield _readable(page)

    async def _v1_number_pages(self, query: MessageQuery) -> AsyncIterator[list[ProviderMessage]]:
        params: Params = {"phoneNumbers": query.number_provider_id, "maxResults": _PAGE}
        if query.since:
            params["updatedAfter"] = rfc3339(query.since)
        async for conversations in self._pages("/v1/conversations", params, {}):
            for participants in filter(None, map(payloads.participants, conversations)):
                async for page in self._v1_pages(query, *participants):
                    yield page

    async def _v1_pages(self, query: MessageQuery, *others: str) -> AsyncIterator[list[ProviderMessage]]:
        params: Params = {
            "phoneNumberId": query.number_provider_id,
            "participants": list(others),
            "maxResults": _PAGE,
        }
        if query.since:
            params["createdAfter"] = rfc3339(query.since)
        if query.until:
            params["createdBefore"] = rfc3339(query.until)
        async for page in self._pages("/v1/messages", params, {}):
            yield _readable(page)

    async def _pages(self, path: str, params: Params, headers: dict[str, str]) -> AsyncIterator[list[Any]]:
        token: str | None = None
        while True:
            asked: Params = params | ({"pageToken": token} if token else {})
            body = await self._read("list_messages", "GET", path, params=asked, headers=headers)
            if not isinstance(body["data"], list):
                raise ProviderOutcomeUnknown("a list is expected", provider=_NAME, operation="list_messages")
            yield body["data"]
            token = body.get("nextPageToken")
            if not token:
                return

    async def _read(self, operation: str, method: str, path: str, **options: Any) -> Any:
        await self._reads()
        try:
            response = await self._http.request(method, path, timeout=_READ_TIMEOUT, **options)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(type(error).__name__, provider=_NAME, operation=operation) from error
        if response.is_success:
            return _json(response, operation)
        code, _ = read_error(response)
        if response.status_code == 429:
            await self._back_off(retry_after(response))
        if response.status_code == 429 or response.status_code >= 500:
            raise ProviderUnavailable(code or str(response.status_code), provider=_NAME, operation=operation)
        raise ProviderRejected(
            code or str(response.status_code),
            provider=_NAME,
            operation=operation,
            status_code=response.status_code,
        )


class _Wire:
    """Watches one request for its first byte, and refuses to let it begin once the deadline has passed."""

    def __init__(self, text: OutboundText) -> None:
        self._text = text
        self._is_watched = False
        self._began = False

    def check_deadline(self) -> None:
        # Both clocks: the monotonic one stands still while the machine sleeps, the other can be set.
        if time.monotonic() >= self._text.deadline or wall_now() >= self._text.not_after:
            raise DeadlinePassed

    async def observe(self, event: str, _: dict[str, Any]) -> None:
        self._is_watched = True
        if event.endswith(".send_request_headers.started"):
            failpoint("send.before_first_byte")
            self.check_deadline()
            self._began = True

    def failed(self, error: Exception) -> Outcome:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
            return Unavailable("no_connection", 2.0)
        if isinstance(error, DeadlinePassed):
            return Unavailable("too_late", 1.0)
        # Without a watched transport nobody knows whether a byte went out.
        if isinstance(error, TimeoutError) and self._is_watched and not self._began:
            return Unavailable("too_late", 1.0)
        return Unknown(type(error).__name__)


def _outcome(response: httpx.Response) -> Outcome:
    if not response.is_success:
        return classify_refusal(response)
    try:
        message = payloads.listed_message(orjson.loads(response.content)["data"])
    except (orjson.JSONDecodeError, KeyError, TypeError, Unparsable):
        return Unknown("unreadable_answer")
    return Accepted(message.provider_id, message.created_at)


def _readable(items: list[Any]) -> list[ProviderMessage]:
    """What can be read of a list: one odd item must not keep the others from us."""
    messages = []
    for item in items:
        try:
            messages.append(payloads.listed_message(item))
        except Unparsable as error:
            UNREADABLE.inc()
            log.warning("openphone.unreadable_item", provider_id=_id_of(item), error=str(error))
    return messages


def _id_of(item: Any) -> str:
    return str(item.get("id")) if isinstance(item, dict) else ""


def _json(response: httpx.Response, operation: str) -> Any:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise ProviderOutcomeUnknown("unreadable answer", provider=_NAME, operation=operation) from error
    if not isinstance(body, dict) or "data" not in body:
        raise ProviderOutcomeUnknown("unexpected answer", provider=_NAME, operation=operation)
    return body


async def _collect(pages: AsyncIterator[list[ProviderMessage]], limit: int) -> Listing:
    messages: list[ProviderMessage] = []
    async for page in pages:
        messages += page
        if len(messages) >= limit:
            return Listing(messages, is_complete=False)
    return Listing(messages)


def http_client(
    url: str, key: str, *, timeout: float, connections: int, transport: httpx.AsyncBaseTransport | None = None
) -> httpx.AsyncClient:
    """The connection pool of one key. No transport retries, no redirects: a send leaves once or not at all."""
    # Idle connections are dropped before a server would: one that closes under a request makes it unknown.
    return httpx.AsyncClient(
        base_url=url,
        headers={"Authorization": key},
        timeout=httpx.Timeout(timeout, connect=min(timeout, 5.0)),
        transport=transport or connection_stack(connections, keepalive_seconds=2.0),
        follow_redirects=False,
    )
