"""CloudEvents 1.0 in structured JSON, and the base class of what they carry."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Instant = Annotated[AwareDatetime, PlainSerializer(_rfc3339, return_type=str, when_used="json")]
"""An aware instant, written in UTC with milliseconds."""


class Payload(BaseModel):
    """Part of an event. Unknown members are ignored, so that a publisher may add optional ones within a version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Payload):
    """A fact. `type` is also the NATS subject; `about` names the field that becomes the CloudEvents subject."""

    type: ClassVar[str]
    about: ClassVar[str]

    @property
    def subject_id(self) -> str:
        """The id of the aggregate that this fact is about; empty for lists of several."""
        return str(getattr(self, self.about)) if self.about else ""

    @property
    def aggregate_version(self) -> int | None:
        return getattr(self, "version", None)


class Money(Payload):
    amount_cents: int
    currency: str = "USD"


class Envelope(BaseModel):
    """One CloudEvents 1.0 message as it travels. `id` is unique per event and is also the `Nats-Msg-Id`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    type: str
    source: str
    subject: str = ""
    time: Instant
    datacontenttype: str = "application/json"
    dataschema: str = ""
    data: dict[str, Any]
    traceparent: str | None = None
    causationid: str | None = None
    aggregateversion: int | None = None
