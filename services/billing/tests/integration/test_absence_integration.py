"""Nothing expires, falls overdue or is compared in books that nobody keeps up to date: it is once they were read."""

from datetime import timedelta
from typing import Any

from billing.models import Estimate, Invoice
from billing.services.marks import DIFFERENCES, MarkService
from shared.database import UnitOfWork

from .books import by_id, changed, form, pay, told
from .office import LOST, REALM, Office

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
    await office.turn(events=LOST)
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
