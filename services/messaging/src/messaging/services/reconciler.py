"""Webhooks are a hint, listing is the truth: walks the provider's lists with overlap, through the same path."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderError, ProviderRejected
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from messaging.models import Message, PhoneNumber, SyncMark
from messaging.provider import MessageLister, MessageQuery, ProviderMessage
from messaging.services.inbound import InboundService
from messaging.services.receipts import ReceiptService
from messaging.settings import MessagingSettings
from messaging.states import RECEIPTS, Direction, Status

log = structlog.get_logger(__name__)

REPAIRED = Counter("crm_reconciled_gaps_total", "Events that reached us by listing only", ["kind"])

BACK_FILL_EVERY = timedelta(hours=24)
BACK_FILL_SPAN = timedelta(hours=72)
_LIST_LIMIT = 20_000
_BATCH = 100
_LOOKS = 4
_LOOK_AGAIN = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Walk:
    """A stretch of one number's list that is to be read."""

    name: str
    number_provider_id: str
    number_e164: str
    since: datetime
    until: datetime


class WalkService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, inbound: InboundService, receipts: ReceiptService) -> None:
        self._uow = uow
        self._inbound = inbound
        self._receipts = receipts

    async def due(self, every: timedelta, overlap: timedelta) -> list[Walk]:
        """The walks whose time has come, by domain time, so that a moved clock makes them due as well."""
        now = self._uow.now
        marks = {mark.name: mark for mark in await self._uow.session.scalars(select(SyncMark))}
        walks = []
        for number in await self._uow.session.scalars(select(PhoneNumber).where(PhoneNumber.is_active)):
            for kind, period, span in (("recent", every, overlap), ("back_fill", BACK_FILL_EVERY, BACK_FILL_SPAN)):
                name = f"{kind}:{number.provider_id}"
                mark = marks.get(name)
                if mark is None or mark.ran_at <= now - period:
                    since = min(mark.reached_at if mark else now, now) - span
                    walks.append(Walk(name, number.provider_id, number.e164, since, now))
        return walks

    async def take_in(self, listed: Sequence[ProviderMessage]) -> int:
        """Bring in what is missing here; returns how many gaps that closed."""
        gaps = 0
        for message in listed:
            if message.direction is Direction.INBOUND and await self._inbound.receive(message):
                REPAIRED.labels("inbound").inc()
                gaps += 1
        reports = [m for m in listed if m.direction is Direction.OUTBOUND and m.status in RECEIPTS]
        if reports:
            changed = await self._receipts.apply(reports, by="reconciler")
            REPAIRED.labels("receipt").inc(changed)
            gaps += changed
        return gaps

    async def missing_here(self, listed: Sequence[ProviderMessage]) -> list[ProviderMessage]:
        """Those listed that would change something here: unknown inbound ones, and receipts that are news."""
        rows = await self._uow.session.execute(
            select(Message.provider_id, Message.status).where(
                Message.provider_id.in_([message.provider_id for message in listed])
            )
        )
        known = {row[0]: row[1] for row in rows}
        return [m for m in listed if _is_news(m, known.get(m.provider_id))]

    async def mark(self, walk: Walk, repaired: int) -> None:
        statement = insert(SyncMark).values(
            name=walk.name, reached_at=walk.until, runs=1, repaired=repaired, ran_at=self._uow.now
        )
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[SyncMark.name],
                set_={
                    "reached_at": walk.until,
                    "runs": SyncMark.runs + 1,
                    "repaired": SyncMark.repaired + repaired,
                    "ran_at": self._uow.now,
                },
            )
        )

    async def overdue(self) -> list[str]:
        """Provider ids of accepted texts whose receipt is overdue; each is asked for a few times, hours apart."""
        rows = await self._uow.session.scalars(
            select(Message.provider_id)
            .where(
                Message.status == Status.ACCEPTED,
                Message.next_look_at <= self._uow.now,
                Message.provider_id.is_not(None),
            )
            .order_by(Message.next_look_at)
            .limit(_BATCH)
        )
        return [provider_id for provider_id in rows if provider_id]

    async def count_look(self, provider_id: str) -> None:
        """The provider was asked and answered. An outage costs no look: it says nothing about the text."""
        message = await self._uow.session.scalar(
            select(Message)
            .where(Message.provider_id == provider_id, Message.status == Status.ACCEPTED)
            .with_for_update()
        )
        if message is not None:
            message.looks += 1
            # "Sent" can be a carrier's last word: after some looks nobody asks any more.
            message.next_look_at = self._uow.now + _LOOK_AGAIN if message.looks < _LOOKS else None


class ReconcilerProcess:
    def __init__(self, begin: Begin, provider: MessageLister, settings: MessagingSettings) -> None:
        self._begin = begin
        self._provider = provider
        self._every = timedelta(seconds=settings.reconcile_every_seconds)
        self._overlap = timedelta(seconds=settings.reconcile_overlap_seconds)

    async def run_once(self) -> int:
        """Walk what is due and ask for overdue receipts; returns how many gaps were repaired."""
        async with self._begin() as tx:
            walks = await (await tx.aget(WalkService)).due(self._every, self._overlap)
        gaps = 0
        for walk in walks:
            gaps += await self._unless_refused(walk.name, self._walk(walk))
        return gaps + await self._unless_refused("overdue", self._ask_overdue())

    async def _unless_refused(self, name: str, work: Awaitable[int]) -> int:
        """One number that can't be listed, or an account without some surface, stops nothing else."""
        try:
            return await work
        except ProviderError as error:
            log.warning("reconciler.put_off", work=name, error=error.message)
            return 0

    async def _walk(self, walk: Walk) -> int:
        query = MessageQuery(walk.number_provider_id, walk.number_e164, since=walk.since, limit=_LIST_LIMIT)
        listing = await self._provider.list_number(query)
        oldest_first = sorted(listing.messages, key=lambda message: message.created_at)
        gaps = await self._take_in(oldest_first)
        async with self._begin() as tx:
            await (await tx.aget(WalkService)).mark(walk, gaps)
        if gaps:
            log.info("reconciler.repaired", walk=walk.name, gaps=gaps)
        return gaps

    async def _take_in(self, messages: Sequence[ProviderMessage]) -> int:
        gaps = 0
        for start in range(0, len(messages), _BATCH):
            async with self._begin() as tx:
                news = await (await tx.aget(WalkService)).missing_here(messages[start : start + _BATCH])
            receipts = [message for message in news if message.direction is Direction.OUTBOUND]
            # Each inbound text in a transaction of its own: it locks its phone.
            for group in [[m] for m in news if m.direction is Direction.INBOUND] + ([receipts] if receipts else []):
                async with self._begin() as tx:
                    gaps += await (await tx.aget(WalkService)).take_in(group)
        return gaps

    async def _ask_overdue(self) -> int:
        async with self._begin() as tx:
            ids = await (await tx.aget(WalkService)).overdue()
        gaps = 0
        for provider_id in ids:
            message = await self._get(provider_id)
            async with self._begin() as tx:
                await (await tx.aget(WalkService)).count_look(provider_id)
            gaps += await self._take_in([message] if message else [])
        return gaps

    async def _get(self, provider_id: str) -> ProviderMessage | None:
        """None where the provider has nothing to say about it, or refuses to: that is an answer as well."""
        try:
            return await self._provider.get_message(provider_id)
        except ProviderRejected as error:
            log.warning("reconciler.refused", provider_id=provider_id, error=error.message)
            return None


def _is_news(message: ProviderMessage, status: Status | None) -> bool:
    if message.direction is Direction.INBOUND:
        return status is None
    return message.status in RECEIPTS and status not in RECEIPTS
