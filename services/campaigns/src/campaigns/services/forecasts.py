"""The simulation of a campaign's launch, fed from the rows that the launch would use."""

import asyncio
from datetime import datetime
from uuid import UUID

from shared.database import UnitOfWork
from shared.rules.pacing import day_in_zone
from sqlalchemy import select

from campaigns import queries
from campaigns.models import Audience, Campaign, PhoneNumber
from campaigns.pacing import Place
from campaigns.services.campaigns import CampaignService
from campaigns.services.simulation import Forecast, Number, simulate


class ForecastService:
    """Lives in one transaction; changes nothing."""

    def __init__(self, uow: UnitOfWork, campaigns: CampaignService) -> None:
        self._uow = uow
        self._campaigns = campaigns

    async def forecast(self, campaign_id: UUID, audience: Audience) -> tuple[datetime, Forecast, int]:
        """When it would start, what would happen, and to how many people."""
        campaign = await self._campaigns.get(campaign_id)
        waiting = {
            Place(tuple(row.zones), row.region): row.recipients
            for row in await queries.count_waiting_by_place(self._uow.session, audience.id)
        }
        # Plain computing, and for a large audience some of it: not on the thread that serves everybody.
        forecast = await asyncio.to_thread(
            simulate,
            self._uow.now,
            campaign.schedule,
            waiting=waiting,
            numbers=await self._numbers(campaign),
            rate_per_second=campaign.rate_per_second,
        )
        return max(self._uow.now, campaign.starts_at or self._uow.now), forecast, sum(waiting.values())

    async def _numbers(self, campaign: Campaign) -> list[Number]:
        numbers = await self._uow.session.execute(
            select(PhoneNumber)
            .where(PhoneNumber.id.in_(campaign.number_ids), PhoneNumber.is_active)
            .order_by(PhoneNumber.id)
        )
        return [
            Number(
                number.id,
                number.zone,
                min(campaign.daily_cap, number.daily_cap),
                await queries.count_used(self._uow.session, number.id, day_in_zone(self._uow.now, number.zone)),
            )
            for number in numbers.scalars()
        ]
