"""Queries over a company's books: what the database can tell is left to it, so that a page costs a page."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, func

from sandbox.models import QbObject
from sandbox.quickbooks import query
from sandbox.quickbooks.entities import Kind
from sandbox.quickbooks.forms import Document
from sandbox.quickbooks.query import COMPARISONS, Condition, Query, instant
from sandbox.services.quickbooks.store import Store

_SECOND = "second"
_COLUMNS: dict[str, Any] = {
    "Id": QbObject.id,
    # As they are shown: whole seconds.
    "MetaData.CreateTime": func.date_trunc(_SECOND, QbObject.created_at),
    "MetaData.LastUpdatedTime": func.date_trunc(_SECOND, QbObject.updated_at),
    "CustomerRef": QbObject.customer_id,
    "DocNumber": func.lower(QbObject.doc_number),
    "Active": QbObject.is_active,
}
_ORDERS = ("Id", "MetaData.CreateTime", "MetaData.LastUpdatedTime")
_READ: dict[str, Callable[[str], Any]] = {
    "Id": lambda text: int(text) if text.isdigit() and len(text) <= query.MOST_DIGITS else -1,
    "MetaData.CreateTime": instant,
    "MetaData.LastUpdatedTime": instant,
    "Active": lambda text: text.lower() == "true",
}


async def search(store: Store, kind: Kind, asked: Query) -> Document:
    """The QueryResponse of a query of this kind."""
    conditions = query.conditions_of(asked)
    told = [clause for condition in conditions if (clause := _clause(condition)) is not None]
    wanted = store.selection(kind).where(*told)
    is_all_told = len(told) == len(conditions)
    if asked.is_count:
        if is_all_told:
            return {"totalCount": await store.count(wanted)}
        return {"totalCount": query.count(asked, await store.rendered_all(wanted))}
    if is_all_told and (asked.order_by is None or asked.order_by in _ORDERS):
        found = await store.rendered_all(_paged(wanted, asked))
    else:
        found = [dict(body) for body in query.run(asked, await store.rendered_all(wanted.order_by(QbObject.id)))]
    return {kind.name: found, "startPosition": asked.start, "maxResults": len(found)} if found else {}


def _clause(condition: Condition) -> ColumnElement[bool] | None:
    """The condition as the database understands it; None where it does not."""
    column = _COLUMNS.get(condition.property)
    if column is None or condition.operator == "LIKE":
        return None
    values = [_READ.get(condition.property, str.lower)(text) for text in condition.values]
    if condition.operator == "IN":
        found: ColumnElement[bool] = column.in_(values)
        return found
    if condition.property == "Active" and condition.operator != "=":
        return None
    compared: ColumnElement[bool] = COMPARISONS[condition.operator](column, values[0])
    return compared


def _paged(wanted: Select[QbObject], asked: Query) -> Select[QbObject]:
    column = _COLUMNS[asked.order_by or "Id"]
    order = column.desc() if asked.is_descending else column.asc()
    # Of equals the order is that of their ids, whichever way the others go.
    return wanted.order_by(order, QbObject.id).offset(asked.start - 1).limit(asked.most)
