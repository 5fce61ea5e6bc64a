"""What the database is asked is what the rules of the query language say: one is held against the other."""

from typing import Any

import pytest
import svcs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox.models import QbCompany
from sandbox.quickbooks import query
from sandbox.quickbooks.controls import QuickBooksControls
from sandbox.quickbooks.entities import KINDS
from sandbox.services.quickbooks.searching import is_databases, search
from sandbox.services.quickbooks.store import Store
from shared.database import Begin, UnitOfWork
from shared.testing.plugin import FakeClock

from shared import decimal_json

from .app import REALM, App, payment

IDS = st.sampled_from(["1", "2", "3", "7", "x", "99"])
TIMES = st.integers(-3, 3).map(lambda minutes: f"2027-03-01T12:{30 + minutes:02}:00Z")
DAYS = ["2027-02-28", "2027-03-01", "2027-03-02", "x", ""]
CONDITIONS = st.one_of(
    st.builds("Id = '{}'".format, IDS),
    st.builds("Id IN ('{}', '{}')".format, IDS, IDS),
    st.builds("MetaData.LastUpdatedTime {} '{}'".format, st.sampled_from(["<", ">", "<=", ">=", "="]), TIMES),
    st.builds("CustomerRef = '{}'".format, IDS),
    st.builds("DocNumber IN ('{}', 'inv-2')".format, st.sampled_from(["INV-1", "none"])),
    st.builds("DocNumber LIKE '%{}'".format, st.sampled_from(["1", "v-2", ""])),
    st.builds("TotalAmt > '{}'".format, st.sampled_from(["0", "150", "1000", "1e99999"])),
    st.builds("TotalAmt IN ('100', '{}')".format, st.sampled_from(["200.00", "7"])),
    st.builds(
        "Balance {} '{}'".format, st.sampled_from(["<", ">", "<=", ">=", "="]), st.sampled_from(["0", "60", "2e2"])
    ),
    st.builds("TxnDate {} '{}'".format, st.sampled_from(["<", ">", "<=", ">=", "="]), st.sampled_from(DAYS)),
    st.builds("DueDate {} '{}'".format, st.sampled_from(["<", ">", "<=", ">=", "="]), st.sampled_from(DAYS)),
)
ORDERS = st.sampled_from(
    [
        "",
        " ORDERBY Id",
        " ORDERBY MetaData.LastUpdatedTime DESC",
        *(f" ORDERBY {name}{way}" for name in ("TotalAmt", "Balance", "TxnDate", "DocNumber") for way in ("", " DESC")),
    ]
)
PAGES = st.builds(" STARTPOSITION {} MAXRESULTS {}".format, st.integers(1, 4), st.integers(0, 4))


async def _books(app: App, clock: FakeClock) -> None:
    """Invoices of two customers, minutes apart, with and without a number."""
    from datetime import UTC, datetime, timedelta

    await clock.set(datetime(2027, 3, 1, 12, 30, tzinfo=UTC) - timedelta(minutes=2))
    await app.exchange(await app.code())
    ana, ben = await app.customer(), await app.customer("Ben Ortiz")
    for number, (customer, amount) in enumerate([(ana, "100.00"), (ben, "200.00"), (ana, "300.00")], start=1):
        more = {"DocNumber": f"INV-{number}"} if number < 3 else {"TxnDate": "2027-02-28"}
        await app.invoice(customer, amount, **more)
        await clock.advance(timedelta(minutes=1))
    await app.write("Payment", payment(ana, {"Id": "1"}, "40.00"))
    gone = await app.invoice(ben)
    await app.write("Invoice", {"Id": gone["Id"], "SyncToken": "0"}, operation="delete")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None)
@given(conditions=st.lists(CONDITIONS, max_size=2), order=ORDERS, page=PAGES)
async def test_the_database_and_the_rules_find_the_same(
    app: App, begin: Begin, crm_clock: FakeClock, conditions: list[str], order: str, page: str
) -> None:
    if not getattr(app, "is_filled", False):
        await _books(app, crm_clock)
        app.is_filled = True  # type: ignore[attr-defined]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    asked = query.parse(f"SELECT * FROM Invoice{where}{order}{page}")
    counted = query.parse(f"SELECT count(*) FROM Invoice{where}")
    async with begin() as tx:
        store = await _store(tx)
        every: Any = await store.rendered_all(store.selection(KINDS["Invoice"]).order_by("id"))
        found = _answered(await search(store, KINDS["Invoice"], asked)).get("Invoice", [])
        assert [one["Id"] for one in found] == [one["Id"] for one in query.run(asked, every)]
        assert await search(store, KINDS["Invoice"], counted) == {"totalCount": query.count(counted, every)}


NAMES = st.sampled_from(["Ana Lima", "ana lima", "Zoe", "Émile", "ZOË", "\\'", "_"])
PEOPLE = st.one_of(
    st.builds("DisplayName = '{}'".format, NAMES),
    st.builds("DisplayName {} 'm'".format, st.sampled_from(["<", ">", "<=", ">="])),
    st.builds("Active IN ({})".format, st.sampled_from(["true", "false", "true, false"])),
    st.builds("CompanyName = '{}'".format, st.sampled_from(["Acme", "None"])),
    st.builds("Balance {} '0'".format, st.sampled_from(["=", ">"])),
)
PEOPLES_ORDERS = st.sampled_from(["", " ORDERBY DisplayName", " ORDERBY DisplayName DESC", " ORDERBY Active"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(conditions=st.lists(PEOPLE, max_size=2), order=PEOPLES_ORDERS, page=PAGES)
async def test_people_are_found_by_either(app: App, begin: Begin, conditions: list[str], order: str, page: str) -> None:
    if not getattr(app, "is_filled", False):
        made = [await app.customer(name) for name in ("Zoe", "Ana Lima", "Émile", "Zoë", "_", "'")]
        await app.write("Customer", {"Id": made[-1]["Id"], "SyncToken": "0", "sparse": True, "Active": False})
        app.is_filled = True  # type: ignore[attr-defined]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    asked = query.parse(f"SELECT * FROM Customer{where}{order}{page}")
    async with begin() as tx:
        store = await _store(tx)
        every: Any = await store.rendered_all(store.selection(KINDS["Customer"]).order_by("id"))
        found = _answered(await search(store, KINDS["Customer"], asked)).get("Customer", [])
        assert [one["Id"] for one in found] == [one["Id"] for one in query.run(asked, every)]


@pytest.mark.parametrize(
    "text",
    [
        "select * from Invoice where CustomerRef = '1' and Balance > '0' orderby TxnDate",
        "select * from Invoice where TxnDate >= '2027-01-01' and DueDate < '2027-02-01' orderby DueDate desc",
        "select * from Invoice where MetaData.LastUpdatedTime > '2027-01-01' orderby MetaData.LastUpdatedTime",
        "select * from Payment where PaymentRefNum = 'ch_1' and TotalAmt = '1.00'",
        "select * from Customer where DisplayName = 'Ana Lima' and Active in (true, false)",
        "select * from Item where Name in ('a', 'b') orderby Name",
        "select * from Estimate where TxnStatus = 'Pending' orderby DocNumber",
    ],
)
def test_common_queries_are_the_databases(text: str) -> None:
    assert is_databases(query.parse(text))


async def _store(tx: svcs.Container) -> Store:
    uow = await tx.aget(UnitOfWork)
    return Store(uow, await uow.session.get_one(QbCompany, REALM), QuickBooksControls())


def _answered(response: dict[str, Any]) -> dict[str, Any]:
    """As an app reads it: what the database found stands in it as text."""
    return dict(decimal_json.read(decimal_json.write(response)))
