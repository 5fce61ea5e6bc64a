"""Sending holds: placed and lifted by people, campaigns, the breaker and refusals of the provider."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound
from shared.events import campaigns
from shared.events.messaging import HoldLifted, HoldMoved, HoldPlaced
from shared.ids import uuid7
from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert

from messaging.models import CampaignState, Hold, HoldScope, HoldSource, Message
from messaging.services.moves import MoveService
from messaging.states import Kind, Status


class HoldService:
    def __init__(self, uow: UnitOfWork, moves: MoveService) -> None:
        self._uow = uow
        self._moves = moves

    async def place(self, wanted: Hold, *, by: str | None) -> Hold:
        """Put a hold in place, or return the one of the same scope and source that is there already."""
        session = self._uow.session
        made: Hold | None = await session.scalar(
            insert(Hold)
            .values(
                id=uuid7(),
                version=1,
                scope=wanted.scope,
                campaign_id=wanted.campaign_id,
                number_id=wanted.number_id,
                source=wanted.source,
                reason=wanted.reason,
                placed_at=self._uow.now,
                placed_by=by,
            )
            .on_conflict_do_nothing()
            .returning(Hold)
        )
        if made is not None:
            self._tell(made, HoldPlaced)
            return made
        existing: Hold | None = await session.scalar(
            _in_place(wanted.scope, wanted.source, wanted.campaign_id, wanted.number_id)
        )
        if existing is None:  # Lifted in this very moment by another: placing it again is what is wanted.
            return await self.place(wanted, by=by)
        return existing

    async def lift(self, hold_id: UUID, *, by: str | None) -> Hold:
        """Raises NotFound, or InvalidTransition where it was lifted before."""
        hold = await self._uow.session.get(Hold, hold_id, with_for_update=True)
        if hold is None:
            raise NotFound("There is no such hold.")
        if hold.lifted_at is not None:
            raise InvalidTransition("This hold was lifted before.")
        self._lift(hold, by)
        return hold

    async def pause_campaign(self, event: campaigns.CampaignPaused) -> None:
        if await self._is_newer(event, "paused"):
            await self._hold_campaign(event.campaign_id, f"The campaign {event.name} is paused.")

    async def cancel_campaign(self, event: campaigns.CampaignCancelled) -> None:
        """Its queued texts go back as cancelled. What is queued in this very moment is refused when it is claimed."""
        if await self._is_newer(event, "cancelled"):
            await self._cancel_queued(event.campaign_id)
            await self._lift_all_of(event.campaign_id)

    async def resume_campaign(self, event: campaigns.CampaignResumed) -> None:
        if not await self._is_newer(event, "running"):
            return
        hold = await self._uow.session.scalar(
            _in_place(HoldScope.CAMPAIGN, HoldSource.CAMPAIGNS, event.campaign_id, None).with_for_update()
        )
        if hold is not None:
            self._lift(hold, None)

    async def note_launch(self, event: campaigns.CampaignLaunched) -> None:
        await self._is_newer(event, "running")

    async def note_completion(self, event: campaigns.CampaignCompleted) -> None:
        if await self._is_newer(event, "completed"):
            await self._lift_all_of(event.campaign_id)

    async def _hold_campaign(self, campaign_id: UUID, reason: str) -> None:
        await self.place(
            Hold(scope=HoldScope.CAMPAIGN, campaign_id=campaign_id, source=HoldSource.CAMPAIGNS, reason=reason), by=None
        )

    async def _cancel_queued(self, campaign_id: UUID) -> None:
        queued = await self._uow.session.scalars(
            select(Message)
            .where(Message.campaign_id == campaign_id, Message.status == Status.QUEUED, Message.kind == Kind.CAMPAIGN)
            .order_by(Message.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for message in queued:
            self._moves.move(message, Status.CANCELLED, by="campaigns", reason="campaign_cancelled")

    async def _lift_all_of(self, campaign_id: UUID) -> None:
        """A campaign that is over sends nothing: whoever held it, nobody has to remember to lift it."""
        holds = await self._uow.session.scalars(
            select(Hold)
            .where(Hold.lifted_at.is_(None), Hold.scope == HoldScope.CAMPAIGN, Hold.campaign_id == campaign_id)
            .order_by(Hold.id)
            .with_for_update()
        )
        for hold in holds:
            self._lift(hold, None)

    async def _is_newer(self, event: campaigns.CampaignMoved, state: str) -> bool:
        """Remember the campaign's move; False for one that is older than what is known."""
        statement = insert(CampaignState).values(
            campaign_id=event.campaign_id, version=event.version, state=state, name=event.name
        )
        changed = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[CampaignState.campaign_id],
                set_={"version": event.version, "state": state, "name": event.name},
                where=CampaignState.version < event.version,
            ).returning(CampaignState.campaign_id)
        )
        return changed.first() is not None

    def _lift(self, hold: Hold, by: str | None) -> None:
        hold.lifted_at = self._uow.now
        hold.lifted_by = by
        hold.touch()
        self._tell(hold, HoldLifted)
        self._uow.wake("sender")

    def _tell(self, hold: Hold, event: type[HoldMoved]) -> None:
        self._uow.publish(
            event(
                hold_id=hold.id,
                scope=hold.scope.value,
                campaign_id=hold.campaign_id,
                number_id=hold.number_id,
                reason=hold.reason,
                version=hold.version,
                occurred_at=self._uow.now,
            )
        )
        self._uow.hint("sending-holds", hold.id, hold.version)


def _in_place(scope: HoldScope, source: HoldSource, campaign_id: UUID | None, number_id: UUID | None) -> Select[Hold]:
    return select(Hold).where(
        Hold.lifted_at.is_(None),
        Hold.scope == scope,
        Hold.source == source,
        Hold.campaign_id.is_not_distinct_from(campaign_id),
        Hold.number_id.is_not_distinct_from(number_id),
    )
