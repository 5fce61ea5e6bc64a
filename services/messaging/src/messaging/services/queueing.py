"""Texts that enter the queue: requested by campaigns, written by people, answered by the system itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Conflict, Invalid, NotFound
from shared.events.campaigns import TextRequested
from shared.ids import uuid7
from shared.rules.segments import count_segments, normalise
from shared.rules.zones import region_for, zones_for
from sqlalchemy import and_, or_, select, text

from messaging.errors import NoSendingNumber, NotResendable, RecipientOptedOut, SameTextRecently, StrangerInTrial
from messaging.models import (
    CampaignState,
    ContactPhone,
    Conversation,
    ConversationState,
    Message,
    PhoneNumber,
    PhoneState,
    body_hash,
    conversation_id_of,
)
from messaging.services.moves import MoveService
from messaging.services.outbound import SAME_TEXT_WINDOW
from messaging.services.phone_states import PhoneStateService
from messaging.settings import MessagingSettings
from messaging.states import COUNTS_AS_SENT, NEVER_LEFT, RESENDABLE, Direction, Kind, Status

MAX_BODY = 1600
AUTO_EXPIRY = timedelta(minutes=5)

# In the order of the phones: two workers that queue for the same people must not wait for each other.
_PLACE_AND_KNOWN = text(
    "WITH asked AS (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:phones AS text[]), CAST(:threads AS uuid[]),"
    " CAST(:numbers AS uuid[]), CAST(:campaigns AS uuid[]), CAST(:steps AS int[]))"
    " AS a(id, phone, thread_id, number_id, campaign_id, step)),"
    " phone AS (INSERT INTO phone_state"
    " (phone, is_opted_out, needs_review, consent_version, line_type, line_type_version)"
    " SELECT phone, false, false, 0, 'unknown', 0 FROM asked ORDER BY phone ON CONFLICT DO NOTHING),"
    " thread AS (INSERT INTO conversation"
    " (id, version, phone, number_id, state, unread, last_message_at, created_at)"
    " SELECT thread_id, 1, phone, number_id, 'done', 0, :at, :at FROM asked ORDER BY phone ON CONFLICT DO NOTHING)"
    " SELECT asked.id, message.id FROM asked JOIN message ON message.id = asked.id UNION ALL"
    " SELECT asked.id, message.id FROM asked JOIN message ON message.campaign_id = asked.campaign_id"
    " AND message.step = asked.step AND message.phone = asked.phone AND message.resend_of IS NULL"
    " WHERE message.campaign_id IS NOT NULL"
    " AND message.status NOT IN ('cancelled', 'expired', 'rejected', 'suppressed')"
)


class RequestService:
    """Campaigns' texts. Lives in one transaction, in which a whole batch of requests may be queued.

    Rows are written together when the transaction ends; until then `_ids` and `_keys` stand for them.
    """

    def __init__(self, uow: UnitOfWork, moves: MoveService, settings: MessagingSettings) -> None:
        self._uow = uow
        self._moves = moves
        self._settings = settings
        self._ids: set[UUID] = set()
        self._keys: set[tuple[UUID, int, str]] = set()
        self._cancelled: dict[UUID, bool] = {}

    async def queue(self, events: Sequence[TextRequested]) -> None:
        """Queue each text once, whatever is redelivered. A request that can't be sent returns its turn at once.

        Opt-outs, hours, caps and holds are not looked at here: they are checked when the text's turn has come.
        """
        self._cancelled = {}  # A cancellation may have come between two batches of this transaction.
        with self._uow.session.no_autoflush:
            numbers = {event.number_id: await self._uow.session.get(PhoneNumber, event.number_id) for event in events}
            known = await self._known(events, numbers)
            for event in events:
                await self._queue(event, numbers[event.number_id], known.get(event.message_id, set()))

    async def _queue(self, event: TextRequested, number: PhoneNumber | None, known: set[UUID]) -> None:
        if event.message_id in known | self._ids:
            return
        key = (event.campaign_id, event.step, event.to)
        message = self._message(event, number)
        message.status, message.reason = await self._first_status(
            event, is_repeat=bool(known) or key in self._keys, number=number
        )
        self._ids.add(message.id)
        if message.status not in NEVER_LEFT:
            self._keys.add(key)
        self._uow.session.add(message)
        self._moves.born(message, by="campaigns")
        if message.status is Status.QUEUED:
            self._uow.wake("sender")

    async def _known(
        self, events: Sequence[TextRequested], numbers: Mapping[UUID, PhoneNumber | None]
    ) -> dict[UUID, set[UUID]]:
        """For each requested text: itself, or others of the same recipient's step that have or may have left.

        The phones' rows and their conversations are made on the way: one question instead of three.
        """
        rows = await self._uow.session.execute(
            _PLACE_AND_KNOWN,
            {
                "at": self._uow.now,
                "ids": [event.message_id for event in events],
                "phones": [event.to for event in events],
                "threads": [conversation_id_of(event.to) for event in events],
                # A number that we do not know is no number of the conversation.
                "numbers": [event.number_id if numbers[event.number_id] else None for event in events],
                "campaigns": [event.campaign_id for event in events],
                "steps": [event.step for event in events],
            },
        )
        known: dict[UUID, set[UUID]] = {}
        for asked_id, known_id in rows:
            known.setdefault(asked_id, set()).add(known_id)
        return known

    async def _first_status(
        self, event: TextRequested, *, is_repeat: bool, number: PhoneNumber | None
    ) -> tuple[Status, str | None]:
        if is_repeat:
            return Status.SUPPRESSED, "already_sent"
        if number is None:
            return Status.SUPPRESSED, "number_unknown"
        if not 1 <= len(event.text.strip()) <= MAX_BODY:
            return Status.SUPPRESSED, "text_length"
        if event.expires_at <= self._uow.now:
            return Status.EXPIRED, "expired"
        if await self._is_cancelled(event.campaign_id):
            return Status.CANCELLED, "campaign_cancelled"
        return Status.QUEUED, None

    async def _is_cancelled(self, campaign_id: UUID) -> bool:
        if campaign_id not in self._cancelled:
            campaign = await self._uow.session.get(CampaignState, campaign_id)
            self._cancelled[campaign_id] = campaign is not None and campaign.state == "cancelled"
        return self._cancelled[campaign_id]

    def _message(self, event: TextRequested, number: PhoneNumber | None) -> Message:
        body = normalise(event.text)
        segments = count_segments(body, billing=True).segments
        return Message(
            id=event.message_id,
            version=1,
            direction=Direction.OUTBOUND,
            kind=Kind.CAMPAIGN,
            conversation_id=conversation_id_of(event.to),
            number_id=number.id if number else None,
            phone=event.to,
            body=body,
            body_hash=body_hash(body),
            segments=segments,
            cost_cents=segments * self._settings.cost_cents_per_segment,
            created_at=self._uow.now,
            campaign_id=event.campaign_id,
            recipient_id=event.recipient_id,
            contact_id=event.contact_id,
            variant=event.variant,
            step=event.step,
            turn=event.turn,
            zones=event.zones or list(zones_for(None, None, event.to)),
            region=event.region,
            priority=1,
            not_before=event.not_before,
            expires_at=event.expires_at,
        )


class WritingService:
    """Texts that people and the system write one at a time. Lives in one transaction."""

    def __init__(
        self, uow: UnitOfWork, moves: MoveService, phones: PhoneStateService, settings: MessagingSettings
    ) -> None:
        self._uow = uow
        self._moves = moves
        self._phones = phones
        self._settings = settings

    async def reply(
        self, *, to: str, body: str, author: str, number_id: UUID | None = None, repeats_text: bool = False
    ) -> Message:
        """Queue a person's text; people's texts go before campaigns'.

        Raises RecipientOptedOut, NoSendingNumber, StrangerInTrial, or SameTextRecently unless `repeats_text`.
        """
        state = (await self._phones.lock([to]))[to]
        self._check_may_text(state)
        body = checked_body(body)
        if not repeats_text:
            await self._check_not_repeated(to, body)
        number = await self._number(to, number_id)
        message = await self._queue(
            to=to, body=body, kind=Kind.REPLY, number=number, author=author, repeats_text=repeats_text
        )
        await self._note_reply(message)
        return message

    async def resend(self, message_id: UUID, *, author: str) -> Message:
        """A new intent, linked to one that did not arrive. Only a person may ask for it, and once at a time."""
        original = await self._uow.session.get(Message, message_id, populate_existing=True)
        if original is None or original.direction is not Direction.OUTBOUND:
            raise NotFound("There is no such outgoing text.")
        state = (await self._phones.lock([original.phone]))[original.phone]
        await self._uow.session.refresh(original, with_for_update=True)
        if original.status not in RESENDABLE:
            raise NotResendable(f"A text that is {original.status.value} is not sent again.")
        open_one = await self._uow.session.scalar(
            select(Message.id).where(Message.resend_of == original.id, Message.status.not_in(NEVER_LEFT))
        )
        if open_one is not None:
            raise NotResendable("It is being sent again already.", message_id=str(open_one))
        self._check_may_text(state)
        number = await self._number(original.phone, original.number_id)
        return await self._queue(
            to=original.phone,
            body=original.body,
            kind=Kind.REPLY,
            number=number,
            author=author,
            repeats_text=True,
            resend_of=original,
        )

    async def confirm_opt_out(self, evidence: Message, number: PhoneNumber, body: str) -> Message:
        """The one confirmation: it passes the opt-out, within five minutes of its evidence."""
        return await self._queue(
            to=evidence.phone,
            body=body,
            kind=Kind.CONFIRMATION,
            number=number,
            author=None,
            repeats_text=True,
            in_reply_to=evidence,
            expires_at=evidence.created_at + AUTO_EXPIRY,
        )

    async def answer_help(self, question: Message, number: PhoneNumber, body: str) -> Message:
        return await self._queue(
            to=question.phone,
            body=body,
            kind=Kind.AUTO,
            number=number,
            author=None,
            in_reply_to=question,
            expires_at=question.created_at + AUTO_EXPIRY,
        )

    def _check_may_text(self, state: PhoneState) -> None:
        if state.is_opted_out:
            raise RecipientOptedOut("This person asked not to be texted.")
        allowed = self._settings.allowed_phones
        if allowed is not None and state.phone not in allowed:
            raise StrangerInTrial("Trial mode texts only the team's own numbers.")

    async def _check_not_repeated(self, phone: str, body: str) -> None:
        earlier = await self._uow.session.scalar(
            select(Message.id).where(
                Message.phone == phone,
                Message.body_hash == body_hash(body),
                Message.direction == Direction.OUTBOUND,
                or_(
                    Message.status == Status.QUEUED,
                    and_(
                        Message.status.in_(COUNTS_AS_SENT),
                        Message.intent_at > self._uow.now - SAME_TEXT_WINDOW,
                    ),
                ),
            )
        )
        if earlier is not None:
            raise SameTextRecently(
                "This very text went to this number within a day; set repeats_text to send it again.",
                message_id=str(earlier),
            )

    async def _number(self, phone: str, number_id: UUID | None) -> PhoneNumber:
        """The number asked for, else the conversation's, else the first one."""
        session = self._uow.session
        if number_id is not None:
            asked = await session.get(PhoneNumber, number_id)
            if asked is None:
                raise NotFound("There is no such number.")
            if not asked.is_active:
                raise NoSendingNumber("This number is not active any more.")
            return asked
        conversation = await session.get(Conversation, conversation_id_of(phone))
        wanted = conversation.number_id if conversation else None
        numbers = await session.scalars(select(PhoneNumber).where(PhoneNumber.is_active).order_by(PhoneNumber.e164))
        active = numbers.all()
        if not active:
            raise NoSendingNumber("No active sending number is known yet.")
        return next((number for number in active if number.id == wanted), active[0])

    async def _queue(
        self,
        *,
        to: str,
        body: str,
        kind: Kind,
        number: PhoneNumber,
        author: str | None,
        repeats_text: bool = False,
        resend_of: Message | None = None,
        in_reply_to: Message | None = None,
        expires_at: datetime | None = None,
    ) -> Message:
        session = self._uow.session
        conversation_id = await self._phones.ensure_conversation(to, number.id, self._uow.now)
        contact = await session.get(ContactPhone, to)
        segments = count_segments(body, billing=True).segments
        message = Message(
            id=uuid7(),
            version=1,
            direction=Direction.OUTBOUND,
            kind=kind,
            status=Status.QUEUED,
            conversation_id=conversation_id,
            number_id=number.id,
            phone=to,
            body=body,
            body_hash=body_hash(body),
            segments=segments,
            cost_cents=segments * self._settings.cost_cents_per_segment,
            author_id=author,
            created_at=self._uow.now,
            contact_id=contact.contact_id if contact else None,
            zones=contact.zones if contact and contact.zones else list(zones_for(None, None, to)),
            region=contact.region if contact else region_for(None, None, to),
            priority=0,
            not_before=self._uow.now,
            expires_at=expires_at,
            resend_of=resend_of.id if resend_of else None,
            in_reply_to=in_reply_to.id if in_reply_to else None,
            repeats_text=repeats_text,
        )
        if resend_of is not None:
            message.campaign_id, message.step = resend_of.campaign_id, resend_of.step
            message.recipient_id, message.variant = resend_of.recipient_id, resend_of.variant
            message.turn = resend_of.turn
        session.add(message)
        await session.flush()
        self._moves.born(message, by="person" if author else "consent")
        self._uow.wake("sender")
        return message

    async def _note_reply(self, message: Message) -> None:
        conversation = await self._uow.session.get(
            Conversation, message.conversation_id, with_for_update=True, populate_existing=True
        )
        if conversation is None:
            raise Conflict("The conversation is gone.")
        conversation.last_message_at = max(conversation.last_message_at, self._uow.now)
        conversation.number_id = message.number_id
        conversation.state = ConversationState.OPEN
        conversation.touch()
        self._uow.hint("conversations", conversation.id, conversation.version)


def checked_body(body: str) -> str:
    """The text as it will be sent. Raises Invalid where that has no words or too many characters."""
    plain = normalise(body).strip()
    if not plain:
        raise Invalid("A text needs words.")
    if len(plain) > MAX_BODY:
        raise Invalid(f"A text has at most {MAX_BODY} characters.")
    return plain
