"""Filling a company at once, for benchmarks: what would take hours call by call takes seconds."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from shared.database import UnitOfWork
from shared.errors import Conflict

from sandbox.models import QbCompany, QbLink, QbObject
from sandbox.quickbooks.controls import QuickBooksControls
from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.filling import Entry, Ground, Link, PricedItem, Wanted, entries, plan
from sandbox.services.quickbooks.store import Store, columns_of
from shared import decimal_json

CHUNK = 1_000


@dataclass(frozen=True)
class Filled:
    customers: int
    invoices: int
    payments: int
    links: int


class FillingService:
    """Lives for one transaction, in a company whose row is locked.

    What it writes was there before anybody looked: no webhook tells of it, and no line of the ledger.
    """

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def fill(self, company: QbCompany, wanted: Wanted) -> Filled:
        """Raises Conflict where the company has no item with a price."""
        store = Store(self._uow, company, QuickBooksControls())
        planned = await asyncio.to_thread(plan, wanted, await self._ground(store, wanted))
        rest = entries(planned)
        # In another thread, and part by part: other calls are answered meanwhile.
        while part := await asyncio.to_thread(_objects, company.realm_id, rest):
            await self._copy(QbObject.__tablename__, part)
        links = planned.links
        await self._copy(QbLink.__tablename__, [_link(company.realm_id, link) for link in links])
        return Filled(wanted.customers, wanted.invoices, wanted.payments, len(links))

    async def _ground(self, store: Store, wanted: Wanted) -> Ground:
        items = [
            PricedItem(str(row.id), body["Name"], Decimal(body["UnitPrice"]))
            for row in await store.all_of(KINDS["Item"])
            if row.is_active and (body := decimal_json.read(row.body)).get("UnitPrice")
        ]
        if not items:
            raise Conflict("The company has no item with a price.")
        terms = [
            (str(row.id), decimal_json.read(row.body)) for row in await store.all_of(KINDS["Term"]) if row.is_active
        ]
        zone = ZoneInfo(store.company.zone)
        return Ground(
            # What is closed now was open then.
            desk=replace(await store.desk({}), closed_until=None),
            zone=store.company.zone,
            # The last midnight, so that a day's fills of one seed are the same.
            end=datetime.combine(store.local_now.date(), time(), zone).astimezone(UTC),
            items=items,
            terms=terms,
            first_name_id=store.next_id(KINDS["Customer"], wanted.customers),
            first_transaction_id=store.next_id(KINDS["Invoice"], wanted.invoices + wanted.payments),
        )

    async def _copy(self, table: str, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        connection = await (await self._uow.session.connection()).get_raw_connection()
        await connection.driver_connection.copy_records_to_table(  # type: ignore[union-attr]
            table, records=[tuple(row.values()) for row in rows], columns=list(rows[0])
        )


def _objects(realm_id: str, rest: Iterable[Entry]) -> list[dict[str, Any]]:
    """The rows of the next part."""
    return [
        {
            "realm_id": realm_id,
            "kind": entry.kind,
            "id": entry.id,
            "sync_token": 0,
            "is_deleted": False,
            "created_at": entry.created_at,
            "updated_at": entry.updated_at,
            **columns_of(entry.kind, entry.body),
        }
        for entry in islice(rest, CHUNK)
    ]


def _link(realm_id: str, link: Link) -> dict[str, Any]:
    return {
        "realm_id": realm_id,
        "from_kind": "Payment",
        "from_id": link.payment_id,
        "to_kind": "Invoice",
        "to_id": link.invoice_id,
        "amount": link.amount,
    }
