"""T2: what became of the texts that were on the wire."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter as Metric
from shared.database import UnitOfWork
from sqlalchemy import select

from messaging.models import Hold, HoldScope, HoldSource, Message
from messaging.provider import Accepted, OutboundText, Outcome, Rejected, Unavailable, Unknown
from messaging.services.caps import CapService, Place
from messaging.services.consent import ConsentService
from messaging.services.holds import HoldService
from messaging.services.moves import MoveService
from messaging.services.outbound import places_of
from messaging.services.phone_states import PhoneStateService
from messaging.services.receipts import ReceiptService
from messaging.settings import MessagingSettings
from messaging.states import EVIDENCE, Status

log = structlog.get_logger(__name__)

OUTCOMES = Metric("crm_send_outcomes_total", "Outcomes of sends", ["outcome"])
ID_CONFLICTS = Metric("crm_provider_id_conflicts_total", "An accepted text whose provider id belongs to another")

Result = tuple[OutboundText, Outcome]


class SettleService:
    def __init__(
        self,
        uow: UnitOfWork,
        moves: MoveService,
        consent: ConsentService,
        phones: PhoneStateService,
        caps: CapService,
        receipts: ReceiptService,
        holds: HoldService,
        settings: MessagingSettings,
    ) -> None:
        self._uow = uow
        self._moves = moves
        self._consent = consent
        self._phones = phones
        self._caps = caps
        self._receipts = receipts
        self._holds = holds
        self._settings = settings

    async def settle(self, results: Sequence[Result]) -> None:
        """Record the outcomes of a batch in one transaction. Repeating it changes nothing."""
        phones = await self._phones.lock_known({text.to for text, outcome in results if _ends_texting(outcome)})
        messages = await self._locked([text.message_id for text, _ in results])
        bound = await self._bound({o.provider_id for _, o in results if isinstance(o, Accepted)})
        given_back: Counter[Place] = Counter()
        accepted: list[Message] = []
        for text, outcome in results:
            message = messages[text.message_id]
            OUTCOMES.labels(type(outcome).__name__.lower()).inc()
            match outcome:
                case Accepted():
                    if self._accept(message, outcome, bound):
                        accepted.append(message)
                case Rejected():
                    given_back.update(await self._reject(message, outcome))
                case Unavailable():
                    given_back.update(await self._requeue(message, text, outcome))
                case Unknown():
                    self._doubt(message, outcome.reason)
        await self._uow.session.flush()
        await self._receipts.link_kept(accepted, phones)
        await self._uow.session.flush()
        await self._caps.change(Counter({place: -count for place, count in given_back.items()}))

    def _accept(self, message: Message, outcome: Accepted, bound: dict[str, UUID]) -> bool:
        if bound.get(outcome.provider_id, message.id) != message.id:
            # Somebody matched this id to another intent: both need the resolver's and a person's eyes.
            ID_CONFLICTS.inc()
            log.error("send.provider_id_conflict", message_id=str(message.id))
            self._doubt(message, "provider_id_conflict")
            return False
        if message.status in EVIDENCE:
            return False
        message.provider_id = outcome.provider_id
        message.accepted_at = message.settled_at = self._uow.now
        self._moves.move(message, Status.ACCEPTED, by="sender")
        return True

    async def _reject(self, message: Message, outcome: Rejected) -> list[Place]:
        if message.status is not Status.IN_FLIGHT:
            return []
        message.settled_at = message.finished_at = self._uow.now
        self._moves.move(message, Status.REJECTED, by="sender", reason=outcome.reason)
        if outcome.opted_out or outcome.do_not_text:
            await self._consent.note_refusal(
                message.phone,
                source="provider_refusal",
                evidence=f"send refused: {outcome.reason} ({outcome.code})",
                message_id=message.id,
            )
        return places_of(message)

    async def _requeue(self, message: Message, text: OutboundText, outcome: Unavailable) -> list[Place]:
        """Only the holder of the claim may do this, and only while nobody has doubted the text meanwhile."""
        if message.status is not Status.IN_FLIGHT or message.fence != text.fence:
            return []
        places = places_of(message)
        message.not_before = self._uow.now + timedelta(seconds=outcome.retry_after)
        message.intent_at = message.not_after = message.fence = message.capped_on = None
        self._moves.move(message, Status.QUEUED, by="sender", reason=outcome.reason)
        if outcome.halts:
            await self._holds.place(
                Hold(scope=HoldScope.ALL, source=HoldSource.PROVIDER, reason=outcome.halts), by=None
            )
        return places

    def _doubt(self, message: Message, reason: str) -> None:
        if message.status is not Status.IN_FLIGHT:
            return
        message.settled_at = self._uow.now
        message.next_look_at = self._uow.now + timedelta(seconds=self._settings.resolver_wait_seconds)
        self._moves.move(message, Status.UNKNOWN, by="sender", reason=reason)

    async def _locked(self, ids: list[UUID]) -> dict[UUID, Message]:
        rows = await self._uow.session.scalars(
            select(Message)
            .where(Message.id.in_(ids))
            .order_by(Message.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return {row.id: row for row in rows}

    async def _bound(self, provider_ids: set[str]) -> dict[str, UUID]:
        rows = await self._uow.session.execute(
            select(Message.provider_id, Message.id).where(Message.provider_id.in_(provider_ids))
        )
        return {provider_id: message_id for provider_id, message_id in rows if provider_id}


def _ends_texting(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) and (outcome.opted_out or outcome.do_not_text)
