"""Lists: keyset pages whose opaque cursor holds the sort and the filter it was made under."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Query
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import operators

from shared.errors import Invalid

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list. `total` is null where counting would cost too much to be honest and fast."""

    items: list[T]
    next_cursor: str | None
    total: int | None


@dataclass(frozen=True)
class PageRequest:
    limit: int
    cursor: str | None


def _page_request(
    limit: Annotated[int, Query(ge=1, le=200, description="Items a page.")] = 50,
    cursor: Annotated[str | None, Query(max_length=2000, description="`next_cursor` of the page before.")] = None,
) -> PageRequest:
    return PageRequest(limit, cursor)


PageParams = Annotated[PageRequest, Depends(_page_request)]


async def page(
    session: AsyncSession,
    statement: Select[Any],
    *,
    keys: Sequence[ColumnElement[Any]],
    params: PageRequest,
    scope: dict[str, Any] | None = None,
    counted: bool = True,
) -> tuple[list[Any], str | None, int | None]:
    """One page of `statement`, ordered by `keys` (columns, `.desc()` where wanted; the last one unique, none null).

    `scope` is the filter as the caller gave it: a cursor made under another scope or sort is refused. Returns the
    rows (entities where the statement selects one), the next cursor and the total (None unless `counted`).
    """
    columns = [_column(key) for key in keys]
    digest = _digest(scope, keys)
    total = None
    if counted:
        total = (
            await session.execute(select(func.count()).select_from(statement.order_by(None).subquery()))
        ).scalar_one()
    if params.cursor:
        statement = statement.where(_after(keys, _decode(params.cursor, digest, columns)))
    keyed = statement.add_columns(*(c.label(f"_key{i}") for i, c in enumerate(columns)))
    rows = (await session.execute(keyed.order_by(*keys).limit(params.limit + 1))).all()
    more = len(rows) > params.limit
    rows = rows[: params.limit]
    next_cursor = _encode(digest, rows[-1][-len(columns) :]) if more else None
    width = len(rows[0]) - len(columns) if rows else 0
    return [row[0] if width == 1 else row[:width] for row in rows], next_cursor, total


def _column(key: ColumnElement[Any]) -> ColumnElement[Any]:
    return key.element if getattr(key, "modifier", None) in (operators.asc_op, operators.desc_op) else key


def _is_descending(key: ColumnElement[Any]) -> bool:
    return getattr(key, "modifier", None) is operators.desc_op


def _after(keys: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come after `values`: the lexicographic comparison, written out because directions may differ."""
    condition: ColumnElement[bool] = false()
    for key, value in reversed(list(zip(keys, values, strict=True))):
        column = _column(key)
        beyond = column < value if _is_descending(key) else column > value
        condition = or_(beyond, and_(column == value, condition))
    # Says nothing new, but is what lets an index on the keys begin where the page does.
    bound = column <= value if _is_descending(key) else column >= value
    return and_(bound, condition)


def _digest(scope: dict[str, Any] | None, keys: Sequence[ColumnElement[Any]]) -> str:
    canonical = orjson.dumps([scope or {}, [str(key) for key in keys]], default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()[:12]


def _encode(digest: str, values: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([digest, *values], default=str)).decode().rstrip("=")


def _decode(cursor: str, digest: str, columns: Sequence[ColumnElement[Any]]) -> list[Any]:
    try:
        found, *values = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if found != digest or len(values) != len(columns):
            raise Invalid(
                "This cursor belongs to another list, sort or filter; start again without it.",
                request_field="query.cursor",
            )
        return [_typed(column, value) for column, value in zip(columns, values, strict=True)]
    except (ValueError, TypeError, ValidationError) as error:
        raise Invalid("This cursor cannot be read; start again without it.", request_field="query.cursor") from error


def _typed(column: ColumnElement[Any], value: Any) -> Any:
    python_type = column.type.python_type
    if python_type in (datetime, date, UUID, Decimal, int, str, bool, float):
        return TypeAdapter(python_type).validate_python(value)
    return value
