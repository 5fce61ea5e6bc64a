"""Queries over a company's books: what the database can tell is left to it, so that a page costs a page."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from simplejson import RawJSON
from sqlalchemy import ColumnElement, Numeric, Select, cast, func
from sqlalchemy.dialects.postgresql import JSON

from sandbox.models import QbObject
from sandbox.quickbooks import query
from sandbox.quickbooks.entities import Kind
from sandbox.quickbooks.forms import Document
from sandbox.quickbooks.query import COMPARISONS, Condition, Query, instant
from sandbox.services.quickbooks.store import Store

_SECOND = "second"
_MOST_DIGITS = 30
# The order of code points, as Python compares, and no language's.
_PLAIN = "C"


def _member(name: str) -> Any:
    return cast(QbObject.body, JSON)[name].astext


def _text(name: str) -> Any:
    return func.lower(_member(name)).collate(_PLAIN)


def _amount(name: str) -> Any:
    return cast(_member(name), Numeric)


BALANCE, UNAPPLIED, CREDIT = (_amount(name) for name in ("Balance", "UnappliedAmt", "RemainingCredit"))
_COLUMNS: dict[str, Any] = {
    "Id": QbObject.id,
    # As they are shown: whole seconds.
    "MetaData.CreateTime": func.date_trunc(_SECOND, QbObject.created_at),
    "MetaData.LastUpdatedTime": func.date_trunc(_SECOND, QbObject.updated_at),
    "CustomerRef": QbObject.customer_id,
    "DocNumber": func.lower(QbObject.doc_number).collate(_PLAIN),
    "DisplayName": QbObject.name.collate(_PLAIN),
    "Name": QbObject.name.collate(_PLAIN),
    "Active": QbObject.is_active,
    # Out of the body: no index, but also no document that is read for nothing.
    "TxnDate": _text("TxnDate"),
    "DueDate": _text("DueDate"),
    "TxnStatus": _text("TxnStatus"),
    "PaymentRefNum": _text("PaymentRefNum"),
    "TotalAmt": _amount("TotalAmt"),
    "Balance": BALANCE,
}


def _number(text: str) -> Decimal | None:
    """None for what is no number of a size that a column takes."""
    amount: Decimal = query.comparable("Balance", text)
    return amount if abs(amount.adjusted()) < _MOST_DIGITS and len(amount.as_tuple().digits) < _MOST_DIGITS else None


_READ: dict[str, Callable[[str], Any]] = {
    "Id": lambda text: int(text) if text.isdecimal() and len(text) <= query.MOST_DIGITS else -1,
    "MetaData.CreateTime": instant,
    "MetaData.LastUpdatedTime": instant,
    "Active": lambda text: text.lower() == "true",
    "TotalAmt": _number,
    "Balance": _number,
}


async def search(store: Store, kind: Kind, asked: Query, *, has_links: bool = False) -> Document:
    """The QueryResponse of a query of this kind; with `has_links`, of invoices with their links to pay at."""
    told = [clause for condition in query.conditions_of(asked) if (clause := _clause(condition)) is not None]
    wanted = store.selection(kind).where(*told)
    if asked.is_count:
        if is_databases(asked):
            return {"totalCount": await store.count(wanted)}
        return {"totalCount": query.count(asked, await store.rendered_all(wanted))}
    if is_databases(asked):
        show = store.linked_all if has_links else store.written_all
        found: Sequence[RawJSON | Document] = await show(_paged(wanted, asked))
    else:
        read = store.linked_all if has_links else store.rendered_all
        found = [dict(body) for body in query.run(asked, await read(wanted.order_by(QbObject.id)))]
    return {kind.name: found, "startPosition": asked.start, "maxResults": len(found)} if found else {}


def is_databases(asked: Query) -> bool:
    """Whether the database can answer all of it, so that nothing beyond the page is read."""
    is_told = all(_clause(condition) is not None for condition in query.conditions_of(asked))
    return is_told and (asked.is_count or asked.order_by is None or asked.order_by in _COLUMNS)


def _clause(condition: Condition) -> ColumnElement[bool] | None:
    """The condition as the database understands it; None where it does not."""
    column = _COLUMNS.get(condition.property)
    if column is None or condition.operator == "LIKE":
        return None
    values = [_READ.get(condition.property, str.lower)(text) for text in condition.values]
    if None in values:
        return None
    if condition.operator == "IN":
        found: ColumnElement[bool] = column.in_(values)
        return found
    if condition.property == "Active" and condition.operator != "=":
        return None
    compared: ColumnElement[bool] = COMPARISONS[condition.operator](column, values[0])
    return compared


def _paged(wanted: Select[QbObject], asked: Query) -> Select[QbObject]:
    column = _COLUMNS[asked.order_by or "Id"]
    # What has no value comes first. Of equals the order is that of their ids, whichever way the others go.
    order = column.desc().nulls_last() if asked.is_descending else column.asc().nulls_first()
    return wanted.order_by(order, QbObject.id).offset(asked.start - 1).limit(asked.most)
