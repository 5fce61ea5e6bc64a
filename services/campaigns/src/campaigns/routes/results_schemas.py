"""What the HTTP interface gives of a campaign's results."""

from pydantic import BaseModel
from shared.events.envelope import Instant

from campaigns.routes.revenue_schemas import CurrencyCredits
from campaigns.states import CampaignStatus


class ResultCounts(BaseModel):
    """`counts` holds every recipient once; the others are attributes of recipients."""

    total: int
    counts: dict[str, int]
    sent: int
    replied: int
    opted_out: int
    segments: int
    cost_cents: int
    revenue: list[CurrencyCredits]


class VariantResults(ResultCounts):
    variant: str


class ResultsOut(ResultCounts):
    status: CampaignStatus
    exclusions: dict[str, int]
    variants: list[VariantResults]
    next_plan_at: Instant | None
