"""Reads: SQL in, rows out."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.models import Notice, Push, SyncMark


async def sync_health(session: AsyncSession, realm_id: str) -> tuple[dict[str, int], Sequence[SyncMark]]:
    """How many writes stand in which state and how many notices wait; and how far each reading has come."""
    rows = await session.execute(select(Push.state, func.count()).where(Push.realm_id == realm_id).group_by(Push.state))
    counts: dict[str, int] = {state.value: count for state, count in rows}
    waiting = select(func.count()).where(Notice.realm_id == realm_id, Notice.processed_at.is_(None))
    counts["notices"] = (await session.execute(waiting)).scalar_one()
    marks = await session.scalars(select(SyncMark).where(SyncMark.realm_id == realm_id).order_by(SyncMark.name))
    return counts, marks.all()


Rows = Sequence[Any]
