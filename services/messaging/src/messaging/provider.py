"""What messaging asks of a texting provider, in its own words; clients/openphone speaks the provider's."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.states import Direction, Status

OPTED_OUT_CODE = "21610"
LANDLINE_CODE = "30006"
DO_NOT_TEXT_CODES = frozenset({"30005", LANDLINE_CODE})
"""Carriers' codes, the same whoever passes them on: the person opted out; no text can reach this phone."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has the text."""

    provider_id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Definitely not sent, and not to be sent again. `opted_out`/`do_not_text`: nothing may go to this phone."""

    reason: str
    code: str | None = None
    opted_out: bool = False
    do_not_text: bool = False


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Definitely not sent, and worth another try after `retry_after` seconds.

    `halts` carries a sentence where no text at all can be sent until somebody acts (key, credits, registration).
    `is_limited`: the provider counts our calls as too many.
    """

    reason: str
    retry_after: float
    halts: str | None = None
    is_limited: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent. Only looking at the provider's list can tell; it is never repeated by a machine."""

    reason: str


Outcome = Accepted | Rejected | Unavailable | Unknown


@dataclass(frozen=True, slots=True)
class OutboundText:
    """A text whose intent is committed. `deadline` is monotonic, `not_after` wall time: neither may have passed."""

    message_id: UUID
    fence: UUID
    from_provider_id: str
    to: str
    body: str
    deadline: float
    not_after: datetime


@dataclass(frozen=True, slots=True)
class ProviderMessage:
    """A message as the provider lists or reports it."""

    provider_id: str
    direction: Direction
    status: Status
    body: str
    own: str | None
    """Our number: its E.164 where given."""
    number_provider_id: str | None
    other: str
    """The other side, E.164."""
    created_at: datetime
    error_code: str | None = None
    has_media: bool = False


@dataclass(frozen=True, slots=True)
class ProviderNumber:
    provider_id: str
    e164: str
    name: str


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """A parsed webhook. `message` is None for what messaging does not act on (yet)."""

    event_id: str
    type: str
    message: ProviderMessage | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    scheme: str
    provider_id: str
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class MessageQuery:
    """Which messages to list. `other` narrows to texts to one phone (the v1 surface can't do without)."""

    number_provider_id: str
    number_e164: str
    other: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Listing:
    """Newest first. `is_complete` is False where `limit` cut it."""

    messages: list[ProviderMessage] = field(default_factory=list)
    is_complete: bool = True


class TextSender(Protocol):
    async def send(self, text: OutboundText) -> Outcome: ...


class MessageLister(Protocol):
    async def list_messages(self, query: MessageQuery) -> Listing: ...

    async def list_number(self, query: MessageQuery) -> Listing:
        """All of one number, in no order, even where that means a question per conversation."""

    async def get_message(self, provider_id: str) -> ProviderMessage | None: ...


class NumberLister(Protocol):
    async def list_numbers(self) -> list[ProviderNumber]: ...


class Subscriber(Protocol):
    async def list_subscriptions(self) -> list[tuple[str, str]]:
        """(provider id, address) of each."""

    async def subscribe(self, url: str) -> Subscribed: ...

    async def unsubscribe(self, provider_id: str) -> None: ...


class EventParser(Protocol):
    def __call__(self, raw: bytes) -> ProviderEvent: ...


class Unparsable(ValueError):
    """Signed bytes that are no event we can read; kept raw and marked, never refused."""
