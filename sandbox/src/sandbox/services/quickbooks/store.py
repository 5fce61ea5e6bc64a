"""A company's books in the database: objects, links between transactions, what an app is to hear of."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from shared.database import UnitOfWork
from simplejson import RawJSON
from sqlalchemy import Select, delete, func, or_, select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSessionTransaction

from sandbox.draw import draw, pick
from sandbox.models import QbCompany, QbEmail, QbEvent, QbLedgerEntry, QbLink, QbObject, QbRequest
from sandbox.quickbooks import faults
from sandbox.quickbooks.controls import EventFault, QuickBooksControls
from sandbox.quickbooks.derived import invoice_link
from sandbox.quickbooks.entities import TOLD, UNIQUE_NAMES, Kind
from sandbox.quickbooks.forms import ZERO, Desk, Document, object_number
from shared import decimal_json

FIRST_ID = 1
NOBODYS_ID = "999999999"
"""What test events are about: no company comes to have so many objects."""


class Store:
    """Lives for one transaction, in one company, whose row it has locked where anything is to be written."""

    def __init__(self, uow: UnitOfWork, company: QbCompany, controls: QuickBooksControls) -> None:
        self._session = uow.session
        self.now = uow.now
        self.company = company
        self.controls = controls

    @property
    def local_now(self) -> datetime:
        return self.now.astimezone(ZoneInfo(self.company.zone))

    def part(self) -> AsyncSessionTransaction:
        """A part of the transaction that may fail on its own."""
        return self._session.begin_nested()

    async def read_company_again(self) -> None:
        """After a part that failed: what it had changed of the company is not so."""
        await self._session.refresh(self.company)

    async def desk(self, body: Mapping[str, Any]) -> Desk:
        percent = self.company.preferences["TaxPrefs"]["UsingSalesTax"]
        closed = self.company.preferences["AccountingInfoPrefs"].get("BookCloseDate")
        term_ref = body.get("SalesTermRef") or {}
        term = await self.find("Term", term_ref.get("value")) if term_ref else None
        return Desk(
            today=self.local_now.date(),
            tax_percent=Decimal(self.company.tax_percent) if percent else None,
            closed_until=date.fromisoformat(closed) if closed else None,
            term=decimal_json.read(term.body) if term else None,
            closed_code=self.controls.shapes.closed_books_code,
            unit_price_wins=self.controls.shapes.unit_price_wins,
            takes_online_payments=self.company.takes_online_payments,
        )

    async def find(self, kind: str, object_id: object, *, lock: bool = False) -> QbObject | None:
        """The object, unless it was deleted or never was."""
        number = object_number(object_id)
        if number is None:
            return None
        found = await self._session.get(QbObject, (self.company.realm_id, kind, number), with_for_update=lock or None)
        return found if found is not None and not found.is_deleted else None

    async def get(self, kind: Kind, object_id: object, *, lock: bool = False) -> QbObject:
        found = await self.find(kind.name, object_id, lock=lock)
        if found is None:
            raise faults.object_not_found("Object Not Found : Something you're trying to use has been made inactive.")
        return found

    def next_id(self, kind: Kind, count: int = 1) -> int:
        """The next of the kind's sequence, of which `count` are taken. Transactions share one, names another."""
        ids = dict(self.company.next_ids)
        taken = int(ids.get(kind.sequence, FIRST_ID))
        ids[kind.sequence] = taken + count
        self.company.next_ids = ids
        return taken

    async def add(self, kind: Kind, body: Document) -> QbObject:
        row = QbObject(
            realm_id=self.company.realm_id,
            kind=kind.name,
            id=self.next_id(kind),
            sync_token=0,
            is_active=True,
            is_deleted=False,
            created_at=self.now,
        )
        self.put(row, body)
        self._session.add(row)
        await self._session.flush()
        return row

    def put(self, row: QbObject, body: Document) -> None:
        """Make this the object's body, and what is looked up by it."""
        for column, value in columns_of(row.kind, body).items():
            setattr(row, column, value)
        row.updated_at = self.now

    def touch(self, row: QbObject, body: Document) -> None:
        row.sync_token += 1
        self.put(row, body)

    def rendered(self, row: QbObject) -> Document:
        """As the API shows it."""
        return {**_head(row), **decimal_json.read(row.body), **self._meta(row)}

    def linked(self, row: QbObject) -> Document:
        """As it is shown to those who ask for the link to pay at; it has one only where payments online are on."""
        body = self.rendered(row)
        if row.kind != "Invoice" or not self.company.takes_online_payments:
            return body
        link = invoice_link(self.company.realm_id, body)
        return {**body, "InvoiceLink": link} if link else body

    def written(self, row: QbObject) -> RawJSON:
        """The same as text. Of a page of a thousand objects none is parsed and written anew."""
        parts = (decimal_json.write(_head(row)), row.body, decimal_json.write(self._meta(row)))
        return RawJSON("{" + ",".join(part[1:-1] for part in parts if part != "{}") + "}")

    def _meta(self, row: QbObject) -> Document:
        return {"MetaData": {"CreateTime": self.local(row.created_at), "LastUpdatedTime": self.local(row.updated_at)}}

    def tombstone(self, row: QbObject) -> Document:
        meta = {"LastUpdatedTime": self.local(row.updated_at)}
        return {"status": "Deleted", "domain": "QBO", "Id": str(row.id), "MetaData": meta}

    def local(self, at: datetime) -> str:
        """An instant as QuickBooks writes it: with the offset of the company's zone."""
        return at.astimezone(ZoneInfo(self.company.zone)).isoformat(timespec="seconds")

    async def set_links(self, row: QbObject, shares: Mapping[tuple[str, int], Decimal]) -> set[tuple[str, int]]:
        """Make these the links that go out from the transaction; returns all whose standing that changes."""
        before = {(link.to_kind, link.to_id) for link in await self.links_from(row)}
        mine = (
            QbLink.realm_id == row.realm_id,
            QbLink.from_kind == row.kind,
            QbLink.from_id == row.id,
        )
        await self._session.execute(delete(QbLink).where(*mine))
        for (kind, object_id), amount in shares.items():
            values = {
                "realm_id": row.realm_id,
                "from_kind": row.kind,
                "from_id": row.id,
                "to_kind": kind,
                "to_id": object_id,
                "amount": amount,
            }
            await self._session.execute(insert(QbLink).values(values))
        return before | set(shares)

    async def links_from(self, row: QbObject) -> Sequence[QbLink]:
        found = await self._session.scalars(
            select(QbLink)
            .where(QbLink.realm_id == row.realm_id, QbLink.from_kind == row.kind, QbLink.from_id == row.id)
            .order_by(QbLink.to_kind, QbLink.to_id)
        )
        return found.all()

    async def links_to(self, row: QbObject) -> Sequence[QbLink]:
        found = await self._session.scalars(
            select(QbLink)
            .where(QbLink.realm_id == row.realm_id, QbLink.to_kind == row.kind, QbLink.to_id == row.id)
            .order_by(QbLink.from_kind, QbLink.from_id)
        )
        return found.all()

    async def cut_links_to(self, row: QbObject) -> list[tuple[str, int]]:
        """Undo what others give to this transaction; returns who they were."""
        givers = [(link.from_kind, link.from_id) for link in await self.links_to(row)]
        await self._session.execute(
            delete(QbLink).where(QbLink.realm_id == row.realm_id, QbLink.to_kind == row.kind, QbLink.to_id == row.id)
        )
        return givers

    async def holder_of_name(
        self, name: str, *, kinds: Collection[str] = UNIQUE_NAMES, except_for: QbObject | None = None
    ) -> QbObject | None:
        """The object of these kinds, active or not, that bears this name."""
        found = await self._session.scalars(
            select(QbObject).where(
                QbObject.realm_id == self.company.realm_id,
                QbObject.name == name.lower(),
                QbObject.kind.in_(kinds),
                ~QbObject.is_deleted,
            )
        )
        return next((row for row in found if row is not except_for), None)

    async def holder_of_number(self, kind: str, number: str, *, except_for: QbObject | None = None) -> QbObject | None:
        found = await self._session.scalars(
            select(QbObject).where(
                QbObject.realm_id == self.company.realm_id,
                QbObject.doc_number == number,
                QbObject.kind == kind,
                ~QbObject.is_deleted,
            )
        )
        return next((row for row in found if row is not except_for), None)

    async def open_balance(self, customer_id: int) -> Decimal:
        """What the customer owes: unpaid invoices less unapplied payments and unused credits."""
        rows = await self._session.scalars(
            select(QbObject).where(
                QbObject.realm_id == self.company.realm_id,
                QbObject.customer_id == str(customer_id),
                QbObject.kind.in_(("Invoice", "Payment", "CreditMemo")),
                ~QbObject.is_deleted,
            )
        )
        balance = ZERO
        for row in rows:
            body = decimal_json.read(row.body)
            balance += Decimal(body.get("Balance", 0)) if row.kind == "Invoice" else ZERO
            balance -= Decimal(body.get("UnappliedAmt", 0)) if row.kind == "Payment" else ZERO
            balance -= Decimal(body.get("RemainingCredit", 0)) if row.kind == "CreditMemo" else ZERO
        return balance

    def selection(self, kind: Kind) -> Select[QbObject]:
        """The company's objects of this kind."""
        return select(QbObject).where(
            QbObject.realm_id == self.company.realm_id, QbObject.kind == kind.name, ~QbObject.is_deleted
        )

    async def all_of(self, kind: Kind) -> list[QbObject]:
        return list(await self._session.scalars(self.selection(kind).order_by(QbObject.id)))

    async def all_of_customer(self, customer_id: int) -> list[QbObject]:
        """The customer's transactions of every kind."""
        wanted = select(QbObject).where(
            QbObject.realm_id == self.company.realm_id,
            QbObject.customer_id == str(customer_id),
            ~QbObject.is_deleted,
        )
        return list(await self._session.scalars(wanted.order_by(QbObject.kind, QbObject.id)))

    async def rendered_all(self, wanted: Select[QbObject]) -> list[Document]:
        return [self.rendered(row) for row in await self._session.scalars(wanted)]

    async def linked_all(self, wanted: Select[QbObject]) -> list[Document]:
        return [self.linked(row) for row in await self._session.scalars(wanted)]

    async def written_all(self, wanted: Select[QbObject]) -> list[RawJSON]:
        return [self.written(row) for row in await self._session.scalars(wanted)]

    async def count(self, wanted: Select[QbObject]) -> int:
        return int(await self._session.scalar(select(func.count()).select_from(wanted.subquery())) or 0)

    async def changed_since(self, kind: Kind, since: datetime, most: int, *, shows_inactive: bool) -> list[QbObject]:
        """What changed after the instant, deleted objects included, in the order of the last change."""
        is_shown = true() if shows_inactive else or_(QbObject.is_active, QbObject.is_deleted)
        found = await self._session.scalars(
            select(QbObject)
            .where(
                QbObject.realm_id == self.company.realm_id,
                QbObject.kind == kind.name,
                QbObject.updated_at >= since,
                is_shown,
            )
            .order_by(QbObject.is_deleted, QbObject.updated_at, QbObject.id)
            .limit(most)
        )
        return list(found)

    async def next_number(self, kind: Kind) -> str:
        """The server's own sequence of document numbers."""
        highest = await self._session.scalar(
            select(func.count()).where(QbObject.realm_id == self.company.realm_id, QbObject.kind == kind.name)
        )
        return str(1001 + int(highest or 0))

    async def answered(self, request_id: str, digest: str, *, batch_item: str = "") -> str | None:
        """What this write was answered before. Raises where the id stood for another, if the controls say so."""
        known = await self._session.get(QbRequest, (self.company.realm_id, request_id, batch_item))
        if known is None:
            return None
        if known.created_at <= self.now - timedelta(seconds=self.controls.requests.retention_seconds):
            await self._session.delete(known)
            await self._session.flush()
            return None
        if known.digest != digest and self.controls.requests.differing_body == "refuse":
            raise faults.duplicate_request()
        return known.answer

    def remember(self, request_id: str, digest: str, answer: str, *, batch_item: str = "") -> None:
        self._session.add(
            QbRequest(
                realm_id=self.company.realm_id,
                request_id=request_id,
                batch_item=batch_item,
                digest=digest,
                answer=answer,
                created_at=self.now,
            )
        )

    def post(self, row: QbObject, *, to: str, balance: Decimal | None) -> None:
        """Put the form, as it stands, into the outbox."""
        self._session.add(
            QbEmail(
                realm_id=row.realm_id,
                kind=row.kind,
                entity_id=str(row.id),
                doc_number=row.doc_number,
                address=to,
                total=row.total,
                balance=balance,
                sent_at=self.now,
            )
        )

    def note(
        self, row: QbObject, operation: str, *, by: str, request_id: str | None = None, deleted_id: str | None = None
    ) -> None:
        """Write the change down, and let the company's apps hear of it."""
        self._session.add(
            QbLedgerEntry(
                realm_id=row.realm_id,
                kind=row.kind,
                entity_id=str(row.id),
                operation=operation,
                by=by,
                request_id=request_id,
                doc_number=row.doc_number,
                total=row.total,
                at=self.now,
            )
        )
        if row.kind in TOLD:
            self.tell(row.kind, row.id, operation, number=row.sync_token, deleted_id=deleted_id)

    def tell(
        self, kind: str, entity_id: int, operation: str, *, number: int = 0, deleted_id: str | None = None
    ) -> None:
        """Let the company's apps hear of a change; `number` tells it from others of its kind, for what may go wrong."""
        profile = self.controls.events
        subject = (kind, entity_id, number, operation)
        fault = pick(profile.shares, draw(profile.seed, "event", *subject)) if profile.shares else None
        late = {EventFault.LATE: profile.late_seconds, EventFault.REORDERED: profile.reorder_seconds}
        due_at = self.now + timedelta(seconds=late.get(fault, 0.0) if fault else 0.0)
        self._add_event(
            kind,
            str(entity_id),
            operation,
            due_at=None if fault is EventFault.MISSING else due_at,
            fault=fault,
            deleted_id=deleted_id,
        )

    def tell_as_test(self, kind: str) -> None:
        """Let the company's apps hear of a change that there was not, of an object that there is not."""
        self._add_event(kind, NOBODYS_ID, "updated", due_at=self.now)

    def _add_event(
        self,
        kind: str,
        entity_id: str,
        operation: str,
        *,
        due_at: datetime | None,
        fault: str | None = None,
        deleted_id: str | None = None,
    ) -> None:
        self._session.add(
            QbEvent(
                realm_id=self.company.realm_id,
                kind=kind.lower(),
                entity_id=entity_id,
                operation=operation,
                deleted_id=deleted_id,
                fault=fault,
                occurred_at=self.now,
                due_at=due_at,
            )
        )


def _head(row: QbObject) -> Document:
    return {"Id": str(row.id), "SyncToken": str(row.sync_token), "domain": "QBO", "sparse": False}


def columns_of(kind: str, body: Document) -> dict[str, Any]:
    """The body as it is stored, and what is looked up by it."""
    name = body.get("DisplayName") if kind in ("Customer", "Vendor") else body.get("Name")
    return {
        "body": decimal_json.write(body),
        "is_active": body.get("Active", True) is not False,
        "name": str(name).lower() if name else None,
        "doc_number": body.get("DocNumber"),
        "customer_id": (body.get("CustomerRef") or {}).get("value"),
        "total": body.get("TotalAmt"),
    }
