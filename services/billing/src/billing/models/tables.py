"""The declarative base of billing's tables."""

from collections.abc import Sequence

from shared.database import TypedColumns, service_metadata
from sqlalchemy import Text, insert, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(TypedColumns, DeclarativeBase):
    metadata = service_metadata()


class OfCompany:
    """A row of one QuickBooks company. `qb_id` repeats between kinds and companies; None before it exists there."""

    realm_id: Mapped[str]
    qb_id: Mapped[str | None] = mapped_column(Text)
    sync_token: Mapped[int] = mapped_column(default=-1)
    """Of the newest state mirrored; an older one is refused."""
    qb_updated_at: Mapped[str] = mapped_column(Text, default="")
    """MetaData.LastUpdatedTime in UTC, as text that sorts: two states of one SyncToken are told apart by it."""


async def insert_all(session: AsyncSession, rows: Sequence[Base]) -> None:
    """Write new rows of one table at once. The session does not watch them: a later change of one is lost."""
    states = [inspect(row).dict for row in rows]
    # One statement takes rows that name the same columns; what one of them leaves out is null in it.
    names = {name for state in states for name in state if name != "_sa_instance_state"}
    if rows:
        await session.execute(
            insert(type(rows[0])),
            [{name: state.get(name) for name in names} for state in states],
            execution_options={"render_nulls": True},
        )
