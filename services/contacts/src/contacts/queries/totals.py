"""How many rows a list has, where counting them does not cost more than the page itself."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

# A search compares each row that it counts; a plain list only passes over it.
COUNTED_ROWS = 20_000
COUNTED_MATCHES = 1_000


async def total_of(session: AsyncSession, ids: Select[Any], *, is_search: bool) -> int | None:
    """The exact number of rows of `ids`; None, unknown, where there are more than COUNTED_ROWS or COUNTED_MATCHES."""
    most = COUNTED_MATCHES if is_search else COUNTED_ROWS
    found = await session.scalar(select(func.count()).select_from(ids.limit(most + 1).subquery())) or 0
    return found if found <= most else None
