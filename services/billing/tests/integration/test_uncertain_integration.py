"""What nobody outside Intuit knows for sure (reference, section 17): billing comes to the same under every setting.

| point | what is uncertain | shown by |
|---|---|---|
| 16 | AgedReceivables: the group of the total row, blanks | test_what_quickbooks_says_is_owed_is_read |
"""

from datetime import timedelta

import pytest
import svcs
from billing.provider import AgedReceivables, Books
from billing.registry import OpenedBooks

from .office import REALM, Office


async def books(office: Office) -> Books:
    async with svcs.Container(office.registry) as container:
        return (await container.aget(OpenedBooks))(REALM)


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
