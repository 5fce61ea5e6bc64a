"""Access tokens: refreshed one at a time per company, and never used before they are committed."""

import asyncio
from collections import defaultdict
from datetime import timedelta

import structlog
from prometheus_client import Counter
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.failpoints import failpoint
from shared.sealing import Seal, SealBroken
from sqlalchemy import select, update

from billing.models import OAuthToken
from billing.provider import GrantRefused, Grants, NotConnected, Tokens
from billing.services.connections import ConnectionService, access_context, fill_tokens, refresh_context
from billing.settings import Settings
from billing.states import ConnectionStatus

log = structlog.get_logger(__name__)

REFRESHES = Counter("crm_quickbooks_refreshes_total", "Token refreshes by how they ended", ["outcome"])

_KEPT = (
    "sealed_access", "sealed_refresh", "access_expires_at", "refresh_expires_at", "consent_expires_at", "refreshed_at",
)  # fmt: skip
RECONNECT = "QuickBooks no longer lets us in. Reconnect QuickBooks under Settings; what waits to be written is kept."


class TokenKeeper:
    """Gives out access tokens of any company.

    A refresh holds the row's lock while Intuit is asked: the one call to a provider within a transaction. A second
    refresh at the same time would be refused, and may cost the winner its tokens too (reference, section 2.5); so
    whoever comes second has to wait for the commit of the first, in whichever process it runs (ADR 4).
    """

    def __init__(self, begin: Begin, grants: Grants, seal: Seal, settings: Settings) -> None:
        self._begin = begin
        self._grants = grants
        self._seal = seal
        self._margin = timedelta(seconds=settings.token_margin_seconds)
        # Those of one process queue here, so that they do not hold a connection each while they wait.
        self._queues: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._refreshing: set[asyncio.Task[str]] = set()

    async def token(self, realm_id: str, rejected: str | None = None) -> str:
        """A token that lives for a while. `rejected` is one that QuickBooks would not take.

        Raises NotConnected, or ProviderUnavailable where Intuit cannot be asked now.
        """
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            row = await uow.session.get(OAuthToken, realm_id)
            usable = self._usable(row, rejected)
        if usable is not None:
            return usable
        # Whoever gives up waiting must not end a refresh that Intuit may have answered: the new pair would be lost.
        refreshing = asyncio.create_task(self._queued(realm_id, rejected))
        self._refreshing.add(refreshing)
        refreshing.add_done_callback(self._refreshing.discard)
        return await asyncio.shield(refreshing)

    async def _queued(self, realm_id: str, rejected: str | None) -> str:
        async with self._queues[realm_id]:
            return await self._refreshed(realm_id, rejected)

    async def _refreshed(self, realm_id: str, rejected: str | None) -> str:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            row = await uow.session.scalar(select(OAuthToken).where(OAuthToken.realm_id == realm_id).with_for_update())
            if row is None:
                raise NotConnected
            usable = self._usable(row, rejected)
            if usable is not None:
                return usable
            tokens = await self._ask(row)
            if tokens is not None:
                failpoint("refresh.after_answer")
                await self._keep(uow, row, tokens)
            else:
                connections = await tx.aget(ConnectionService)
                await connections.lose(realm_id, ConnectionStatus.NEEDS_RECONNECT, RECONNECT)
        if tokens is None:
            raise NotConnected(RECONNECT)
        return tokens.access

    async def _ask(self, row: OAuthToken) -> Tokens | None:
        """None where a person has to consent again."""
        try:
            refresh = self._seal.open(row.sealed_refresh, context=refresh_context(row.realm_id)).decode()
            tokens = await self._grants.refresh(refresh)
        except GrantRefused as error:
            REFRESHES.labels("refused").inc()
            log.error("quickbooks.refresh_refused", realm_id=row.realm_id, reason=str(error))
            return None
        except SealBroken:
            log.error("quickbooks.seal_broken", realm_id=row.realm_id)
            return None
        REFRESHES.labels("done").inc()
        return tokens

    async def _keep(self, uow: UnitOfWork, row: OAuthToken, tokens: Tokens) -> None:
        read = row.version
        fill_tokens(row, tokens, self._seal)
        values = {name: getattr(row, name) for name in _KEPT}
        uow.session.expunge(row)
        # The lock makes this sure; the version makes it impossible to be otherwise.
        kept = await uow.session.execute(
            update(OAuthToken)
            .where(OAuthToken.realm_id == row.realm_id, OAuthToken.version == read)
            .values(**values, version=read + 1, refreshes=OAuthToken.refreshes + 1)
            .returning(OAuthToken.version)
        )
        kept.scalar_one()

    def _usable(self, row: OAuthToken | None, rejected: str | None) -> str | None:
        if row is None:
            raise NotConnected
        if row.access_expires_at - self._margin <= wall_now():
            return None
        try:
            access = self._seal.open(row.sealed_access, context=access_context(row.realm_id)).decode()
        except SealBroken:
            return None
        return None if access == rejected else access
