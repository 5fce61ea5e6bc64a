"""What comes from outside: texts, the provider's own opt-out words, and calls."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.database import UnitOfWork
from shared.errors import NotFound
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from sandbox.life_cycle import Life, MessageStatus
from sandbox.models import Call, Conversation, Direction, Message, PhoneNumber
from sandbox.opt_out import REPLIES, Keyword, keyword_of
from sandbox.provider_ids import provider_id
from sandbox.services.events import EventService, MessageEvent
from sandbox.services.sending import MessageFiling, SendingService
from sandbox.workspace import Workspace

_COUNT_RECEIVED = text(
    "INSERT INTO recipient (phone, attempts, accepted, received) VALUES (:phone, 0, 0, 1)"
    " ON CONFLICT (phone) DO UPDATE SET received = recipient.received + 1"
    " RETURNING received, blocked_at"
)
_BLOCK = text("UPDATE recipient SET blocked_at = :at WHERE phone = :phone")


@dataclass(frozen=True)
class IncomingCall:
    caller: str
    to: str
    status: str
    duration: int
    has_participants: bool = True
    """Without: the known fault of `call.completed` with an empty list."""


class InboundService:
    """Lives for one transaction."""

    def __init__(self, uow: UnitOfWork, workspace: Workspace, events: EventService, sending: SendingService) -> None:
        self._uow = uow
        self._workspace = workspace
        self._events = events
        self._sending = sending

    async def receive(self, sender: str, to: str, words: str, media: list[dict[str, Any]] | None = None) -> Message:
        """A text of `sender` to one of our numbers (PN id or E.164). STOP blocks it for every number of ours."""
        number = self._number(to)
        # The recipient's row is locked first, as a send does: either the send or the STOP is first.
        received, blocked_at = (await self._uow.session.execute(_COUNT_RECEIVED, {"phone": sender})).one()
        message = Message(
            id=provider_id("AC"),
            conversation_id="",
            phone_number_id=number.id,
            direction=Direction.INCOMING,
            sender=sender,
            recipients=[number.number],
            counterpart=sender,
            text=words,
            media=media or [],
            user_id=None,
            attempt=received,
            text_number=0,
            created_at=self._uow.now,
            sent_at=self._uow.now,
            final_at=self._uow.now,
            final_status=MessageStatus.RECEIVED,
        )
        message.conversation_id = await self._file(number, sender, message.id, is_open=True)
        self._uow.session.add(message)
        await self._uow.session.flush()
        keyword = keyword_of(words)
        if keyword is None or self._workspace.controls.opt_out.is_keyword_delivered:
            await self._events.announce_messages([MessageEvent("message.received", message, self._uow.now)])
        if keyword is not None:
            await self._obey(keyword, number, sender, is_blocked=blocked_at is not None)
        return message

    def _number(self, to: str) -> PhoneNumber:
        number = self._workspace.numbers_by_name.get(to)
        if number is None:
            raise NotFound("The workspace has no such number.")
        return number

    async def _file(self, number: PhoneNumber, phone: str, activity_id: str, *, is_open: bool) -> str:
        """The conversation's id; it is made with its first activity."""
        now = self._uow.now
        latest = {"last_activity_at": now, "last_activity_id": activity_id, "updated_at": now}
        if is_open:
            latest |= {"inbox_status": "open", "is_read": False}
        row = {
            "id": provider_id("CN"),
            "phone_number_id": number.id,
            "participants": [phone],
            "participants_key": phone,
            "inbox_status": "open",
            "is_read": False,
            "created_at": now,
            **latest,
        }
        filed = await self._uow.session.execute(
            insert(Conversation)
            .values(row)
            .on_conflict_do_update(index_elements=["phone_number_id", "participants_key"], set_=latest)
            .returning(Conversation.id)
        )
        return filed.scalar_one()

    async def _obey(self, keyword: Keyword, number: PhoneNumber, phone: str, *, is_blocked: bool) -> None:
        if is_blocked is (keyword is Keyword.STOP):
            return
        at = self._uow.now if keyword is Keyword.STOP else None
        await self._uow.session.execute(_BLOCK, {"phone": phone, "at": at})
        if self._workspace.controls.opt_out.is_reply_listed:
            delivered_at = self._uow.now + timedelta(seconds=2)
            life = Life(self._uow.now + timedelta(seconds=1), delivered_at, MessageStatus.DELIVERED)
            filing = MessageFiling(number, (phone,), REPLIES[keyword], number.user_ids[0])
            await self._sending.reply_automatically(filing, life)

    async def receive_call(self, incoming: IncomingCall) -> Call:
        """A finished call of somebody outside, with its events."""
        number = self._number(incoming.to)
        call_id = provider_id("AC")
        is_answered = incoming.status == "completed" and incoming.duration > 0
        call = Call(
            id=call_id,
            conversation_id=await self._file(number, incoming.caller, call_id, is_open=True),
            phone_number_id=number.id,
            direction=Direction.INCOMING,
            counterpart=incoming.caller,
            participants=[incoming.caller, number.number] if incoming.has_participants else [],
            status=incoming.status,
            user_id=number.user_ids[0],
            duration=incoming.duration,
            answered_at=self._uow.now if is_answered else None,
            completed_at=self._uow.now + timedelta(seconds=incoming.duration),
            created_at=self._uow.now,
        )
        self._uow.session.add(call)
        await self._uow.session.flush()
        await self._events.announce_call("call.completed", call)
        if not is_answered:
            await self._events.announce_call("call.missed", call)
        return call
