"""OAuth 2 as Intuit grants it: consent, codes, access tokens, and refresh tokens whose value changes."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.database import UnitOfWork
from sqlalchemy import or_, select, update

from sandbox.models import QbAccess, QbAuthorization, QbGrant
from sandbox.quickbooks.controls import Tokens

CODE_SECONDS = 600
SCOPE = "com.intuit.quickbooks.accounting"


class OAuthRefusal(Exception):
    """What the token endpoint answers instead of tokens. What it did to a grant stands: commit all the same."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


@dataclass(frozen=True)
class TokenPair:
    """Seconds are from now."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    refresh_hard_expires_in: int


class OAuthService:
    """Lives for one transaction. Refreshes of one grant wait for each other."""

    def __init__(self, uow: UnitOfWork, tokens: Tokens) -> None:
        self._session = uow.session
        self._now = uow.now
        self._tokens = tokens

    async def consent(self, realm_id: str, redirect_uri: str) -> str:
        """The code of a person's consent for this company."""
        code = f"XAB{secrets.token_urlsafe(36)}"
        expires_at = self._now + timedelta(seconds=CODE_SECONDS)
        self._session.add(
            QbAuthorization(code=code, realm_id=realm_id, redirect_uri=redirect_uri, expires_at=expires_at)
        )
        return code

    async def exchange(self, code: str, redirect_uri: str) -> TokenPair:
        """The first tokens. A code is good once, for the address that it was given to."""
        found = await self._session.get(QbAuthorization, code, with_for_update=True)
        if found is None or found.used_at or found.expires_at <= self._now or found.redirect_uri != redirect_uri:
            raise OAuthRefusal("invalid_grant", "Invalid authorization code")
        found.used_at = self._now
        return await self.grant(found.realm_id)

    async def grant(self, realm_id: str) -> TokenPair:
        """The first tokens of another consent for this company."""
        grant = QbGrant(
            realm_id=realm_id,
            refresh_token=_refresh_token(),
            rotated_at=self._now,
            refreshed_at=self._now,
            hard_expires_at=self._now + timedelta(seconds=self._tokens.hard_seconds),
        )
        self._session.add(grant)
        await self._session.flush()
        return await self._pair(grant)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """New access; a new refresh value where the present one is old enough."""
        found = await self._session.scalars(
            select(QbGrant)
            .where(or_(QbGrant.refresh_token == refresh_token, QbGrant.former_token == refresh_token))
            .with_for_update()
        )
        grant = found.one_or_none()
        if grant is None or grant.revoked_at or self._is_over(grant):
            raise _bad_refresh_token()
        # Read under the lock: who waited for it may hold the former value by now.
        if grant.refresh_token != refresh_token:
            await self._meet_former(grant)
        elif (self._now - grant.rotated_at).total_seconds() >= self._tokens.rotation_seconds:
            grant.former_token, grant.refresh_token, grant.rotated_at = refresh_token, _refresh_token(), self._now
        grant.refreshed_at = self._now
        grant.refreshes += 1
        return await self._pair(grant)

    async def _meet_former(self, grant: QbGrant) -> None:
        """Somebody has lost the race: refused, or both are out, or it is let pass once more."""
        if self._tokens.after_rotation == "grace":
            return
        if self._tokens.after_rotation == "revoke_all":
            self._end([grant])
        raise _bad_refresh_token()

    def _is_over(self, grant: QbGrant) -> bool:
        idle_until = grant.refreshed_at + timedelta(seconds=self._tokens.idle_seconds)
        return self._now >= min(idle_until, grant.hard_expires_at)

    async def revoke(self, token: str) -> bool:
        """End the grant of this refresh or access token; False where there is none."""
        by_access = select(QbAccess.grant_id).where(QbAccess.token == token)
        found = await self._session.scalars(
            select(QbGrant)
            .where(or_(QbGrant.refresh_token == token, QbGrant.id.in_(by_access)), QbGrant.revoked_at.is_(None))
            .with_for_update()
        )
        grants = found.all()
        self._end(grants)
        return bool(grants)

    async def realm_of(self, access_token: str) -> str | None:
        """Whose books the token opens; None where it is unknown, expired, or its grant is over."""
        realm_id: str | None = await self._session.scalar(
            select(QbGrant.realm_id)
            .join(QbAccess, QbAccess.grant_id == QbGrant.id)
            .where(QbAccess.token == access_token, QbAccess.expires_at > self._now, QbGrant.revoked_at.is_(None))
        )
        return realm_id

    async def disconnect(self, realm_id: str) -> int:
        """A person disconnects the app inside QuickBooks; returns how many grants that ended."""
        grants = await self.grants(realm_id, is_live=True)
        self._end(grants)
        return len(grants)

    async def expire_access(self, realm_id: str) -> int:
        """Let all access tokens of the company run out now."""
        ids = [grant.id for grant in await self.grants(realm_id)]
        result = await self._session.execute(
            update(QbAccess)
            .where(QbAccess.grant_id.in_(ids), QbAccess.expires_at > self._now)
            .values(expires_at=self._now)
            .execution_options(synchronize_session=False)
        )
        return int(result.rowcount)  # type: ignore[attr-defined]

    async def expire_refresh(self, realm_id: str) -> int:
        """Let all refresh tokens of the company run out now, as after a hundred idle days."""
        grants = await self.grants(realm_id, is_live=True)
        for grant in grants:
            grant.hard_expires_at = self._now
        return len(grants)

    async def grants(self, realm_id: str, *, is_live: bool = False) -> list[QbGrant]:
        wanted = select(QbGrant).where(QbGrant.realm_id == realm_id).order_by(QbGrant.id)
        if is_live:
            wanted = wanted.where(QbGrant.revoked_at.is_(None))
        return list(await self._session.scalars(wanted))

    def _end(self, grants: Sequence[QbGrant]) -> None:
        for grant in grants:
            grant.revoked_at = self._now

    async def _pair(self, grant: QbGrant) -> TokenPair:
        access = QbAccess(
            token=f"eyJ{secrets.token_urlsafe(640)}",
            grant_id=grant.id,
            expires_at=self._now + timedelta(seconds=self._tokens.access_seconds),
        )
        self._session.add(access)
        return TokenPair(
            access_token=access.token,
            expires_in=self._tokens.access_seconds,
            refresh_token=grant.refresh_token,
            refresh_expires_in=self._tokens.idle_seconds,
            refresh_hard_expires_in=int((grant.hard_expires_at - self._now).total_seconds()),
        )


def _refresh_token() -> str:
    return f"RT1-{secrets.token_urlsafe(48)}"


def _bad_refresh_token() -> OAuthRefusal:
    return OAuthRefusal("invalid_grant", "Incorrect or invalid refresh token")
