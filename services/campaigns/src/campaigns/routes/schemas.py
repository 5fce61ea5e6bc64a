"""What the HTTP interface takes and gives."""

from datetime import time
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from shared.events.envelope import Instant
from shared.http import Moment

from campaigns.models import Audience, Campaign, Recipient, Template
from campaigns.services.campaigns import CampaignChanges, NewCampaign, NewVariant
from campaigns.states import AudienceStatus, CampaignStatus, RecipientStatus

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Message = Annotated[str, StringConstraints(min_length=1, max_length=1600, pattern=r"\S")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]
Weekday = Annotated[StrictInt, Field(ge=0, le=6)]
Rate = Annotated[Decimal, Field(gt=0, le=1000, max_digits=7, decimal_places=3)]
DailyCap = Annotated[StrictInt, Field(ge=1, le=100_000)]
Plain = Annotated[Decimal, PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str)]
Lists = Annotated[list[UUID], Field(max_length=100)]


# JSON Schema's "time" has an offset, and a local time has none.
LocalTime = Annotated[
    time,
    WithJsonSchema({"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?$"}),
]


class Body(BaseModel):
    """A field that is not known is refused: a misspelt cap must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class VariantIn(Body):
    message: Message
    label: Label | None = None
    weight: Annotated[StrictInt, Field(ge=1, le=1000)] = 1

    def to_service(self, place: int) -> NewVariant:
        return NewVariant(self.message, self.label, self.weight, f"body.variants.{place}.message")


class Timetable(Body):
    """When and how fast: local times of the recipient, weekdays from 0 (Monday) to 6."""

    number_ids: Annotated[list[UUID], Field(max_length=50)] | None = None
    weekdays: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = None
    window_start: LocalTime | None = None
    window_end: LocalTime | None = None
    starts_at: Moment | None = None
    deadline_at: Moment | None = None
    daily_cap: DailyCap | None = None
    rate_per_second: Rate | None = None

    @field_validator("window_start", "window_end")
    @classmethod
    def _local(cls, value: time | None) -> time | None:
        if value is not None and value.tzinfo is not None:
            raise ValueError("a local time has no offset")
        return value


class CampaignIn(Timetable):
    """`message` is short for one variant."""

    name: Name
    message: Message | None = None
    variants: Annotated[list[VariantIn], Field(min_length=1, max_length=4)] | None = None

    @model_validator(mode="after")
    def _one_wording(self) -> Self:
        if (self.message is None) == (self.variants is None):
            raise ValueError("give either message or variants")
        return self

    def to_service(self) -> NewCampaign:
        given = self.model_dump(exclude={"name", "message", "variants"}, exclude_none=True)
        return NewCampaign(name=self.name, variants=_variants(self.message, self.variants) or [], **given)


class CampaignPatch(Timetable):
    """Fields that are left out stay; null empties starts_at and deadline_at."""

    name: Name | None = None
    message: Message | None = None
    variants: Annotated[list[VariantIn], Field(min_length=1, max_length=4)] | None = None

    @model_validator(mode="after")
    def _one_wording(self) -> Self:
        if self.message is not None and self.variants is not None:
            raise ValueError("give either message or variants")
        return self

    def to_service(self) -> CampaignChanges:
        given = self.model_dump(exclude={"message", "variants"}, exclude_unset=True)
        emptied = {"starts_at", "deadline_at"}
        columns = {name: value for name, value in given.items() if value is not None or name in emptied}
        return CampaignChanges(columns, _variants(self.message, self.variants))


def _variants(message: str | None, variants: list[VariantIn] | None) -> list[NewVariant] | None:
    if message is not None:
        return [NewVariant(message)]
    return [variant.to_service(place) for place, variant in enumerate(variants)] if variants else None


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class VariantOut(Out):
    label: str
    message: str
    weight: int


class CampaignOut(Out):
    id: UUID
    version: int
    name: str
    status: CampaignStatus
    message: str
    variants: list[VariantOut]
    number_ids: list[UUID]
    weekdays: list[int]
    window_start: LocalTime
    window_end: LocalTime
    starts_at: Instant | None
    deadline_at: Instant | None
    daily_cap: int
    rate_per_second: Plain
    created_by: str
    created_at: Instant
    approved_by: str | None
    launched_by: str | None
    launched_at: Instant | None
    finished_at: Instant | None
    next_plan_at: Instant | None

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        values = {name: getattr(campaign, name) for name in cls.model_fields if name not in ("message", "variants")}
        variants = [VariantOut.model_validate(variant) for variant in campaign.variants]
        return cls(message=variants[0].message, variants=variants, **values)


class CampaignItem(Out):
    """A campaign in a list."""

    id: UUID
    version: int
    name: str
    status: CampaignStatus
    created_at: Instant
    launched_at: Instant | None
    finished_at: Instant | None


class LaunchIn(Body):
    audience_version: Annotated[StrictInt, Field(ge=1, le=2_000_000_000)]


class AudienceIn(Body):
    lists: Annotated[Lists, Field(min_length=1)]
    exclude_lists: Lists = []
    recontact_days: Annotated[StrictInt, Field(ge=0, le=3650)] = 30
    missing_value: Literal["block", "skip"] = "block"
    include_earlier_conversations: StrictBool = False


class VariantSummary(BaseModel):
    variant: str
    recipients: int
    segments: int
    longest_segments: int


class AudienceOut(BaseModel):
    """One version of the audience. `total` = all people read = the sum of `counts`."""

    version: int
    status: AudienceStatus
    read: int
    total: int | None
    error: str | None
    created_at: Instant
    ready_at: Instant | None
    counts: dict[str, int]
    exclusions: dict[str, int]
    variants: list[VariantSummary]
    segments: int
    cost: Decimal
    currency: Literal["USD"] = "USD"
    needs_approval: bool

    @classmethod
    def of(cls, audience: Audience, **counted: Any) -> Self:
        return cls(
            version=audience.number,
            status=audience.status,
            read=audience.read_count,
            total=audience.expected_count,
            error=audience.error,
            created_at=audience.created_at,
            ready_at=audience.ready_at,
            **counted,
        )


class RecipientOut(Out):
    id: UUID
    contact_id: UUID
    name: str | None
    phone: str | None
    variant: str
    text: str | None
    segments: int
    status: RecipientStatus
    reason: str | None
    status_at: Instant
    number_id: UUID | None
    requested_at: Instant | None
    sent_at: Instant | None
    delivered_at: Instant | None
    replied_at: Instant | None
    opted_out_at: Instant | None

    @classmethod
    def of(cls, recipient: Recipient) -> Self:
        values = {name: getattr(recipient, name) for name in cls.model_fields if name != "name"}
        return cls(name=recipient.values.get("full_name"), **values)


class PreviewItem(BaseModel):
    recipient_id: UUID
    contact_id: UUID
    name: str | None
    variant: str
    text: str
    segments: int


class Preview(BaseModel):
    """Real recipients: some at random, and the longest texts."""

    random: list[PreviewItem]
    longest: list[PreviewItem]


class DayOut(BaseModel):
    on: str
    texts: int


class SimulationOut(BaseModel):
    """The plan in fast time. `left_over` would not be sent before the deadline."""

    starts_at: Instant
    finishes_at: Instant | None
    days: list[DayOut]
    recipients: int
    left_over: int
    segments: int
    cost: Decimal
    currency: Literal["USD"] = "USD"


class TemplateIn(Body):
    name: Name
    message: Message


class TemplatePatch(Body):
    name: Name | None = None
    message: Message | None = None


class TemplateOut(Out):
    id: UUID
    version: int
    name: str
    message: str
    created_at: Instant

    @classmethod
    def of(cls, template: Template) -> Self:
        return cls.model_validate(template)


class TemplatePreviewIn(Body):
    message: Message
    first_name: Annotated[str, StringConstraints(max_length=200)] | None = "Maria"
    last_name: Annotated[str, StringConstraints(max_length=200)] | None = "Santos"
    city: Annotated[str, StringConstraints(max_length=200)] | None = "Quincy"


class LintOut(BaseModel):
    code: str
    message: str


class TemplatePreview(BaseModel):
    text: str | None
    missing: list[str]
    segments: int
    encoding: str
    warnings: list[LintOut]
