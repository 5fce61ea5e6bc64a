"""Rows that are written many at a time are the rows that were meant."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from billing.models import Customer, Invoice, Term, among, insert_all, unwatched
from billing.states import InvoicePart, Source
from shared.database import UnitOfWork
from sqlalchemy import select
from sqlalchemy.orm.exc import UnmappedInstanceError

from .office import REALM, Office

AT = datetime(2031, 1, 2, 12, tzinfo=UTC)


Make = Callable[..., Any]


def watched(model: type[Any], **values: Any) -> Any:
    return model(**values)


def customer(name: str, make: Make = watched, **more: Any) -> Customer:
    own = {"id": uuid4(), "realm_id": REALM, "source": Source.QUICKBOOKS, "created_at": AT}
    return cast(Customer, make(Customer, display_name=name, **own, **more))


@pytest.mark.parametrize("make", [watched, unwatched])
async def test_what_a_row_leaves_out_has_its_default(office: Office, make: Make) -> None:
    ana = customer("Ána 🧱", make, email="a@b.example", is_active=False, name_keys=["ana"])
    ben = customer("Ben\t\\N\n", make)
    invoice = make(
        Invoice, id=uuid4(), realm_id=REALM, customer_id=ana.id, written_on=date(2031, 1, 2), source=Source.QUICKBOOKS,
        created_at=AT, lines=[{"description": 'Crack "A"', "amount": "1.10"}], total_cents=2**40,
    )  # fmt: skip
    async with office.begin() as tx:
        session = (await tx.aget(UnitOfWork)).session
        await insert_all(session, [ana, ben])
        await insert_all(session, [invoice])
        await insert_all(session, [])
    rows = {row.id: row for row in await office.rows(Customer)}
    shown = rows[ana.id], rows[ben.id]
    assert [(row.display_name, row.email, row.is_active, row.name_keys, row.version) for row in shown] == [
        ("Ána 🧱", "a@b.example", False, ["ana"], 1),
        ("Ben\t\\N\n", None, True, [], 1),
    ]
    assert [(row.sync_token, row.qb_updated_at, row.qb_id, row.created_at) for row in shown] == [(-1, "", None, AT)] * 2
    kept = await office.one(Invoice)
    assert (kept.lines, kept.shares, kept.part) == (invoice.lines, [], InvoicePart.FULL)
    assert (kept.total_cents, kept.balance_cents, kept.currency, kept.due_on) == (2**40, 0, "USD", None)


async def test_a_row_that_is_only_begun_is_no_session_s(office: Office) -> None:
    async with office.begin() as tx:
        with pytest.raises(UnmappedInstanceError):
            (await tx.aget(UnitOfWork)).session.add(customer("Ana", unwatched))


async def test_rows_of_several_tables_are_refused(office: Office) -> None:
    async with office.begin() as tx:
        session = (await tx.aget(UnitOfWork)).session
        with pytest.raises(ValueError, match="too many values"):
            await insert_all(session, [customer("Ana"), Term(id=uuid4(), realm_id=REALM, name="Net 30")])
    assert await office.rows(Customer) == []


async def test_among_none_is_nobody(office: Office) -> None:
    ana = customer("Ana", qb_id="7")
    async with office.begin() as tx:
        session = (await tx.aget(UnitOfWork)).session
        await insert_all(session, [ana])
        for ids, found in (([], []), (["8"], []), (["7", "8", "7"], [ana.id])):
            assert list(await session.scalars(select(Customer.id).where(among(Customer.qb_id, ids)))) == found
