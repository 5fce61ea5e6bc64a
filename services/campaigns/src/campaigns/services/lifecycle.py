"""A campaign's states: approval, launch, pause, resume, cancel. All under the campaign's row lock."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.events.campaigns import (
    CampaignCancelled,
    CampaignCompleted,
    CampaignLaunched,
    CampaignMoved,
    CampaignPaused,
    CampaignResumed,
)
from sqlalchemy import func, select

from campaigns import queries
from campaigns.errors import (
    ApprovalNeeded,
    AudienceBlocked,
    AudienceNotReady,
    DeadlinePassed,
    EmptyAudience,
    NoSendingNumber,
    SecondPersonNeeded,
)
from campaigns.models import Audience, Campaign, PhoneNumber, Recipient
from campaigns.services.campaigns import CampaignService
from campaigns.services.endings import end_waiting
from campaigns.settings import Settings
from campaigns.states import (
    CAMPAIGN_MOVES,
    AudienceStatus,
    CampaignStatus,
    ExclusionReason,
    RecipientStatus,
    check_move,
)

PLAN_CHANNEL = "plan"


class LifecycleService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, campaigns: CampaignService, settings: Settings) -> None:
        self._uow = uow
        self._campaigns = campaigns
        self._settings = settings

    async def approve(self, campaign_id: UUID, *, audience_version: int, person: str) -> Campaign:
        """Vouch for launching this audience; whoever approves may not be the one who launches."""
        campaign = await self._campaigns.get_draft(campaign_id)
        audience = await self._ready_audience(campaign, audience_version)
        if person == campaign.created_by:
            raise SecondPersonNeeded("Somebody other than the campaign's author has to approve it.")
        campaign.approved_audience_id, campaign.approved_by = audience.id, person
        campaign.touch()
        self._uow.hint("campaigns", campaign.id, campaign.version)
        return campaign

    async def launch(self, campaign_id: UUID, *, audience_version: int, person: str) -> Campaign:
        """Start a draft with exactly this audience: nothing is computed any more, only the state flips."""
        campaign = await self._campaigns.get(campaign_id, lock=True)
        check_move(CAMPAIGN_MOVES, campaign.status, CampaignStatus.RUNNING, what="campaign")
        if campaign.status is not CampaignStatus.DRAFT:
            check_move(CAMPAIGN_MOVES, campaign.status, CampaignStatus.DRAFT, what="campaign")
        audience = await self._ready_audience(campaign, audience_version)
        await self._check_launch(campaign, audience, person)
        waits = campaign.starts_at is not None and campaign.starts_at > self._uow.now
        campaign.launched_by, campaign.launched_at = person, self._uow.now
        campaign.next_plan_at = campaign.starts_at if waits else self._uow.now
        target = CampaignStatus.SCHEDULED if waits else CampaignStatus.RUNNING
        await self._move(campaign, target, event=CampaignLaunched, actor=person)
        return campaign

    async def pause(self, campaign_id: UUID, *, person: str) -> Campaign:
        """Ask for no further text from this commit on; texts on their way are held by messaging and come back."""
        campaign = await self._campaigns.get(campaign_id, lock=True)
        await self._move(campaign, CampaignStatus.PAUSED, event=CampaignPaused, actor=person)
        return campaign

    async def resume(self, campaign_id: UUID, *, person: str) -> Campaign:
        campaign = await self._campaigns.get(campaign_id, lock=True)
        check_move(CAMPAIGN_MOVES, campaign.status, CampaignStatus.RUNNING, what="campaign")
        if campaign.status is not CampaignStatus.PAUSED:
            check_move(CAMPAIGN_MOVES, campaign.status, CampaignStatus.PAUSED, what="campaign that is to resume")
        waits = campaign.starts_at is not None and campaign.starts_at > self._uow.now
        campaign.next_plan_at = campaign.starts_at if waits else self._uow.now
        target = CampaignStatus.SCHEDULED if waits else CampaignStatus.RUNNING
        await self._move(campaign, target, event=CampaignResumed, actor=person)
        return campaign

    async def cancel(self, campaign_id: UUID, *, person: str) -> Campaign:
        """End it for all who wait; messaging cancels the texts on their way and reports each."""
        campaign = await self._campaigns.get(campaign_id, lock=True)
        check_move(CAMPAIGN_MOVES, campaign.status, CampaignStatus.CANCELLED, what="campaign")
        was_launched = campaign.launched_at is not None
        if campaign.audience_id:
            await end_waiting(self._uow, campaign.audience_id, RecipientStatus.CANCELLED)
        event = CampaignCancelled if was_launched else None
        await self._move(campaign, CampaignStatus.CANCELLED, event=event, actor=person)
        return campaign

    async def complete(self, campaign: Campaign) -> None:
        """Called by the plan, which holds the lock, when nobody is waiting, requested or unknown."""
        await self._move(campaign, CampaignStatus.COMPLETED, event=CampaignCompleted)

    async def _move(
        self,
        campaign: Campaign,
        target: CampaignStatus,
        *,
        event: type[CampaignMoved] | None,
        actor: str | None = None,
    ) -> None:
        line = campaign.move(target, now=self._uow.now)
        line.actor = actor
        self._uow.session.add(line)
        if event is not None:
            counts = await queries.count_by_status(self._uow.session, campaign.audience_id)
            self._uow.publish(
                event(
                    campaign_id=campaign.id,
                    version=campaign.version,
                    name=campaign.name,
                    number_ids=campaign.number_ids,
                    counts=counts,
                    occurred_at=self._uow.now,
                )
            )
        self._uow.hint("campaigns", campaign.id, campaign.version)
        self._uow.wake(PLAN_CHANNEL)

    async def _ready_audience(self, campaign: Campaign, number: int) -> Audience:
        found = await self._uow.session.execute(
            select(Audience).where(Audience.campaign_id == campaign.id, Audience.number == number)
        )
        audience = found.scalar_one_or_none()
        if audience is None:
            raise NotFound("The campaign has no such audience version.")
        if audience.status is not AudienceStatus.READY or audience.id != campaign.audience_id:
            raise AudienceNotReady(
                f"Audience version {number} is {audience.status}; build the audience again and look at it.",
                audience_status=audience.status,
            )
        return audience

    async def _check_launch(self, campaign: Campaign, audience: Audience, person: str) -> None:
        if campaign.deadline_at and campaign.deadline_at <= self._uow.now:
            raise DeadlinePassed("The campaign's deadline has passed; set a later one.")
        await self._check_numbers(campaign)
        waiting = await self._count(audience, status=RecipientStatus.WAITING)
        if waiting == 0:
            raise EmptyAudience("Nobody is left in this audience to be texted.")
        missing = await self._count(audience, status=RecipientStatus.EXCLUDED, reason=ExclusionReason.MISSING_VALUE)
        if audience.blocks_on_missing and missing:
            raise AudienceBlocked(
                f"{missing} people lack a value that the text needs; add fallbacks or build with missing_value=skip.",
                missing=missing,
            )
        approved = campaign.approved_audience_id == audience.id and campaign.approved_by not in (None, person)
        if waiting > self._settings.approval_above and not approved:
            raise ApprovalNeeded(
                f"A launch to more than {self._settings.approval_above} people needs a second person's approval.",
                recipients=waiting,
            )

    async def _check_numbers(self, campaign: Campaign) -> None:
        active = await self._uow.session.execute(
            select(PhoneNumber.id).where(PhoneNumber.id.in_(campaign.number_ids), PhoneNumber.is_active)
        )
        missing = set(campaign.number_ids) - set(active.scalars())
        if missing or not campaign.number_ids:
            raise NoSendingNumber(
                "Choose sending numbers that are active.", number_ids=sorted(str(id) for id in missing)
            )

    async def _count(
        self, audience: Audience, *, status: RecipientStatus, reason: ExclusionReason | None = None
    ) -> int:
        statement = select(func.count()).where(Recipient.audience_id == audience.id, Recipient.status == status)
        if reason is not None:
            statement = statement.where(Recipient.reason == reason)
        return (await self._uow.session.execute(statement)).scalar_one()
