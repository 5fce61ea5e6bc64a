"""Campaigns as drafts: creating and editing them, and what they will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from string import ascii_uppercase
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Invalid, NotFound
from shared.etag import check_version
from shared.ids import uuid7
from shared.rules.templates import InvalidTemplate
from sqlalchemy import select, update
from sqlalchemy.orm import selectinload

from campaigns.cost import campaign_cost
from campaigns.enrolment import Wording
from campaigns.errors import NotADraft
from campaigns.models import Audience, Campaign, Variant
from campaigns.settings import Settings
from campaigns.states import AudienceStatus, CampaignStatus

MAX_VARIANTS = 4
WEEKDAYS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class NewVariant:
    message: str
    label: str | None = None
    weight: int = 1
    request_field: str = "body.message"


@dataclass(frozen=True)
class NewCampaign:
    """A draft as a person gives it; what is None takes the company's default."""

    name: str
    variants: Sequence[NewVariant]
    number_ids: Sequence[UUID] = ()
    weekdays: Sequence[int] = WEEKDAYS
    window_start: time = time(9)
    window_end: time = time(19)
    starts_at: datetime | None = None
    deadline_at: datetime | None = None
    daily_cap: int | None = None
    rate_per_second: Decimal | None = None


@dataclass(frozen=True)
class CampaignChanges:
    """What an edit sets; `variants` replaces all of them."""

    columns: dict[str, Any] = field(default_factory=dict)
    variants: Sequence[NewVariant] | None = None


class CampaignService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, settings: Settings) -> None:
        self._uow = uow
        self._settings = settings

    def calculate_campaign_cost(self, recipient_count: int, segments: int = 1) -> Decimal:
        """Dollars for `recipient_count` texts of `segments` each, at the configured price per segment.

        Where texts differ in length: the sum of their segments, as so many texts of one.
        """
        return campaign_cost(recipient_count, segments=segments, price_per_segment=self._settings.price_per_segment)

    async def create(self, wanted: NewCampaign, *, author: str) -> Campaign:
        campaign = Campaign(
            id=uuid7(),
            version=1,
            name=wanted.name,
            status=CampaignStatus.DRAFT,
            number_ids=list(dict.fromkeys(wanted.number_ids)),
            weekdays=sorted(set(wanted.weekdays)),
            window_start=wanted.window_start,
            window_end=wanted.window_end,
            starts_at=wanted.starts_at,
            deadline_at=wanted.deadline_at,
            daily_cap=wanted.daily_cap or self._settings.default_daily_cap,
            rate_per_second=wanted.rate_per_second or self._settings.default_rate_per_second,
            created_by=author,
            created_at=self._uow.now,
        )
        campaign.variants = _variants(campaign.id, wanted.variants)
        _check_window(campaign)
        self._uow.session.add(campaign)
        self._uow.hint("campaigns", campaign.id, campaign.version)
        return campaign

    async def get(self, campaign_id: UUID, *, lock: bool = False) -> Campaign:
        """The campaign with its variants; `lock` takes the row lock that launch, pause and planning share."""
        statement = select(Campaign).where(Campaign.id == campaign_id)
        if lock:
            statement = statement.with_for_update()
        campaign = (await self._uow.session.execute(statement)).scalar_one_or_none()
        if campaign is None:
            raise NotFound("There is no such campaign.")
        await self._uow.session.execute(
            select(Campaign).where(Campaign.id == campaign_id).options(selectinload(Campaign.variants))
        )
        return campaign

    async def get_draft(self, campaign_id: UUID) -> Campaign:
        """The campaign, locked; raises NotADraft once it was launched or cancelled."""
        campaign = await self.get(campaign_id, lock=True)
        if campaign.status is not CampaignStatus.DRAFT:
            raise NotADraft(f"The campaign is {campaign.status}; only a draft can be changed.", current=campaign.status)
        return campaign

    async def edit(self, campaign_id: UUID, changes: CampaignChanges, *, expected_version: int) -> Campaign:
        """Change a draft. Other wordings make its audience stale, because recipients hold their rendered texts."""
        campaign = await self.get_draft(campaign_id)
        check_version(campaign.version, expected_version)
        for name, value in changes.columns.items():
            setattr(campaign, name, value)
        _check_window(campaign)
        if changes.variants is not None:
            await self._replace_variants(campaign, changes.variants)
        # Whoever approved saw another campaign.
        campaign.approved_audience_id = campaign.approved_by = None
        campaign.touch()
        self._uow.hint("campaigns", campaign.id, campaign.version)
        return campaign

    async def _replace_variants(self, campaign: Campaign, wanted: Sequence[NewVariant]) -> None:
        variants = _variants(campaign.id, wanted)
        campaign.variants.clear()
        await self._uow.session.flush()
        campaign.variants.extend(variants)
        campaign.audience_id = None
        await self._uow.session.execute(
            update(Audience)
            .where(Audience.campaign_id == campaign.id, Audience.status != AudienceStatus.STALE)
            .values(status=AudienceStatus.STALE)
        )


def _variants(campaign_id: UUID, wanted: Sequence[NewVariant]) -> list[Variant]:
    if not 1 <= len(wanted) <= MAX_VARIANTS:
        raise Invalid(f"A campaign has 1 to {MAX_VARIANTS} variants.", request_field="body.variants")
    labels = [variant.label or ascii_uppercase[n] for n, variant in enumerate(wanted)]
    if len(set(labels)) < len(labels):
        raise Invalid("Each variant needs a label of its own.", request_field="body.variants")
    for variant in wanted:
        _check_wording(variant)
    return [
        Variant(
            id=uuid7(), campaign_id=campaign_id, position=n, label=label, message=variant.message, weight=variant.weight
        )
        for n, (label, variant) in enumerate(zip(labels, wanted, strict=True))
    ]


def _check_wording(variant: NewVariant) -> None:
    """Raises InvalidTemplate: a draft never holds what can't be rendered."""
    try:
        Wording.of("", 1, variant.message)
    except InvalidTemplate as error:
        error.request_field = variant.request_field
        raise


def _check_window(campaign: Campaign) -> None:
    if campaign.window_start >= campaign.window_end:
        raise Invalid("The daily window has to start before it ends.", request_field="body.window_end")
    if not campaign.weekdays:
        raise Invalid("Choose at least one weekday.", request_field="body.weekdays")
    if campaign.starts_at and campaign.deadline_at and campaign.starts_at >= campaign.deadline_at:
        raise Invalid("The campaign has to start before its deadline.", request_field="body.deadline_at")
