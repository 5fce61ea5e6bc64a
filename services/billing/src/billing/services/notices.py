"""What webhooks tell: stored before they are answered, read per company in their order, afterwards."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import Counter
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderUnavailable
from shared.failpoints import failpoint
from shared.ids import uuid7
from shared.log import said_of
from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from billing.models import DeliveryState, Notice, WebhookDelivery
from billing.provider import ENTITIES, CompanySuspended, NotConnected
from billing.services.connections import ConnectionService
from billing.services.leases import Held, Leases
from billing.services.marks import COMPANY, NOTICE_CHANNEL, NOTICES, MarkService
from billing.services.mirror import MirrorService
from billing.services.reading import Reader

log = structlog.get_logger(__name__)

REFUSED = Counter("crm_quickbooks_webhooks_refused_total", "Webhooks whose signature was not valid")
UNREADABLE = Counter("crm_quickbooks_webhooks_unreadable_total", "Signed webhooks that hold no payload we know")
GIVEN_UP = Counter("crm_quickbooks_notices_given_up_total", "Changes that could not be mirrored after several tries")

BATCH = 100
MOST_ATTEMPTS = 8
_RETRY_SECONDS = 2.0
PAUSE = timedelta(seconds=2)
WAITS = (NotConnected, CompanySuspended, ProviderUnavailable)
"""What says nothing about a change, only about this moment."""


class NoticeService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def keep(self, body: bytes, changes: Sequence[dict[str, Any]], *, error: str | None = None) -> None:
        """Make a delivery durable with the changes that it tells of (columns of Notice); a repeat adds nothing."""
        digest = hashlib.sha256(body).hexdigest()
        state = DeliveryState.FAILED if error and not changes else DeliveryState.PROCESSED
        now = wall_now()
        delivery = {"id": uuid7(), "digest": digest, "body": body, "received_at": now, "state": state, "error": error}
        await self._uow.session.execute(insert(WebhookDelivery).values(delivery).on_conflict_do_nothing())
        rows = sorted(
            ({**change, "received_at": now, "attempts": 0} for change in changes), key=lambda r: r["event_id"]
        )
        if rows:
            # Row by row: one statement has room for fewer than a delivery may bring.
            await self._uow.session.execute(insert(Notice).on_conflict_do_nothing(), rows)
            self._uow.wake(NOTICE_CHANNEL)

    async def pending(self, realm_id: str) -> list[Notice]:
        """The next ones of a company, but for those that wait for another try: each is read as it is by then."""
        rows = await self._uow.session.scalars(
            select(Notice)
            .where(
                Notice.realm_id == realm_id,
                Notice.processed_at.is_(None),
                or_(Notice.next_try_at.is_(None), Notice.next_try_at <= wall_now()),
            )
            .order_by(Notice.seq)
            .limit(BATCH)
        )
        return list(rows)

    async def realms(self) -> list[str]:
        """Companies of which changes are pending."""
        rows = await self._uow.session.scalars(
            select(Notice.realm_id)
            .where(Notice.processed_at.is_(None), or_(Notice.next_try_at.is_(None), Notice.next_try_at <= wall_now()))
            .distinct()
        )
        return list(rows)

    async def settle(self, notices: Sequence[Notice], error: str | None = None) -> None:
        for notice in notices:
            row = await self._uow.session.get_one(Notice, notice.seq, with_for_update=True)
            row.attempts += 1
            row.error = error
            if error is None:
                row.processed_at = self._uow.now
            elif row.attempts >= MOST_ATTEMPTS:
                row.processed_at = self._uow.now
                GIVEN_UP.inc()
                log.error("notice.given_up", notice=row.event_id, error=error)
            else:
                row.next_try_at = wall_now() + timedelta(seconds=_RETRY_SECONDS * 2**row.attempts)


class NoticeProcess:
    """Reads what changed, a company at a time, one worker at a time for each."""

    def __init__(self, begin: Begin, reader: Reader, leases: Leases) -> None:
        self._begin = begin
        self._reader = reader
        self._leases = leases

    async def run_once(self) -> int:
        async with self._begin() as tx:
            service, marks = await tx.aget(NoticeService), await tx.aget(MarkService)
            realms = await service.realms()
            realm_id = await marks.take_first(realms, NOTICES) if realms else None
            if realm_id is None:
                return 0
            notices = await service.pending(realm_id)
        pause = timedelta()
        try:
            async with self._leases.kept(Held(realm_id, NOTICES)):
                return await self._process(realm_id, notices)
        except WAITS as error:
            # Nothing is wrong with the changes: they wait until QuickBooks can be read.
            pause = PAUSE
            async with self._begin() as tx:
                await (await tx.aget(ConnectionService)).record_error(realm_id, error.message)
            return 0
        finally:
            async with self._begin() as tx:
                await (await tx.aget(MarkService)).pause(realm_id, NOTICES, pause)

    async def _process(self, realm_id: str, notices: Sequence[Notice]) -> int:
        try:
            await self._mirror(realm_id, notices)
            failpoint("notices.before_settle")
            await self._settle(notices)
        except WAITS:
            raise
        except Exception as error:
            if len(notices) == 1:
                log.warning("notice.put_off", notice=notices[0].event_id, exc_info=error)
                await self._settle(notices, said_of(error))
                return 1
            # One of them cannot be mirrored: find it, and let the others through.
            for notice in notices:
                await self._process(realm_id, [notice])
        return len(notices)

    async def _mirror(self, realm_id: str, notices: Sequence[Notice]) -> None:
        for merge in (notice for notice in notices if notice.operation == "merged" and notice.gone_id):
            if merge.entity == "Customer":
                await self._merge(realm_id, merge)
        if any(notice.entity == "Preferences" for notice in notices):
            async with self._begin() as tx:
                await (await tx.aget(MarkService)).due(realm_id, COMPANY)
        found = {}
        for entity in ENTITIES:
            told = [notice for notice in notices if notice.entity == entity]
            ids = {one for notice in told for one in (notice.qb_id, notice.gone_id) if one}
            if ids:
                found[entity] = await self._reader.read(realm_id, entity, ids)
        if found:
            await self._reader.take(realm_id, found)

    async def _merge(self, realm_id: str, notice: Notice) -> None:
        kept, gone = notice.qb_id, str(notice.gone_id)
        await self._reader.take_again(realm_id, {"Customer": {kept}})
        async with self._begin() as tx:
            again = await (await tx.aget(MirrorService)).merge_customers(realm_id, kept, gone)
        await self._reader.take_again(realm_id, again)

    async def _settle(self, notices: Sequence[Notice], error: str | None = None) -> None:
        async with self._begin() as tx:
            await (await tx.aget(NoticeService)).settle(notices, error)
