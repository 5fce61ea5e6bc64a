"""A company that was filled at once is one that could have been written call by call."""

from decimal import Decimal
from typing import Any

import httpx
import svcs
from sandbox.models import QbCompany, QbEvent
from sandbox.quickbooks.controls import QuickBooksControls
from sandbox.quickbooks.entities import KINDS
from sandbox.services.quickbooks.books import Books
from sandbox.services.quickbooks.store import Store
from shared.database import Begin, UnitOfWork
from sqlalchemy import func, select

from shared import decimal_json

from .app import CONTROL, REALM, App

D = Decimal
SMALL = {"customers": 30, "invoices": 80, "payments": 60, "seed": 5, "months": 12}


async def fill(control: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await control.post(f"{CONTROL}/{REALM}/fill", json=SMALL | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def everything(app: App, kind: str) -> list[dict[str, Any]]:
    return (await app.query(f"select * from {kind} maxresults 1000")).get(kind, [])


async def test_a_filled_company_is_read_as_any_other(app: App, control: httpx.AsyncClient) -> None:
    assert await fill(control) == {"customers": 30, "invoices": 80, "payments": 60, "links": 60}
    customers, invoices, payments = [await everything(app, kind) for kind in ("Customer", "Invoice", "Payment")]
    assert (len(customers), len(invoices), len(payments)) == (30, 80, 60)
    assert {one["SyncToken"] for one in (*customers, *invoices, *payments)} == {"0"}
    owed = sum((one["Balance"] for one in customers), D(0))
    unapplied = sum((one["UnappliedAmt"] for one in payments), D(0))
    assert owed == sum((one["Balance"] for one in invoices), D(0)) - unapplied
    months = {one["MetaData"]["CreateTime"][:7] for one in invoices}
    assert len(months) >= 10
    assert {one["MetaData"]["CreateTime"][:10] == one["TxnDate"] for one in (*invoices, *payments)} == {True}


async def test_the_rules_of_the_books_find_nothing_to_mend(app: App, control: httpx.AsyncClient, begin: Begin) -> None:
    await fill(control)
    async with begin() as tx:
        store = await _store(tx)
        books = Books(store)
        for kind in ("Invoice", "Payment"):
            for row in await store.all_of(KINDS[kind]):
                body = decimal_json.read(row.body)
                assert await books._standing(row, body) == body
        for row in await store.all_of(KINDS["Customer"]):
            assert decimal_json.read(row.body)["Balance"] == await store.open_balance(row.id)


async def test_life_goes_on_in_a_filled_company(app: App, control: httpx.AsyncClient) -> None:
    before = await app.customer("Before")
    await fill(control)
    after = await app.customer("After")
    assert int(after["Id"]) == int(before["Id"]) + 31
    paid = next(one for one in await everything(app, "Invoice") if one["Balance"] == 0 and len(one["LinkedTxn"]) == 1)
    payment = await app.read("Payment", paid["LinkedTxn"][0]["TxnId"])
    named = {"Id": payment["Id"], "SyncToken": "0", "sparse": True}
    await app.write("Payment", named, operation="update", include="void")
    reopened = await app.read("Invoice", paid["Id"])
    assert (reopened["Balance"] > 0, reopened["SyncToken"], reopened["LinkedTxn"]) == (True, "1", [])


async def test_the_same_seed_fills_the_same_way_and_names_stay_free(app: App, control: httpx.AsyncClient) -> None:
    new = {"realm_id": "77", "name": "Twin"}
    assert (await control.post(CONTROL, json=new)).status_code == 201
    first, second = await fill(control), (await control.post(f"{CONTROL}/77/fill", json=SMALL)).json()
    assert first == second
    await fill(control)
    assert len({one["DisplayName"] for one in await everything(app, "Customer")}) == 60


async def test_filling_is_told_to_nobody(app: App, control: httpx.AsyncClient, begin: Begin) -> None:
    await fill(control)
    assert (await control.get(f"{CONTROL}/{REALM}/ledger")).json()["items"] == []
    async with begin() as tx:
        assert await (await tx.aget(UnitOfWork)).session.scalar(select(func.count(QbEvent.id))) == 0


async def test_what_cannot_be_filled_is_refused(control: httpx.AsyncClient) -> None:
    assert (await control.post(f"{CONTROL}/{REALM}/fill", json=SMALL | {"customers": 0})).status_code == 422
    assert (await control.post(f"{CONTROL}/12/fill", json=SMALL)).status_code == 404


async def test_a_company_of_more_than_one_page_is_filled_and_paged(app: App, control: httpx.AsyncClient) -> None:
    await fill(control, customers=200, invoices=1_500, payments=600, months=24)
    page = await app.query("select * from Invoice startposition 501 maxresults 1000")
    assert len(page["Invoice"]) == 1000


async def _store(tx: svcs.Container) -> Store:
    uow = await tx.aget(UnitOfWork)
    return Store(uow, await uow.session.get_one(QbCompany, REALM), QuickBooksControls())
