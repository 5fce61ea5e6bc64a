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
from campaigns.routes.results_schemas import ResultsOut, VariantResults
from campaigns.routes.revenue_schemas import revenue_of
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
    earned = await queries.revenue_of_campaign(session, campaign.id)
    labels = sorted({row.variant for row in rows})
    exclusions = await queries.count_exclusions(session, campaign.audience_id) if campaign.audience_id else {}
    return ResultsOut(
        **_add_up(rows),
        revenue=revenue_of(earned, None),
        status=campaign.status,
        exclusions=exclusions,
        variants=[
            VariantResults(
                variant=label,
                **_add_up([row for row in rows if row.variant == label]),
                revenue=revenue_of(earned, label),
            )
            for label in labels
        ],
        next_plan_at=campaign.next_plan_at,
    )


def _add_up(rows: Sequence[Any]) -> dict[str, Any]:
    counts: Counter[str] = Counter({status.value: 0 for status in RecipientStatus})
    for row in rows:
        counts[row.status.value] += row.recipients
    attributes = ("sent", "replied", "opted_out", "segments", "cost_cents")
    sums = {name: sum(getattr(row, name) for row in rows) for name in attributes}
    return {"total": sum(counts.values()), "counts": dict(counts), **sums}
