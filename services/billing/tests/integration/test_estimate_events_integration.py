"""What is told of an estimate that somebody closes or re-prices in QuickBooks."""

from datetime import UTC, datetime, timedelta

from billing.models import Estimate

from .books import changed, form, sold
from .office import Office


async def standings(office: Office) -> list[tuple[str, str, int]]:
    """Kind, status and amount of each event about an estimate, in their order."""
    return [
        (event["type"].split(".")[2], event["status"], event["amount"]["amount_cents"])
        for event in await office.published()
        if event["type"].startswith("billing.estimate.")
    ]


async def test_a_sent_estimate_that_is_repriced_and_then_invoiced_is_told_as_changed(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "10.00", EmailStatus="EmailSent")
    await connected.settle()
    await changed(connected, "Estimate", made, Line=[sold("99.00")])
    await connected.settle()
    await connected.new_invoice(ana["Id"], "99.00", LinkedTxn=[{"TxnId": made["Id"], "TxnType": "Estimate"}])
    await connected.settle()
    assert (await connected.one(Estimate)).status == "closed"
    assert await standings(connected) == [
        ("sent", "open", 1_000), ("changed", "open", 9_900), ("changed", "closed", 9_900),
    ]  # fmt: skip


async def test_a_sent_estimate_that_is_deleted_is_told_of_as_deleted(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "10.00", EmailStatus="EmailSent")
    await connected.settle()
    await connected.people_do(f"estimate/{made['Id']}/delete")
    await connected.settle()
    assert await standings(connected) == [("sent", "open", 1_000), ("changed", "deleted", 1_000)]


async def test_of_an_estimate_that_was_never_sent_nobody_is_told(connected: Office) -> None:
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "10.00")
    await changed(connected, "Estimate", made, Line=[sold("99.00")])
    await connected.settle()
    await connected.people_do(f"estimate/{made['Id']}/delete")
    await connected.settle()
    assert await standings(connected) == []


async def test_an_estimate_that_was_invoiced_before_it_was_first_read_is_told_of_as_closed(office: Office) -> None:
    await office.turn(webhook_url="")  # Of a company that is not connected nobody hears.
    ana = await office.new_customer("Ana Lima")
    made = await form(office, "Estimate", ana["Id"], "10.00", EmailStatus="EmailSent")
    await office.new_invoice(ana["Id"], "10.00", LinkedTxn=[{"TxnId": made["Id"], "TxnType": "Estimate"}])
    await office.advance(timedelta(minutes=30))
    await office.connect()
    await office.settle()
    assert await standings(office) == [("sent", "closed", 1_000)]


async def test_an_estimate_expires_with_its_last_day_where_the_company_is(connected: Office) -> None:
    """In the evening in Boston it is tomorrow in Greenwich."""
    ana = await connected.new_customer("Ana Lima")
    made = await form(connected, "Estimate", ana["Id"], "10.00", ExpirationDate="2031-03-05")
    await connected.settle()
    await connected.advance(timedelta(days=2, hours=9))
    await connected.settle()
    row = await connected.one(Estimate)
    assert (row.status, row.status_at) == ("expired", datetime(2031, 3, 6, 5, tzinfo=UTC))
    # It is still the sixth there: somebody lets it hold until the end of the day.
    await changed(connected, "Estimate", made, ExpirationDate="2031-03-06")
    await connected.settle()
    assert (await connected.one(Estimate)).status == "open"
