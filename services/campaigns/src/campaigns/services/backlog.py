"""What is left to do, so that others can tell when this service is at rest and when it will wake."""

from datetime import datetime

from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns.models import AttributionRequest, AttributionWindow, Audience, Campaign, PlanRequest
from campaigns.states import ACTIVE, AudienceStatus


class CampaignBacklog(Backlog):
    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def counts(self) -> dict[str, int]:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            due = select(func.count()).where(Campaign.status.in_(ACTIVE), Campaign.next_plan_at <= uow.now)
            building = select(func.count()).where(Audience.status == AudienceStatus.BUILDING)
            sweeps = select(func.count()).where(AttributionWindow.sweep_after.is_not(None))
            return {
                "campaigns_to_plan": (await uow.session.execute(due)).scalar_one(),
                "plan_requests": (
                    await uow.session.execute(select(func.count()).select_from(PlanRequest))
                ).scalar_one(),
                "audiences_to_build": (await uow.session.execute(building)).scalar_one(),
                "attribution_requests": (
                    await uow.session.execute(select(func.count()).select_from(AttributionRequest))
                ).scalar_one(),
                "window_sweeps": (await uow.session.execute(sweeps)).scalar_one(),
            }

    async def next_due_at(self) -> datetime | None:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            found = await session.execute(select(func.min(Campaign.next_plan_at)).where(Campaign.status.in_(ACTIVE)))
            return found.scalar_one()
