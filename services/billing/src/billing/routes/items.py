"""The price book: what is sold, as QuickBooks has it."""

from typing import Annotated
from uuid import UUID

from fastapi import Query
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import func

from billing.models import Item
from billing.queries import price_book
from billing.routes.schemas import Plain, Row
from billing.services.connections import ConnectionService

router = ApiRouter(prefix="/api/v1/items", tags=["items"])

Reader = Annotated[Principal, can("items:read")]


class ItemOut(Row):
    """`unit_price` is what a draft begins with, without tax; null where each sale has its own."""

    id: UUID
    qb_id: str
    name: str
    kind: str
    description: str | None
    unit_price: Plain | None
    is_taxable: bool
    is_active: bool


@router.get("")
async def list_items(
    params: PageParams,
    connections: Needs[ConnectionService],
    uow: Needs[UnitOfWork],
    user: Reader,
    q: Annotated[str | None, Query(max_length=200, description="Part of its name or description.")] = None,
    active: bool = True,
) -> Page[ItemOut]:
    """What is sold, by name; `active=false` shows what no longer is."""
    rows, cursor, total = await page(
        uow.session,
        price_book(await connections.current_realm(), q=q, is_active=active),
        keys=[func.lower(Item.name), Item.id.asc()],
        params=params,
        scope={"q": q, "active": active},
    )
    return Page(items=[ItemOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.get("/{item_id}", responses=problems(NotFound))
async def get_item(
    item_id: UUID, connections: Needs[ConnectionService], uow: Needs[UnitOfWork], user: Reader
) -> ItemOut:
    row = await uow.session.get(Item, item_id)
    if row is None or row.realm_id != await connections.current_realm():
        raise NotFound("There is no such item in the price book.")
    return ItemOut.model_validate(row)
