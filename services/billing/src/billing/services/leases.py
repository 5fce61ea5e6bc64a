"""A mark is held for as long as the work on it takes, and hardly longer than whoever holds it lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from shared.database import Begin, UnitOfWork
from shared.errors import AppError, ProviderError
from shared.log import said_of
from sqlalchemy.exc import SQLAlchemyError

from billing.provider import CompanySuspended, NotConnected, QuickBooksRefused
from billing.services.connections import ConnectionService
from billing.services.marks import MarkService
from billing.settings import Settings

log = structlog.get_logger(__name__)

RETRY = timedelta(seconds=30)
RETRY_REFUSED = timedelta(minutes=10)
"""After a refusal, which will hardly be another one half a minute later."""
LONGEST_SECONDS = 3600.0
"""Nothing takes so long: whoever still holds a mark then hangs, and others may have it."""


@dataclass
class Held:
    """The mark that is held now, and what was done meanwhile."""

    realm_id: str
    name: str
    done: int = 0


class Leases:
    """Renews what is held every third of a lease: a reading may take long, and what a dead reader held is soon free.

    One whose lease ran out all the same was frozen, or could not reach the database. Another one reads then, too, and
    may be given back by the first: the same is read twice, which does no harm, as every state that is taken over is
    compared with the one that stands.
    """

    def __init__(self, begin: Begin, settings: Settings) -> None:
        self._begin = begin
        self._pause = settings.reading_lease_seconds / 3

    @asynccontextmanager
    async def kept(self, held: Held) -> AsyncIterator[None]:
        """While this lasts, the mark that `held` names is ours; giving it back ends that too."""
        renewing = asyncio.create_task(self._renew(held))
        try:
            yield
        finally:
            renewing.cancel()
            [ended] = await asyncio.gather(renewing, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("sync.renewing_failed", realm_id=held.realm_id, mark=held.name, exc_info=ended)

    async def _renew(self, held: Held) -> None:
        for _ in range(int(LONGEST_SECONDS / self._pause)):
            await asyncio.sleep(self._pause)
            try:
                async with self._begin() as tx:
                    await (await tx.aget(MarkService)).renew(held.realm_id, held.name)
            except (SQLAlchemyError, OSError) as error:
                log.warning("sync.lease_not_renewed", realm_id=held.realm_id, mark=held.name, error=said_of(error))
        log.error("sync.hangs", realm_id=held.realm_id, mark=held.name)

    @asynccontextmanager
    async def holding(self, realm_id: str, name: str) -> AsyncIterator[Held]:
        """Work on a mark: it is given back where that fails, with what failed, and taken again a little later.

        What QuickBooks cannot do now ends here; anything else goes on to the job loop, which logs it.
        """
        held = Held(realm_id, name)
        try:
            async with self.kept(held):
                yield held
        except Exception as error:
            await self._put_off(held, error)
            if not isinstance(error, ProviderError | NotConnected):
                raise

    async def _put_off(self, held: Held, error: Exception) -> None:
        words = error.message if isinstance(error, AppError) else said_of(error)
        is_refused = isinstance(error, QuickBooksRefused) and not isinstance(error, CompanySuspended)
        pause = RETRY_REFUSED if is_refused else RETRY
        log.info("sync.put_off", realm_id=held.realm_id, mark=held.name, error=words)
        async with self._begin() as tx:
            uow, marks = await tx.aget(UnitOfWork), await tx.aget(MarkService)
            await marks.give_back(held.realm_id, held.name, due_at=uow.now + pause, error=words)
            await (await tx.aget(ConnectionService)).record_error(held.realm_id, words)
