"""QuickBooks's accounting API over httpx: one send() for every call, which says what each answer means."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from math import inf
from typing import Any

import httpx
import structlog
from prometheus_client import Counter
from shared.clock import rfc3339
from shared.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable
from shared.failpoints import failpoint

from billing.clients.quickbooks import payloads, reports
from billing.clients.quickbooks.faults import Fault, error_of, is_about_tokens, is_throttled, read_answer
from billing.provider import PROVIDER, CompanySeen, CustomerSeen, Seen

log = structlog.get_logger(__name__)

CALLS = Counter(
    "crm_quickbooks_calls_total",
    "Calls that QuickBooks did, by company and by what Intuit bills",
    ["realm", "billed_as"],
)
MINOR_VERSION = "75"
LISTS = ("Customer", "Item", "Term")
"""Kinds whose members are made inactive instead of deleted; a query leaves those out unless told."""
_NO_SEND = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(frozen=True)
class Call:
    """`path` below the company. `is_write` is whether an unclear end may have had an effect."""

    operation: str
    method: str
    path: str
    params: dict[str, str]
    body: str | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    is_write: bool = False
    not_after: float = inf
    """The monotonic instant from which it does not leave any more."""
    gives_way: bool = False
    """It is not made while others wait for their turn."""


@dataclass(frozen=True)
class Answer:
    """`document` is None where there is no JSON in it."""

    response: httpx.Response
    document: Any
    fault: Fault | None


@dataclass(frozen=True)
class Wire:
    """What calls to any company share: the connections, whose turn it is, and who has the tokens."""

    http: httpx.AsyncClient
    token: Callable[..., Awaitable[str]]
    """`token(realm_id, rejected=None)`."""
    turn: Callable[[str], Awaitable[None]]
    take_if_free: Callable[[str], Awaitable[bool]]
    """Whether nobody waits for their turn, which is the caller's then."""
    back_off: Callable[[str, float], Awaitable[None]]
    throttle_seconds: float
    """How long a 429 asks to wait where it does not say."""
    timeout_seconds: float
    """Of a call as a whole, from its turn to the end of its answer."""


class QuickBooksClient:
    """The books of one company (provider.Books)."""

    def __init__(self, wire: Wire, realm_id: str) -> None:
        self._wire = wire
        self._realm_id = realm_id

    async def company(self) -> CompanySeen:
        info = await self._get("companyinfo", f"companyinfo/{self._realm_id}")
        preferences = await self._get("preferences", "preferences")
        return payloads.company(info["CompanyInfo"], preferences["Preferences"])

    async def read(self, entity: str, qb_id: str) -> Seen:
        document = await self._get(f"read {entity.lower()}", f"{entity.lower()}/{qb_id}")
        return payloads.seen(entity, document[entity])

    async def find(self, entity: str, ids: Sequence[str]) -> list[Seen]:
        wanted = ", ".join(_quoted(one) for one in ids)
        return await self._query(entity, [f"Id IN ({wanted})"], maximum=1000)

    async def page(self, entity: str, start: int, size: int) -> list[Seen]:
        return await self._query(entity, [], order="Id", start=start, maximum=size)

    async def page_changed(self, entity: str, since: datetime, start: int, size: int) -> list[Seen]:
        changed = f"MetaData.LastUpdatedTime >= {_quoted(rfc3339(since))}"
        return await self._query(entity, [changed], order="MetaData.LastUpdatedTime", start=start, maximum=size)

    async def changes(self, entities: Sequence[str], since: datetime) -> dict[str, list[Seen]]:
        asked = {"entities": ",".join(entities), "changedSince": rfc3339(since)}
        document = await self.send(Call("cdc", "GET", "cdc", asked))
        found: dict[str, list[Seen]] = {}
        for response in document.get("CDCResponse") or ():
            for group in response.get("QueryResponse") or ():
                for entity in entities:
                    found.setdefault(entity, []).extend(payloads.listed(entity, group.get(entity) or ()))
        return found

    async def by_number(self, entity: str, number: str) -> list[Seen]:
        return await self._query(entity, [f"DocNumber = {_quoted(number)}"], maximum=10)

    async def by_name(self, display_name: str) -> list[CustomerSeen]:
        found = await self._query("Customer", [f"DisplayName = {_quoted(display_name)}"], maximum=10)
        return [one for one in found if isinstance(one, CustomerSeen)]

    async def owed(self, on: date) -> dict[str, int]:
        asked = {"report_date": on.isoformat(), "aging_method": "Report_Date"}
        return reports.owed(await self.send(Call("report", "GET", "reports/AgedReceivables", asked)))

    async def write(
        self, entity: str, body: str, *, request_id: str, operation: str | None = None, not_after: float = inf
    ) -> Seen:
        params = {"requestid": request_id} | ({"operation": operation} if operation else {})
        name = f"{operation or 'write'} {entity.lower()}"
        call = Call(name, "POST", entity.lower(), params, body=body, is_write=True, not_after=not_after)
        document = await self.send(call)
        failpoint("push.after_answer")
        return payloads.seen(entity, document[entity])

    async def send_form(self, entity: str, qb_id: str, *, to: str, request_id: str, not_after: float = inf) -> Seen:
        params = {"sendTo": to, "requestid": request_id}
        call = Call(
            f"send {entity.lower()}",
            "POST",
            f"{entity.lower()}/{qb_id}/send",
            params,
            body="",
            content_type="application/octet-stream",
            is_write=True,
            not_after=not_after,
        )
        return payloads.seen(entity, (await self.send(call))[entity])

    async def pdf(self, entity: str, qb_id: str) -> bytes:
        call = Call(f"pdf {entity.lower()}", "GET", f"{entity.lower()}/{qb_id}/pdf", {}, accept="application/pdf")
        content = (await self._answered(call)).response.content
        if not content.startswith(b"%PDF"):
            raise payloads.Unreadable("no PDF", operation=call.operation)
        return content

    async def pay_link(self, invoice_id: str, *, gives_way: bool) -> str | None:
        asked = {"include": "invoiceLink"}
        call = Call("read invoice", "GET", f"invoice/{invoice_id}", asked, gives_way=gives_way)
        return payloads.pay_link((await self.send(call))["Invoice"])

    async def send(self, call: Call) -> dict[str, Any]:
        """The answer's document. Raises what the call came to; a new access token is tried once.

        A Fault within a 200 is a fault; an answer that breaks off is none: of a write nobody knows then.
        """
        document = (await self._answered(call)).document
        if not isinstance(document, dict):
            raise payloads.Unreadable("no object of JSON", operation=call.operation)
        return document

    async def _answered(self, call: Call) -> Answer:
        token = await self._wire.token(self._realm_id)
        answer = await self._try(call, token)
        if is_about_tokens(answer.response.status_code, answer.fault):
            token = await self._wire.token(self._realm_id, rejected=token)
            # What gives way took its turn with the first try: the next moment is never free.
            answer = await self._try(replace(call, gives_way=False), token)
        if answer.response.is_success and answer.fault is None:
            return answer
        raise await self._refused(call, answer.response, answer.fault)

    async def _try(self, call: Call, token: str) -> Answer:
        await self._take_turn(call)
        headers = {"Authorization": f"Bearer {token}", "Accept": call.accept}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._wire.timeout_seconds):
                response = await self._wire.http.request(
                    call.method,
                    f"/v3/company/{self._realm_id}/{call.path}",
                    params={"minorversion": MINOR_VERSION, **call.params},
                    content=call.body.encode() if call.body is not None else None,
                    headers=headers,
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise _cut_off(call, error) from error
        is_pdf = response.is_success and call.accept == "application/pdf"
        document, fault = (None, None) if is_pdf else read_answer(response.content)
        if response.is_success:
            # Writes are free, whatever reads is metered; a call that was refused is neither (reference, section 4).
            CALLS.labels(self._realm_id, "core" if call.is_write else "metered").inc()
        log.info(
            "quickbooks.call",
            operation=call.operation,
            realm_id=self._realm_id,
            requestid=call.params.get("requestid"),
            tid=response.headers.get("intuit_tid"),
            status=response.status_code,
            code=fault.code if fault else None,
            ms=round((time.perf_counter() - began) * 1000),
        )
        return Answer(response, document, fault)

    async def _take_turn(self, call: Call) -> None:
        if not call.gives_way:
            await self._wire.turn(self._realm_id)
        elif not await self._wire.take_if_free(self._realm_id):
            raise ProviderUnavailable(
                "QuickBooks's limits are used up at this moment. Try again soon.",
                provider=PROVIDER,
                operation=call.operation,
                retry_after=5,
            )
        if time.monotonic() >= call.not_after:
            raise ProviderUnavailable(
                "It has waited too long for its turn with QuickBooks, and is tried again.",
                provider=PROVIDER,
                operation=call.operation,
                retry_after=1,
            )

    async def _refused(self, call: Call, response: httpx.Response, fault: Fault | None) -> ProviderError:
        if is_about_tokens(response.status_code, fault):
            # A token that is minutes old was refused: nothing was done, and the next try may find it in order.
            return ProviderUnavailable(
                "QuickBooks does not take our access token.", provider=PROVIDER, operation=call.operation, retry_after=5
            )
        told = response.headers.get("retry-after", "")
        wait = float(told) if told.isdigit() else self._wire.throttle_seconds
        error = error_of(response.status_code, fault, operation=call.operation, is_write=call.is_write, wait=wait)
        if is_throttled(response.status_code, fault):
            await self._wire.back_off(self._realm_id, wait)
        return error

    async def _get(self, operation: str, path: str) -> dict[str, Any]:
        return await self.send(Call(operation, "GET", path, {}))

    async def _query(
        self, entity: str, conditions: list[str], *, order: str = "", start: int = 1, maximum: int
    ) -> list[Seen]:
        if entity in LISTS:
            conditions = [*conditions, "Active IN (true, false)"]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        ordered = f" ORDERBY {order}" if order else ""
        answer = await self._ask(f"SELECT * FROM {entity}{where}{ordered} STARTPOSITION {start} MAXRESULTS {maximum}")
        return payloads.listed(entity, answer.get(entity) or ())

    async def _ask(self, query: str) -> dict[str, Any]:
        document = await self.send(Call("query", "GET", "query", {"query": query}))
        found = document.get("QueryResponse")
        if not isinstance(found, dict):
            raise payloads.Unreadable("no QueryResponse", operation="query")
        return found


def _cut_off(call: Call, error: httpx.HTTPError | TimeoutError) -> ProviderError:
    words = f"QuickBooks did not answer ({type(error).__name__})."
    if call.is_write and not isinstance(error, _NO_SEND):
        return ProviderOutcomeUnknown(words, provider=PROVIDER, operation=call.operation)
    return ProviderUnavailable(words, provider=PROVIDER, operation=call.operation, retry_after=2.0)


def _quoted(text: str) -> str:
    """Every value is quoted, numbers too; a quotation mark is escaped by a backslash, and so is the backslash."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
