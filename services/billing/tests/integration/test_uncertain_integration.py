"""What nobody outside Intuit knows for sure (reference, section 17): billing comes to the same under every setting.

| point | what is uncertain | shown by |
|---|---|---|
| 4 | CDC of more than 30 days | test_changes_that_are_too_old_…, test_changes_that_are_never_told_… |
| 4 | a query for more than 1000 | test_a_query_has_what_billing_needs_of_it |
| 9 | unquoted numbers in WHERE | test_a_query_has_what_billing_needs_of_it |
| 16 | AgedReceivables: the group of the total row, blanks | test_what_quickbooks_says_is_owed_is_read |
"""

from datetime import timedelta

import pytest
import svcs
from billing.models import Customer, Invoice, SyncMark
from billing.provider import AgedReceivables, Books
from billing.registry import OpenedBooks
from billing.services.marks import CDC, DIFFERENCES
from billing.services.pulling import PAGE
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .office import REALM, Office

LOST = {"shares": {"missing": 1.0}}


async def books(office: Office) -> Books:
    async with svcs.Container(office.registry) as container:
        return (await container.aget(OpenedBooks))(REALM)


# --- 4: change data capture, and the size of a query


@pytest.mark.parametrize(("code", "reach", "away"), [
    ("6000", 30, 40), ("4001", 30, 40), ("cut", 30, 40), ("6000", 7, 10), ("4001", 7, 10),
])  # fmt: skip
async def test_changes_that_are_too_old_are_found_by_reading_everything(
    connected: Office, code: str, reach: int, away: int
) -> None:
    await connected.turn(shapes={"cdc_too_old": code, "cdc_days": reach}, events=LOST)
    await compare_never(connected)
    ana = await connected.new_customer("Ana Lima")
    invoice = await connected.new_invoice(ana["Id"], "70.00")
    await connected.advance(timedelta(days=away))
    await connected.settle()
    row = await connected.one(Invoice, Invoice.qb_id == invoice["Id"])
    assert row.balance_cents == 7_000
    # It is told again from now on.
    connected.person_token = ""
    ben = await connected.new_customer("Ben Ortiz")
    await connected.advance(timedelta(hours=1))
    await connected.settle()
    assert await connected.rows(Customer, Customer.qb_id == ben["Id"])
    assert await refusal_of(connected, CDC) is None


async def test_changes_that_are_never_told_are_read_once_a_day(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"cdc": ["fault_in_200"] * 50}}, events=LOST)
    await compare_never(connected)
    ana = await connected.new_customer("Ana Lima")
    await connected.advance(timedelta(hours=1))
    await connected.settle()
    assert not await connected.rows(Customer, Customer.qb_id == ana["Id"])
    assert "could not be processed" in str(await refusal_of(connected, CDC))
    assert "could not be processed" in (await connected.health())["last_error"]
    await connected.advance(timedelta(days=1))
    await connected.settle()
    assert await connected.rows(Customer, Customer.qb_id == ana["Id"])


async def compare_never(office: Office) -> None:
    """What is compared at night would be mended then."""
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        await session.execute(update(SyncMark).where(SyncMark.name == DIFFERENCES).values(due_at=None))


async def refusal_of(office: Office, mark: str) -> str | None:
    return (await office.one(SyncMark, SyncMark.name == mark)).error


@pytest.mark.parametrize("size", ["refuse", "cap"])
@pytest.mark.parametrize("takes_bare_numbers", [True, False])
async def test_a_query_has_what_billing_needs_of_it(connected: Office, size: str, takes_bare_numbers: bool) -> None:
    await connected.turn(shapes={"query_too_large": size, "has_bare_numbers": takes_bare_numbers})
    ana = await connected.new_customer("Ana O'Lima")
    invoice = await connected.new_invoice(ana["Id"], DocNumber="1001")
    asked, before = await books(connected), await connected.now() - timedelta(minutes=1)
    assert [one.id for one in await asked.find("Invoice", [invoice["Id"]])] == [invoice["Id"]]
    assert [one.id for one in await asked.page("Invoice", 1, PAGE)] == [invoice["Id"]]
    assert [one.id for one in await asked.page_changed("Invoice", before, 1, PAGE)] == [invoice["Id"]]
    assert [one.id for one in await asked.by_number("Invoice", "1001")] == [invoice["Id"]]
    assert [one.id for one in await asked.by_name("Ana O'Lima")] == [ana["Id"]]
    assert await asked.count("Customer") == 1


# --- 16: AgedReceivables


@pytest.mark.parametrize("blank", ["", "0.00"])
@pytest.mark.parametrize("total", ["GrandTotal", "TOTAL", None])
async def test_what_quickbooks_says_is_owed_is_read(connected: Office, total: str | None, blank: str) -> None:
    await connected.turn(shapes={"aging_total": total, "aging_blank": blank})
    today = (await connected.now()).date()
    acme = await connected.new_customer("Acme")
    garage = await connected.new_customer("Garage", ParentRef={"value": acme["Id"]}, Job=True)
    ana = await connected.new_customer("Ana Lima")
    for customer, amount, late in ((acme, "1.00", 0), (garage, "2.00", 30), (garage, "4.00", 31), (ana, "8.05", 91)):
        await connected.new_invoice(
            customer["Id"], amount, TxnDate=str(today - timedelta(days=99)), DueDate=str(today - timedelta(days=late))
        )
    owed = await (await books(connected)).aged_receivables(today)
    assert owed == AgedReceivables({acme["Id"]: 100, garage["Id"]: 600, ana["Id"]: 805}, by_age=(100, 200, 400, 0, 805))
    # On an earlier day nothing is as late as it is today.
    assert (await (await books(connected)).aged_receivables(today - timedelta(days=99))).by_age == (1_505, 0, 0, 0, 0)
