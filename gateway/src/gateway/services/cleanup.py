"""A worker's job: sessions and invites that are over are forgotten after 30 days."""

from datetime import timedelta

from shared.clock import wall_now
from shared.database import Begin
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.models import Invite, Session

KEPT = timedelta(days=30)


class Cleanup:
    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        before = wall_now() - KEPT
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            await session.execute(delete(Session).where(Session.expires_at < before))
            await session.execute(delete(Session).where(Session.ended_at < before))
            await session.execute(delete(Invite).where(Invite.expires_at < before))
        return 0
