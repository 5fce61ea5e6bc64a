"""Every night our books are compared with QuickBooks's: what differs is explained line by line, and mended."""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from prometheus_client import Gauge
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderOutcomeUnknown, ProviderUnavailable
from shared.failpoints import failpoint
from shared.ids import uuid7
from sqlalchemy import func, or_, select
from sqlalchemy.orm import aliased

from billing.aging import differing
from billing.differences import Known, Line, applied, compare, line_of
from billing.models import (
    Application,
    Connection,
    CreditMemo,
    Customer,
    DifferenceRun,
    Form,
    Invoice,
    Payment,
    Push,
    among,
)
from billing.provider import (
    ENTITIES,
    OfCustomer,
    QuickBooksRefused,
    Seen,
)
from billing.queries import owed_by_customer
from billing.services.leases import Leases
from billing.services.marks import DIFFERENCES, MarkService
from billing.services.mirrored import MODELS, is_of
from billing.services.pulling import PAGE
from billing.services.reading import Reader
from billing.settlement import company_day
from billing.states import UNSETTLED, PushKind, PushState

log = structlog.get_logger(__name__)

DIFFERING = Gauge("crm_quickbooks_differences", "Lines of the last comparison with QuickBooks")
REPORT = "AgedReceivables"


class DifferenceService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def compare(self, realm_id: str, entity: str, seen: Sequence[Seen]) -> list[Line]:
        """One line for each figure of these objects that we have otherwise, or not at all."""
        rows = await self._rows(realm_id, entity, [one.id for one in seen])
        return compare(entity, seen, rows, await self._known(realm_id, seen, rows.values()))

    async def _known(self, realm_id: str, seen: Sequence[Seen], rows: Collection[Any]) -> Known:
        first = next(iter(rows), None)
        ids = [row.id for row in rows]
        if isinstance(first, Customer):
            return Known(waiting=await self._waiting(ids, PushKind.UPDATE_CUSTOMER))
        if not isinstance(first, Form | Payment):
            return Known()
        named = [one.customer for one in seen if isinstance(one, OfCustomer)]
        customers = await self._customers(realm_id, named, [row.customer_id for row in rows])
        return Known(
            customers={customer_id: kept for customer_id, _, kept in customers},
            became={qb_id: kept for _, qb_id, kept in customers},
            applied=await self._applied(ids) if isinstance(first, Payment) else {},
            waiting=await self._waiting(ids, PushKind.MARK_ESTIMATE),
        )

    async def _customers(
        self, realm_id: str, named: Collection[str], ids: Collection[UUID]
    ) -> list[tuple[UUID, str, str]]:
        """Of each: our id, QuickBooks's, and that of whom they became, over however many merges."""
        one = select(Customer.id, Customer.qb_id, Customer.id.label("kept_id")).where(
            Customer.realm_id == realm_id, or_(among(Customer.qb_id, named), among(Customer.id, ids))
        )
        way = one.cte("way", recursive=True)
        kept = aliased(Customer)
        further = select(way.c.id, way.c.qb_id, kept.merged_into_id).join(kept, kept.id == way.c.kept_id)
        way = way.union(further.where(kept.merged_into_id.is_not(None)))
        found = await self._uow.session.execute(
            select(way.c.id, way.c.qb_id, kept.qb_id)
            .join(kept, kept.id == way.c.kept_id)
            .where(kept.merged_into_id.is_(None))
        )
        return [(row_id, qb_id or "", kept_id or "") for row_id, qb_id, kept_id in found]

    async def _applied(self, payment_ids: Collection[UUID]) -> dict[UUID, str]:
        shares: dict[UUID, list[tuple[str, str, int]]] = defaultdict(list)
        rows = await self._uow.session.execute(
            select(Application.payment_id, Invoice.qb_id, CreditMemo.qb_id, Application.amount_cents)
            .outerjoin(Invoice, Invoice.id == Application.invoice_id)
            .outerjoin(CreditMemo, CreditMemo.id == Application.credit_memo_id)
            .where(among(Application.payment_id, payment_ids))
            .order_by(Application.payment_id, Application.position)
        )
        for payment_id, invoice, memo, cents in rows:
            shares[payment_id].append(("Invoice", invoice, cents) if invoice else ("CreditMemo", memo or "", cents))
        return {payment_id: applied(found) for payment_id, found in shares.items()}

    async def _waiting(self, ids: Collection[UUID], kind: PushKind) -> frozenset[UUID]:
        found = await self._uow.session.scalars(
            select(Push.target_id).where(
                among(Push.target_id, ids),
                Push.kind == kind,
                Push.state.in_(UNSETTLED),
            )
        )
        return frozenset(found)

    async def missing_there(self, realm_id: str, entity: str, known: set[str]) -> list[Line]:
        """Ours that QuickBooks did not list; what was deleted there stands here as deleted."""
        model = MODELS[entity]
        statement = select(model).where(is_of(realm_id, entity), model.qb_id.is_not(None))
        if issubclass(model, Form | Payment):
            statement = statement.where(~model.is_deleted)
        else:
            statement = statement.where(model.is_active)
        rows = (await self._uow.session.scalars(statement)).all()
        return [
            line_of(entity, row.qb_id, "missing there", number=getattr(row, "number", None), ours="here")
            for row in rows
            if row.qb_id not in known
        ]

    async def _rows(self, realm_id: str, entity: str, ids: Sequence[str]) -> dict[str, Any]:
        model = MODELS[entity]
        statement = select(model).where(is_of(realm_id, entity), among(model.qb_id, ids))
        return {row.qb_id: row for row in await self._uow.session.scalars(statement)}

    async def waiting(self, realm_id: str) -> list[Line]:
        """What we have and QuickBooks has not, because it is still to be written there."""
        rows = await self._uow.session.execute(
            select(Push.kind, Push.state, func.count(), func.min(Push.error))
            .where(Push.realm_id == realm_id, Push.state.in_(UNSETTLED))
            .group_by(Push.kind, Push.state)
        )
        return [
            line_of(
                kind.value,
                None,
                f"{count} to be written",
                ours=str(count),
                explanation="waits to be written" if state is PushState.PENDING else f"could not be written: {error}",
            )
            for kind, state, count, error in rows
        ]

    async def keep(self, realm_id: str, started_at: datetime, compared: dict[str, int], lines: list[Line]) -> None:
        self._uow.session.add(
            DifferenceRun(
                id=uuid7(),
                realm_id=realm_id,
                started_at=started_at,
                finished_at=self._uow.now,
                compared=compared,
                lines=lines,
            )
        )


class DifferenceProcess:
    """Reads everything, page by page, compares, reads what differed again, and keeps what is to be said about it."""

    def __init__(self, begin: Begin, reader: Reader, leases: Leases) -> None:
        self._begin = begin
        self._reader = reader
        self._leases = leases

    async def run_once(self) -> int:
        async with self._begin() as tx:
            uow, marks = await tx.aget(UnitOfWork), await tx.aget(MarkService)
            mark = await marks.take(DIFFERENCES)
            started_at = uow.now
        if mark is None:
            return 0
        realm_id = mark.realm_id
        async with self._leases.holding(realm_id, DIFFERENCES) as held:
            compared, lines = await self._compare(realm_id)
            failpoint("differences.before_keep")
            async with self._begin() as tx:
                service = await tx.aget(DifferenceService)
                lines += await service.waiting(realm_id)
                await service.keep(realm_id, started_at, compared, lines)
                await (await tx.aget(MarkService)).compared(realm_id, started_at)
            DIFFERING.set(len(lines))
            log.info("differences.compared", realm_id=realm_id, lines=len(lines), **compared)
            held.done = 1
        return held.done

    async def _compare(self, realm_id: str) -> tuple[dict[str, int], list[Line]]:
        books, compared, lines = self._reader.books(realm_id), Counter[str](), list[Line]()
        for entity in ENTITIES:
            known: set[str] = set()
            position = 1
            while True:
                page = await books.page(entity, position, PAGE)
                async with self._begin() as tx:
                    lines += await (await tx.aget(DifferenceService)).compare(realm_id, entity, page)
                known |= {one.id for one in page}
                position += len(page)
                if len(page) < PAGE:
                    break
            async with self._begin() as tx:
                lines += await (await tx.aget(DifferenceService)).missing_there(realm_id, entity, known)
            compared[entity] = len(known)
        await self._mend(realm_id, lines)
        return dict(compared), lines + await self._aging(realm_id)

    async def _aging(self, realm_id: str) -> list[Line]:
        """What customers owe, against QuickBooks's own report: it is worked out otherwise than from what we read.

        Where it cannot be had, the rest of the comparison stands: nothing of that is read again for its sake.
        """
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            connection = await uow.session.get_one(Connection, realm_id)
            today, home = company_day(uow.now, connection.zone), connection.currency
        try:
            report = await self._reader.books(realm_id).owed(today)
        except (QuickBooksRefused, ProviderOutcomeUnknown, ProviderUnavailable) as error:
            return [line_of(REPORT, None, "cannot be read", explanation=error.message)]
        async with self._begin() as tx:
            session = (await tx.aget(UnitOfWork)).session
            ours = await owed_by_customer(session, realm_id, home)
        return [
            line_of(
                REPORT, one.customer, "owed", ours=str(one.ours), theirs=str(one.theirs), explanation=one.explanation
            )
            for one in differing(ours, report)
        ]

    async def _mend(self, realm_id: str, lines: list[Line]) -> None:
        """Read again what differed: either it changed while we compared, or a webhook and the change feed missed it."""
        references: dict[str, set[str]] = {}
        for line in lines:
            references.setdefault(str(line["entity"]), set()).add(str(line["qb_id"]))
        if not references:
            return
        found = {entity: await self._reader.read(realm_id, entity, ids) for entity, ids in references.items()}
        await self._reader.take_or_note(realm_id, found)
        async with self._begin() as tx:
            service = await tx.aget(DifferenceService)
            still: set[tuple[str, str]] = set()
            for entity, seen in found.items():
                present = [one for one in seen if not one.is_deleted]
                still |= {(entity, str(line["qb_id"])) for line in await service.compare(realm_id, entity, present)}
        for line in lines:
            is_mended = (str(line["entity"]), str(line["qb_id"])) not in still
            line["explanation"] = "it had been missed, and was read again" if is_mended else "still differs: look at it"
