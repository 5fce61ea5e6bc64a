"""How PostgreSQL is to plan a search."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_BY_PATTERN = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")


async def plan_by_pattern(session: AsyncSession) -> None:
    """Plan this transaction's statements for what is looked for: what is rare through the index, what is common not.

    A plan for any pattern, which PostgreSQL goes over to after five searches, reads the whole table for a rare one.
    """
    await session.execute(_BY_PATTERN)
