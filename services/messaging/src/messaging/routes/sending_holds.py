"""/api/v1/sending-holds: stop and go."""

from typing import Annotated
from uuid import UUID

from shared.auth import Principal
from shared.errors import InvalidTransition, NotFound
from shared.http.dependencies import Needs, can
from shared.http.problems import problems
from shared.http.routing import ApiRouter
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from messaging import queries
from messaging.models import Hold, HoldScope, HoldSource, PhoneNumber
from messaging.routes.payloads import HoldOut, NewHold
from messaging.services.holds import HoldService

router = ApiRouter(prefix="/api/v1/sending-holds", tags=["sending-holds"])
Reader = Annotated[Principal, can("sending-holds:read")]
Editor = Annotated[Principal, can("sending-holds:write")]


@router.get("")
async def list_holds(
    session: Needs[AsyncSession], params: PageParams, user: Reader, in_place: bool | None = None
) -> Page[HoldOut]:
    """Newest first."""
    rows, cursor, total = await page(
        session,
        queries.holds(in_place=in_place),
        keys=[Hold.placed_at.desc(), Hold.id.desc()],
        params=params,
        scope={"in_place": in_place},
    )
    return Page(items=[HoldOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("", status_code=201, responses=problems(NotFound))
async def place_hold(new: NewHold, holds: Needs[HoldService], session: Needs[AsyncSession], user: Editor) -> HoldOut:
    """Nothing in its scope is sent from the moment of the answer on, texts on the wire aside.

    Placing what is in place already answers with the hold that is there.
    """
    if new.scope is HoldScope.NUMBER and await session.get(PhoneNumber, new.number_id) is None:
        raise NotFound("There is no such number.")
    if new.campaign_id is not None and not await queries.is_campaign_known(session, new.campaign_id):
        raise NotFound("No launch and no text of such a campaign has been heard of here: there is nothing to hold.")
    wanted = Hold(
        scope=new.scope,
        campaign_id=new.campaign_id,
        number_id=new.number_id,
        source=HoldSource.PERSON,
        reason=new.reason,
    )
    return HoldOut.model_validate(await holds.place(wanted, by=user.id))


@router.post("/{hold_id}/lift", responses=problems(NotFound, InvalidTransition))
async def lift_hold(hold_id: UUID, holds: Needs[HoldService], user: Editor) -> HoldOut:
    """Go on sending, whoever had placed it."""
    return HoldOut.model_validate(await holds.lift(hold_id, by=user.id))
