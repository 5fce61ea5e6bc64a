"""Inbound texts: stored with all that follows from them in one transaction."""

from datetime import timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.messaging import ContactSeen, MessageReceived
from shared.ids import derived
from sqlalchemy import select

from messaging.models import (
    ConsentAction,
    ContactPhone,
    Conversation,
    ConversationState,
    Message,
    PhoneNumber,
    PhoneState,
    body_hash,
)
from messaging.opt_out import OptOutKind, OptOutVerdict, classify
from messaging.provider import ProviderMessage
from messaging.services.consent import TEXTED, ConsentChange, ConsentService
from messaging.services.phone_states import PhoneStateService
from messaging.services.queueing import AUTO_EXPIRY, WritingService
from messaging.settings import MessagingSettings
from messaging.states import COUNTS_AS_SENT, Direction, Kind, Status
from messaging.wording import confirmation, help_text

MESSAGES = UUID("0d6bb6f4-6a0a-5a6e-8a56-1f6f8c3a4e21")
REPLY_WINDOW = timedelta(hours=72)
HISTORY_AGE = timedelta(hours=24)


class InboundService:
    """Lives in one transaction. More than one aggregate changes in it: an opt-out must never be half done."""

    def __init__(
        self,
        uow: UnitOfWork,
        phones: PhoneStateService,
        consent: ConsentService,
        writing: WritingService,
        settings: MessagingSettings,
    ) -> None:
        self._uow = uow
        self._phones = phones
        self._consent = consent
        self._writing = writing
        self._settings = settings

    async def receive(self, incoming: ProviderMessage) -> bool:
        """Store the text and do what it asks for; False where it is known, by whichever way it came before."""
        session = self._uow.session
        state = (await self._phones.lock([incoming.other]))[incoming.other]
        known = await session.scalar(select(Message.id).where(Message.provider_id == incoming.provider_id))
        if known is not None:
            return False
        number = await self._number(incoming)
        message = await self._store(incoming, state, number)
        await self._note_in_conversation(message)
        state.last_inbound_at = max(filter(None, (state.last_inbound_at, incoming.created_at)))
        await self._publish(message)
        await self._obey(message, state, number)
        return True

    async def _number(self, incoming: ProviderMessage) -> PhoneNumber | None:
        for column, value in (
            (PhoneNumber.provider_id, incoming.number_provider_id),
            (PhoneNumber.e164, incoming.own),
        ):
            if value is not None:
                number = await self._uow.session.scalar(select(PhoneNumber).where(column == value))
                if number is not None:
                    return number
        return None

    async def _store(self, incoming: ProviderMessage, state: PhoneState, number: PhoneNumber | None) -> Message:
        number_id = number.id if number else None
        conversation_id = await self._phones.ensure_conversation(state.phone, number_id, incoming.created_at)
        contact = await self._uow.session.get(ContactPhone, state.phone)
        message = Message(
            id=derived(MESSAGES, incoming.provider_id),
            version=1,
            direction=Direction.INBOUND,
            status=Status.RECEIVED,
            conversation_id=conversation_id,
            number_id=number_id,
            phone=state.phone,
            body=incoming.body,
            body_hash=body_hash(incoming.body),
            created_at=incoming.created_at,
            provider_id=incoming.provider_id,
            contact_id=contact.contact_id if contact else None,
            not_before=incoming.created_at,
            in_reply_to=await self._answered(state.phone, incoming),
        )
        self._uow.session.add(message)
        await self._uow.session.flush()
        return message

    async def _answered(self, phone: str, incoming: ProviderMessage) -> UUID | None:
        """The newest text to this phone before it: that is what a person answers."""
        return await self._uow.session.scalar(
            select(Message.id)
            .where(
                Message.phone == phone,
                Message.direction == Direction.OUTBOUND,
                Message.status.in_(COUNTS_AS_SENT),
                Message.intent_at <= incoming.created_at,
                Message.intent_at > incoming.created_at - REPLY_WINDOW,
            )
            .order_by(Message.intent_at.desc())
            .limit(1)
        )

    async def _note_in_conversation(self, message: Message) -> None:
        conversation = await self._uow.session.get_one(
            Conversation, message.conversation_id, with_for_update=True, populate_existing=True
        )
        conversation.last_message_at = max(conversation.last_message_at, message.created_at)
        conversation.last_inbound_at = max(filter(None, (conversation.last_inbound_at, message.created_at)))
        conversation.number_id = message.number_id or conversation.number_id
        conversation.state = ConversationState.OPEN
        conversation.unread += 1
        conversation.touch()
        self._uow.hint("conversations", conversation.id, conversation.version)

    async def _publish(self, message: Message) -> None:
        self._uow.publish(
            MessageReceived(
                message_id=message.id,
                conversation_id=message.conversation_id,
                contact_id=message.contact_id,
                from_phone=message.phone,
                number_id=message.number_id,
                text=message.body,
                in_reply_to=message.in_reply_to,
                is_history=self._is_history(message),
                received_at=message.created_at,
            )
        )
        if message.contact_id is None:
            self._uow.publish(
                ContactSeen(phone=message.phone, conversation_id=message.conversation_id, seen_at=message.created_at)
            )

    def _is_history(self, message: Message) -> bool:
        return message.created_at < self._uow.now - HISTORY_AGE

    def _is_late(self, question: Message) -> bool:
        """An answer that the system gives itself is one within minutes, or none: it passes quiet hours."""
        return question.created_at + AUTO_EXPIRY <= self._uow.now

    async def _obey(self, message: Message, state: PhoneState, number: PhoneNumber | None) -> None:
        verdict = classify(message.body)
        match verdict.kind:
            case OptOutKind.KEYWORD | OptOutKind.FREE_WORDING | OptOutKind.UNSURE:
                await self._opt_out(message, verdict, state, number)
            case OptOutKind.OPT_IN:
                await self._record(message, ConsentAction.OPT_IN, verdict)
            case OptOutKind.HELP if number is not None and not state.is_opted_out and not self._is_late(message):
                body = help_text(self._settings.business_name, self._settings.business_phone)
                await self._writing.answer_help(message, number, body)
            case _:
                pass

    async def _opt_out(
        self, message: Message, verdict: OptOutVerdict, state: PhoneState, number: PhoneNumber | None
    ) -> None:
        was_out = state.is_opted_out
        await self._record(message, ConsentAction.OPT_OUT, verdict)
        # The provider answers its own keywords; a doubtful one is asked about by a person, not confirmed.
        is_answered = verdict.is_provider_keyword or verdict.kind is OptOutKind.UNSURE
        if is_answered or was_out or number is None or not state.is_opted_out or self._is_late(message):
            return
        if not await self._confirmed_lately(message):
            await self._writing.confirm_opt_out(message, number, confirmation(self._settings.business_name))

    async def _confirmed_lately(self, message: Message) -> bool:
        earlier = await self._uow.session.scalar(
            select(Message.id).where(
                Message.phone == message.phone,
                Message.kind == Kind.CONFIRMATION,
                Message.created_at > self._uow.now - timedelta(minutes=5),
            )
        )
        return earlier is not None

    async def _record(self, message: Message, action: ConsentAction, verdict: OptOutVerdict) -> None:
        await self._consent.record(
            ConsentChange(
                phone=message.phone,
                action=action,
                source=f"{TEXTED}{verdict.kind.value}",
                evidence=message.body,
                occurred_at=message.created_at,
                evidence_message_id=message.id,
                needs_review=verdict.kind is OptOutKind.UNSURE,
            )
        )
