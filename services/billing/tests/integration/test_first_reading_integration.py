"""The first reading of a company's books goes on where it stood; what it found is told at its end.

It fetches ahead of what it stores: no page is lost that came before one that could not be read, and none is stored that
came after it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import pytest
import svcs
from billing.models import Customer, Invoice, SyncMark, Term, UntoldFact
from billing.provider import InvoiceSeen
from billing.services.marks import PULLS, MarkService
from billing.services.pulling import PAGES_AHEAD, Page, PullProcess
from prometheus_client import REGISTRY
from shared.testing import until
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared import failpoints

from .books import by_id, changed, compared, form, pay, reader, told
from .office import COMPANY, REALM, Office

HOUR = timedelta(hours=1)


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """Nothing here is about answers that take too long; on a busy machine a page of a thousand may."""
    return {"quickbooks_timeout_seconds": 60.0, "push_lease_seconds": 120.0}


async def test_a_pull_that_dies_goes_on_where_it_stood(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 1_200, "invoices": 30, "payments": 10})
    # Terms, items, and the first page of customers are committed by then; their second page is not.
    failpoints.configure("pull.before_commit=raise@4")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
        mark = await office.one(SyncMark, SyncMark.name == "pull Customer")
        assert (mark.position, mark.done_at) == (981, None)
        first = {row.qb_id: row.id for row in await office.rows(Customer)}
        assert len(first) == 1_000
        # It is not read in the same moment again.
        await office.worker.run_until_idle()
        assert len(await office.rows(Customer)) == 1_000
        await office.advance(timedelta(minutes=1))
        await office.settle()
    finally:
        failpoints.configure("")
    rows = await office.rows(Customer)
    assert len(rows) == 1_200
    assert first.items() <= {row.qb_id: row.id for row in rows}.items()
    marks = {mark.name: mark for mark in await office.rows(SyncMark) if mark.name.startswith("pull")}
    assert all(mark.done_at for mark in marks.values())
    assert (marks["pull Customer"].position, marks["pull Invoice"].position) == (1_201, 31)
    assert (await office.health())["last_sync_at"] is not None
    assert await compared(office) == []


async def test_what_was_there_before_is_told_of_as_it_stands(office: Office) -> None:
    ana = await office.new_customer("Ana Lima")
    invoice = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await pay(office, ana["Id"], "80", ("80", "Invoice", invoice["Id"]), TxnDate="2031-01-20")
    await office.connect()
    await office.settle()
    row = await by_id(office, Invoice, invoice)
    assert (row.written_on, row.paid_on) == (date(2031, 1, 2), date(2031, 1, 20))
    assert await told(office) == ["invoice.issued", "invoice.paid", "payment.received"]
    assert isinstance((await (await reader(office)).read(REALM, "Invoice", [invoice["Id"]]))[0], InvoiceSeen)


async def test_nothing_that_was_there_before_is_told_until_all_of_it_is_read(office: Office) -> None:
    await office.turn(webhook_url="")  # Of a company that is not connected nobody hears.
    ana = await office.new_customer("Ana Lima")
    await office.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    paid = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await form(office, "Invoice", ana["Id"], "50.00", TxnDate="2031-01-02", DueDate="2031-01-05")
    await pay(office, ana["Id"], "30", ("30", "Invoice", paid["Id"]), TxnDate="2031-01-20")
    await office.advance(HOUR / 2)  # Further back than change data capture looks.
    # Terms, items, customers and invoices are committed by then; payments are not.
    failpoints.configure("pull.before_commit=raise@6")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
        await office.worker.run_until_idle()
        assert len(await office.rows(Invoice)) == 2
        assert await told(office) == []
        # Somebody pays the rest of it before the reading goes on: that is told at once, by itself.
        await office.turn(webhook_url=None)
        await pay(office, ana["Id"], "50", ("50", "Invoice", paid["Id"]), TxnDate="2031-01-21")
        await office.settle()
    finally:
        failpoints.configure("")
    assert await told(office) == ["invoice.paid", "payment.received"]
    await office.advance(timedelta(minutes=1))
    await office.settle()
    assert await told(office) == [
        "invoice.issued", "invoice.issued", "invoice.overdue", "invoice.paid", "payment.received", "payment.received",
    ]  # fmt: skip
    events = [event for event in await office.published() if event["type"] == "billing.invoice.issued.v1"]
    assert sorted(event["balance"]["amount_cents"] for event in events) == [0, 5_000]
    assert await office.rows(UntoldFact) == []


async def test_history_that_was_not_told_before_a_crash_is_told_after_it(office: Office) -> None:
    await office.turn(webhook_url="")
    ana = await office.new_customer("Ana Lima")
    await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02")
    await office.advance(HOUR)
    failpoints.configure("telling.before_commit=raise@1")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.settle()
        assert await told(office) == []
        assert [fact.type for fact in await office.rows(UntoldFact)] == ["billing.invoice.issued.v1"]
    finally:
        failpoints.configure("")
    await office.settle()
    assert await told(office) == ["invoice.issued", "invoice.overdue"]


async def test_what_is_not_so_any_more_when_history_is_told_is_not_told(office: Office) -> None:
    await office.turn(webhook_url="")
    ana = await office.new_customer("Ana Lima")
    paid = await form(office, "Invoice", ana["Id"], "80.00", TxnDate="2031-01-02", DueDate="2099-01-02")
    payment = await pay(office, ana["Id"], "80", ("80", "Invoice", paid["Id"]), TxnDate="2031-01-20")
    estimate = await form(office, "Estimate", ana["Id"], "9.00", TxnDate="2031-01-02", TxnStatus="Accepted")
    await office.advance(HOUR / 2)
    # All but refunds are stored by then.
    failpoints.configure("pull.before_commit=raise@8")
    try:
        await office.connect()
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
    finally:
        failpoints.configure("")
    await office.turn(webhook_url=None)
    await office.people_do(f"payment/{payment['Id']}/void")
    await changed(office, "Estimate", estimate, TxnStatus="Rejected")
    await office.settle()
    at_once = ["estimate.declined", "invoice.changed", "payment.voided"]
    assert await told(office) == at_once
    await office.advance(timedelta(minutes=1))
    await office.settle()
    assert await told(office) == sorted([*at_once, "invoice.issued"])


async def test_whoever_reads_all_of_it_again_meanwhile_is_not_overtaken(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 3_000, "invoices": 30, "payments": 10})
    await office.connect()
    # Two pages of customers are stored; then somebody was away for too long, and the third one comes too late.
    failpoints.configure("pull.before_commit=raise@5")
    try:
        with pytest.raises(failpoints.FailpointError):
            await office.worker.run_until_idle()
    finally:
        failpoints.configure("")
    process = await pull_process(office)
    await office.advance(timedelta(minutes=1))
    books = (await reader(office)).books(REALM)
    rows = await books.page("Customer", 1_961, 1_000)
    async with office.begin() as tx:
        await (await tx.aget(MarkService)).pull_again(REALM)
    assert not await process.store(REALM, "pull Customer", Page(rows, 1_961, 2_941, is_last=False))
    assert (await office.one(SyncMark, SyncMark.name == "pull Customer")).position == 1
    await office.settle()
    assert len(await office.rows(Customer)) == 3_000
    marks = {mark.name: mark.position for mark in await office.rows(SyncMark) if mark.name.startswith("pull")}
    assert (marks["pull Customer"], marks["pull Invoice"]) == (3_001, 31)


async def test_reading_everything_again_holds_nothing_up(connected: Office) -> None:
    await connected.new_customer("Ana Lima")
    await connected.settle()
    async with connected.begin() as tx:
        await (await tx.aget(MarkService)).pull_again(REALM)
    # One kind is refused for good, as where a plan has no estimates.
    await connected.turn(calls={"chosen": {"query": [None, None, None, "no_permission"]}})
    await connected.settle()
    assert not (await connected.one(SyncMark, SyncMark.name == "pull Estimate")).done_at
    ben = await connected.knows(first_name="Ben", last_name="Ode", emails=["ben@example.com"])
    await connected.new_customer("Ben Ode", PrimaryEmailAddr={"Address": "ben@example.com"})
    await connected.settle()
    assert (await connected.one(Customer, Customer.display_name == "Ben Ode")).contact_id == ben
    await connected.turn(calls={"chosen": {}})


async def pull_process(office: Office) -> PullProcess:
    async with svcs.Container(office.registry) as container:
        return await container.aget(PullProcess)


def answered() -> int:
    """Reads that QuickBooks answered so far, refusals within a 200 among them."""
    labels = {"realm": REALM, "billed_as": "metered"}
    return int(REGISTRY.get_sample_value("crm_quickbooks_calls_total", labels) or 0)


@asynccontextmanager
async def storing_waits(office: Office) -> AsyncIterator[None]:
    """No page is stored as long as this lasts: the first one has terms, for which there is no room."""
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(text("LOCK TABLE term IN SHARE MODE"))
        yield


async def pulled(office: Office) -> dict[str, int]:
    """The kinds of which something was stored, with the positions from which they go on."""
    marks = {mark.name: mark.position for mark in await office.rows(SyncMark, SyncMark.name.in_(PULLS))}
    return {name: marks[name] for name in PULLS if marks[name] > 1}


async def is_read_to_its_end(office: Office) -> bool:
    await office.advance(timedelta(minutes=10))
    await office.settle()
    marks = await office.rows(SyncMark, SyncMark.name.in_(PULLS))
    return all(mark.done_at for mark in marks) and await compared(office) == []


@pytest.mark.parametrize("failing", [1, 3, 6])
async def test_what_was_read_before_a_page_that_cannot_be_is_stored_and_nothing_else(
    office: Office, failing: int
) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 5, "invoices": 8, "payments": 4})
    await office.turn(calls={"chosen": {"query": [*[None] * (failing - 1), "fault_in_200"]}})
    await office.connect()
    before = answered()
    await (await pull_process(office)).run_once()
    assert answered() - before == failing
    done = await office.rows(SyncMark, SyncMark.name.in_(PULLS), SyncMark.done_at.is_not(None))
    assert {mark.name for mark in done} == set(PULLS[: failing - 1])
    assert set(await pulled(office)) <= set(PULLS[: failing - 1])
    assert await is_read_to_its_end(office)


async def test_pages_that_wait_to_be_stored_when_reading_fails_are_stored(office: Office) -> None:
    await office.turn(calls={"chosen": {"query": [None, None, "fault_in_200"]}})
    await office.connect()
    before = answered()
    async with storing_waits(office):
        pulling = asyncio.create_task((await pull_process(office)).run_once())
        await office.somebody_waits()
        await until(lambda: answered() - before >= 3)
        assert await office.rows(Term) == []
    assert await asyncio.wait_for(pulling, 30) == 2
    assert list(await pulled(office)) == ["pull Term", "pull Item"]
    assert await is_read_to_its_end(office)


async def test_no_page_after_one_that_cannot_be_read_is_stored(office: Office) -> None:
    await office.control.post(f"{COMPANY}/fill", json={"customers": 3_000, "invoices": 3, "payments": 1})
    # Terms, items and the first page of customers; the second one fails, while the third one is read as well.
    await office.turn(calls={"chosen": {"query": [None, None, None, "fault_in_200"]}})
    await office.connect()
    await (await pull_process(office)).run_once()
    position = (await pulled(office))["pull Customer"]
    stored = [int(str(row.qb_id)) for row in await office.rows(Customer)]
    assert (position, len(stored)) in ((981, 1_000), (1_961, 1_980))
    assert await is_read_to_its_end(office)
    everybody = sorted(int(str(row.qb_id)) for row in await office.rows(Customer))
    assert sorted(stored) == everybody[: len(stored)]


async def test_storing_that_fails_ends_the_reading(office: Office) -> None:
    await office.connect()
    before = answered()
    failpoints.configure("pull.before_commit=raise@1")
    try:
        async with storing_waits(office):
            pulling = asyncio.create_task((await pull_process(office)).run_once())
            await office.somebody_waits()
            # One is being stored, and one that is read waits for room.
            await until(lambda: answered() - before >= 2 + PAGES_AHEAD)
        with pytest.raises(failpoints.FailpointError):
            await asyncio.wait_for(pulling, 30)
    finally:
        failpoints.configure("")
    assert answered() - before == 2 + PAGES_AHEAD
    assert await pulled(office) == {}
    assert await is_read_to_its_end(office)
