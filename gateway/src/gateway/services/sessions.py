"""Sessions: opened at sign-in, ended by logout, by a password change, or when the user's rights change."""

from datetime import timedelta
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from sqlalchemy import select, update

from gateway.credentials import CredentialKind, hashed, mint
from gateway.models import Session, SessionKind, User
from gateway.settings import GatewaySettings


class SessionService:
    def __init__(self, uow: UnitOfWork, settings: GatewaySettings) -> None:
        self._db = uow.session
        self._settings = settings

    async def open(self, user: User, kind: SessionKind, *, address: str, user_agent: str) -> tuple[Session, str]:
        """A new session and its token, which exists nowhere else."""
        token = mint(CredentialKind(kind.value))
        now = wall_now()
        session = Session(
            token_hash=hashed(token),
            kind=kind,
            user_id=user.id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + self._lifetime(kind),
            address=address,
            user_agent=user_agent[:200],
        )
        self._db.add(session)
        await self._db.flush()
        return session, token

    async def end(self, session_id: UUID, *, user_id: UUID) -> bool:
        """End one of the user's sessions; False where it had ended already."""
        ended = await self._db.execute(
            update(Session)
            .where(Session.id == session_id, Session.user_id == user_id, Session.ended_at.is_(None))
            .values(ended_at=wall_now())
            .returning(Session.id)
        )
        return ended.first() is not None

    async def end_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """Everything the user is signed in with stops within the authorizer's few seconds of memory."""
        statement = update(Session).where(Session.user_id == user_id, Session.ended_at.is_(None))
        if but is not None:
            statement = statement.where(Session.id != but)
        await self._db.execute(statement.values(ended_at=wall_now()))

    async def find(self, session_id: UUID) -> Session | None:
        return (await self._db.execute(select(Session).where(Session.id == session_id))).scalar_one_or_none()

    def _lifetime(self, kind: SessionKind) -> timedelta:
        if kind is SessionKind.BEARER:
            return timedelta(minutes=self._settings.bearer_minutes)
        return timedelta(hours=self._settings.session_hours)
