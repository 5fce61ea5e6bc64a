"""What the routes take and give."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from shared.errors import Invalid
from shared.events.envelope import Instant
from shared.rules.phones import InvalidPhone, parse_phone

from messaging.models import ConsentEntry as ConsentRow
from messaging.models import ContactPhone, Conversation, ConversationState, HoldScope, LineType, PhoneNumber, Scheme
from messaging.models import Message as MessageRow
from messaging.services.queueing import MAX_BODY, checked_body
from messaging.states import Direction, Kind, Status


def _e164(value: str) -> str:
    try:
        return parse_phone(value)
    except InvalidPhone as error:
        raise PydanticCustomError(error.code, "{sentence}", {"sentence": error.message}) from error


def _body(value: str) -> str:
    try:
        return checked_body(value)
    except Invalid as error:
        raise PydanticCustomError("body", "{sentence}", {"sentence": error.message}) from error


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("not an IANA time zone")
    return value


Phone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_e164), Field(examples=["+16175550123"])]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone), Field(examples=["America/New_York"])]
Body = Annotated[str, StringConstraints(min_length=1, max_length=MAX_BODY), AfterValidator(_body)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class In(BaseModel):
    """What a caller sends: members we do not know are a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NewMessage(In):
    """`to` a phone, or an existing conversation."""

    to: Phone | None = None
    conversation_id: UUID | None = None
    body: Body
    number_id: UUID | None = Field(default=None, description="Our number; without one the conversation's.")
    repeats_text: bool = Field(default=False, description="Send the very same text again within 24 hours.")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.to is None) == (self.conversation_id is None):
            raise ValueError("give either to or conversation_id")
        return self


class MessageOut(Out):
    id: UUID
    version: int
    direction: Direction
    kind: Kind | None
    status: Status
    conversation_id: UUID
    number_id: UUID | None
    phone: str
    body: str
    segments: int | None
    cost_cents: int | None
    reason: str | None
    author_id: str | None
    campaign_id: UUID | None
    recipient_id: UUID | None
    contact_id: UUID | None
    variant: str | None
    resend_of: UUID | None
    in_reply_to: UUID | None
    provider_id: str | None
    is_alarmed: bool
    created_at: Instant
    not_before: Instant
    expires_at: Instant | None
    intent_at: Instant | None
    accepted_at: Instant | None
    finished_at: Instant | None

    @classmethod
    def of(cls, row: MessageRow, primaries: Mapping[UUID, UUID] | None = None) -> Self:
        """`primaries` names the contacts that merged ones are read as."""
        out = cls.model_validate(row)
        if out.contact_id is not None:
            out.contact_id = (primaries or {}).get(out.contact_id, out.contact_id)
        return out


class ConversationOut(Out):
    id: UUID
    version: int
    phone: str
    number_id: UUID | None
    state: ConversationState
    unread: int
    contact_id: UUID | None
    contact_name: str | None
    last_message_at: Instant
    last_inbound_at: Instant | None

    @classmethod
    def of(cls, row: Conversation, contact: ContactPhone | None, primaries: Mapping[UUID, UUID]) -> Self:
        parts = [contact.first_name, contact.last_name] if contact else []
        return cls(
            id=row.id,
            version=row.version,
            phone=row.phone,
            number_id=row.number_id,
            state=row.state,
            unread=row.unread,
            contact_id=primaries.get(contact.contact_id, contact.contact_id) if contact else None,
            contact_name=" ".join(filter(None, parts)) or (contact.company if contact else None),
            last_message_at=row.last_message_at,
            last_inbound_at=row.last_inbound_at,
        )


class ConversationEdit(In):
    """What is left out stays as it is."""

    state: ConversationState | None = None
    is_read: Literal[True] | None = Field(default=None, description="Nothing in it is unread any more.")


class PhoneNumberOut(Out):
    id: UUID
    version: int
    provider_id: str
    e164: str
    name: str
    zone: str
    daily_cap: int
    is_active: bool

    @classmethod
    def of(cls, row: PhoneNumber) -> Self:
        return cls.model_validate(row)


class PhoneNumberEdit(In):
    daily_cap: int | None = Field(default=None, ge=0, le=100_000)
    zone: Zone | None = None


class NewHold(In):
    scope: HoldScope
    campaign_id: UUID | None = Field(default=None, description="With scope campaign; without one: every campaign.")
    number_id: UUID | None = None
    reason: Words

    @model_validator(mode="after")
    def _target_fits(self) -> Self:
        if (self.scope is HoldScope.NUMBER) != (self.number_id is not None):
            raise ValueError("number_id belongs to the scope number")
        if self.campaign_id is not None and self.scope is not HoldScope.CAMPAIGN:
            raise ValueError("campaign_id belongs to the scope campaign")
        return self


class HoldOut(Out):
    id: UUID
    version: int
    scope: HoldScope
    campaign_id: UUID | None
    number_id: UUID | None
    source: str
    reason: str
    placed_at: Instant
    placed_by: str | None
    lifted_at: Instant | None
    lifted_by: str | None


class NewOptOut(In):
    phone: Phone
    reason: Words = Field(description="How the person asked, in their words where possible: the evidence.")


class OptInRequest(In):
    evidence: Words = Field(description="How and when the person asked to be texted again.")


class OptOutOut(Out):
    phone: str
    is_opted_out: bool
    needs_review: bool
    consent_version: int
    consent_at: Instant | None
    consent_source: str | None
    line_type: LineType


class ConsentEntryOut(Out):
    seq: int
    version: int
    action: str
    purpose: str
    source: str
    evidence: str
    evidence_message_id: UUID | None
    is_effective: bool
    occurred_at: Instant
    recorded_at: Instant
    recorded_by: str | None

    @classmethod
    def of(cls, row: ConsentRow) -> Self:
        return cls.model_validate(row)


class ConsentStatus(BaseModel):
    """Could this phone be texted at `at`, and why."""

    phone: str
    at: Instant
    may_text: bool
    why: str
    entries: list[ConsentEntryOut]
    is_chain_intact: bool


class FailedWebhook(Out):
    """A delivery that was kept but could not be processed."""

    id: UUID
    scheme: Scheme
    delivery_id: str
    event_type: str
    error: str | None
    attempts: int
    received_at: Instant


class FailedWebhooks(BaseModel):
    items: list[FailedWebhook]


class PhoneQuery(In):
    phones: Annotated[list[Annotated[str, StringConstraints(max_length=20)]], Field(max_length=10_000)]


class PhoneFactsOut(Out):
    """A phone that was never texted and never wrote is left out."""

    phone: str
    is_opted_out: bool
    consent_version: int
    line_type: LineType
    last_texted_at: datetime | None
    has_conversation: bool = Field(description="Whether this phone ever wrote to us.")


class PhoneFactsList(BaseModel):
    items: list[PhoneFactsOut]
