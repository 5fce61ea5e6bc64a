"""Campaigns: drafts, and the moves between their states."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from shared.rules.templates import InvalidTemplate
from sqlalchemy import select

from campaigns.errors import (
    ApprovalNeeded,
    AudienceBlocked,
    AudienceNotReady,
    DeadlinePassed,
    EmptyAudience,
    NoSendingNumber,
    NotADraft,
    SecondPersonNeeded,
)
from campaigns.models import Campaign
from campaigns.routes.schemas import CampaignIn, CampaignItem, CampaignOut, CampaignPatch, LaunchIn
from campaigns.services.campaigns import CampaignService
from campaigns.services.lifecycle import LifecycleService
from campaigns.states import CampaignStatus

router = ApiRouter(prefix="/api/v1/campaigns", tags=["campaigns"])

Reader = Annotated[Principal, can("campaigns:read")]
Writer = Annotated[Principal, can("campaigns:write")]
Launcher = Annotated[Principal, can("campaigns:launch")]


def person_of(principal: Principal) -> str:
    """The human, also behind a service: whoever approves must not be whoever launches."""
    return str(principal.actor_id or principal.id)


def answer(campaign: Campaign, response: Response) -> CampaignOut:
    set_etag(response, campaign.version)
    return CampaignOut.of(campaign)


@router.post("", status_code=201, responses=problems(InvalidTemplate))
async def create_campaign(
    new: CampaignIn, campaigns: Needs[CampaignService], user: Writer, response: Response
) -> CampaignOut:
    """A draft. Texts may hold `{first_name}`, `{first_name|there}` and the other standard fields."""
    campaign = await campaigns.create(new.to_service(), author=person_of(user))
    response.headers["Location"] = f"/api/v1/campaigns/{campaign.id}"
    return answer(campaign, response)


@router.get("")
async def list_campaigns(
    params: PageParams,
    uow: Needs[UnitOfWork],
    user: Reader,
    status: Annotated[CampaignStatus | None, Query()] = None,
) -> Page[CampaignItem]:
    """Newest first."""
    statement = select(Campaign)
    if status is not None:
        statement = statement.where(Campaign.status == status)
    rows, next_cursor, total = await page(
        uow.session,
        statement,
        keys=[Campaign.created_at.desc(), Campaign.id.desc()],
        params=params,
        scope={"status": status},
    )
    items = [CampaignItem.model_validate(row) for row in rows]
    return Page(items=items, next_cursor=next_cursor, total=total)


@router.get("/{campaign_id}", responses=problems(NotFound))
async def get_campaign(
    campaign_id: UUID, campaigns: Needs[CampaignService], user: Reader, response: Response
) -> CampaignOut:
    return answer(await campaigns.get(campaign_id), response)


@router.patch(
    "/{campaign_id}",
    responses=problems(NotFound, NotADraft, PreconditionFailed, PreconditionRequired, InvalidTemplate),
)
async def edit_campaign(
    campaign_id: UUID,
    changes: CampaignPatch,
    expected: IfMatch,
    campaigns: Needs[CampaignService],
    user: Writer,
    response: Response,
) -> CampaignOut:
    """Change a draft; new wordings make its audience stale."""
    campaign = await campaigns.edit(campaign_id, changes.to_service(), expected_version=expected)
    return answer(campaign, response)


@router.post("/{campaign_id}/approve", responses=problems(NotFound, NotADraft, AudienceNotReady, SecondPersonNeeded))
async def approve_campaign(
    campaign_id: UUID,
    approved: LaunchIn,
    lifecycle: Needs[LifecycleService],
    user: Launcher,
    response: Response,
) -> CampaignOut:
    """A second person vouches for launching this audience version."""
    campaign = await lifecycle.approve(campaign_id, audience_version=approved.audience_version, person=person_of(user))
    return answer(campaign, response)


@router.post(
    "/{campaign_id}/launch",
    responses=problems(
        NotFound,
        InvalidTransition,
        AudienceNotReady,
        AudienceBlocked,
        EmptyAudience,
        NoSendingNumber,
        ApprovalNeeded,
        DeadlinePassed,
    ),
)
async def launch_campaign(
    campaign_id: UUID,
    wanted: LaunchIn,
    lifecycle: Needs[LifecycleService],
    user: Launcher,
    response: Response,
) -> CampaignOut:
    """Start with exactly the audience version that was looked at."""
    campaign = await lifecycle.launch(campaign_id, audience_version=wanted.audience_version, person=person_of(user))
    return answer(campaign, response)


@router.post("/{campaign_id}/pause", responses=problems(NotFound, InvalidTransition))
async def pause_campaign(
    campaign_id: UUID, lifecycle: Needs[LifecycleService], user: Launcher, response: Response
) -> CampaignOut:
    """No text is requested from now on; those on their way are held and come back."""
    return answer(await lifecycle.pause(campaign_id, person=person_of(user)), response)


@router.post("/{campaign_id}/resume", responses=problems(NotFound, InvalidTransition))
async def resume_campaign(
    campaign_id: UUID, lifecycle: Needs[LifecycleService], user: Launcher, response: Response
) -> CampaignOut:
    return answer(await lifecycle.resume(campaign_id, person=person_of(user)), response)


@router.post("/{campaign_id}/cancel", responses=problems(NotFound, InvalidTransition))
async def cancel_campaign(
    campaign_id: UUID, lifecycle: Needs[LifecycleService], user: Launcher, response: Response
) -> CampaignOut:
    """End it for good for everybody who has not been texted."""
    return answer(await lifecycle.cancel(campaign_id, person=person_of(user)), response)
