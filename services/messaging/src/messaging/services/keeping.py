"""What messaging keeps for a while only: raw webhooks 90 days, reports about unknown texts 72 hours."""

from datetime import datetime, timedelta

from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from sqlalchemy import text

RECEIPTS_KEPT = timedelta(hours=72)
"""As far as the reconciler looks back: a text that is not bound to its report by then was not sent from here."""
DELIVERIES_KEPT = timedelta(days=90)
BATCH = 5000

_FORGET_RECEIPTS = text("DELETE FROM provider_receipt WHERE reported_at < :before")
# Ids follow the time of arrival: the oldest are found by the primary key.
_FORGET_DELIVERIES = text(
    "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM"
    " (SELECT id, received_at, state FROM webhook_delivery ORDER BY id LIMIT :batch) AS oldest"
    " WHERE received_at < :before AND state <> 'pending')"
)


class KeepingService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def forget(self, wall: datetime) -> int:
        """Delete a batch of what has outlived its keeping; returns how many rows."""
        session = self._uow.session
        receipts = await session.execute(_FORGET_RECEIPTS, {"before": self._uow.now - RECEIPTS_KEPT})
        deliveries = await session.execute(_FORGET_DELIVERIES, {"before": wall - DELIVERIES_KEPT, "batch": BATCH})
        return int(receipts.rowcount + deliveries.rowcount)  # type: ignore[attr-defined]


class KeepingProcess:
    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(KeepingService)).forget(wall_now())
