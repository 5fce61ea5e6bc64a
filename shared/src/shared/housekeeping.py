"""What is kept for how long: outbox and consumed events 30 days, idempotent answers 7."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import wall_now
from shared.database import Begin
from shared.http.idempotency import forget_old_keys
from shared.jobs import Job

KEPT = timedelta(days=30)
TABLES = (("outbox", "seq", "published_at"), ("consumed_event", "event_id", "consumed_at"))
BATCH = 5000


class Housekeeping:
    """Deletes what has outlived its keeping, a batch a step. What the relay has not published is never deleted."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            deleted = await forget_old_keys(session)
            for table, key, instant in TABLES:
                result = await session.execute(
                    text(
                        f"DELETE FROM {table} WHERE {key} IN"
                        f" (SELECT {key} FROM {table} WHERE {instant} < :before LIMIT :batch)"
                    ),
                    {"before": wall_now() - KEPT, "batch": BATCH},
                )
                deleted += result.rowcount  # type: ignore[attr-defined]
            return int(deleted)


HOUSEKEEPING = Job("housekeeping", Housekeeping, timedelta(hours=1))
