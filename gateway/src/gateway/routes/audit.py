"""The audit log, to be read."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from shared.auth import Principal
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import queries
from gateway.models import AuditEntry

router = ApiRouter(prefix="/api/v1/audit", tags=["audit"])

Filter = Annotated[str | None, Query(max_length=100)]


class AuditEntryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: Instant
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str
    resource: str
    resource_id: str
    address: str
    details: dict[str, Any]


@router.get("")
async def list_audit_entries(
    me: Annotated[Principal, can("audit:read")],
    session: Needs[AsyncSession],
    params: PageParams,
    resource: Filter = None,
    resource_id: Filter = None,
    actor_id: Filter = None,
) -> Page[AuditEntryOut]:
    """Sign-ins and changes to users, invites and keys, the newest first."""
    rows, cursor, total = await page(
        session,
        queries.audit_entries(resource=resource, resource_id=resource_id, actor_id=actor_id),
        keys=[AuditEntry.at.desc(), AuditEntry.id.desc()],
        params=params,
        scope={"resource": resource, "resource_id": resource_id, "actor_id": actor_id},
    )
    return Page(items=[AuditEntryOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)
