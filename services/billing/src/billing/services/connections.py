"""The connection to QuickBooks: consent, health, loss. Links and books outlive all of it."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.events.billing import ConnectionLost, ConnectionRestored
from shared.sealing import Seal, SealBroken
from sqlalchemy import delete, select

from billing.errors import AnotherCompany, ConsentRefused, OfAnotherCompany, StateRefused
from billing.models import Connection, OAuthState, OAuthToken
from billing.provider import CompanySeen, GrantRefused, Grants, NotConnected, Tokens
from billing.services.marks import MarkService
from billing.states import ConnectionStatus

log = structlog.get_logger(__name__)

STATE_MINUTES = 10
_MOST_ERROR = 500


@dataclass(frozen=True)
class Health:
    """What a person sees of the connection. `connection` is None before the first consent."""

    connection: Connection | None
    access_expires_at: datetime | None
    refresh_expires_at: datetime | None
    consent_expires_at: datetime | None


def access_context(realm_id: str) -> str:
    return f"access {realm_id}"


def refresh_context(realm_id: str) -> str:
    return f"refresh {realm_id}"


class ConnectionService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, marks: MarkService, seal: Seal) -> None:
        self._uow = uow
        self._marks = marks
        self._seal = seal

    async def current(self) -> Connection | None:
        """The company we are, or were last, connected with."""
        found = await self._uow.session.scalars(
            select(Connection)
            .order_by((Connection.status != ConnectionStatus.DISCONNECTED).desc(), Connection.status_at.desc())
            .limit(1)
        )
        return found.one_or_none()

    async def current_realm(self) -> str:
        """Whose books are shown; none's before the first consent."""
        found = await self.current()
        return found.realm_id if found else ""

    async def active(self) -> Connection:
        """Raises NotConnected where no company is; one that needs a reconnect still is the company."""
        found = await self.current()
        if found is None or found.status is ConnectionStatus.DISCONNECTED:
            raise NotConnected
        return found

    async def active_for(self, realm_id: str) -> Connection:
        """The connection into which something of this company is written. Raises NotConnected or OfAnotherCompany."""
        await self.check_belongs(realm_id)
        return await self.active()

    async def check_belongs(self, realm_id: str) -> None:
        """Raises OfAnotherCompany where another company is connected than the one in whose books something stands."""
        current = await self.current()
        if current is None or current.status is ConnectionStatus.DISCONNECTED or current.realm_id == realm_id:
            return
        own = await self._uow.session.get(Connection, realm_id)
        name = (own and own.company_name) or "another company"
        raise OfAnotherCompany(
            f"This belongs to {name}, but {current.company_name or 'another one'} is connected. Reconnect {name}, or"
            " draft it anew for the company that is connected.",
            realm_id=realm_id,
        )

    async def health(self) -> Health:
        connection = await self.current()
        token = await self._uow.session.get(OAuthToken, connection.realm_id) if connection else None
        if token is None:
            return Health(connection, None, None, None)
        return Health(connection, token.access_expires_at, token.refresh_expires_at, token.consent_expires_at)

    async def begin_consent(self, person: str, session: str | None) -> str:
        """A new `state`, which only this person can bring back, in the session that they are in now."""
        state = secrets.token_urlsafe(32)
        await self._uow.session.execute(delete(OAuthState).where(OAuthState.expires_at < wall_now()))
        expires_at = wall_now() + timedelta(minutes=STATE_MINUTES)
        self._uow.session.add(OAuthState(state_hash=_hashed(state, session), person=person, expires_at=expires_at))
        return state

    async def take_state(self, state: str, person: str, session: str | None) -> None:
        """Use it up. Raises StateRefused where it is another person's or session's, too old, or was used."""
        found = await self._uow.session.execute(
            delete(OAuthState)
            .where(
                OAuthState.state_hash == _hashed(state, session),
                OAuthState.person == person,
                OAuthState.expires_at >= wall_now(),
            )
            .returning(OAuthState.state_hash)
        )
        if found.scalar_one_or_none() is None:
            raise StateRefused(
                "This consent was begun by somebody else, in another sign-in or too long ago. Begin anew: connect"
                " QuickBooks."
            )

    async def check_company(self, realm_id: str) -> None:
        """Raises AnotherCompany: one installation keeps the books of one company at a time."""
        current = await self.current()
        if current and current.realm_id != realm_id and current.status is not ConnectionStatus.DISCONNECTED:
            raise AnotherCompany(
                f"{current.company_name or 'Another company'} is connected. Disconnect it first.",
                realm_id=current.realm_id,
            )

    async def connect(self, realm_id: str, tokens: Tokens, *, person: str) -> Connection:
        """Tokens are there: a new company, or an old one whose links and books are all still here."""
        await self.check_company(realm_id)
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True, populate_existing=True)
        if connection is None:
            connection = Connection(
                realm_id=realm_id,
                status=ConnectionStatus.CONNECTED,
                connected_by=person,
                connected_at=self._uow.now,
                status_at=self._uow.now,
                version=1,
            )
            self._uow.session.add(connection)
        elif not connection.move(ConnectionStatus.CONNECTED, now=self._uow.now):
            connection.touch()
        connection.connected_by, connection.connected_at = person, self._uow.now
        connection.last_error = connection.last_error_at = None
        await self._store(realm_id, tokens)
        await self._marks.begin(realm_id)
        self._uow.publish(
            ConnectionRestored(realm_id=realm_id, version=connection.version, since=self._uow.now, reason="consent")
        )
        self._uow.hint("quickbooks", realm_id, connection.version)
        return connection

    async def _store(self, realm_id: str, tokens: Tokens) -> None:
        row = await self._uow.session.get(OAuthToken, realm_id, with_for_update=True)
        if row is None:
            row = OAuthToken(realm_id=realm_id, version=0, refreshes=0)
            self._uow.session.add(row)
        row.version += 1
        row.consent_expires_at = None
        fill_tokens(row, tokens, self._seal)

    async def lose(self, realm_id: str, status: ConnectionStatus, reason: str) -> None:
        """QuickBooks no longer lets us in, or lets us write. What waits to be written is kept."""
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True)
        if connection is None or connection.status is ConnectionStatus.DISCONNECTED:
            return
        connection.last_error, connection.last_error_at = reason[:_MOST_ERROR], self._uow.now
        if connection.move(status, now=self._uow.now):
            self._uow.publish(
                ConnectionLost(realm_id=realm_id, version=connection.version, since=self._uow.now, reason=reason)
            )
            self._uow.hint("quickbooks", realm_id, connection.version)

    async def restore(self, realm_id: str) -> None:
        """A company that was suspended takes writes again."""
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True)
        if connection is not None and connection.status is ConnectionStatus.SUSPENDED:
            connection.move(ConnectionStatus.CONNECTED, now=self._uow.now)
            self._uow.publish(ConnectionRestored(realm_id=realm_id, version=connection.version, since=self._uow.now))
            self._uow.hint("quickbooks", realm_id, connection.version)

    async def disconnect(self) -> tuple[Connection, str | None]:
        """Forget the tokens; returns the refresh token, to be revoked at Intuit, where it can still be read."""
        connection = await self.active()
        connection.move(ConnectionStatus.DISCONNECTED, now=self._uow.now)
        token = await self._uow.session.get(OAuthToken, connection.realm_id, with_for_update=True)
        refresh = None
        if token is not None:
            refresh = self._opened_refresh(token)
            await self._uow.session.delete(token)
        self._uow.publish(
            ConnectionLost(
                realm_id=connection.realm_id, version=connection.version, since=self._uow.now, reason="disconnected"
            )
        )
        self._uow.hint("quickbooks", connection.realm_id, connection.version)
        return connection, refresh

    def _opened_refresh(self, token: OAuthToken) -> str | None:
        try:
            return self._seal.open(token.sealed_refresh, context=refresh_context(token.realm_id)).decode()
        except SealBroken:
            # Whoever lost the key has to be able to disconnect and consent anew. It dies at Intuit by its age.
            log.warning("quickbooks.token_not_revoked", realm_id=token.realm_id, reason="the key does not open it")
            return None

    async def describe(self, realm_id: str, company: CompanySeen) -> None:
        """What the company says of itself, read at connect and daily."""
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True)
        if connection is None:
            return
        connection.company_name = company.name or connection.company_name
        connection.zone = company.zone or connection.zone
        connection.currency, connection.closed_until = company.currency, company.closed_until
        connection.preferences = {
            "has_own_numbers": company.has_own_numbers,
            "uses_sales_tax": company.uses_sales_tax,
            "takes_payments": company.takes_payments,
        }

    async def record_sync(self, realm_id: str) -> None:
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True)
        if connection is not None:
            connection.last_sync_at = self._uow.now

    async def record_error(self, realm_id: str, error: str) -> None:
        connection = await self._uow.session.get(Connection, realm_id, with_for_update=True)
        if connection is not None:
            connection.last_error, connection.last_error_at = error[:_MOST_ERROR], self._uow.now


def fill_tokens(row: OAuthToken, tokens: Tokens, seal: Seal) -> None:
    now = wall_now()
    row.sealed_access = seal.seal(tokens.access.encode(), context=access_context(row.realm_id))
    row.sealed_refresh = seal.seal(tokens.refresh.encode(), context=refresh_context(row.realm_id))
    row.access_expires_at = now + timedelta(seconds=tokens.access_seconds)
    row.refresh_expires_at = now + timedelta(seconds=tokens.refresh_seconds)
    if tokens.consent_seconds is not None:
        row.consent_expires_at = now + timedelta(seconds=tokens.consent_seconds)
    row.refreshed_at = now


def _hashed(state: str, session: str | None) -> str:
    return hashlib.sha256(f"{state} {session or ''}".encode()).hexdigest()


class Connector:
    """Consent and disconnect: what needs Intuit between two transactions."""

    def __init__(self, begin: Begin, grants: Grants) -> None:
        self._begin = begin
        self._grants = grants

    async def begin_consent(self, *, person: str, session: str | None) -> str:
        """Where the person's browser goes to consent."""
        async with self._begin() as tx:
            state = await (await tx.aget(ConnectionService)).begin_consent(person, session)
        return self._grants.authorize_address(state)

    async def complete(self, *, state: str, code: str, realm_id: str, person: str, session: str | None) -> Connection:
        """What the browser brought back. Raises StateRefused, AnotherCompany or ConsentRefused."""
        async with self._begin() as tx:
            service = await tx.aget(ConnectionService)
            await service.take_state(state, person, session)
            await service.check_company(realm_id)
        try:
            tokens = await self._grants.exchange(code)
        except GrantRefused as error:
            raise ConsentRefused(
                "Intuit does not take this consent any more. Begin anew: connect QuickBooks."
            ) from error
        async with self._begin() as tx:
            return await (await tx.aget(ConnectionService)).connect(realm_id, tokens, person=person)

    async def disconnect(self) -> Connection:
        """Forgotten here first: should Intuit not answer, the token lies nowhere any more."""
        async with self._begin() as tx:
            connection, refresh = await (await tx.aget(ConnectionService)).disconnect()
        if refresh is not None:
            await self._grants.revoke(refresh)
        return connection
