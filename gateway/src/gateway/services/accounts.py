"""What hashes a password, which takes a tenth of a second and so stands between transactions: sign-in and its kin."""

from dataclasses import dataclass
from uuid import UUID

from shared.database import Begin

from gateway.errors import WrongCredentials
from gateway.models import Session, SessionKind, User
from gateway.passwords import Passwords, check_password
from gateway.rate_limits import Limiter
from gateway.roles import Role
from gateway.services.audit import Actor, AuditLog, stranger
from gateway.services.second_factor import SecondFactorService
from gateway.services.sessions import SessionService
from gateway.services.users import UserService

_REFUSED = "E-mail address, password or code are not right, or the account is disabled."
_TOO_MANY = "Too many attempts to sign in; wait a minute."


@dataclass(frozen=True)
class Attempt:
    email: str
    password: str
    code: str | None
    kind: SessionKind
    address: str
    user_agent: str


@dataclass(frozen=True)
class SignedIn:
    user: User
    session: Session
    token: str


@dataclass(frozen=True)
class SignInLimits:
    per_account: Limiter
    """For one account *from one address*: nobody locks somebody else out."""
    per_address: Limiter

    def take(self, email: str, address: str) -> None:
        self.per_address.take(address, _TOO_MANY)
        self.per_account.take((email.casefold(), address), _TOO_MANY)


class Accounts:
    def __init__(self, begin: Begin, passwords: Passwords, limits: SignInLimits) -> None:
        self._begin = begin
        self._passwords = passwords
        self._limits = limits

    async def sign_in(self, attempt: Attempt) -> SignedIn:
        """A new session. An unknown account, a wrong password and a disabled account look and last the same."""
        self._limits.take(attempt.email, attempt.address)
        async with self._begin() as tx:
            known = await (await tx.aget(UserService)).find_by_email(attempt.email)
        is_right = await self._passwords.verify(attempt.password, known.password_hash if known else None)
        try:
            if known is None or not (is_right and known.is_active):
                raise WrongCredentials(_REFUSED)
            return await self._admit(attempt, known)
        except WrongCredentials:
            await self._refuse(attempt, known)
            raise

    async def _admit(self, attempt: Attempt, known: User) -> SignedIn:
        async with self._begin() as tx:
            user = await (await tx.aget(UserService)).get(known.id, lock=True)
            if not user.is_active or user.password_hash != known.password_hash:
                raise WrongCredentials(_REFUSED)
            (await tx.aget(SecondFactorService)).check(user, attempt.code)
            sessions = await tx.aget(SessionService)
            session, token = await sessions.open(
                user, attempt.kind, address=attempt.address, user_agent=attempt.user_agent
            )
            audit = await tx.aget(AuditLog)
            audit.record(Actor.user(user, attempt.address), "session.opened", session.id, kind=attempt.kind.value)
        return SignedIn(user, session, token)

    async def _refuse(self, attempt: Attempt, known: User | None) -> None:
        # In a transaction of its own, because the one that refused is rolled back. What was typed is not recorded for
        # an unknown account: people type passwords into the wrong field.
        async with self._begin() as tx:
            audit = await tx.aget(AuditLog)
            audit.record(stranger(attempt.address), "session.refused", known.id if known else "")

    async def hash_chosen(self, password: str, *, email: str, name: str) -> str:
        """The hash of a new password. Raises WeakPassword."""
        check_password(password, email=email, name=name)
        return await self._passwords.hash(password)

    def take_attempt(self, address: str) -> None:
        """Raises TooManyRequests where somebody tries invites at random."""
        self._limits.per_address.take(address, "Too many attempts; wait a minute.")

    async def create_user(self, *, email: str, name: str, role: Role, password: str, actor: Actor) -> User:
        password_hash = await self.hash_chosen(password, email=email, name=name)
        async with self._begin() as tx:
            return await (await tx.aget(UserService)).create(
                email=email, name=name, role=role, password_hash=password_hash, actor=actor
            )

    async def change_password(
        self, user_id: UUID, *, current: str, wanted: str, keep: UUID | None, actor: Actor
    ) -> None:
        """The user's own change: the present password is asked again, other sessions end."""
        self._limits.take(str(user_id), actor.address)
        async with self._begin() as tx:
            user = await (await tx.aget(UserService)).get(user_id)
        if not await self._passwords.verify(current, user.password_hash):
            raise WrongCredentials("The present password is not right.")
        password_hash = await self.hash_chosen(wanted, email=user.email, name=user.name)
        async with self._begin() as tx:
            users = await tx.aget(UserService)
            await users.set_password(await users.get(user_id, lock=True), password_hash, actor, keep=keep)
