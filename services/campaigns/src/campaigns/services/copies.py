"""Copies of what messaging owns: sending numbers, kinds of lines, holds. A newer version replaces an older one."""

from typing import Any
from zoneinfo import ZoneInfo

from shared.database import UnitOfWork
from shared.events.messaging import HoldMoved, HoldPlaced, LineTypeDetermined, PhoneNumberChanged
from sqlalchemy import ColumnElement, any_, insert, literal, select, true
from sqlalchemy.dialects.postgresql import insert as upsert

from campaigns.exclusion import Line
from campaigns.models import Base, Campaign, Hold, LineType, PhoneNumber, PlanRequest, Recipient
from campaigns.services.lifecycle import PLAN_CHANNEL
from campaigns.states import ACTIVE, ExclusionReason, RecipientStatus


class CopyService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def record_number(self, event: PhoneNumberChanged) -> None:
        ZoneInfo(event.zone)  # Raises here, into a dead letter, rather than in every plan of every campaign.
        await self._copy(
            PhoneNumber,
            id=event.number_id,
            version=event.version,
            e164=event.e164,
            name=event.name,
            zone=event.zone,
            daily_cap=event.daily_cap,
            is_active=event.is_active,
        )
        await self._replan(literal(event.number_id) == any_(Campaign.number_ids))

    async def record_line_type(self, event: LineTypeDetermined) -> None:
        """A landline is barred from campaigns, those under way included."""
        await self._copy(LineType, phone=event.phone, version=event.version, line_type=event.line_type)
        if Line(event.line_type) is not Line.LANDLINE:
            return
        found = await self._uow.session.execute(
            select(Recipient)
            .where(Recipient.phone == event.phone, Recipient.status == RecipientStatus.WAITING)
            .with_for_update()
        )
        for recipient in found.scalars():
            self._uow.session.add(recipient.bar(ExclusionReason.NO_MOBILE, at=self._uow.now))
            await self._replan(Campaign.id == recipient.campaign_id)

    async def record_hold(self, event: HoldMoved) -> None:
        await self._copy(
            Hold,
            id=event.hold_id,
            version=event.version,
            scope=event.scope,
            campaign_id=event.campaign_id,
            number_id=event.number_id,
            is_placed=isinstance(event, HoldPlaced),
        )
        await self._replan(true())

    async def _copy(self, model: type[Base], **columns: Any) -> None:
        statement = upsert(model).values(**columns)
        keys = [column.name for column in model.__table__.primary_key]
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=keys,
                set_={name: statement.excluded[name] for name in columns if name not in keys},
                where=model.__table__.c.version < statement.excluded.version,
            )
        )

    async def _replan(self, concerned: ColumnElement[bool]) -> None:
        active = select(Campaign.id).where(Campaign.status.in_(ACTIVE), concerned)
        await self._uow.session.execute(insert(PlanRequest).from_select(["campaign_id"], active))
        self._uow.wake(PLAN_CHANNEL)
