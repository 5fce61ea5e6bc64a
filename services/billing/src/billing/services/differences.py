"""Every night our books are compared with QuickBooks's: what differs is explained line by line, and mended."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from prometheus_client import Gauge
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderOutcomeUnknown, ProviderUnavailable
from shared.failpoints import failpoint
from shared.ids import uuid7
from sqlalchemy import func, select

from billing.aging import differing
from billing.models import (
    Connection,
    CreditMemo,
    Customer,
    DifferenceRun,
    Estimate,
    Form,
    Invoice,
    Item,
    Payment,
    Push,
    Term,
)
from billing.provider import (
    CreditMemoSeen,
    CustomerSeen,
    EstimateSeen,
    FormSeen,
    Garbled,
    InvoiceSeen,
    ItemSeen,
    PaymentSeen,
    QuickBooksRefused,
    RefundSeen,
    Seen,
    TermSeen,
)
from billing.queries import owed_by_customer
from billing.services.leases import Leases
from billing.services.marks import DIFFERENCES, MarkService
from billing.services.pulling import PAGE
from billing.services.reading import Reader
from billing.settlement import company_day
from billing.states import PaymentKind, PushState

log = structlog.get_logger(__name__)

DIFFERING = Gauge("crm_quickbooks_differences", "Lines of the last comparison with QuickBooks")
EVERY = timedelta(days=1)
REPORT = "AgedReceivables"
_MODELS: dict[str, type[Any]] = {
    "Term": Term,
    "Item": Item,
    "Customer": Customer,
    "Estimate": Estimate,
    "Invoice": Invoice,
    "CreditMemo": CreditMemo,
    "Payment": Payment,
    "RefundReceipt": Payment,
}
Line = dict[str, str | None]


def theirs_of(seen: Seen) -> dict[str, str]:
    """What is compared, as QuickBooks has it."""
    match seen:
        case CustomerSeen():
            return {"name": seen.display_name, "active": str(seen.is_active)}
        case ItemSeen():
            return {"name": seen.name, "active": str(seen.is_active), "price": _plain(seen.unit_price)}
        case TermSeen():
            return {"name": seen.name, "active": str(seen.is_active)}
        case InvoiceSeen():
            return _form(seen) | {"balance": str(seen.balance_cents), "due": str(seen.due_on)}
        case EstimateSeen():
            return _form(seen)
        case CreditMemoSeen():
            return {"total": str(seen.total_cents), "remaining": str(seen.remaining_cents)}
        case PaymentSeen():
            return {"amount": str(seen.amount_cents), "unapplied": str(seen.unapplied_cents)}
        case RefundSeen():
            return {"amount": str(-seen.amount_cents)}
    return {}


def ours_of(row: Any) -> dict[str, str]:
    """The same, as we have it."""
    match row:
        case Customer():
            return {"name": row.display_name, "active": str(row.is_active)}
        case Item():
            return {"name": row.name, "active": str(row.is_active), "price": _plain(row.unit_price)}
        case Term():
            return {"name": row.name, "active": str(row.is_active)}
        case Invoice():
            return _form(row) | {"balance": str(row.balance_cents), "due": str(row.due_on)}
        case Estimate():
            return _form(row)
        case CreditMemo():
            return {"total": str(row.total_cents), "remaining": str(row.remaining_cents)}
        case Payment(kind=PaymentKind.PAYMENT):
            return {"amount": str(row.amount_cents), "unapplied": str(row.unapplied_cents)}
    return {"amount": str(row.amount_cents)}


def _form(one: FormSeen | Form) -> dict[str, str]:
    return {"total": str(one.total_cents), "number": one.number or "", "date": str(one.written_on)}


def _plain(price: Decimal | None) -> str:
    return "" if price is None else format(price.normalize(), "f")


class DifferenceService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def compare(self, realm_id: str, entity: str, seen: Sequence[Seen]) -> list[Line]:
        """One line for each figure of these objects that we have otherwise, or not at all."""
        rows = await self._rows(realm_id, entity, [one.id for one in seen])
        lines: list[Line] = []
        for one in seen:
            row = rows.get(one.id)
            if isinstance(one, Garbled):
                lines.append(_line(entity, one.id, None, "cannot be read", None, one.error))
                continue
            if row is None:
                lines.append(_line(entity, one.id, getattr(one, "number", None), "missing here", None, "there"))
                continue
            ours = ours_of(row)
            lines += [
                _line(entity, one.id, getattr(row, "number", None), name, ours.get(name), value)
                for name, value in theirs_of(one).items()
                if ours.get(name) != value
            ]
        return lines

    async def missing_there(self, realm_id: str, entity: str, known: set[str]) -> list[Line]:
        """Ours that QuickBooks did not list; what was deleted there stands here as deleted."""
        model = _MODELS[entity]
        statement = select(model).where(model.realm_id == realm_id, model.qb_id.is_not(None))
        if model is Payment:
            statement = statement.where(Payment.kind == _kind(entity), ~Payment.is_deleted)
        elif issubclass(model, Form):
            statement = statement.where(~model.is_deleted)
        else:
            statement = statement.where(model.is_active)
        rows = (await self._uow.session.scalars(statement)).all()
        return [
            _line(entity, row.qb_id, getattr(row, "number", None), "missing there", "here", None)
            for row in rows
            if row.qb_id not in known
        ]

    async def _rows(self, realm_id: str, entity: str, ids: Sequence[str]) -> dict[str, Any]:
        model = _MODELS[entity]
        statement = select(model).where(model.realm_id == realm_id, model.qb_id.in_(ids))
        if model is Payment:
            statement = statement.where(Payment.kind == _kind(entity))
        return {row.qb_id: row for row in await self._uow.session.scalars(statement)}

    async def waiting(self, realm_id: str) -> list[Line]:
        """What we have and QuickBooks has not, because it is still to be written there."""
        rows = await self._uow.session.execute(
            select(Push.kind, Push.state, func.count(), func.min(Push.error))
            .where(Push.realm_id == realm_id, Push.state.in_((PushState.PENDING, PushState.FAILED)))
            .group_by(Push.kind, Push.state)
        )
        return [
            {
                "entity": kind.value,
                "qb_id": None,
                "number": None,
                "what": f"{count} to be written",
                "ours": str(count),
                "theirs": None,
                "explanation": "waits to be written"
                if state is PushState.PENDING
                else f"could not be written: {error}",
            }
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


def _kind(entity: str) -> PaymentKind:
    return PaymentKind.PAYMENT if entity == "Payment" else PaymentKind.REFUND


def _line(entity: str, qb_id: str | None, number: str | None, what: str, ours: str | None, theirs: str | None) -> Line:
    return {
        "entity": entity,
        "qb_id": qb_id,
        "number": number,
        "what": what,
        "ours": ours,
        "theirs": theirs,
        "explanation": "",
    }


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
                await (await tx.aget(MarkService)).give_back(realm_id, DIFFERENCES, due_at=started_at + EVERY)
            DIFFERING.set(len(lines))
            log.info("differences.compared", realm_id=realm_id, lines=len(lines), **compared)
            held.done = 1
        return held.done

    async def _compare(self, realm_id: str) -> tuple[dict[str, int], list[Line]]:
        books, compared, lines = self._reader.books(realm_id), Counter[str](), list[Line]()
        for entity in _MODELS:
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
            return [_line(REPORT, None, None, "cannot be read", None, None) | {"explanation": error.message}]
        async with self._begin() as tx:
            session = (await tx.aget(UnitOfWork)).session
            ours = await owed_by_customer(session, realm_id, home)
        return [
            _line(REPORT, one.customer, None, "owed", str(one.ours), str(one.theirs)) | {"explanation": one.explanation}
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
        await self._reader.take(realm_id, found)
        async with self._begin() as tx:
            service = await tx.aget(DifferenceService)
            still: set[tuple[str, str]] = set()
            for entity, seen in found.items():
                present = [one for one in seen if not one.is_deleted]
                still |= {(entity, str(line["qb_id"])) for line in await service.compare(realm_id, entity, present)}
        for line in lines:
            is_mended = (str(line["entity"]), str(line["qb_id"])) not in still
            line["explanation"] = "it had been missed, and was read again" if is_mended else "still differs: look at it"
