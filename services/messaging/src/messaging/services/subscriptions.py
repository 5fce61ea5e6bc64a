"""Our webhook subscription at the provider, and the keys whose signatures we accept."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import structlog
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderError
from shared.ids import uuid7
from shared.sealing import Seal, SealBroken
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from messaging.models import Scheme, WebhookSubscription
from messaging.provider import Subscribed, Subscriber
from messaging.settings import MessagingSettings

log = structlog.get_logger(__name__)

FRESH_SECONDS = 1.0
_ONE_AT_A_TIME = text("SELECT pg_try_advisory_lock(hashtext('webhook_subscription'))")
_RELEASE = text("SELECT pg_advisory_unlock(hashtext('webhook_subscription'))")

K = TypeVar("K")

SEALED_FOR = "webhook key"


class AcceptedKeys(Generic[K]):
    """The keys of the settings and of our subscriptions, in the form in which `build` checks signatures.

    Read again when a signature does not fit, at most once a second: a subscription may just have been made.
    """

    def __init__(
        self, begin: Begin, seal: Seal, settings: MessagingSettings, build: Callable[[Iterable[str]], K]
    ) -> None:
        self._begin = begin
        self._seal = seal
        self._fixed = settings.webhook_keys
        self._build = build
        self._keys = build(self._fixed)
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @property
    def current(self) -> K:
        return self._keys

    async def newer_than(self, tried: K) -> K | None:
        """The keys as they are now; None where they were read a moment ago and are those that were tried."""
        async with self._reading:
            if self._keys is not tried:
                return self._keys  # Another delivery's failure has brought them meanwhile.
            if time.monotonic() < self._read_at + FRESH_SECONDS:
                return None
            async with self._begin() as tx:
                rows = await (await tx.aget(AsyncSession)).scalars(select(WebhookSubscription.sealed_key))
                opened = [_opened(self._seal, sealed) for sealed in rows]
            self._keys = self._build([*self._fixed, *filter(None, opened)])
            self._read_at = time.monotonic()
            return self._keys


class SubscriptionProcess:
    """Makes sure that the provider sends us its events, and that we can check them."""

    def __init__(
        self, begin: Begin, engine: AsyncEngine, provider: Subscriber, seal: Seal, settings: MessagingSettings
    ) -> None:
        self._begin = begin
        self._engine = engine
        self._provider = provider
        self._seal = seal
        self._url = settings.webhook_url
        self._has_fixed_keys = bool(settings.webhook_keys)

    async def run_once(self) -> int:
        """Subscribe where no subscription with a known key is there. Returns 0: there is never more to do at once."""
        if not self._url:
            return 0
        # The lock is held by a connection of its own, outside any transaction: calls of the provider stand in between.
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            if not (await connection.execute(_ONE_AT_A_TIME)).scalar_one():
                return 0
            try:
                await self._ensure()
            except ProviderError as error:
                log.warning("subscription.put_off", error=error.message)
            finally:
                await connection.execute(_RELEASE)
        return 0

    async def _ensure(self) -> None:
        listed = {item for item, url in await self._provider.list_subscriptions() if url == self._url}
        async with self._begin() as tx:
            ours = (await (await tx.aget(AsyncSession)).scalars(select(WebhookSubscription))).all()
        usable = {row.provider_id for row in ours if _opened(self._seal, row.sealed_key) is not None}
        if listed & usable or (listed and self._has_fixed_keys):
            return
        for provider_id in listed:
            # Its key was lost before it was stored here: its deliveries could never be verified.
            await self._provider.unsubscribe(provider_id)
        await self._store(await self._provider.subscribe(self._url))

    async def _store(self, made: Subscribed) -> None:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            await uow.session.execute(delete(WebhookSubscription))
            uow.session.add(
                WebhookSubscription(
                    id=uuid7(),
                    scheme=Scheme(made.scheme),
                    provider_id=made.provider_id,
                    url=made.url,
                    sealed_key=self._seal.seal_text(made.key, context=SEALED_FOR),
                    created_at=uow.now,
                )
            )
        log.info("subscription.made", scheme=made.scheme, subscription=made.provider_id)


def _opened(seal: Seal, sealed: str) -> str | None:
    """None where another secret sealed it: the secret was changed meanwhile."""
    try:
        return seal.open_text(sealed, context=SEALED_FOR)
    except SealBroken:
        return None
