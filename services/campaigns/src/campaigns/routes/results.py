"""What became of a campaign."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from shared.errors import NotFound
from shared.http import ApiRouter, Needs, problems
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns import queries
from campaigns.routes.campaigns import Reader
from campaigns.routes.schemas import ResultCounts, ResultsOut, VariantResults
from campaigns.services.campaigns import CampaignService
from campaigns.states import RecipientStatus

router = ApiRouter(prefix="/api/v1/campaigns/{campaign_id}", tags=["results"])


@router.get("/results", responses=problems(NotFound))
async def get_results(
    campaign_id: UUID, campaigns: Needs[CampaignService], session: Needs[AsyncSession], user: Reader
) -> ResultsOut:
    """Counts by state, whole and per variant; they add up to the audience."""
    campaign = await campaigns.get(campaign_id)
    rows = await queries.results_by_variant(session, campaign.audience_id)
    labels = sorted({row.variant for row in rows})
    exclusions = await queries.count_exclusions(session, campaign.audience_id) if campaign.audience_id else {}
    return ResultsOut(
        **_add_up(rows).model_dump(),
        status=campaign.status,
        exclusions=exclusions,
        variants=[
            VariantResults(variant=label, **_add_up([row for row in rows if row.variant == label]).model_dump())
            for label in labels
        ],
        next_plan_at=campaign.next_plan_at,
    )


def _add_up(rows: Sequence[Any]) -> ResultCounts:
    counts: Counter[str] = Counter({status.value: 0 for status in RecipientStatus})
    for row in rows:
        counts[row.status.value] += row.recipients
    return ResultCounts(
        total=sum(counts.values()),
        counts=dict(counts),
        sent=sum(row.sent for row in rows),
        replied=sum(row.replied for row in rows),
        opted_out=sum(row.opted_out for row in rows),
        segments=sum(row.segments for row in rows),
        cost_cents=sum(row.cost_cents for row in rows),
    )
