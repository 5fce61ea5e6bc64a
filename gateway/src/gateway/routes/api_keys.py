"""API keys, for scripts and other systems."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from shared.auth import Principal
from shared.database import Begin
from shared.errors import Invalid, NotFound
from shared.events.envelope import Instant
from shared.http import ApiRouter, Moment, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import queries
from gateway.errors import PermissionNotHeld
from gateway.models import ApiKey
from gateway.roles import Role, patterns_of
from gateway.routes.dependencies import Address, Body, FromApp, Name, actor_of, person_of
from gateway.services.api_keys import ApiKeyService

router = ApiRouter(prefix="/api/v1/api-keys", tags=["api-keys"])

Reader = Annotated[Principal, can("api-keys:read")]
Writer = Annotated[Principal, can("api-keys:write")]
Pattern = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z-]*:(\*|[a-z][a-z-]*))$", max_length=80)]


class NewApiKey(Body):
    """Scoped to a role or to permissions: one of the two."""

    name: Name
    role: Role | None = None
    permissions: list[Pattern] | None = Field(
        default=None, min_length=1, max_length=50, description="`contacts:read`, `contacts:*`, …"
    )
    expires_at: Moment | None = None

    def patterns(self) -> list[str]:
        if (self.role is None) == (self.permissions is None):
            raise Invalid("Give either `role` or `permissions`.")
        return list(patterns_of(self.role)) if self.role else list(self.permissions or [])


class ApiKeyOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    hint: str = Field(description="How the key begins.")
    owner_id: UUID = Field(description="The key works while this user is active, within their role.")
    permissions: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None = Field(description="To the minute.")
    revoked_at: Instant | None


class ApiKeyCreated(ApiKeyOut):
    key: str = Field(description="Shown once. Send it as `Authorization: Bearer`.")


@router.get("")
async def list_api_keys(me: Reader, session: Needs[AsyncSession], params: PageParams) -> Page[ApiKeyOut]:
    """API keys, the newest first; never the keys themselves."""
    keys: list[ColumnElement[Any]] = [ApiKey.created_at.desc(), ApiKey.id.desc()]
    rows, cursor, total = await page(session, queries.api_keys(), keys=keys, params=params)
    return Page(items=[ApiKeyOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("", status_code=201, responses=problems(PermissionNotHeld))
async def create_api_key(
    new: NewApiKey, me: Writer, address: Address, begin: FromApp[Begin], response: Response
) -> ApiKeyCreated:
    """Make a key with at most the permissions you hold. Takes no Idempotency-Key: its answer is a secret."""
    async with begin() as tx:
        keys = await tx.aget(ApiKeyService)
        key, secret = await keys.create(
            name=new.name,
            permissions=new.patterns(),
            expires_at=new.expires_at,
            owner_id=person_of(me),
            actor=actor_of(me, address),
        )
    response.headers["Location"] = f"/api/v1/api-keys/{key.id}"
    return ApiKeyCreated(**ApiKeyOut.model_validate(key).model_dump(), key=secret)


@router.get("/{key_id}", responses=problems(NotFound))
async def get_api_key(key_id: UUID, me: Reader, keys: Needs[ApiKeyService]) -> ApiKeyOut:
    return ApiKeyOut.model_validate(await keys.get(key_id))


@router.delete("/{key_id}", status_code=204, responses=problems(NotFound))
async def revoke_api_key(key_id: UUID, me: Writer, address: Address, keys: Needs[ApiKeyService]) -> None:
    """The key stops working within 5 seconds. Its record stays."""
    await keys.revoke(key_id, actor_of(me, address))
