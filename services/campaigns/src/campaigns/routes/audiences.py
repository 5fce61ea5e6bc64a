"""A campaign's audience: building it, looking at it, and the launch in fast time."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.errors import NotFound
from shared.http import ApiRouter, Needs, problems
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns import queries
from campaigns.errors import NotADraft
from campaigns.models import Audience, Recipient
from campaigns.routes.campaigns import Reader, Writer
from campaigns.routes.schemas import (
    AudienceIn,
    AudienceOut,
    DayOut,
    Preview,
    PreviewItem,
    RecipientOut,
    SimulationOut,
    VariantSummary,
)
from campaigns.services.audiences import AudienceOptions, AudienceService
from campaigns.services.campaigns import CampaignService
from campaigns.services.forecasts import ForecastService
from campaigns.settings import Settings
from campaigns.states import RecipientStatus

router = ApiRouter(prefix="/api/v1/campaigns/{campaign_id}", tags=["audiences"])


@router.post("/audience", status_code=202, responses=problems(NotFound, NotADraft))
async def build_audience(
    campaign_id: UUID,
    wanted: AudienceIn,
    audiences: Needs[AudienceService],
    campaigns: Needs[CampaignService],
    session: Needs[AsyncSession],
    settings: Needs[Settings],
    user: Writer,
    response: Response,
) -> AudienceOut:
    """Order a new version; follow it at the Location until it is ready."""
    audience = await audiences.request(
        campaign_id,
        AudienceOptions(
            lists=wanted.lists,
            exclude_lists=wanted.exclude_lists,
            recontact_days=wanted.recontact_days,
            blocks_on_missing=wanted.missing_value == "block",
            includes_earlier_conversations=wanted.include_earlier_conversations,
        ),
    )
    response.headers["Location"] = f"/api/v1/campaigns/{campaign_id}/audience"
    return await _summary(session, campaigns, settings, audience)


@router.get("/audience", responses=problems(NotFound))
async def get_audience(
    campaign_id: UUID,
    campaigns: Needs[CampaignService],
    session: Needs[AsyncSession],
    settings: Needs[Settings],
    user: Reader,
) -> AudienceOut:
    """The newest version, or the one that was launched: progress, counts, exclusions, segments and cost."""
    return await _summary(session, campaigns, settings, await _shown(session, campaign_id))


@router.get("/recipients", responses=problems(NotFound))
async def list_recipients(
    campaign_id: UUID,
    params: PageParams,
    session: Needs[AsyncSession],
    user: Reader,
    status: Annotated[RecipientStatus | None, Query()] = None,
    reason: Annotated[str | None, Query(max_length=100)] = None,
) -> Page[RecipientOut]:
    """In the order of their turns. `status=excluded&reason=earlier_conversation` is the review list."""
    audience = await _shown(session, campaign_id)
    rows, next_cursor, total = await page(
        session,
        queries.recipients_of(audience.id, status=status, reason=reason),
        keys=[Recipient.__table__.c.position, Recipient.__table__.c.id],
        params=params,
        scope={"audience": audience.id, "status": status, "reason": reason},
    )
    return Page(items=[RecipientOut.of(row) for row in rows], next_cursor=next_cursor, total=total)


@router.get("/preview", responses=problems(NotFound))
async def preview_texts(
    campaign_id: UUID,
    session: Needs[AsyncSession],
    user: Reader,
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> Preview:
    """The texts of real recipients, as they will go out."""
    audience = await _shown(session, campaign_id)
    at_random, longest = await queries.preview(session, audience.id, limit)
    return Preview(random=[_item(r) for r in at_random], longest=[_item(r) for r in longest])


@router.get("/simulation", responses=problems(NotFound))
async def simulate_launch(
    campaign_id: UUID,
    forecasts: Needs[ForecastService],
    campaigns: Needs[CampaignService],
    session: Needs[AsyncSession],
    user: Reader,
) -> SimulationOut:
    """A launch at this moment, by the planner's own rules: texts per day, finish, segments, cost."""
    audience = await _shown(session, campaign_id)
    started_at, forecast, recipients = await forecasts.forecast(campaign_id, audience)
    segments = sum(row.segments for row in await queries.summarise_texts(session, audience.id))
    return SimulationOut(
        starts_at=started_at,
        finishes_at=forecast.finishes_at,
        days=[DayOut(on=day.isoformat(), texts=texts) for day, texts in sorted(forecast.texts_by_day.items())],
        recipients=recipients,
        left_over=forecast.left_over,
        segments=segments,
        cost=campaigns.calculate_campaign_cost(segments),
    )


async def _shown(session: AsyncSession, campaign_id: UUID) -> Audience:
    audience = await queries.shown_audience(session, campaign_id)
    if audience is None:
        raise NotFound("There is no such campaign, or it has no audience yet.")
    return audience


async def _summary(
    session: AsyncSession, campaigns: CampaignService, settings: Settings, audience: Audience
) -> AudienceOut:
    counts = await queries.count_by_status(session, audience.id)
    texts = await queries.summarise_texts(session, audience.id)
    segments = sum(row.segments for row in texts)
    return AudienceOut.of(
        audience,
        counts=counts,
        exclusions=await queries.count_exclusions(session, audience.id),
        variants=[
            VariantSummary(
                variant=row.variant,
                recipients=row.recipients,
                segments=row.segments,
                longest_segments=row.longest,
            )
            for row in texts
        ],
        segments=segments,
        cost=campaigns.calculate_campaign_cost(segments),
        needs_approval=counts[RecipientStatus.WAITING] > settings.approval_above,
    )


def _item(recipient: Recipient) -> PreviewItem:
    return PreviewItem(
        recipient_id=recipient.id,
        contact_id=recipient.contact_id,
        name=recipient.values.get("full_name"),
        variant=recipient.variant,
        text=recipient.text or "",
        segments=recipient.segments,
    )
