"""Sending: held against the workspace in the provider's order, struck by faults, written to the ledger."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from shared.database import UnitOfWork
from sqlalchemy import func, select, text

from sandbox.faults import SendFault, send_fault
from sandbox.life_cycle import OPTED_OUT_CODE, Life, plan_life, refused_by_carrier
from sandbox.models import Direction, LedgerEntry, Message, PhoneNumber
from sandbox.provider_errors import (
    OpenPhoneError,
    daily_cap_reached,
    no_credits,
    not_a_member,
    not_found,
    not_registered,
    opted_out,
    subscription_expired,
    unprocessable,
)
from sandbox.provider_ids import provider_id
from sandbox.workspace import Workspace, pacific_midnight_before

_COUNT_ATTEMPT = text(
    "INSERT INTO recipient (phone, attempts, accepted, received) VALUES (:phone, 1, 0, 0)"
    " ON CONFLICT (phone) DO UPDATE SET attempts = recipient.attempts + 1"
    " RETURNING attempts, accepted, blocked_at"
)

# One statement for the whole effect: sending is what the sandbox has to be fast at.
_FILE = """
WITH filed AS (
    INSERT INTO conversation (id, phone_number_id, participants, participants_key, inbox_status, is_read,
                              last_activity_at, last_activity_id, created_at, updated_at)
    VALUES (:conversation_id, :phone_number_id, CAST(:participants AS jsonb), :participants_key, :inbox_status,
            true, :now, :id, :now, :now)
    ON CONFLICT (phone_number_id, participants_key) DO UPDATE
    SET last_activity_at = excluded.last_activity_at, last_activity_id = excluded.last_activity_id,
        updated_at = excluded.updated_at, inbox_status = excluded.inbox_status
    RETURNING id
), texted AS (
    INSERT INTO message (id, conversation_id, phone_number_id, direction, sender, recipients, counterpart, text,
                         media, user_id, attempt, text_number, created_at, sent_at, final_at, final_status,
                         error_code, event_due_at)
    SELECT :id, filed.id, :phone_number_id, :direction, :sender, CAST(:recipients AS jsonb), :counterpart, :text,
           CAST(:media AS jsonb), :user_id, :attempt, :text_number, :now, :sent_at, :final_at, :final_status,
           :error_code, :event_due_at
    FROM filed
    RETURNING conversation_id
)"""

_FILE_MESSAGE = text(f"{_FILE} SELECT conversation_id FROM texted")

_FILE_SEND = text(
    f"""{_FILE}, counted AS (
    UPDATE recipient SET accepted = accepted + 1 WHERE phone = :counterpart
), noted AS (
    INSERT INTO ledger (run, recv_at, crm_at, sender, recipient, recipients, body, key_name, message_id,
                        correlation_id, attempt, fault)
    VALUES (:run, :recv_at, :now, :sender, :counterpart, CAST(:recipients AS jsonb), :text, :key_name, :id,
            :correlation_id, :attempt, :fault)
)
SELECT conversation_id FROM texted"""
)


@dataclass(frozen=True)
class Origin:
    """Which request it was, as the ledger notes it."""

    key_name: str
    correlation_id: str
    received_at: datetime
    """Wall time."""


@dataclass(frozen=True)
class SendRequest:
    content: str
    sender: str
    """A PN id or the E.164 of a workspace number."""
    to: tuple[str, ...]
    user_id: str | None
    is_filed_as_done: bool
    origin: Origin


@dataclass(frozen=True)
class SendOutcome:
    """`message` is what was accepted, if it was. `refusal` or `fault` say what else there is to answer."""

    message: Message | None = None
    fault: SendFault | None = None
    refusal: OpenPhoneError | None = None


@dataclass(frozen=True)
class MessageFiling:
    """Where a message of ours belongs: used by sends and by automatic replies."""

    number: PhoneNumber
    recipients: tuple[str, ...]
    text: str
    user_id: str
    inbox_status: str = "open"


class SendingService:
    """Lives for one transaction."""

    def __init__(self, uow: UnitOfWork, workspace: Workspace) -> None:
        self._uow = uow
        self._workspace = workspace

    async def send(self, request: SendRequest) -> SendOutcome:
        """Accept or refuse. A refusal of the workspace raises; one of the recipient, and a fault, counts as an attempt.

        Order: number, member, subscription, credits, registration, daily cap, then the recipient.
        """
        number, user_id = self._author(request)
        await self._check_account()
        recipient = request.to[0]
        counted = await self._uow.session.execute(_COUNT_ATTEMPT, {"phone": recipient})
        attempt, accepted, blocked_at = counted.one()
        controls = self._workspace.controls
        fault = send_fault(controls.faults, recipient, attempt)
        if fault is not None and not fault.is_accepted:
            return SendOutcome(fault=fault)
        blocked = recipient if blocked_at else await self._blocked(request.to[1:])
        if blocked and controls.opt_out.sends_to_blocked == "refuse":
            return SendOutcome(refusal=opted_out(blocked))
        life = (
            refused_by_carrier(self._uow.now, OPTED_OUT_CODE)
            if blocked
            else plan_life(controls.life, recipient, attempt, self._uow.now)
        )
        status = "done" if request.is_filed_as_done else "open"
        filing = MessageFiling(number, request.to, request.content, user_id, status)
        message = _new_message(filing, life, attempt, accepted + 1, self._uow.now)
        noted = {
            "run": self._workspace.run,
            "recv_at": request.origin.received_at,
            "key_name": request.origin.key_name,
            "correlation_id": request.origin.correlation_id,
            "fault": fault.value if fault else None,
        }
        values = _file_values(message, filing) | noted
        message.conversation_id = (await self._uow.session.execute(_FILE_SEND, values)).scalar_one()
        return SendOutcome(message=message, fault=fault)

    async def retry(self, message_id: str, origin: Origin) -> Message:
        """Attempt a failed text again: only one without a carrier's code, everything else is final.

        To the ledger it is one more send, and a recipient who has opted out since is not sent anything.
        """
        found = await self._uow.session.execute(select(Message).where(Message.id == message_id).with_for_update())
        message = found.scalar_one_or_none()
        if message is None:
            raise not_found("Message")
        if message.status_at(self._uow.now) != "failed" or message.error_code is not None:
            raise unprocessable("Only failed messages without an error code can be retried")
        if blocked := await self._blocked(tuple(message.recipients)):
            raise unprocessable(f"The recipient {blocked} has Opted Out of messages from this workspace")
        counted = await self._uow.session.execute(_COUNT_ATTEMPT, {"phone": message.counterpart})
        message.attempt = counted.one().attempts
        message.revive(self._uow.now, self._uow.now + timedelta(seconds=5))
        self._uow.session.add(self._entry(message, origin))
        return message

    def _entry(self, message: Message, origin: Origin) -> LedgerEntry:
        return LedgerEntry(
            run=self._workspace.run,
            recv_at=origin.received_at,
            crm_at=self._uow.now,
            sender=message.sender,
            recipient=message.counterpart,
            recipients=message.recipients,
            body=message.text,
            key_name=origin.key_name,
            message_id=message.id,
            correlation_id=origin.correlation_id,
            attempt=message.attempt,
        )

    def _author(self, request: SendRequest) -> tuple[PhoneNumber, str]:
        number = self._workspace.numbers_by_name.get(request.sender)
        if number is None:
            raise not_found("Phone number")
        user_id = request.user_id or number.user_ids[0]
        if user_id not in number.user_ids:
            raise not_a_member()
        return number, user_id

    async def _check_account(self) -> None:
        account = self._workspace.controls.account
        if not account.is_subscription_active:
            raise subscription_expired()
        if not account.has_credits:
            raise no_credits()
        if not account.is_registered:
            raise not_registered()
        if account.daily_cap is not None and await self._sent_today() >= account.daily_cap:
            raise daily_cap_reached()

    async def _sent_today(self) -> int:
        since = pacific_midnight_before(self._uow.now)
        counted = select(func.count()).where(LedgerEntry.run == self._workspace.run, LedgerEntry.crm_at >= since)
        return int((await self._uow.session.execute(counted)).scalar_one())

    async def _blocked(self, phones: tuple[str, ...]) -> str | None:
        if not phones:
            return None
        found = await self._uow.session.execute(
            text("SELECT phone FROM recipient WHERE phone = ANY(:phones) AND blocked_at IS NOT NULL LIMIT 1"),
            {"phones": list(phones)},
        )
        blocked: str | None = found.scalar_one_or_none()
        return blocked

    async def reply_automatically(self, filing: MessageFiling, life: Life) -> Message:
        """An outgoing message that the provider itself wrote: no request, so nothing in the ledger."""
        # After the text it answers, also where lists are sorted by time.
        at = self._uow.now + timedelta(milliseconds=100)
        message = _new_message(filing, life, 0, 0, at)
        found = await self._uow.session.execute(_FILE_MESSAGE, _file_values(message, filing))
        message.conversation_id = found.scalar_one()
        return message


def _new_message(filing: MessageFiling, life: Life, attempt: int, text_number: int, now: datetime) -> Message:
    return Message(
        id=provider_id("AC"),
        phone_number_id=filing.number.id,
        direction=Direction.OUTGOING,
        sender=filing.number.number,
        recipients=list(filing.recipients),
        counterpart=filing.recipients[0],
        text=filing.text,
        media=[],
        user_id=filing.user_id,
        attempt=attempt,
        text_number=text_number,
        created_at=now,
        sent_at=life.sent_at,
        final_at=life.final_at,
        final_status=life.final_status,
        error_code=life.error_code,
        event_due_at=life.final_at,
    )


_COLUMNS = (
    "id",
    "phone_number_id",
    "sender",
    "counterpart",
    "text",
    "user_id",
    "attempt",
    "text_number",
    "sent_at",
    "final_at",
    "error_code",
    "event_due_at",
)


def _file_values(message: Message, filing: MessageFiling) -> dict[str, Any]:
    participants = sorted(filing.recipients)
    return {
        **{name: getattr(message, name) for name in _COLUMNS},
        "now": message.created_at,
        "direction": message.direction.value,
        "final_status": message.final_status.value if message.final_status else None,
        "recipients": orjson.dumps(message.recipients).decode(),
        "media": "[]",
        "conversation_id": provider_id("CN"),
        "participants": orjson.dumps(participants).decode(),
        "participants_key": ",".join(participants),
        "inbox_status": filing.inbox_status,
    }
