"""Deposits and progress invoices never bill more than their estimate, whatever happens to it or them meanwhile."""

from typing import Any

import pytest
from billing.models import Estimate, Invoice
from billing.states import EstimateStatus

from .books import changed, sold
from .office import Office
from .sales import post, public_page
from .writes import pushed, shown


@pytest.mark.parametrize("percent", [None, "10"])
async def test_parts_of_an_estimate_with_a_discount_add_up_to_it(connected: Office, percent: str | None) -> None:
    """The discount is given in QuickBooks, to the whole estimate; every part gives its share of it."""
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    detail = {"PercentBased": True, "DiscountPercent": 10} if percent else {"PercentBased": False}
    discount = {"DetailType": "DiscountLineDetail", "Amount": 20, "DiscountLineDetail": detail}
    body = {"Id": qb_id, "SyncToken": theirs["SyncToken"], "sparse": True, "Line": [theirs["Line"][0], discount]}
    await connected.quickbooks("POST", "estimate", body)
    await connected.settle()
    assert (await connected.one(Estimate)).subtotal_cents == 18_000
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    deposit = await post(connected, "invoices", estimate_id=made["id"], part="deposit", share="0.333333")
    await connected.settle()
    await post(connected, "invoices", estimate_id=made["id"], part="progress")
    await connected.settle()
    rows = sorted(await connected.rows(Invoice), key=lambda row: row.created_at)
    assert [row.subtotal_cents for row in rows] == [6_000, 12_000]
    assert deposit["subtotal"]["amount_cents"] == 6_000
    estimate = await connected.one(Estimate)
    assert sum(row.subtotal_cents for row in rows) == estimate.subtotal_cents
    assert abs(sum(row.total_cents for row in rows) - estimate.total_cents) <= 1
    assert estimate.status is EstimateStatus.CLOSED


async def test_an_estimate_that_names_amounts_alone_becomes_an_invoice_of_the_same(connected: Office) -> None:
    made = await pushed(connected)
    qb_id = (await connected.one(Estimate)).qb_id
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    bare = {"DetailType": "SalesItemLineDetail", "Amount": 75, "SalesItemLineDetail": {}}
    await connected.quickbooks(
        "POST", "estimate", {"Id": qb_id, "SyncToken": theirs["SyncToken"], "sparse": True, "Line": [bare]}
    )
    await connected.settle()
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    await post(connected, "invoices", estimate_id=made["id"])
    await connected.settle()
    row = await connected.one(Invoice)
    assert (row.qb_id is not None, row.subtotal_cents) == (True, 7_500)


def line(amount: str) -> dict[str, Any]:
    found = sold(amount.removesuffix(" taxed"))
    if amount.endswith(" taxed"):
        found["SalesItemLineDetail"]["TaxCodeRef"] = {"value": "TAX"}
    return found


async def typed_estimate(office: Office, *amounts: str) -> dict[str, Any]:
    """One that stands in QuickBooks with lines of so much, accepted."""
    made = await pushed(office)
    await change_lines(office, made, *amounts)
    return made


async def change_lines(office: Office, made: dict[str, Any], *amounts: str) -> None:
    """Somebody changes the estimate's lines there, and the customer accepts what it costs now."""
    theirs = {"Id": (await office.one(Estimate)).qb_id}
    await changed(office, "Estimate", theirs, Line=[line(amount) for amount in amounts])
    await office.settle()
    total = (await shown(office, f"estimates/{made['id']}"))["total"]
    await post(office, f"estimates/{made['id']}/accept", name="Ana Lima", total=total)
    await office.settle()


async def billed(office: Office) -> list[int]:
    rows = sorted(await office.rows(Invoice), key=lambda row: row.created_at)
    return [row.subtotal_cents for row in rows]


async def part(office: Office, made: dict[str, Any], **share: str) -> Any:
    answer = await office.api.post("/api/v1/invoices", json={"estimate_id": made["id"], "part": "progress", **share})
    await office.settle()
    return answer


async def test_a_discount_that_is_typed_as_a_line_below_zero_is_billed_in_parts_too(connected: Office) -> None:
    made = await typed_estimate(connected, "1000.00", "-100.00")
    assert (await part(connected, made, share="0.5")).is_success
    assert (await part(connected, made)).is_success
    assert await billed(connected) == [45_000, 45_000]
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED


@pytest.mark.parametrize(
    ("before", "share", "after"),
    [
        pytest.param(("1000.00", "200.00"), "0.5", ("200.00", "1000.00"), id="in another order"),
        pytest.param(("1000.00",), "0.5", ("200.00", "1000.00"), id="one more on top"),
        pytest.param(("1000.00", "200.00"), "0.5", ("1000.00",), id="one taken away"),
        pytest.param(("1000.00", "900.00 taxed"), "0.1", ("900.00 taxed", "1000.00"), id="as much of another"),
        pytest.param(("1000.00 taxed",), "0.1", ("200.00", "1000.00 taxed"), id="a little of another"),
    ],
)
async def test_where_lines_are_others_than_those_that_parts_bill_nothing_more_is_billed(
    connected: Office, before: tuple[str, ...], share: str, after: tuple[str, ...]
) -> None:
    made = await typed_estimate(connected, *before)
    assert (await part(connected, made, share=share)).is_success
    await change_lines(connected, made, *after)
    known = await billed(connected)
    refused = await part(connected, made)
    assert (refused.status_code, refused.json()["code"]) == (409, "parts_changed")
    assert (await connected.one(Invoice)).number in refused.json()["detail"]
    assert await billed(connected) == known
    # As it says: once what was billed is void, all of it can be.
    await post(connected, f"invoices/{(await connected.one(Invoice)).id}/void")
    await connected.settle()
    assert (await part(connected, made)).is_success
    assert sum(await billed(connected)) == (await connected.one(Estimate)).subtotal_cents


@pytest.mark.parametrize("amount", ["700.00", "300.00"])
async def test_where_a_part_was_changed_in_quickbooks_nobody_guesses_what_is_left(
    connected: Office, amount: str
) -> None:
    made = await typed_estimate(connected, "1000.00")
    assert (await part(connected, made, share="0.5")).is_success
    theirs = {"Id": (await connected.one(Invoice)).qb_id}
    await changed(connected, "Invoice", theirs, Line=[sold(amount)])
    await connected.settle()
    refused = await part(connected, made)
    assert (refused.status_code, refused.json()["code"]) == (409, "parts_changed")


async def test_a_part_that_waits_to_be_written_is_not_written_where_an_earlier_one_was_changed(
    connected: Office,
) -> None:
    made = await typed_estimate(connected, "1000.00")
    assert (await part(connected, made, share="0.5")).is_success
    theirs = {"Id": (await connected.one(Invoice)).qb_id}
    await connected.turn(calls={"chosen": {"create invoice": ["fault_in_200"]}})
    assert (await part(connected, made)).is_success
    (write,) = (await connected.api.get("/api/v1/quickbooks/writes", params={"state": "failed"})).json()["items"]
    await changed(connected, "Invoice", theirs, Line=[sold("700.00")])
    await connected.settle()
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    (write,) = (await connected.api.get("/api/v1/quickbooks/writes", params={"state": "failed"})).json()["items"]
    assert "was changed in QuickBooks" in write["error"]
    assert len(await connected.ledger("Invoice")) == 2  # Created, and changed there.


async def test_where_all_is_billed_something_more_in_a_part_leaves_nothing_to_bill(connected: Office) -> None:
    made = await typed_estimate(connected, "1000.00")
    assert (await part(connected, made, share="0.5")).is_success
    assert (await part(connected, made)).is_success
    theirs = {"Id": (await connected.rows(Invoice))[0].qb_id}
    await changed(connected, "Invoice", theirs, Line=[sold("500.00"), sold("5.00")])
    await connected.settle()
    assert (await part(connected, made)).json()["code"] == "nothing_left_to_invoice"


async def test_an_estimate_that_is_closed_after_a_deposit_is_not_called_invoiced(connected: Office) -> None:
    made = await typed_estimate(connected, "1000.00")
    address, _ = await public_page(connected, made)
    assert (await part(connected, made, share="0.3")).is_success
    await changed(connected, "Estimate", {"Id": (await connected.one(Estimate)).qb_id}, TxnStatus="Closed")
    await connected.settle()
    page = await connected.api.get(address, headers={"Authorization": ""})
    assert "This estimate is closed." in page.text
