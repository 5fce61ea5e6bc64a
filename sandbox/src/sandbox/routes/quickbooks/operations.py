"""The operations of the accounting API below a company: which one a call asks for, and what each answers."""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sandbox.quickbooks import faults, query
from sandbox.quickbooks.controls import Shapes
from sandbox.quickbooks.entities import BY_PATH, KINDS, Kind, Subscription
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.forms import Document, object_number
from sandbox.quickbooks.pdf import small_pdf
from sandbox.services.quickbooks.books import Books
from sandbox.services.quickbooks.reports import aged_receivables
from sandbox.services.quickbooks.searching import search
from sandbox.services.quickbooks.store import Store
from shared import decimal_json

JSON = "application/json;charset=UTF-8"
CDC_KINDS = frozenset(KINDS) - {"Account"}
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T|$)", re.ASCII)
MOST_BATCH_ID = 50
"""Documents say 10 characters; what is remembered by them has to fit an index."""
LINKS_SINCE = 36
"""The minor version that brought the links to pay at."""
SENT = ("Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt")


@dataclass(frozen=True)
class Asked:
    """A call below the company. `path` is in lower case, `query` the parameters as they came."""

    method: str
    path: tuple[str, ...]
    query: dict[str, str]
    body: bytes

    def wants_links(self, shapes: Shapes) -> bool:
        """Whether invoices are to be shown with the links to pay at."""
        is_known = shapes.minor_versions == "lifted" or self._minor_version >= LINKS_SINCE
        return is_known and self.query.get("include", "").lower() == "invoicelink"

    @property
    def _minor_version(self) -> int:
        return object_number(self.query.get("minorversion")) or 0


@dataclass(frozen=True)
class Operation:
    """`handler` is a key of OPERATIONS; `name` is what faults are chosen by."""

    handler: str
    name: str
    kind: Kind | None = None
    object_id: str = ""

    @property
    def is_write(self) -> bool:
        return self.handler in ("create", "update", "delete", "void", "send", "batch")


Answered = tuple[bytes, str]
Handler = Callable[[Operation, Asked, Store, Books], Awaitable[Answered]]


def operation_of(asked: Asked) -> Operation:
    """Raises the fault of an unsupported operation where there is none of this kind."""
    match (asked.method, *asked.path):
        case ("GET", "companyinfo", _):
            return Operation("company_info", "companyinfo", object_id=asked.path[1])
        case ("GET", "preferences"):
            return Operation("preferences", "preferences")
        case ("GET" | "POST", "query"):
            return Operation("query", "query")
        case ("GET", "cdc"):
            return Operation("cdc", "cdc")
        case ("POST", "batch"):
            return Operation("batch", "batch")
        case ("GET", "reports", "agedreceivables"):
            return Operation("report", "report")
        case ("GET", name, object_id) if name in BY_PATH:
            return Operation("read", f"read {name}", BY_PATH[name], object_id)
        case ("GET", name, object_id, "pdf") if name in BY_PATH and BY_PATH[name].name in SENT:
            return Operation("pdf", f"pdf {name}", BY_PATH[name], object_id)
        case ("POST", name, object_id, "send") if name in BY_PATH and BY_PATH[name].name in SENT:
            return Operation("send", f"send {name}", BY_PATH[name], object_id)
        case ("POST", name) if name in BY_PATH:
            return _write(asked, BY_PATH[name])
    raise faults.unsupported_operation()


def _write(asked: Asked, kind: Kind) -> Operation:
    wanted = asked.query.get("operation")
    if wanted == "void" and kind.voids_by != "operation":
        raise faults.unsupported_operation()
    if wanted is not None and wanted in ("delete", "void"):
        return Operation(wanted, f"{wanted} {kind.name.lower()}", kind)
    if wanted == "update" and asked.query.get("include") == "void":
        return Operation("void", f"void {kind.name.lower()}", kind)
    if wanted not in (None, "create", "update"):
        raise faults.unsupported_operation()
    verb = "update" if wanted == "update" or _document(asked).get("Id") else "create"
    return Operation(verb, f"{verb} {kind.name.lower()}", kind)


def _document(asked: Asked) -> Document:
    try:
        document = decimal_json.read(asked.body)
    except ValueError:
        raise faults.unsupported_property("the body is no JSON") from None
    if not isinstance(document, dict):
        raise faults.unsupported_property("the body is no object")
    if b"\\ud" in asked.body.lower() and not _is_storable(document):
        raise faults.invalid_string()
    return document


def _is_storable(document: Document) -> bool:
    """Half a pair of surrogates is no character."""
    try:
        decimal_json.write(document).encode()
    except UnicodeEncodeError:
        return False
    return True


def _answer(body: Document, store: Store) -> Answered:
    return decimal_json.write({**body, "time": store.local(store.now)}).encode(), JSON


async def _company_info(operation: Operation, asked: Asked, store: Store, _: Books) -> Answered:
    if operation.object_id != store.company.realm_id:
        raise faults.object_not_found("Object Not Found : There is no other company here.")
    is_paid = store.company.subscription is Subscription.ACTIVE
    info = {
        "Id": "1",
        "SyncToken": "4",
        "domain": "QBO",
        "sparse": False,
        "CompanyName": store.company.name,
        "LegalName": store.company.name,
        "Country": "US",
        "FiscalYearStartMonth": "January",
        "SupportedLanguages": "en",
        "DefaultTimeZone": store.company.zone,
        "NameValue": [
            {"Name": "OfferingSku", "Value": "QuickBooks Online Plus"},
            {"Name": "SubscriptionStatus", "Value": "SUBSCRIBED" if is_paid else "EXPIRED"},
        ],
        "MetaData": {
            "CreateTime": store.local(store.company.created_at),
            "LastUpdatedTime": store.local(store.company.created_at),
        },
    }
    return _answer({"CompanyInfo": info}, store)


async def _preferences(_: Operation, asked: Asked, store: Store, __: Books) -> Answered:
    body = {"Id": "1", "SyncToken": "1", "domain": "QBO", "sparse": False, **store.company.preferences}
    return _answer({"Preferences": body}, store)


async def _read(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    show = store.linked if asked.wants_links(store.controls.shapes) else store.rendered
    return _answer({kind.name: show(await store.get(kind, operation.object_id))}, store)


async def _create(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    allows = asked.query.get("include") == "allowduplicatedocnum"
    row = await books.create(kind, _document(asked), allows_taken_number=allows)
    return _answer({kind.name: store.rendered(row)}, store)


async def _update(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    return _answer({kind.name: store.rendered(await books.update(kind, _document(asked)))}, store)


async def _void(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    return _answer({kind.name: store.rendered(await books.void(kind, _document(asked)))}, store)


async def _delete(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    row = await books.delete(kind, _document(asked))
    return _answer({kind.name: {"status": "Deleted", "domain": "QBO", "Id": str(row.id)}}, store)


async def _send(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    row = await books.mark_sent(kind, operation.object_id, asked.query.get("sendTo"))
    return _answer({kind.name: store.rendered(row)}, store)


async def _pdf(operation: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    kind = _kind(operation)
    row = store.rendered(await store.get(kind, operation.object_id))
    title = f"{kind.name} {row.get('DocNumber') or row['Id']}: {row.get('TotalAmt')}"
    return small_pdf(title), "application/pdf"


async def _query(_: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    text = asked.query.get("query") or asked.body.decode("utf-8", "replace")
    return _answer(await _queried(text, store, has_links=asked.wants_links(store.controls.shapes)), store)


async def _queried(text: str, store: Store, *, has_links: bool = False) -> Document:
    asked = query.parse(text, store.controls.shapes)
    kind = KINDS.get(asked.entity)
    if kind is None:
        raise faults.query_validation(f"Entity {asked.entity} is not known.")
    return {"QueryResponse": await search(store, kind, asked, has_links=has_links)}


async def _cdc(_: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    return _answer(await _changes(asked.query, store), store)


async def _changes(parameters: dict[str, str], store: Store) -> Document:
    """What changed since, at most so many in all; who asks cannot see whether there was more."""
    names = [name.strip() for name in parameters.get("entities", "").split(",") if name.strip()]
    by_name = {name.lower(): name for name in CDC_KINDS}
    if not names or any(name.lower() not in by_name for name in names):
        raise faults.query_validation(f"The entities {parameters.get('entities')!r} are not known.")
    since = _within_reach(_instant(parameters.get("changedSince", ""), store), store)
    left, groups = store.controls.shapes.cdc_most, []
    for name in names:
        kind = KINDS[by_name[name.lower()]]
        # A list entry that was made inactive has been seen missing.
        shows_inactive = kind.is_transaction or store.controls.shapes.has_inactive_in_cdc
        shown = await store.changed_since(kind, since, left, shows_inactive=shows_inactive)
        left -= len(shown)
        bodies = [store.tombstone(row) if row.is_deleted else store.rendered(row) for row in shown]
        if bodies:
            groups.append({kind.name: bodies, "startPosition": 1, "maxResults": len(bodies)})
    return {"CDCResponse": [{"QueryResponse": groups or [{}]}]}


def _instant(text: str, store: Store) -> datetime:
    """Without an offset it is the company's time; a day is its beginning."""
    try:
        at = datetime.fromisoformat(text if INSTANT.match(text) else "")
        return (at if at.tzinfo else at.replace(tzinfo=store.local_now.tzinfo)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise faults.query_validation("changedSince is no date-time.") from None


def _within_reach(since: datetime, store: Store) -> datetime:
    """Since when changes are told to those who ask for this. Raises where that is too long ago to be told of."""
    shapes = store.controls.shapes
    earliest, words = store.now - timedelta(days=shapes.cdc_days), "changedSince lies too far back."
    if since < earliest and shapes.cdc_too_old != "cut":
        raise faults.business(words) if shapes.cdc_too_old == "6000" else faults.query_validation(words)
    return max(since, earliest)


async def _batch(_: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    items = _document(asked).get("BatchItemRequest")
    if not isinstance(items, list):
        raise faults.missing_parameter("BatchItemRequest")
    if not all(isinstance(item, dict) and isinstance(item.get("CDCQuery", {}), dict) for item in items):
        raise faults.unsupported_property("BatchItemRequest")
    if len(items) > store.controls.shapes.batch_most:
        raise faults.batch_too_large()
    answers = []
    for item in items:
        try:
            async with store.part():
                body = await _once(item, asked.query.get("requestid"), store, books)
        except QuickBooksFault as fault:
            await store.read_company_again()
            body = {"Fault": fault.body("")["Fault"]}
        answers.append({"bId": str(item.get("bId", "")), **body})
    return _answer({"BatchItemResponse": answers}, store)


async def _once(item: Document, request_id: str | None, store: Store, books: Books) -> Document:
    """A written item that this request had before is answered as it was then."""
    batch_item = str(item.get("bId", ""))
    if len(batch_item) > MOST_BATCH_ID:
        raise faults.too_long(MOST_BATCH_ID, len(batch_item))
    if request_id is None or not batch_item or "Query" in item or "CDCQuery" in item:
        return await _batched(item, store, books)
    digest = hashlib.sha256(decimal_json.write(item).encode()).hexdigest()
    known = await store.answered(request_id, digest, batch_item=batch_item)
    if known is not None:
        body: Document = decimal_json.read(known)
        return body
    body = await _batched(item, store, books)
    store.remember(request_id, digest, decimal_json.write(body), batch_item=batch_item)
    return body


async def _batched(item: Document, store: Store, books: Books) -> Document:
    if "Query" in item:
        return await _queried(str(item["Query"]), store)
    if "CDCQuery" in item:
        wanted = item["CDCQuery"]
        asked = {"entities": str(wanted.get("Entities", "")), "changedSince": str(wanted.get("ChangedSince", ""))}
        return await _changes(asked, store)
    kind = next((KINDS[name] for name in item if name in KINDS), None)
    if kind is None or not isinstance(item[kind.name], dict):
        raise faults.unsupported_operation()
    verb = item.get("operation")
    is_voided = verb == "void" and kind.voids_by == "operation"
    if is_voided or (verb == "update" and item.get("optionsData") == "void"):
        return {kind.name: store.rendered(await books.void(kind, item[kind.name]))}
    if verb == "delete":
        row = await books.delete(kind, item[kind.name])
        return {kind.name: {"status": "Deleted", "domain": "QBO", "Id": str(row.id)}}
    if verb not in ("create", "update"):
        raise faults.unsupported_operation()
    write = books.create if verb == "create" else books.update
    return {kind.name: store.rendered(await write(kind, item[kind.name]))}


async def _report(_: Operation, asked: Asked, store: Store, books: Books) -> Answered:
    return decimal_json.write(await aged_receivables(store, asked.query)).encode(), JSON


def _kind(operation: Operation) -> Kind:
    assert operation.kind is not None  # noqa: S101 - operation_of() gives these handlers a kind
    return operation.kind


OPERATIONS: dict[str, Handler] = {
    "company_info": _company_info,
    "preferences": _preferences,
    "query": _query,
    "read": _read,
    "create": _create,
    "update": _update,
    "delete": _delete,
    "void": _void,
    "send": _send,
    "pdf": _pdf,
    "cdc": _cdc,
    "batch": _batch,
    "report": _report,
}
