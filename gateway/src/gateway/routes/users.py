"""Users, for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from shared.auth import Principal
from shared.database import Begin
from shared.errors import AlreadyExists, Conflict, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from sqlalchemy.ext.asyncio import AsyncSession

from gateway import queries
from gateway.errors import LastAdmin, PermissionNotHeld, WeakPassword
from gateway.models import User
from gateway.roles import Role
from gateway.routes.dependencies import Address, Body, Email, FromApp, Name, Password, actor_of, person_of
from gateway.routes.invites import InviteCreated, invite_created
from gateway.services.accounts import Accounts
from gateway.services.api_keys import ApiKeyService
from gateway.services.invites import InviteService
from gateway.services.second_factor import SecondFactorService
from gateway.services.users import UserChange, UserService

router = ApiRouter(prefix="/api/v1/users", tags=["users"])

Reader = Annotated[Principal, can("users:read")]
Writer = Annotated[Principal, can("users:write")]


class NewUser(Body):
    email: Email
    name: Name
    role: Role
    password: Password


class UserPatch(Body):
    """What is left out stays as it is."""

    name: Name | None = None
    role: Role | None = None
    is_active: bool | None = Field(default=None, description="False ends all of the user's sessions and API keys.")


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    version: int
    email: str
    name: str
    role: Role
    is_active: bool
    has_second_factor: bool
    created_at: Instant
    updated_at: Instant


def _out(user: User, response: Response) -> UserOut:
    set_etag(response, user.version)
    return UserOut.model_validate(user)


@router.get("")
async def list_users(
    me: Reader,
    session: Needs[AsyncSession],
    params: PageParams,
    q: Annotated[str | None, Query(max_length=200, description="Part of a name or an e-mail address.")] = None,
    role: Role | None = None,
    is_active: bool | None = None,
) -> Page[UserOut]:
    """Users, the newest first."""
    rows, cursor, total = await page(
        session,
        queries.users(q=q, role=role, is_active=is_active),
        keys=[User.created_at.desc(), User.id.desc()],
        params=params,
        scope={"q": q, "role": role, "is_active": is_active},
    )
    return Page(items=[UserOut.model_validate(row) for row in rows], next_cursor=cursor, total=total)


@router.post("", status_code=201, responses=problems(AlreadyExists, WeakPassword, PermissionNotHeld))
async def create_user(
    new: NewUser,
    me: Writer,
    address: Address,
    accounts: FromApp[Accounts],
    users: Needs[UserService],
    keys: Needs[ApiKeyService],
    response: Response,
) -> UserOut:
    """Make a user with a password that you choose; an invite is better where there is a person to choose one.

    A script can make only users who hold no more than it does itself.
    """
    await keys.refuse_beyond(me, new.role)
    # Hashed inside the transaction for once: it keeps the answer for a repeat.
    password_hash = await accounts.hash_chosen(new.password, email=new.email, name=new.name)
    user = await users.create(
        email=new.email, name=new.name, role=new.role, password_hash=password_hash, actor=actor_of(me, address)
    )
    response.headers["Location"] = f"/api/v1/users/{user.id}"
    return _out(user, response)


@router.get("/{user_id}", responses=problems(NotFound))
async def get_user(user_id: UUID, me: Reader, users: Needs[UserService], response: Response) -> UserOut:
    return _out(await users.get(user_id), response)


@router.patch(
    "/{user_id}",
    responses=problems(NotFound, LastAdmin, PermissionNotHeld, PreconditionFailed, PreconditionRequired),
)
async def change_user(
    user_id: UUID,
    patch: UserPatch,
    version: IfMatch,
    me: Writer,
    address: Address,
    users: Needs[UserService],
    keys: Needs[ApiKeyService],
    response: Response,
) -> UserOut:
    """Rename, give another role, disable or enable. A change of rights ends the user's sessions within 5 seconds."""
    if patch.role or patch.is_active:
        await keys.refuse_beyond(me, patch.role or (await users.get(user_id)).role)
    change = UserChange(name=patch.name, role=patch.role, is_active=patch.is_active)
    return _out(await users.change(user_id, version, change, actor_of(me, address)), response)


@router.post("/{user_id}/password-reset", status_code=201, responses=problems(NotFound, Conflict, PermissionNotHeld))
async def reset_password(user_id: UUID, me: Writer, address: Address, begin: FromApp[Begin]) -> InviteCreated:
    """A one-time token with which the user chooses a new password. Takes no Idempotency-Key: its answer is a secret."""
    async with begin() as tx:
        user = await (await tx.aget(UserService)).get(user_id)
        await (await tx.aget(ApiKeyService)).refuse_beyond(me, user.role)
        invites = await tx.aget(InviteService)
        invite, token = await invites.reset(user_id, actor=actor_of(me, address), by=me.actor_id)
    return invite_created(invite, token)


@router.delete("/{user_id}/second-factor", status_code=204, responses=problems(NotFound))
async def remove_second_factor(
    user_id: UUID, me: Writer, address: Address, factors: Needs[SecondFactorService]
) -> None:
    """For a user who lost their phone."""
    person_of(me)
    await factors.remove(user_id, actor_of(me, address))
