"""Which campaigns brought in money, the entries behind that, and the window within which a text may earn it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.auth import Principal
from shared.errors import NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Day, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns import queries
from campaigns.attribution import Model
from campaigns.models import AttributionWindow, RevenueEntry
from campaigns.routes.campaigns import person_of
from campaigns.routes.revenue_schemas import (
    CampaignRevenueOut,
    RevenueEntryOut,
    RevenueOut,
    RevenueSettingsIn,
    RevenueSettingsOut,
)
from campaigns.services.campaigns import CampaignService
from campaigns.services.revenue import RevenueService

router = ApiRouter(prefix="/api/v1/revenue", tags=["revenue"])
campaign_router = ApiRouter(prefix="/api/v1/campaigns/{campaign_id}/revenue", tags=["revenue"])

Reader = Annotated[Principal, can("revenue:read")]
Writer = Annotated[Principal, can("revenue:write")]


@router.get("")
async def get_revenue(
    session: Needs[AsyncSession],
    revenue: Needs[RevenueService],
    user: Reader,
    received_from: Annotated[Day | None, Query(description="Received on this day or later.")] = None,
    received_until: Annotated[Day | None, Query(description="Received on this day or earlier.")] = None,
) -> RevenueOut:
    """All money by currency and model: what texts earned and what they did not, adding up to the cent."""
    rows = await queries.revenue(session, received_from, received_until)
    names = await queries.campaign_names(session, {row.campaign_id for row in rows if row.campaign_id})
    return RevenueOut.of(await revenue.window(), rows, names)


@router.get("/entries")
async def list_revenue_entries(
    params: PageParams,
    session: Needs[AsyncSession],
    user: Reader,
    campaign_id: Annotated[UUID | None, Query()] = None,
    payment_id: Annotated[UUID | None, Query()] = None,
    model: Annotated[Model | None, Query()] = None,
) -> Page[RevenueEntryOut]:
    """Newest first."""
    scope = {"campaign_id": campaign_id, "payment_id": payment_id, "model": model}
    wanted = {name: value for name, value in scope.items() if value is not None}
    statement = select(RevenueEntry).filter_by(**wanted)
    rows, next_cursor, total = await page(session, statement, keys=[RevenueEntry.id.desc()], params=params, scope=scope)
    return Page(items=[RevenueEntryOut.of(row) for row in rows], next_cursor=next_cursor, total=total)


@router.get("/settings")
async def get_revenue_settings(revenue: Needs[RevenueService], user: Reader, response: Response) -> RevenueSettingsOut:
    """For how many days after a text a payment counts as earned by it."""
    return _answer(await revenue.window(), response)


@router.put("/settings", responses=problems(PreconditionFailed, PreconditionRequired))
async def change_revenue_settings(
    wanted: RevenueSettingsIn,
    expected: IfMatch,
    revenue: Needs[RevenueService],
    user: Writer,
    response: Response,
) -> RevenueSettingsOut:
    """Change the window. All payments are attributed anew under it, which takes a while; nothing is lost meanwhile."""
    window = await revenue.change_window(wanted.window_days, expected_version=expected, person=person_of(user))
    return _answer(window, response)


@campaign_router.get("", responses=problems(NotFound))
async def get_campaign_revenue(
    campaign_id: UUID, campaigns: Needs[CampaignService], session: Needs[AsyncSession], user: Reader
) -> CampaignRevenueOut:
    """What this campaign's texts earned, whole and per variant, under each model."""
    campaign = await campaigns.get(campaign_id)
    return CampaignRevenueOut.of(campaign.id, await queries.revenue_of_campaign(session, campaign.id))


def _answer(window: AttributionWindow, response: Response) -> RevenueSettingsOut:
    set_etag(response, window.version)
    return RevenueSettingsOut.of(window)
