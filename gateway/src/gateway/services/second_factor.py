"""The second factor: enrolled by the user, asked for at sign-in, each code good once."""

import time
from dataclasses import dataclass
from uuid import UUID

from shared.clock import wall_now
from shared.errors import Conflict
from shared.sealing import Seal

from gateway import totp
from gateway.errors import SecondFactorRequired, WrongCredentials
from gateway.models import User
from gateway.services.audit import Actor, AuditLog
from gateway.services.users import UserService


@dataclass(frozen=True)
class Enrolment:
    secret: str
    uri: str


class SecondFactorService:
    def __init__(self, users: UserService, audit: AuditLog, seal: Seal) -> None:
        self._users = users
        self._audit = audit
        self._seal = seal

    async def enrol(self, user_id: UUID) -> Enrolment:
        """A secret for the user's app. It counts once a code of it was confirmed."""
        user = await self._users.get(user_id, lock=True)
        if user.has_second_factor:
            raise Conflict("A second factor is set up already; remove it first.")
        secret = totp.new_secret()
        user.totp_secret = self._seal.seal(secret, context=_context(user))
        return Enrolment(totp.shown(secret), totp.enrolment_uri(secret, user.email))

    async def confirm(self, user_id: UUID, code: str, actor: Actor) -> None:
        user = await self._users.get(user_id, lock=True)
        if user.has_second_factor or user.totp_secret is None:
            raise Conflict("There is no enrolment to confirm; start one.")
        self._take(user, code)
        user.totp_confirmed_at = wall_now()
        self._audit.record(actor, "second_factor.enabled", user.id)

    async def remove(self, user_id: UUID, actor: Actor) -> None:
        user = await self._users.get(user_id, lock=True)
        user.totp_secret = user.totp_confirmed_at = user.totp_last_step = None
        self._audit.record(actor, "second_factor.removed", user.id)

    def check(self, user: User, code: str | None) -> None:
        """Take the code of a user who is signing in (their row is locked). Does nothing without a second factor."""
        if not user.has_second_factor:
            return
        if not code:
            raise SecondFactorRequired("Enter the code of your authenticator app as well.")
        self._take(user, code)

    def _take(self, user: User, code: str) -> None:
        assert user.totp_secret is not None  # noqa: S101 - callers have looked
        secret = self._seal.open(user.totp_secret, context=_context(user))
        step = totp.accepted_step(secret, code, now=time.time(), last_step=user.totp_last_step)
        if step is None:
            raise WrongCredentials("This code is wrong, too old, or was used already.")
        user.totp_last_step = step


def _context(user: User) -> str:
    return f"totp:{user.id}"
