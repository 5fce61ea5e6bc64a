"""API keys: standing credentials of scripts, scoped, shown once, revocable."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.auth import Principal
from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import Invalid, NotFound

from gateway.credentials import HINT_LENGTH, CredentialKind, hashed, mint
from gateway.errors import PermissionNotHeld
from gateway.models import ApiKey
from gateway.roles import Role, pattern_covers, patterns_of
from gateway.services.audit import Actor, AuditLog
from gateway.services.users import UserService


class ApiKeyService:
    def __init__(self, uow: UnitOfWork, users: UserService, audit: AuditLog) -> None:
        self._db = uow.session
        self._users = users
        self._audit = audit

    async def create(
        self, *, name: str, permissions: Sequence[str], expires_at: datetime | None, owner_id: UUID, actor: Actor
    ) -> tuple[ApiKey, str]:
        """The key's record and the key, which exists nowhere else. Raises PermissionNotHeld beyond the owner's role."""
        owner = await self._users.get(owner_id)
        _refuse_beyond(patterns_of(owner.role), permissions)
        now = wall_now()
        if expires_at is not None and expires_at <= now:
            raise Invalid("`expires_at` has passed already.")
        secret = mint(CredentialKind.API_KEY)
        key = ApiKey(
            name=name,
            key_hash=hashed(secret),
            hint=secret[:HINT_LENGTH],
            owner_id=owner_id,
            permissions=list(permissions),
            created_at=now,
            expires_at=expires_at,
        )
        self._db.add(key)
        await self._db.flush()
        self._audit.record(actor, "api_key.created", key.id, permissions=list(permissions))
        return key, secret

    async def refuse_beyond(self, caller: Principal, role: Role) -> None:
        """Raises PermissionNotHeld where a script hands on a role that holds more than its key.

        People are not asked: only administrators may change users at all.
        """
        if caller.kind != "user":
            key = await self._db.get(ApiKey, UUID(caller.id)) if caller.kind == "api_key" else None
            held = key.patterns_under(await self._users.get(key.owner_id)) if key else ()
            _refuse_beyond(held, patterns_of(role))

    async def get(self, key_id: UUID) -> ApiKey:
        key = await self._db.get(ApiKey, key_id)
        if key is None:
            raise NotFound("There is no such API key.")
        return key

    async def revoke(self, key_id: UUID, actor: Actor) -> None:
        """The key stops working within seconds; revoking it again changes nothing."""
        key = await self._db.get(ApiKey, key_id, with_for_update=True)
        if key is None:
            raise NotFound("There is no such API key.")
        if key.revoked_at is None:
            key.revoked_at = wall_now()
            self._audit.record(actor, "api_key.revoked", key.id)


def _refuse_beyond(held: Sequence[str], wanted: Sequence[str]) -> None:
    for permission in wanted:
        if not any(pattern_covers(pattern, permission) for pattern in held):
            raise PermissionNotHeld(f"You do not hold {permission} yourself.", permission=permission)
