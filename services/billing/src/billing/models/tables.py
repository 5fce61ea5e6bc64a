"""The declarative base of billing's tables."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from shared.database import TypedColumns, Versioned, service_metadata
from sqlalchemy import ARRAY, Column, ColumnElement, Dialect, Table, Text, any_, literal
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Mapped, mapped_column


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


M = TypeVar("M", bound=Base)


class OfCompany:
    """A row of one QuickBooks company. `qb_id` repeats between kinds and companies; None before it exists there."""

    realm_id: Mapped[str]
    qb_id: Mapped[str | None] = mapped_column(Text)
    sync_token: Mapped[int] = mapped_column(default=-1)
    """Of the newest state mirrored; an older one is refused."""
    qb_updated_at: Mapped[str] = mapped_column(Text, default="")
    """MetaData.LastUpdatedTime in UTC, as text that sorts: two states of one SyncToken are told apart by it."""


def among(column: InstrumentedAttribute[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """`column IN (values)` as one parameter: of a thousand, the statement is neither built nor planned anew."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def unwatched(model: type[M], **values: Any) -> M:
    """A new row for `insert_all`, whose columns are plain attributes. No session may be given it.

    SQLAlchemy notes each value that is set, to find out later what changed; of a row that is written whole nobody asks
    that, and it would be the largest part of the work on a page of QuickBooks. Raises TypeError for what is no column.
    """
    kind = _begun(model)
    if not values.keys() <= kind.columns:
        raise TypeError(f"{model.__name__} has no {sorted(values.keys() - kind.columns)}")
    row = kind()
    vars(row).update(values)
    return cast(M, row)


class _Begun:
    """Of a model's methods, a row that is only begun has this one. A column that was not set yet reads as None."""

    __table__: Table
    columns: frozenset[str]
    touch = Versioned.touch


@cache
def _begun(model: type[Base]) -> type[_Begun]:
    table = cast(Table, model.__table__)
    names = table.columns.keys()
    return type(model.__name__, (_Begun,), {**dict.fromkeys(names), "__table__": table, "columns": frozenset(names)})


async def insert_all(session: AsyncSession, rows: Sequence[Base]) -> None:
    """Write new rows of one table at once, by COPY: a page of QuickBooks is a thousand.

    What a row leaves out has its column's default. The session does not watch the rows: a later change of one is lost.
    Raises ValueError for rows of several tables, and asyncpg's own errors.
    """
    if not rows:
        return
    [table] = {cast(Table, row.__table__) for row in rows}
    connection = await session.connection()
    columns = [_Filled(column, connection.dialect) for column in table.columns]
    states = [vars(row) for row in rows]
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101 - a connection that was just used
    await driver.copy_records_to_table(
        table.name,
        columns=[column.name for column in columns],
        records=zip(*(column.values(states) for column in columns), strict=True),
    )


class _Filled:
    """A column, and how its values are written."""

    def __init__(self, column: Column[Any], dialect: Dialect) -> None:
        self.name = column.name
        self._default = column.default
        self._write = column.type.dialect_impl(dialect).bind_processor(dialect)

    def values(self, states: Sequence[Mapping[str, Any]]) -> list[Any]:
        name, write = self.name, self._write
        found = [state[name] if name in state else self._of_default() for state in states]
        return found if write is None else [None if value is None else write(value) for value in found]

    def _of_default(self) -> Any:
        default: Any = self._default
        if default is None:
            return None
        return default.arg(None) if default.is_callable else default.arg
