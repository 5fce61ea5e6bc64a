"""Invites: a one-time right to choose a password, handed over by the administrator who made it."""

from datetime import timedelta
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, Conflict, NotFound
from sqlalchemy import select, update

from gateway.credentials import CredentialKind, hashed, mint
from gateway.errors import InviteUsed
from gateway.models import Invite, User
from gateway.roles import Role
from gateway.services.audit import Actor, AuditLog
from gateway.services.users import UserService
from gateway.settings import GatewaySettings


class InviteService:
    def __init__(self, uow: UnitOfWork, users: UserService, audit: AuditLog, settings: GatewaySettings) -> None:
        self._db = uow.session
        self._users = users
        self._audit = audit
        self._lifetime = timedelta(hours=settings.invite_hours)

    async def create(self, *, email: str, name: str, role: Role, actor: Actor, by: UUID | None) -> tuple[Invite, str]:
        """The invite and its token, which exists nowhere else. An earlier one for the address is revoked."""
        if await self._users.find_by_email(email):
            raise AlreadyExists("A user with this e-mail address exists; send a password reset instead.")
        return await self._issue(email=email.casefold(), name=name, role=role, actor=actor, by=by, user=None)

    async def reset(self, user_id: UUID, *, actor: Actor, by: UUID | None) -> tuple[Invite, str]:
        """An invite for a user who lost their password."""
        user = await self._users.get(user_id)
        if not user.is_active:
            raise Conflict("This user is disabled; enable them first.")
        return await self._issue(email=user.email, name=user.name, role=user.role, actor=actor, by=by, user=user)

    async def get(self, invite_id: UUID) -> Invite:
        invite = await self._db.get(Invite, invite_id)
        if invite is None:
            raise NotFound("There is no such invite.")
        return invite

    async def revoke(self, invite_id: UUID, actor: Actor) -> None:
        invite = await self._db.get(Invite, invite_id, with_for_update=True)
        if invite is None:
            raise NotFound("There is no such invite.")
        if invite.accepted_at is not None:
            raise InviteUsed("This invite was accepted already; disable the user instead.")
        if invite.revoked_at is None:
            invite.revoked_at = wall_now()
            self._audit.record(actor, "invite.revoked", invite.id)

    async def find_open(self, token: str, *, lock: bool = False) -> Invite:
        """Raises NotFound for an unknown token, InviteUsed for one that is spent, revoked or too old."""
        statement = select(Invite).where(Invite.token_hash == hashed(token))
        found = await self._db.execute(statement.with_for_update() if lock else statement)
        invite = found.scalar_one_or_none()
        if invite is None:
            raise NotFound("There is no such invite; ask your administrator for a new one.")
        if not invite.is_open(wall_now()):
            raise InviteUsed("This invite was used, revoked or is too old; ask your administrator for a new one.")
        return invite

    async def accept(self, token: str, *, name: str, password_hash: str, address: str) -> User:
        """Spend the invite. Of two at the same time, one wins: the row is locked first."""
        invite = await self.find_open(token, lock=True)
        invite.accepted_at = wall_now()
        actor = Actor("invite", str(invite.id), invite.name, address)
        self._audit.record(actor, "invite.accepted", invite.id)
        if invite.user_id is None:
            return await self._users.create(
                email=invite.email, name=name, role=invite.role, password_hash=password_hash, actor=actor
            )
        user = await self._users.get(invite.user_id, lock=True)
        if not user.is_active:
            raise Conflict("This account is disabled; ask your administrator.")
        await self._users.set_password(user, password_hash, actor)
        return user

    async def _issue(
        self, *, email: str, name: str, role: Role, actor: Actor, by: UUID | None, user: User | None
    ) -> tuple[Invite, str]:
        now = wall_now()
        await self._db.execute(
            update(Invite)
            .where(Invite.email == email, Invite.accepted_at.is_(None), Invite.revoked_at.is_(None))
            .values(revoked_at=now)
        )
        token = mint(CredentialKind.INVITE)
        invite = Invite(
            token_hash=hashed(token),
            email=email,
            name=name,
            role=role,
            user_id=user.id if user else None,
            created_by=by,
            created_at=now,
            expires_at=now + self._lifetime,
        )
        self._db.add(invite)
        await self._db.flush()
        self._audit.record(actor, "invite.created", invite.id, role=role.value, is_reset=user is not None)
        return invite, token
