"""The composition root of contacts."""

import svcs
from shared.consuming import Consumption
from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from shared.registry import base_registry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.models import OPEN_STATUSES, ImportJob
from contacts.services.billing import BillingService
from contacts.services.contacts import ContactService
from contacts.services.import_engine import ImportEngine
from contacts.services.imports import ImportService
from contacts.services.lists import ListService
from contacts.services.money import MoneyTotals
from contacts.services.properties import PropertyService
from contacts.services.timeline import TimelineService
from contacts.services.uploads import AbandonedUploads, UploadProcess
from contacts.settings import ContactsSettings


class ImportBacklog(Backlog):
    """Rows of confirmed imports are the only work that waits here."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def counts(self) -> dict[str, int]:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            is_open = ImportJob.status.in_(OPEN_STATUSES)
            return {"imports": await session.scalar(select(func.count()).where(is_open)) or 0}


def create_registry(settings: ContactsSettings, consumes: tuple[Consumption, ...] = ()) -> svcs.Registry:
    registry = base_registry(settings, name="contacts", consumes=consumes)
    registry.provide(MoneyTotals, lambda c: MoneyTotals(c.get(UnitOfWork)))
    registry.provide(BillingService, lambda c: BillingService(*c.get(UnitOfWork, MoneyTotals)))
    registry.provide(ContactService, lambda c: ContactService(*c.get(UnitOfWork, MoneyTotals)))
    registry.provide(ImportService, lambda c: ImportService(c.get(UnitOfWork)))
    registry.provide(ListService, lambda c: ListService(c.get(UnitOfWork)))
    registry.provide(PropertyService, lambda c: PropertyService(c.get(UnitOfWork)))
    registry.provide(TimelineService, lambda c: TimelineService(c.get(UnitOfWork), c.get(ContactService)))
    registry.provide(UploadProcess, lambda c: UploadProcess(c.get(Begin), settings))
    registry.provide(AbandonedUploads, lambda c: AbandonedUploads(c.get(Begin)))
    registry.provide(ImportEngine, lambda c: ImportEngine(c.get(Begin), settings))
    registry.provide(Backlog, lambda c: ImportBacklog(c.get(Begin)))
    return registry
