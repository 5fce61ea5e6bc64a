"""Invites: administrators make them, the invited accept them without being signed in."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field
from shared.auth import Principal
from shared.database import Begin
from shared.errors import AlreadyExists, Conflict, NotFound
from shared.events.envelope import Instant
from shared.http import PUBLIC, ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import queries
from gateway.errors import InviteUsed, PermissionNotHeld, WeakPassword
from gateway.models import Invite
from gateway.roles import Role
from gateway.routes.dependencies import Address, Body, Email, FromApp, Name, Password, actor_of
from gateway.services.accounts import Accounts
from gateway.services.api_keys import ApiKeyService
from gateway.services.invites import InviteService

router = ApiRouter(prefix="/api/v1/invites", tags=["users"])
public_router = ApiRouter(prefix="/public/invites", tags=["users"])

Reader = Annotated[Principal, can("users:read")]
Writer = Annotated[Principal, can("users:write")]


class NewInvite(Body):
    email: Email
    name: Name
    role: Role


class InviteOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    email: str
    name: str
    role: Role
    user_id: UUID | None = Field(description="Set where the invite lets an existing user choose a new password.")
    created_at: Instant
    expires_at: Instant
    accepted_at: Instant | None
    revoked_at: Instant | None


class InviteCreated(InviteOut):
    token: str = Field(description="Shown once. Hand it to the person; it is good for one acceptance.")


class Acceptance(Body):
    token: Annotated[str, Field(min_length=1, max_length=200)]
    password: Password
    name: Name | None = None


class Accepted(BaseModel):
    email: str


def invite_created(invite: Invite, token: str) -> InviteCreated:
    return InviteCreated(**InviteOut.model_validate(invite).model_dump(), token=token)


@router.get("")
async def list_invites(me: Reader, session: Needs[AsyncSession], params: PageParams) -> Page[InviteOut]:
    """Invites, the newest first."""
    keys: list[ColumnElement[Any]] = [Invite.created_at.desc(), Invite.id.desc()]
    rows, cursor, total = await page(session, queries.invites(), keys=keys, params=params)
    return Page(items=[InviteOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("", status_code=201, responses=problems(AlreadyExists, PermissionNotHeld))
async def create_invite(
    new: NewInvite, me: Writer, address: Address, begin: FromApp[Begin], response: Response
) -> InviteCreated:
    """Invite somebody; an earlier invite of the address ends. Takes no Idempotency-Key: its answer is a secret."""
    async with begin() as tx:
        await (await tx.aget(ApiKeyService)).refuse_beyond(me, new.role)
        invites = await tx.aget(InviteService)
        invite, token = await invites.create(
            email=new.email, name=new.name, role=new.role, actor=actor_of(me, address), by=me.actor_id
        )
    response.headers["Location"] = f"/api/v1/invites/{invite.id}"
    return invite_created(invite, token)


@router.get("/{invite_id}", responses=problems(NotFound))
async def get_invite(invite_id: UUID, me: Reader, invites: Needs[InviteService]) -> InviteOut:
    return InviteOut.model_validate(await invites.get(invite_id))


@router.delete("/{invite_id}", status_code=204, responses=problems(NotFound, InviteUsed))
async def revoke_invite(invite_id: UUID, me: Writer, address: Address, invites: Needs[InviteService]) -> None:
    await invites.revoke(invite_id, actor_of(me, address))


@public_router.post(
    "/acceptance", openapi_extra=PUBLIC, responses=problems(NotFound, InviteUsed, Conflict, WeakPassword)
)
async def accept_invite(
    acceptance: Acceptance, address: Address, accounts: FromApp[Accounts], invites: Needs[InviteService]
) -> Accepted:
    """Choose a password, then sign in with it: at least 12 characters, 15 or more are better, no common ones."""
    accounts.take_attempt(address)
    invite = await invites.find_open(acceptance.token, lock=True)
    name = acceptance.name or invite.name
    # Hashed inside the transaction for once: it keeps the answer for a repeat.
    password_hash = await accounts.hash_chosen(acceptance.password, email=invite.email, name=name)
    user = await invites.accept(acceptance.token, name=name, password_hash=password_hash, address=address)
    return Accepted(email=user.email)
