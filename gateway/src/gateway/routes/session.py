"""Sign-in, who am I, sign-out, one's own password and second factor."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field, StringConstraints
from shared.auth import Principal
from shared.database import Begin
from shared.errors import Conflict, Forbidden
from shared.events.envelope import Instant
from shared.http import PUBLIC, ApiRouter, Needs, can, problems

from gateway.errors import ForeignOrigin, SecondFactorRequired, WeakPassword, WrongCredentials
from gateway.models import SessionKind, User
from gateway.roles import Role, expand, patterns_of
from gateway.routes.dependencies import (
    Address,
    Body,
    FromApp,
    OwnSession,
    Password,
    actor_of,
    host_of,
    person_of,
    scheme_of,
)
from gateway.services.accounts import Accounts, Attempt, SignedIn
from gateway.services.api_keys import ApiKeyService
from gateway.services.audit import AuditLog
from gateway.services.authorizer import DeclaredPermissions, refuse_foreign_origin
from gateway.services.second_factor import SecondFactorService
from gateway.services.sessions import SessionService
from gateway.services.users import UserService
from gateway.settings import GatewaySettings

router = ApiRouter(prefix="/api/v1/session", tags=["session"])

Reader = Annotated[Principal, can("session:read")]
Writer = Annotated[Principal, can("session:write")]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")]


class SignIn(Body):
    email: Annotated[str, Field(min_length=1, max_length=254)]
    password: Password
    code: Code | None = Field(default=None, description="Of the authenticator app, where one is set up.")
    kind: SessionKind = Field(
        default=SessionKind.COOKIE, description="`cookie` for browsers; `bearer` answers a token for scripts."
    )


class SessionUser(BaseModel):
    id: UUID
    email: str
    name: str
    role: Role
    has_second_factor: bool


class SignInOut(BaseModel):
    user: SessionUser
    expires_at: Instant
    token: str | None = Field(description="Only of a `bearer` session: send it as `Authorization: Bearer`.")
    token_type: Literal["Bearer"] | None


class SessionOut(BaseModel):
    user: SessionUser = Field(description="Who is signed in, or whose API key this is.")
    kind: Literal["cookie", "bearer", "api_key"]
    permissions: list[str]
    expires_at: Instant | None


class PasswordChange(Body):
    current_password: Password
    new_password: Password


class CodeIn(Body):
    code: Code


class EnrolmentOut(BaseModel):
    secret: str
    uri: str = Field(description="What an authenticator app reads from a QR code.")


@router.post("", openapi_extra=PUBLIC, responses=problems(WrongCredentials, SecondFactorRequired, ForeignOrigin))
async def sign_in(
    new: SignIn,
    request: Request,
    response: Response,
    address: Address,
    accounts: FromApp[Accounts],
    settings: FromApp[GatewaySettings],
) -> SignInOut:
    """Sign in: at most 10 attempts a minute for one account from one address.

    Takes no Idempotency-Key: its answer is a secret.
    """
    if (origin := request.headers.get("origin")) is not None:
        refuse_foreign_origin(origin, None, host=host_of(request), scheme=scheme_of(request))
    agent = request.headers.get("user-agent", "")
    signed_in = await accounts.sign_in(
        Attempt(new.email, new.password, new.code, new.kind, address=address, user_agent=agent)
    )
    return _answer(signed_in, request, response, settings)


def _answer(signed_in: SignedIn, request: Request, response: Response, settings: GatewaySettings) -> SignInOut:
    is_bearer = signed_in.session.kind is SessionKind.BEARER
    if not is_bearer:
        set_session_cookie(response, signed_in.token, scheme=scheme_of(request), max_age=settings.session_hours * 3600)
    return SignInOut(
        user=_user(signed_in.user),
        expires_at=signed_in.session.expires_at,
        token=signed_in.token if is_bearer else None,
        token_type="Bearer" if is_bearer else None,
    )


@router.get("", responses=problems(Conflict))
async def get_session(
    me: Reader,
    own: OwnSession,
    users: Needs[UserService],
    keys: Needs[ApiKeyService],
    sessions: Needs[SessionService],
    declared: FromApp[DeclaredPermissions],
) -> SessionOut:
    """Who is signed in, and what they may do."""
    every = frozenset().union(*declared.by_audience.values())
    if me.kind == "api_key":
        key = await keys.get(UUID(me.id))
        owner = await users.get(key.owner_id)
        held = sorted(expand(key.patterns_under(owner), every))
        return SessionOut(user=_user(owner), kind="api_key", permissions=held, expires_at=key.expires_at)
    user = await users.get(person_of(me))
    session = await sessions.find(own) if own else None
    kind: Literal["cookie", "bearer"] = "bearer" if session and session.kind is SessionKind.BEARER else "cookie"
    expires_at: datetime | None = session.expires_at if session else None
    permissions = sorted(expand(patterns_of(user.role), every))
    return SessionOut(user=_user(user), kind=kind, permissions=permissions, expires_at=expires_at)


@router.delete("", status_code=204, responses=problems(Conflict))
async def sign_out(
    me: Writer,
    own: OwnSession,
    address: Address,
    request: Request,
    response: Response,
    sessions: Needs[SessionService],
    audit: Needs[AuditLog],
) -> None:
    """End this session, everywhere, within 5 seconds."""
    if own is None:
        raise Conflict("An API key has no session; revoke the key instead.")
    if await sessions.end(own, user_id=person_of(me)):
        audit.record(actor_of(me, address), "session.ended", own)
    set_session_cookie(response, "", scheme=scheme_of(request), max_age=0)


@router.put("/password", status_code=204, responses=problems(WrongCredentials, WeakPassword))
async def change_password(
    change: PasswordChange, me: Writer, own: OwnSession, address: Address, accounts: FromApp[Accounts]
) -> None:
    """Change one's own password. All other sessions of the user end."""
    await accounts.change_password(
        person_of(me),
        current=change.current_password,
        wanted=change.new_password,
        keep=own,
        actor=actor_of(me, address),
    )


@router.post("/second-factor", responses=problems(Conflict, Forbidden))
async def enrol_second_factor(me: Writer, begin: FromApp[Begin]) -> EnrolmentOut:
    """A secret for an authenticator app; it counts once confirmed. Takes no Idempotency-Key: its answer is a secret."""
    async with begin() as tx:
        enrolment = await (await tx.aget(SecondFactorService)).enrol(person_of(me))
    return EnrolmentOut(secret=enrolment.secret, uri=enrolment.uri)


@router.put("/second-factor", status_code=204, responses=problems(Conflict, WrongCredentials))
async def confirm_second_factor(
    confirmation: CodeIn, me: Writer, address: Address, factors: Needs[SecondFactorService]
) -> None:
    """Confirm the enrolment with a code; from now on each sign-in asks for one."""
    await factors.confirm(person_of(me), confirmation.code, actor_of(me, address))


def _user(user: User) -> SessionUser:
    return SessionUser(
        id=user.id, email=user.email, name=user.name, role=user.role, has_second_factor=user.has_second_factor
    )


def cookie_name(scheme: str) -> str:
    """Browsers accept the `__Host-` prefix and Secure over TLS only; plain http is served on loopback only."""
    return "__Host-crm_session" if scheme == "https" else "crm_session"


def set_session_cookie(response: Response, value: str, *, scheme: str, max_age: int) -> None:
    response.set_cookie(
        cookie_name(scheme),
        value,
        max_age=max_age,
        path="/",
        secure=scheme == "https",
        httponly=True,
        samesite="strict",
    )
