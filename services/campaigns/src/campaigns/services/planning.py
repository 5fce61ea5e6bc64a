"""The planner: turns waiting recipients into requested texts, a small window at a time, one campaign a transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.events.campaigns import TextRequested
from shared.failpoints import failpoint
from shared.ids import derived
from shared.rules.pacing import day_in_zone
from sqlalchemy import ColumnElement, delete, exists, func, or_, select

from campaigns import queries
from campaigns.models import Audience, Campaign, PhoneNumber, PlanRequest, Recipient, Transition
from campaigns.pacing import (
    SHORTEST_LIFETIME,
    Line,
    Opening,
    Pace,
    Place,
    Plan,
    Slot,
    expires_at,
    plan_texts,
)
from campaigns.services.endings import end_waiting
from campaigns.services.lifecycle import LifecycleService
from campaigns.settings import Settings
from campaigns.states import ACTIVE, CampaignStatus, ExclusionReason, RecipientStatus


class Planner:
    """The job. Several workers share the campaigns: each takes one that no other has locked."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            planned = await (await tx.aget(PlanningService)).plan_next()
            failpoint("plan.before_commit")
        failpoint("plan.after_commit")
        return planned


class PlanningService:
    """Lives in one transaction. Lock order: campaign, numbers by id, recipients (those that are free)."""

    def __init__(self, uow: UnitOfWork, lifecycle: LifecycleService, settings: Settings) -> None:
        self._uow = uow
        self._lifecycle = lifecycle
        self._settings = settings

    async def plan_next(self) -> int:
        """Plan the campaign that is due longest; returns 0 where none is due."""
        campaign = await self._claim()
        if campaign is None:
            return 0
        # Whatever these requests told is visible from the next statement on; later ones stay for the next plan.
        await self._uow.session.execute(delete(PlanRequest).where(PlanRequest.campaign_id == campaign.id))
        if campaign.status is CampaignStatus.CANCELLED and campaign.audience_id:
            # A turn that came back while the cancellation was committing.
            await end_waiting(self._uow, campaign.audience_id, RecipientStatus.CANCELLED)
        elif campaign.status in ACTIVE and campaign.audience_id:
            await self._plan(campaign, campaign.audience_id)
        return 1

    async def _claim(self) -> Campaign | None:
        found = await self._uow.session.execute(
            select(Campaign)
            .where(_is_due(self._uow.now))
            .order_by(Campaign.next_plan_at.nulls_last(), Campaign.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return found.scalar_one_or_none()

    async def _plan(self, campaign: Campaign, audience_id: UUID) -> None:
        if campaign.status is CampaignStatus.SCHEDULED:
            if campaign.starts_at and campaign.starts_at > self._uow.now:
                campaign.next_plan_at = campaign.starts_at
                return
            self._uow.session.add(campaign.move(CampaignStatus.RUNNING, now=self._uow.now))
        if campaign.deadline_at and campaign.deadline_at <= self._uow.now:
            await end_waiting(self._uow, audience_id, RecipientStatus.EXPIRED, reason="deadline")
        if not await queries.has_open_recipients(self._uow.session, audience_id):
            await self._lifecycle.complete(campaign)
            return
        await self._request_texts(campaign, audience_id)

    async def _request_texts(self, campaign: Campaign, audience_id: UUID) -> None:
        places = await queries.waiting_places(self._uow.session, audience_id)
        on_their_way = await queries.count_on_their_way(self._uow.session, campaign.id)
        plan = plan_texts(
            self._uow.now,
            campaign.schedule,
            places=[Place(tuple(place.zones), place.region) for place in places],
            lines=await self._lines(campaign),
            pace=Pace(campaign.rate_per_second, max(0, self._settings.texts_ahead - on_their_way)),
            next_slot_at=campaign.next_slot_at,
        )
        turns = await self._take_turns(campaign, plan)
        for recipient, slot, opening in turns:
            self._request(campaign, recipient, slot, opening)
        used_up = len(turns) == len(plan.slots)
        campaign.next_slot_at = plan.next_slot_at if used_up else plan.slots[len(turns)].at
        campaign.next_plan_at = plan.next_plan_at if used_up else await self._next_ready_at(audience_id, plan)
        self._uow.hint("campaigns", campaign.id, campaign.version)

    async def _lines(self, campaign: Campaign) -> list[Line]:
        """The campaign's usable numbers with what is left of their day; their locks serialise plans that share one."""
        is_held, held = await queries.held_numbers(self._uow.session, campaign.id)
        if is_held:
            return []
        numbers = await self._uow.session.execute(
            select(PhoneNumber)
            .where(PhoneNumber.id.in_(campaign.number_ids), PhoneNumber.is_active)
            .order_by(PhoneNumber.id)
            .with_for_update()
        )
        return [
            Line(number.id, number.zone, await self._remaining(campaign, number))
            for number in numbers.scalars()
            if number.id not in held
        ]

    async def _remaining(self, campaign: Campaign, number: PhoneNumber) -> int:
        today = day_in_zone(self._uow.now, number.zone)
        used = await queries.count_used(self._uow.session, number.id, today)
        return max(0, min(campaign.daily_cap, number.daily_cap) - used)

    async def _take_turns(self, campaign: Campaign, plan: Plan) -> list[tuple[Recipient, Slot, Opening]]:
        """A recipient for each turn, as far as there are any: who can wait least first, then in the fixed order."""
        turns: list[tuple[Recipient, Slot, Opening]] = []
        for opening in plan.openings:
            slots = [slot for slot in plan.slots[len(turns) :] if slot.at < opening.until - SHORTEST_LIFETIME]
            if not slots:
                continue
            ready = await self._ready(campaign, opening, len(slots))
            turns.extend((recipient, slot, opening) for recipient, slot in zip(ready, slots, strict=False))
        return turns

    async def _ready(self, campaign: Campaign, opening: Opening, most: int) -> list[Recipient]:
        found = await self._uow.session.execute(
            select(Recipient)
            .where(
                Recipient.audience_id == campaign.audience_id,
                Recipient.status == RecipientStatus.WAITING,
                Recipient.place_key == opening.place.key,
                or_(Recipient.not_before.is_(None), Recipient.not_before <= self._uow.now),
            )
            .order_by(Recipient.position)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        return await self._leave_out_texted(campaign, found.scalars().all())

    async def _leave_out_texted(self, campaign: Campaign, recipients: Sequence[Recipient]) -> list[Recipient]:
        """Another campaign may have reached them since the audience was built; nobody is texted by both."""
        if not recipients:
            return []
        audience = await self._uow.session.get_one(Audience, campaign.audience_id)
        texted = await queries.phones_texted_elsewhere(
            self._uow.session,
            campaign.id,
            [recipient.phone for recipient in recipients if recipient.phone],
            since=self._uow.now - timedelta(days=audience.recontact_days),
        )
        for recipient in recipients:
            if recipient.phone in texted:
                self._add(recipient.bar(ExclusionReason.TEXTED_RECENTLY, at=self._uow.now))
        return [recipient for recipient in recipients if recipient.phone not in texted]

    def _request(self, campaign: Campaign, recipient: Recipient, slot: Slot, opening: Opening) -> None:
        if recipient.phone is None or recipient.text is None:
            raise ValueError("a waiting recipient has a phone and a text")
        recipient.turn += 1
        recipient.message_id = derived(recipient.id, recipient.step, recipient.turn)
        recipient.number_id, recipient.counted_on = slot.number_id, slot.day
        recipient.requested_at, recipient.not_before = self._uow.now, None
        self._add(recipient.move(RecipientStatus.REQUESTED, at=self._uow.now, cause=recipient.message_id))
        self._uow.publish(
            TextRequested(
                message_id=recipient.message_id,
                campaign_id=campaign.id,
                variant=recipient.variant,
                recipient_id=recipient.id,
                contact_id=recipient.contact_id,
                step=recipient.step,
                turn=recipient.turn,
                to=recipient.phone,
                number_id=slot.number_id,
                zones=list(opening.place.zones),
                region=opening.place.region,
                text=recipient.text,
                not_before=slot.at,
                expires_at=expires_at(self._uow.now, opening),
            )
        )

    def _add(self, line: Transition | None) -> None:
        if line is not None:
            self._uow.session.add(line)

    async def _next_ready_at(self, audience_id: UUID, plan: Plan) -> datetime:
        """There were more turns than people who are ready: when to look for some again."""
        await self._uow.session.flush()
        found = await self._uow.session.execute(
            select(func.min(func.coalesce(Recipient.not_before, self._uow.now))).where(
                Recipient.audience_id == audience_id,
                Recipient.status == RecipientStatus.WAITING,
                Recipient.place_key.in_([opening.place.key for opening in plan.openings]),
            )
        )
        soon = self._uow.now + timedelta(seconds=1)
        ready_at = found.scalar_one() or soon
        return max(soon, min(ready_at, plan.opens_next_at or ready_at))


def _is_due(now: datetime) -> ColumnElement[bool]:
    asked_for = exists().where(PlanRequest.campaign_id == Campaign.id)
    return or_(Campaign.status.in_(ACTIVE) & (Campaign.next_plan_at <= now), asked_for)
