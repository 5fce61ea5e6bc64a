"""Events of the messaging service (stream MESSAGING)."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.envelope import Event, Instant


class MessageMoved(Event):
    """The state of an outbound text moved. One payload for all states; `version` orders those of one text.

    `segments` and `cost_cents` are known from `accepted` on; `cost_cents` may be fractional (a cent a segment).
    `reason` is a stable word (opted_out, quiet_hours, cap, hold, landline, expired, provider's code ...).
    """

    about: ClassVar[str] = "message_id"

    message_id: UUID
    version: int
    kind: Literal["campaign", "reply", "scheduled", "auto", "confirmation"]
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    campaign_id: UUID | None = None
    recipient_id: UUID | None = None
    variant: str | None = None
    turn: int | None = None
    number_id: UUID | None = None
    to: str
    provider_id: str | None = None
    segments: int | None = None
    cost_cents: int | None = None
    reason: str | None = None
    text: str | None = None
    occurred_at: Instant


class MessageAccepted(MessageMoved):
    """The provider has it; `text` is what was sent."""

    type: ClassVar[str] = "messaging.message.accepted.v1"


class MessageRejected(MessageMoved):
    """The provider refused it for good; nothing was sent."""

    type: ClassVar[str] = "messaging.message.rejected.v1"


class MessageUnknown(MessageMoved):
    """It may have gone out; the resolver looks it up. It counts as sent and is never resent by a machine."""

    type: ClassVar[str] = "messaging.message.unknown.v1"


class MessageNotFound(MessageMoved):
    """The provider does not list it: probably not sent. Only a person may send it anew."""

    type: ClassVar[str] = "messaging.message.not_found.v1"


class MessageReview(MessageMoved):
    """The provider lists another text that may be this one; a person compares."""

    type: ClassVar[str] = "messaging.message.review.v1"


class MessageDelivered(MessageMoved):
    """The carrier confirmed that it arrived."""

    type: ClassVar[str] = "messaging.message.delivered.v1"


class MessageUndelivered(MessageMoved):
    """The carrier could not deliver it."""

    type: ClassVar[str] = "messaging.message.undelivered.v1"


class MessageFailed(MessageMoved):
    """It failed after the provider had it."""

    type: ClassVar[str] = "messaging.message.failed.v1"


class MessageSuppressed(MessageMoved):
    """The gate refused it for good, `reason` says why."""

    type: ClassVar[str] = "messaging.message.suppressed.v1"


class MessageExpired(MessageMoved):
    """It did not get its turn before `expires_at`; nothing was sent, and its planner may plan it again."""

    type: ClassVar[str] = "messaging.message.expired.v1"


class MessageCancelled(MessageMoved):
    """It was withdrawn before it was sent."""

    type: ClassVar[str] = "messaging.message.cancelled.v1"


class MessageReceived(Event):
    """An inbound text is stored. `received_at` is the provider's time."""

    type: ClassVar[str] = "messaging.message.received.v1"
    about: ClassVar[str] = "message_id"

    message_id: UUID
    conversation_id: UUID
    contact_id: UUID | None = None
    from_phone: str
    number_id: UUID | None = None
    text: str
    media_ids: list[UUID] = []
    in_reply_to: UUID | None = None
    is_history: bool = False
    received_at: Instant


class OptOutRecorded(Event):
    """From `occurred_at` on nothing may be sent to this phone. `version` is the phone's consent version."""

    type: ClassVar[str] = "messaging.opt_out.recorded.v1"
    about: ClassVar[str] = "phone"

    phone: str
    version: int
    scope: str = "all"
    source: str
    needs_review: bool = False
    evidence_message_id: UUID | None = None
    occurred_at: Instant


class OptInRecorded(Event):
    """This phone may be texted again, with the evidence for it."""

    type: ClassVar[str] = "messaging.opt_in.recorded.v1"
    about: ClassVar[str] = "phone"

    phone: str
    version: int
    scope: str = "all"
    source: str
    evidence_message_id: UUID | None = None
    occurred_at: Instant


class HoldMoved(Event):
    about: ClassVar[str] = "hold_id"

    hold_id: UUID
    scope: Literal["all", "campaign", "number"]
    campaign_id: UUID | None = None
    number_id: UUID | None = None
    reason: str
    version: int
    occurred_at: Instant


class HoldPlaced(HoldMoved):
    """Sending stops for everything, a campaign or a number."""

    type: ClassVar[str] = "messaging.hold.placed.v1"


class HoldLifted(HoldMoved):
    """Sending goes on."""

    type: ClassVar[str] = "messaging.hold.lifted.v1"


class PhoneNumberChanged(Event):
    """One of the company's own sending numbers. `zone` is the IANA zone its daily cap is counted in."""

    type: ClassVar[str] = "messaging.phone_number.changed.v1"
    about: ClassVar[str] = "number_id"

    number_id: UUID
    version: int
    e164: str
    name: str = ""
    zone: str
    daily_cap: int
    is_active: bool


class LineTypeDetermined(Event):
    """A lookup, or the carrier, said what kind of line a phone is."""

    type: ClassVar[str] = "messaging.line_type.determined.v1"
    about: ClassVar[str] = "phone"

    phone: str
    line_type: Literal["mobile", "landline", "voip", "unknown"]
    source: str
    version: int


class ContactSeen(Event):
    """A text or call from a number that no contact has."""

    type: ClassVar[str] = "messaging.contact.seen.v1"
    about: ClassVar[str] = "phone"

    phone: str
    conversation_id: UUID
    seen_at: Instant


class CallMoved(Event):
    about: ClassVar[str] = "call_id"

    call_id: UUID
    version: int
    contact_id: UUID | None = None
    phone: str
    direction: Literal["inbound", "outbound"]
    duration_seconds: int | None = None
    occurred_at: Instant


class CallCompleted(CallMoved):
    """A call has ended."""

    type: ClassVar[str] = "messaging.call.completed.v1"


class CallMissed(CallMoved):
    """Nobody answered a call."""

    type: ClassVar[str] = "messaging.call.missed.v1"


class CallVoicemailLeft(CallMoved):
    """A caller left a message."""

    type: ClassVar[str] = "messaging.call.voicemail_left.v1"


class CallTranscribed(CallMoved):
    """The words of a call are there."""

    type: ClassVar[str] = "messaging.call.transcribed.v1"


class CallSummarized(CallMoved):
    """The summary of a call is there."""

    type: ClassVar[str] = "messaging.call.summarized.v1"
