"""What the database is asked is what the rules of the query language say: one is held against the other."""

from typing import Any

import svcs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox.models import QbCompany
from sandbox.quickbooks import query
from sandbox.quickbooks.controls import QuickBooksControls
from sandbox.quickbooks.entities import KINDS
from sandbox.services.quickbooks.searching import search
from sandbox.services.quickbooks.store import Store
from shared.database import Begin, UnitOfWork
from shared.testing.plugin import FakeClock

from .app import REALM, App

IDS = st.sampled_from(["1", "2", "3", "7", "x", "99"])
TIMES = st.integers(-3, 3).map(lambda minutes: f"2027-03-01T12:{30 + minutes:02}:00Z")
CONDITIONS = st.one_of(
    st.builds("Id = '{}'".format, IDS),
    st.builds("Id IN ('{}', '{}')".format, IDS, IDS),
    st.builds("MetaData.LastUpdatedTime {} '{}'".format, st.sampled_from(["<", ">", "<=", ">=", "="]), TIMES),
    st.builds("CustomerRef = '{}'".format, IDS),
    st.builds("DocNumber IN ('{}', 'inv-2')".format, st.sampled_from(["INV-1", "none"])),
    st.builds("DocNumber LIKE '%{}'".format, st.sampled_from(["1", "v-2", ""])),
    st.builds("TotalAmt > '{}'".format, st.sampled_from(["0", "150", "1000"])),
)
ORDERS = st.sampled_from(
    ["", " ORDERBY Id", " ORDERBY MetaData.LastUpdatedTime DESC", " ORDERBY TotalAmt", " ORDERBY DocNumber DESC"]
)
PAGES = st.builds(" STARTPOSITION {} MAXRESULTS {}".format, st.integers(1, 4), st.integers(0, 4))


async def _books(app: App, clock: FakeClock) -> None:
    """Invoices of two customers, minutes apart, with and without a number."""
    from datetime import UTC, datetime, timedelta

    await clock.set(datetime(2027, 3, 1, 12, 30, tzinfo=UTC) - timedelta(minutes=2))
    await app.exchange(await app.code())
    ana, ben = await app.customer(), await app.customer("Ben Ortiz")
    for number, (customer, amount) in enumerate([(ana, "100.00"), (ben, "200.00"), (ana, "300.00")], start=1):
        more = {"DocNumber": f"INV-{number}"} if number < 3 else {}
        await app.invoice(customer, amount, **more)
        await clock.advance(timedelta(minutes=1))
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
        found = (await search(store, KINDS["Invoice"], asked)).get("Invoice", [])
        assert [one["Id"] for one in found] == [one["Id"] for one in query.run(asked, every)]
        assert await search(store, KINDS["Invoice"], counted) == {"totalCount": query.count(counted, every)}


async def _store(tx: svcs.Container) -> Store:
    uow = await tx.aget(UnitOfWork)
    return Store(uow, await uow.session.get_one(QbCompany, REALM), QuickBooksControls())
