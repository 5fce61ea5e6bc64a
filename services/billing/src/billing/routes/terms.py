"""When bills are due, as QuickBooks has it."""

from typing import Annotated
from uuid import UUID

from shared.auth import Principal
from shared.database import UnitOfWork
from shared.http import ApiRouter, Needs, can
from shared.paging import Page, PageParams, page
from sqlalchemy import func

from billing.models import Term
from billing.queries import terms
from billing.routes.schemas import Row
from billing.services.connections import ConnectionService

router = ApiRouter(prefix="/api/v1/terms", tags=["items"])


class TermOut(Row):
    """Due so many days after the invoice's, or on a day of the month."""

    id: UUID
    name: str
    due_days: int | None
    day_of_month: int | None


@router.get("")
async def list_terms(
    params: PageParams,
    connections: Needs[ConnectionService],
    uow: Needs[UnitOfWork],
    user: Annotated[Principal, can("items:read")],
) -> Page[TermOut]:
    """The terms that an invoice may have, by name."""
    rows, cursor, total = await page(
        uow.session,
        terms(await connections.current_realm()),
        keys=[func.lower(Term.name), Term.id.asc()],
        params=params,
        scope={},
    )
    return Page(items=[TermOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)
