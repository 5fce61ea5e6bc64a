"""The breaker: when too many texts of campaigns fail or stay in doubt, all campaigns are held until a person looks."""

from datetime import timedelta

import structlog
from shared.database import Begin, UnitOfWork
from sqlalchemy import func, select

from messaging.models import Hold, HoldScope, HoldSource, Message
from messaging.services.holds import HoldService
from messaging.settings import MessagingSettings
from messaging.states import Kind, Status

log = structlog.get_logger(__name__)

_FAILURES = (Status.FAILED, Status.UNDELIVERED, Status.REJECTED)
_DOUBTS = (Status.UNKNOWN, Status.NOT_FOUND, Status.REVIEW)


def trip_reason(counts: dict[Status, int], settings: MessagingSettings) -> str | None:
    """Why campaigns have to stop, in a sentence for people; None where they may go on."""
    total = sum(counts.values())
    if total < settings.breaker_min_texts:
        return None
    failed = sum(counts.get(status, 0) for status in _FAILURES)
    doubtful = sum(counts.get(status, 0) for status in _DOUBTS)
    if failed > total * settings.breaker_failure_ratio:
        return f"{failed} of the last {total} campaign texts failed."
    if doubtful >= settings.breaker_min_unknown and doubtful > total * settings.breaker_unknown_ratio:
        return f"Of {doubtful} of the last {total} campaign texts it is not known whether they were sent."
    return None


class BreakerService:
    def __init__(self, uow: UnitOfWork, holds: HoldService, settings: MessagingSettings) -> None:
        self._uow = uow
        self._holds = holds
        self._settings = settings

    async def check(self) -> bool:
        """Hold all campaigns if the rolling window is bad. What was before the last lifting does not count again."""
        lifted_at = await self._uow.session.scalar(
            select(func.max(Hold.lifted_at)).where(Hold.source == HoldSource.BREAKER)
        )
        window = self._uow.now - timedelta(seconds=self._settings.breaker_window_seconds)
        since = max(window, lifted_at) if lifted_at else window
        rows = await self._uow.session.execute(
            select(Message.status, func.count())
            .where(Message.kind == Kind.CAMPAIGN, Message.intent_at.is_not(None), Message.intent_at > since)
            .group_by(Message.status)
        )
        reason = trip_reason({row[0]: row[1] for row in rows}, self._settings)
        if reason is None:
            return False
        log.error("breaker.tripped", reason=reason)
        await self._holds.place(Hold(scope=HoldScope.CAMPAIGN, source=HoldSource.BREAKER, reason=reason), by=None)
        return True


class BreakerProcess:
    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            await (await tx.aget(BreakerService)).check()
        return 0
