"""Users: who they are, what role they have, whether they may come in."""

from dataclasses import dataclass
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, NotFound
from shared.etag import check_version
from sqlalchemy import select

from gateway.errors import LastAdmin
from gateway.models import User
from gateway.roles import Role
from gateway.services.audit import Actor, AuditLog
from gateway.services.sessions import SessionService


@dataclass(frozen=True)
class UserChange:
    """What an administrator changes; None leaves a field as it is."""

    name: str | None = None
    role: Role | None = None
    is_active: bool | None = None

    def given(self) -> dict[str, object]:
        values = {"name": self.name, "role": self.role, "is_active": self.is_active}
        return {field: value for field, value in values.items() if value is not None}


class UserService:
    def __init__(self, uow: UnitOfWork, sessions: SessionService, audit: AuditLog) -> None:
        self._uow = uow
        self._db = uow.session
        self._sessions = sessions
        self._audit = audit

    async def get(self, user_id: UUID, *, lock: bool = False) -> User:
        user = await self._db.get(User, user_id, with_for_update=lock)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def find_by_email(self, email: str) -> User | None:
        return (await self._db.execute(select(User).where(User.email == email.casefold()))).scalar_one_or_none()

    async def create(self, *, email: str, name: str, role: Role, password_hash: str, actor: Actor) -> User:
        """Raises AlreadyExists for an e-mail address that is taken, also by a disabled user."""
        if await self.find_by_email(email):
            raise AlreadyExists("A user with this e-mail address exists.")
        now = wall_now()
        user = User(
            email=email.casefold(),
            name=name,
            role=role,
            is_active=True,
            password_hash=password_hash,
            version=1,
            created_at=now,
            updated_at=now,
        )
        self._db.add(user)
        await self._db.flush()
        self._audit.record(actor, "user.created", user.id, role=role.value)
        self._uow.hint("users", user.id, user.version)
        return user

    async def change(self, user_id: UUID, version: int, change: UserChange, actor: Actor) -> User:
        """Another role, or a disabled account, ends all of the user's sessions. One admin always stays."""
        admins = await self._locked_admins()
        user = await self.get(user_id, lock=True)
        check_version(user.version, version)
        before = {field: getattr(user, field) for field in change.given()}
        changed = {field: value for field, value in change.given().items() if value != before[field]}
        if not changed:
            return user
        for field, value in changed.items():
            setattr(user, field, value)
        if user_id in admins and not user.is_acting_admin and len(admins) == 1:
            raise LastAdmin("This is the last active administrator; make somebody else one first.")
        self._count(user)
        if not {"role", "is_active"}.isdisjoint(changed):
            await self._sessions.end_all(user.id)
        self._audit.record(actor, "user.changed", user.id, before={f: before[f] for f in changed}, after=changed)
        return user

    async def set_password(self, user: User, password_hash: str, actor: Actor, *, keep: UUID | None = None) -> None:
        """A new password ends the user's other sessions."""
        user.password_hash = password_hash
        self._count(user)
        await self._sessions.end_all(user.id, but=keep)
        self._audit.record(actor, "user.password_changed", user.id)

    def _count(self, user: User) -> None:
        user.touch()
        user.updated_at = wall_now()
        self._uow.hint("users", user.id, user.version)

    async def _locked_admins(self) -> set[UUID]:
        # Locked in id order, so that two admins who demote each other at the same time cannot both succeed.
        statement = select(User.id).where(User.role == Role.ADMIN, User.is_active).order_by(User.id)
        return set((await self._db.execute(statement.with_for_update())).scalars())
