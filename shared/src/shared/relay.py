"""The outbox relay: committed events reach their stream, at least once, whatever dies in between."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared import telemetry
from shared.bus import Bus, RefusedForGood
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.failpoints import failpoint

log = structlog.get_logger(__name__)

BATCH = 500
LOCK_KEY = 0x0B0C  # One relay at a time per database; any number, as long as nothing else takes it.


class Relay:
    """Publishes outbox rows by their state. A cursor over `seq` would skip rows: sequences commit out of order."""

    def __init__(self, engine: AsyncEngine, bus: Bus) -> None:
        self._engine = engine
        self._bus = bus

    async def run_once(self) -> int:
        """Publish a batch; returns how many rows were settled. Another relay at work means 0."""
        async with self._engine.begin() as connection:
            locked = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            if not locked.scalar_one():
                return 0
            rows = (
                await connection.execute(
                    text(
                        "SELECT seq, id, type, envelope FROM outbox WHERE published_at IS NULL AND failed_at IS NULL"
                        " ORDER BY seq LIMIT :batch"
                    ),
                    {"batch": BATCH},
                )
            ).all()
            if not rows:
                return 0
            results = await asyncio.gather(*(self._publish(row) for row in rows), return_exceptions=True)
            failpoint("relay.after_ack")
            return await self._mark(connection, rows, results)

    async def _publish(self, row: Row[Any]) -> None:
        await self._bus.publish(row.type, row.envelope.encode(), str(row.id))

    async def _mark(
        self,
        connection: AsyncConnection,
        rows: Sequence[Row[Any]],
        results: list[BaseException | None],
    ) -> int:
        """Mark what was acknowledged and what never will be; the rest stays for the next run."""
        published = [row.seq for row, result in zip(rows, results, strict=True) if result is None]
        refused = [
            (row.seq, str(result))
            for row, result in zip(rows, results, strict=True)
            if isinstance(result, RefusedForGood)
        ]
        await connection.execute(
            text("UPDATE outbox SET published_at = :at WHERE seq = ANY(:seqs)"),
            {"at": wall_now(), "seqs": published},
        )
        for seq, error in refused:
            log.error("relay.refused_for_good", seq=seq, error=error)
            await connection.execute(
                text("UPDATE outbox SET failed_at = :at, error = :error WHERE seq = :seq"),
                {"at": wall_now(), "error": error, "seq": seq},
            )
        telemetry.RELAYED.inc(len(published))
        telemetry.RELAY_FAILED.inc(len(refused))
        if len(published) + len(refused) < len(rows):
            failure = next(r for r in results if r is not None and not isinstance(r, RefusedForGood))
            log.warning("relay.put_off", rows=len(rows) - len(published) - len(refused), error=repr(failure))
        return len(published) + len(refused)


_REPUBLISH = text(
    "UPDATE outbox SET published_at = NULL WHERE created_at >= :since AND published_at IS NOT NULL"
    " AND (CAST(:type AS text) IS NULL OR type = :type)"
)


async def republish(begin: Begin, *, since: datetime, event_type: str | None = None) -> int:
    """Let the relay publish again what was written since (wall clock), in its order; returns how many events.

    Under their old ids: a stream that was lost is filled again, and who has consumed an event ignores it.
    """
    async with begin() as tx:
        uow = await tx.aget(UnitOfWork)
        marked = await uow.session.execute(_REPUBLISH, {"since": since, "type": event_type})
        uow.wake("outbox")
        return int(marked.rowcount)  # type: ignore[attr-defined]
