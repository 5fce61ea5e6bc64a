"""Nothing expires, falls overdue or is compared in books that nobody keeps up to date: it is once they were read."""

from datetime import timedelta
from typing import Any

import asyncpg
from billing.models import Estimate, Invoice, Notice, SyncMark
from billing.services.marks import DIFFERENCES, MarkService
from shared.database import UnitOfWork
from shared.testing.plugin import Database

from .books import by_id, changed, form, pay, told
from .office import REALM, Office

DAY = timedelta(days=1)
LAST_DAY = "2031-03-05"


async def disconnected(office: Office) -> tuple[dict[str, Any], dict[str, Any]]:
    """An estimate and an invoice, the last day of both being tomorrow; then somebody disconnects us, and no webhook
    tells of what happens meanwhile.
    """
    ana = await office.new_customer("Ana Lima")
    estimate = await form(office, "Estimate", ana["Id"], "7.00", ExpirationDate=LAST_DAY)
    invoice = await form(office, "Invoice", ana["Id"], "80.00", DueDate=LAST_DAY)
    await office.settle()
    await office.turn(events={"shares": {"missing": 1.0}})
    assert (await office.api.post("/api/v1/quickbooks/disconnect")).is_success
    return estimate, invoice


async def told_of_time(office: Office) -> list[str]:
    return [event for event in await told(office) if event in ("estimate.expired", "invoice.overdue")]


async def test_nothing_expires_or_falls_overdue_while_nobody_is_connected(connected: Office) -> None:
    estimate, _ = await disconnected(connected)
    await connected.advance(3 * DAY)
    await connected.settle()
    assert await told_of_time(connected) == []
    assert (await by_id(connected, Estimate, estimate)).status == "open"
    await connected.connect()
    await connected.settle()
    assert await told_of_time(connected) == ["estimate.expired", "invoice.overdue"]


async def test_what_was_answered_and_paid_meanwhile_neither_expires_nor_is_overdue(connected: Office) -> None:
    estimate, invoice = await disconnected(connected)
    await changed(connected, "Estimate", estimate, TxnStatus="Accepted")
    await pay(connected, invoice["CustomerRef"]["value"], "80", ("80", "Invoice", invoice["Id"]))
    await connected.advance(3 * DAY)
    await connected.turn(calls={"chosen": {"cdc": ["unavailable_html"] * 20}})
    await connected.connect()
    await connected.settle()
    assert await told_of_time(connected) == []
    await connected.turn(calls={"chosen": {"cdc": []}})
    await connected.advance(timedelta(minutes=1))
    await connected.settle()
    assert (await by_id(connected, Estimate, estimate)).status == "accepted"
    assert (await by_id(connected, Invoice, invoice)).balance_cents == 0
    assert await told_of_time(connected) == []


async def test_after_an_absence_of_months_everything_is_read_again_first(connected: Office) -> None:
    estimate, invoice = await disconnected(connected)
    await changed(connected, "Estimate", estimate, TxnStatus="Accepted")
    await pay(connected, invoice["CustomerRef"]["value"], "80", ("80", "Invoice", invoice["Id"]))
    await connected.advance(60 * DAY)
    await connected.turn(calls={"chosen": {"query": [None, None, None, "no_permission"]}})
    await connected.connect()
    await connected.settle()
    assert await told_of_time(connected) == []
    await connected.advance(timedelta(minutes=10))
    await connected.settle()
    assert (await by_id(connected, Estimate, estimate)).status == "accepted"
    assert (await by_id(connected, Invoice, invoice)).balance_cents == 0
    assert await told_of_time(connected) == []


async def test_a_kind_that_is_refused_for_good_holds_the_others_up_for_a_day(connected: Office) -> None:
    await disconnected(connected)
    await connected.advance(60 * DAY)
    # Estimates, as where the company has changed to a plan without them.
    await connected.turn(calls={"chosen": {"query": [None, None, None, *["no_permission"] * 500]}})
    await connected.connect()
    await connected.settle()
    await connected.advance(timedelta(hours=23))
    await connected.settle()
    assert await told_of_time(connected) == []
    await connected.advance(timedelta(hours=2))
    await connected.settle()
    assert await told_of_time(connected) == ["estimate.expired", "invoice.overdue"]


async def comparisons(office: Office) -> list[dict[str, Any]]:
    return list((await office.api.get("/api/v1/quickbooks/differences")).json()["items"])


async def test_a_night_that_was_missed_is_not_made_up_for_at_the_hour_of_the_consent(connected: Office) -> None:
    await disconnected(connected)
    await connected.advance(3 * DAY)
    await connected.connect()
    await connected.settle()
    assert await comparisons(connected) == []
    await connected.advance(timedelta(hours=15))
    await connected.settle()
    (run,) = await comparisons(connected)
    assert run["lines"] == []


async def test_what_is_still_to_be_read_again_is_no_difference(connected: Office) -> None:
    _, invoice = await disconnected(connected)
    await form(connected, "Invoice", invoice["CustomerRef"]["value"], "5.00")
    await connected.advance(60 * DAY)
    await connected.turn(calls={"chosen": {"query": [None, None, None, "no_permission"]}})
    await connected.connect()
    assert (await connected.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await connected.settle()
    assert await comparisons(connected) == []
    await connected.advance(timedelta(minutes=10))
    await connected.settle()
    (run,) = await comparisons(connected)
    assert run["lines"] == []


async def test_a_comparison_that_is_asked_for_during_another_one_follows_it(connected: Office) -> None:
    assert (await connected.api.post("/api/v1/quickbooks/differences")).status_code == 202
    async with connected.begin() as tx:
        mark = await (await tx.aget(MarkService)).take(DIFFERENCES)
        began = (await tx.aget(UnitOfWork)).now
    assert mark is not None
    await connected.advance(timedelta(minutes=1))
    assert (await connected.api.post("/api/v1/quickbooks/differences")).status_code == 202
    async with connected.begin() as tx:
        await (await tx.aget(MarkService)).compared(REALM, began)
    await connected.settle()
    assert len(await comparisons(connected)) == 1


async def refusing_666(office: Office, database: Database) -> dict[str, Any]:
    """A customer, and a rule of our own that something of theirs in QuickBooks will break; no webhook tells of it."""
    ana = await office.new_customer("Ana Lima")
    await office.settle()
    connection = await asyncpg.connect(database.owner_url.replace("+asyncpg", ""))
    try:
        await connection.execute("ALTER TABLE invoice ADD CHECK (total_cents <> 66600)")
    finally:
        await connection.close()
    await office.turn(events={"shares": {"missing": 1.0}})
    return ana


async def test_what_cannot_be_stored_keeps_no_other_change_from_being_told(
    connected: Office, database: Database
) -> None:
    ana = await refusing_666(connected, database)
    await form(connected, "Invoice", ana["Id"], "666.00")
    known = await form(connected, "Invoice", ana["Id"], "80.00")
    await connected.advance(timedelta(hours=2))
    await connected.worker.run_until_idle()
    assert (await by_id(connected, Invoice, known)).total_cents == 8_000
    assert len(await connected.rows(Invoice)) == 1
    reached = (await connected.one(SyncMark, SyncMark.name == "cdc")).reached_at
    assert reached is not None
    assert reached > await connected.now() - timedelta(hours=1)


async def test_what_cannot_be_stored_is_said_to_differ(connected: Office, database: Database) -> None:
    ana = await refusing_666(connected, database)
    bad = await form(connected, "Invoice", ana["Id"], "666.00")
    missed = await form(connected, "Invoice", ana["Id"], "80.00")
    assert (await connected.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await connected.worker.run_until_idle()
    (newest, *_) = (await connected.api.get("/api/v1/quickbooks/differences")).json()["items"]
    said = {line["qb_id"]: line["explanation"] for line in newest["lines"] if line["entity"] == "Invoice"}
    mended = "it had been missed, and was read again"
    assert said == {bad["Id"]: "still differs: look at it", missed["Id"]: mended}
    assert (await by_id(connected, Invoice, missed)).total_cents == 8_000


async def test_what_names_something_that_cannot_be_stored_is_whole_once_that_is(
    connected: Office, database: Database
) -> None:
    ana = await refusing_666(connected, database)
    bad = await form(connected, "Invoice", ana["Id"], "666.00")
    paid = await pay(connected, ana["Id"], "66", ("66", "Invoice", bad["Id"]))
    await connected.advance(timedelta(hours=2))
    await connected.worker.run_until_idle()
    noted = await connected.rows(Notice, Notice.processed_at.is_(None))
    assert {(one.entity, one.qb_id) for one in noted} == {("Invoice", bad["Id"]), ("Payment", paid["Id"])}
