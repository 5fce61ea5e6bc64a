"""The resolver: the only reader of texts in doubt. It looks at the provider's list and never sends.

Two clocks: whether a process may still write a text is wall time (`not_after`); how long the provider's list may
lag behind a send is domain time, the clock that the provider's `createdAt` follows (in sandbox mode it moves).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderError, ProviderRejected
from sqlalchemy import select

from messaging.matching import LOOK_BACK, Finding, Look, look_for
from messaging.models import Message, PhoneNumber
from messaging.provider import Listing, MessageLister, MessageQuery, ProviderMessage
from messaging.services.moves import MoveService
from messaging.services.phone_states import PhoneStateService
from messaging.services.receipts import ReceiptService, intent_of
from messaging.settings import MessagingSettings
from messaging.states import Status

log = structlog.get_logger(__name__)

DUPLICATES = Counter(
    "crm_duplicate_texts_total", "Intents that the provider has more than one message of: look at them"
)
_BATCH = 100
_WHOLE_NUMBER_FROM = 3
"""From this many doubts of one number on, its whole list is read instead of each thread's."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A text to look for: where and since when."""

    message_id: UUID
    phone: str
    number_provider_id: str
    number_e164: str
    intent_at: datetime


class DoubtService:
    """Lives in one transaction."""

    def __init__(
        self,
        uow: UnitOfWork,
        moves: MoveService,
        phones: PhoneStateService,
        receipts: ReceiptService,
        settings: MessagingSettings,
    ) -> None:
        self._uow = uow
        self._moves = moves
        self._phones = phones
        self._receipts = receipts
        self._settings = settings

    async def take_lost(self) -> int:
        """Texts whose sender died or froze past the deadline become unknown; they never go back to the queue."""
        lost = await self._uow.session.scalars(
            select(Message)
            .where(Message.status == Status.IN_FLIGHT, Message.not_after < wall_now())
            .order_by(Message.id)
            .limit(_BATCH)
            .with_for_update(skip_locked=True)
        )
        found = lost.all()
        for message in found:
            message.next_look_at = self._uow.now + timedelta(seconds=self._settings.resolver_wait_seconds)
            self._moves.move(message, Status.UNKNOWN, by="resolver", reason="sender_lost")
        return len(found)

    async def due(self) -> list[Doubt]:
        """The texts whose time for a look has come."""
        rows = await self._uow.session.execute(
            select(Message.id, Message.phone, PhoneNumber.provider_id, PhoneNumber.e164, Message.intent_at)
            .join(PhoneNumber, PhoneNumber.id == Message.number_id)
            .where(Message.status == Status.UNKNOWN, Message.next_look_at <= self._uow.now)
            .order_by(Message.next_look_at)
            .limit(_BATCH)
        )
        return [Doubt(*row[:4], row[4]) for row in rows if row[4] is not None]

    async def judge(self, doubt: Doubt, listed: Sequence[ProviderMessage]) -> bool:
        """Hold one text against what the provider lists; returns whether it is in doubt no more."""
        await self._phones.lock_known([doubt.phone])
        message = await self._uow.session.get(
            Message, doubt.message_id, with_for_update={"skip_locked": True}, populate_existing=True
        )
        if message is None or message.status is not Status.UNKNOWN:
            return False
        intent = intent_of(message)
        look = look_for(
            intent,
            list(listed),
            bound=await self._bound([item.provider_id for item in listed], message.id),
            later_intents=await self._later_intents(message),
        )
        if look.match is not None:
            await self._bind(message, look.match, look)
            return True
        message.looks += 1
        message.next_look_at = self._uow.now + timedelta(seconds=self._settings.resolver_interval_seconds)
        if message.looks < self._settings.resolver_looks:
            return False
        is_unclear = look.finding is Finding.DIFFERS
        self._moves.move(
            message,
            Status.REVIEW if is_unclear else Status.NOT_FOUND,
            by="resolver",
            reason="another_text_found" if is_unclear else "not_listed",
        )
        return True

    async def put_off(self, doubt: Doubt) -> None:
        """The provider refuses to list this one: try again after the usual while, without counting it as a look."""
        message = await self._uow.session.get(
            Message, doubt.message_id, with_for_update={"skip_locked": True}, populate_existing=True
        )
        if message is not None and message.status is Status.UNKNOWN:
            message.next_look_at = self._uow.now + timedelta(seconds=self._settings.resolver_interval_seconds)

    async def _bind(self, message: Message, match: ProviderMessage, look: Look) -> None:
        message.provider_id = match.provider_id
        if look.duplicates:
            message.is_alarmed = True
            DUPLICATES.inc()
            log.error("resolver.duplicate", message_id=str(message.id), count=1 + len(look.duplicates))
        await self._receipts.advance(message, Status.ACCEPTED, None, by="resolver")
        await self._uow.session.flush()
        await self._receipts.advance(message, match.status, match.error_code, by="resolver")
        await self._receipts.link_kept([message], {message.phone})

    async def _bound(self, provider_ids: list[str], own_id: UUID) -> set[str]:
        rows = await self._uow.session.scalars(
            select(Message.provider_id).where(Message.provider_id.in_(provider_ids), Message.id != own_id)
        )
        return {provider_id for provider_id in rows if provider_id}

    async def _later_intents(self, message: Message) -> tuple[datetime, ...]:
        rows = await self._uow.session.scalars(
            select(Message.intent_at).where(
                Message.phone == message.phone,
                Message.body_hash == message.body_hash,
                Message.id != message.id,
                Message.intent_at > message.intent_at,
            )
        )
        return tuple(at for at in rows if at is not None)


class ResolverProcess:
    """Any number may run: the row lock and the unique provider id keep them apart."""

    def __init__(self, begin: Begin, provider: MessageLister) -> None:
        self._begin = begin
        self._provider = provider

    async def run_once(self) -> int:
        """Look for every text whose time has come; returns how many were looked for."""
        async with self._begin() as tx:
            doubts = await tx.aget(DoubtService)
            lost = await doubts.take_lost()
            due = await doubts.due()
        by_number: dict[str, list[Doubt]] = defaultdict(list)
        for doubt in due:
            by_number[doubt.number_provider_id].append(doubt)
        looked = 0
        for group in by_number.values():
            looked += await self._look(group)
        return lost + looked

    async def _look(self, group: list[Doubt]) -> int:
        looked = 0
        try:
            whole = await self._list_number(group) if len(group) >= _WHOLE_NUMBER_FROM else None
            for doubt in group:
                looked += await self._look_for(doubt, whole)
        except ProviderError as error:
            # Nothing is known that was not known before: the same texts are looked for in the next run.
            log.warning("resolver.put_off", texts=len(group) - looked, error=error.message)
        return looked

    async def _look_for(self, doubt: Doubt, whole: Listing | None) -> int:
        """One refused thread does not keep the others from being looked at."""
        try:
            listing = whole or await self._list_thread(doubt)
        except ProviderRejected as error:
            log.warning("resolver.refused", message_id=str(doubt.message_id), error=error.message)
            async with self._begin() as tx:
                await (await tx.aget(DoubtService)).put_off(doubt)
            return 0
        async with self._begin() as tx:
            await (await tx.aget(DoubtService)).judge(doubt, listing.messages)
        return 1

    async def _list_number(self, group: list[Doubt]) -> Listing | None:
        """Everything of the number since its oldest doubt; None where that can't be had or is too much."""
        oldest = min(group, key=lambda doubt: doubt.intent_at)
        try:
            listing = await self._provider.list_messages(_query(oldest, other=None, limit=2000))
        except ProviderError:
            return None
        return listing if listing.is_complete else None

    async def _list_thread(self, doubt: Doubt) -> Listing:
        return await self._provider.list_messages(_query(doubt, other=doubt.phone, limit=500))


def _query(doubt: Doubt, *, other: str | None, limit: int) -> MessageQuery:
    return MessageQuery(
        number_provider_id=doubt.number_provider_id,
        number_e164=doubt.number_e164,
        other=other,
        since=doubt.intent_at - LOOK_BACK,
        limit=limit,
    )
