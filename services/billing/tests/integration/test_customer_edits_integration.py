"""Customers are edited here and in QuickBooks; nobody writes over what the other did."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from billing.models import Customer, Push
from billing.states import PushState
from shared.clock import wall_now
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .books import reader
from .customers import ANA, ensure, typed
from .office import REALM, Office


async def patch(office: Office, row: Customer, version: int | None = None, **changes: Any) -> Any:
    tag = {"If-Match": f'"{row.version if version is None else version}"'}
    return await office.api.patch(f"/api/v1/customers/{row.id}", json=changes, headers=tag)


async def customer_there(office: Office, row: Customer) -> dict[str, Any]:
    return dict((await office.quickbooks("GET", f"customer/{row.qb_id}"))["Customer"])


async def test_an_edit_is_made_in_quickbooks_too(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy"}, Notes="Dog bites")
    answer = await patch(connected, row, email="Ana@Example.com", phone="617 555 0177", street="2 Oak St", city=None)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["email"], body["phone"], body["address"]["city"]) == ("ana@example.com", "+16175550177", None)
    assert [(write["kind"], write["state"]) for write in body["writes"]] == [("update_customer", "pending")]
    assert answer.headers["ETag"] == f'"{row.version + 1}"'
    await connected.settle()
    there = await customer_there(connected, row)
    assert (there["PrimaryEmailAddr"]["Address"], there["PrimaryPhone"]["FreeFormNumber"]) == (
        "ana@example.com",
        "+16175550177",
    )
    assert (there["BillAddr"]["Line1"], there["BillAddr"]["City"]) == ("2 Oak St", "")
    assert (there["DisplayName"], there["Notes"]) == ("Lima, Ana", "Dog bites")
    assert (await connected.api.get(f"/api/v1/customers/{row.id}")).json()["writes"] == []


async def test_what_somebody_changed_in_quickbooks_meanwhile_stays(connected: Office) -> None:
    row = await typed(connected)
    change = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "CompanyName": "Lima Homes"}
    await connected.quickbooks("POST", "customer", change)
    assert (await patch(connected, row, given_name="Ana")).status_code == 200
    await connected.settle()
    there = await customer_there(connected, row)
    assert (there["CompanyName"], there["GivenName"]) == ("Lima Homes", "Ana")
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.company_name, ours.given_name) == ("Lima Homes", "Ana")


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "meanwhile"])
async def test_what_an_address_has_that_we_do_not_edit_stays(connected: Office, is_known: bool) -> None:
    address = {"Line1": "1 Oak St", "City": "Quincy", "PostalCode": "02169", "Country": "USA"}
    row = await typed(connected, BillAddr=address)
    longer = {**address, "Line2": "Rear house", "Note": "Blue door"}
    change = {"Id": row.qb_id, "SyncToken": str(row.sync_token), "sparse": True, "BillAddr": longer}
    await connected.quickbooks("POST", "customer", change)
    if is_known:
        await connected.settle()
        row = await connected.one(Customer, Customer.id == row.id)
    assert (await patch(connected, row, city="Boston", postal_code=None)).status_code == 200
    await connected.settle()
    there = (await customer_there(connected, row))["BillAddr"]
    assert {name: there.get(name) or None for name in (*longer, "CountrySubDivisionCode")} == {
        **longer,
        "City": "Boston",
        "PostalCode": None,
        "CountrySubDivisionCode": None,
    }


async def test_where_an_address_was_on_the_map_does_not_outlast_it(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy", "Lat": "42.25", "Long": "-71.00"})
    assert (await patch(connected, row, city="Boston")).status_code == 200
    await connected.settle()
    there = (await customer_there(connected, row))["BillAddr"]
    assert (there["City"], there.get("Lat"), there.get("Long")) == ("Boston", None, None)


async def test_a_lost_answer_to_an_edit_is_looked_up(connected: Office) -> None:
    row = await typed(connected)
    await patch(connected, row, given_name="Ana", street="2 Oak St", phone=None)
    await connected.turn(
        calls={"chosen": {"update customer": ["reset_after_commit"]}}, requests={"retention_seconds": 0}
    )
    await connected.settle()
    assert (await customer_there(connected, row))["SyncToken"] == str(row.sync_token + 1)
    assert await connected.pushes() == [("update_customer", "done")]


async def test_a_name_that_is_taken_is_told_and_nothing_is_merged(connected: Office) -> None:
    other = await typed(connected, name="Ana Lima")
    row = await typed(connected)
    assert (await patch(connected, row, display_name="Ana Lima")).status_code == 200
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/customers/{row.id}")).json()
    ((state, error),) = [(write["state"], write["error"]) for write in shown["writes"]]
    assert (state, bool(error)) == ("failed", True)
    assert (shown["merged_into_id"], shown["is_active"]) == (None, True)
    # Given up, it is shown as it is in QuickBooks.
    dropped = await connected.api.post(f"/api/v1/quickbooks/writes/{shown['writes'][0]['id']}/drop")
    assert dropped.status_code == 200
    await connected.settle()
    assert (await connected.one(Customer, Customer.id == row.id)).display_name == "Lima, Ana"
    assert (await connected.one(Customer, Customer.id == other.id)).display_name == "Ana Lima"


async def test_an_edit_of_one_that_is_on_its_way_is_not_lost(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    row = await ensure(connected, contact)
    assert (await patch(connected, row, family_name="Lima-Costa")).status_code == 200
    await connected.settle()
    row = await connected.one(Customer, Customer.id == row.id)
    assert (await customer_there(connected, row))["FamilyName"] == "Lima-Costa"


async def put_off(office: Office, until: datetime | None) -> None:
    async with office.begin() as tx:
        await (await tx.aget(AsyncSession)).execute(update(Push).values(next_try_at=until))


async def changed_there(office: Office, row: Customer, **changes: Any) -> None:
    newest = await customer_there(office, row)
    await office.quickbooks(
        "POST", "customer", {"Id": row.qb_id, "SyncToken": newest["SyncToken"], "sparse": True, **changes}
    )


async def test_what_waits_to_be_written_is_shown_over_what_is_read_meanwhile(connected: Office) -> None:
    row = await typed(connected, BillAddr={"Line1": "1 Oak St", "City": "Quincy"})
    answer = await patch(connected, row, given_name="Ana", city="Boston")
    assert (await patch(connected, row, version=row.version + 1, city="Milton", phone=None)).status_code == 200
    await put_off(connected, wall_now() + timedelta(hours=1))
    books = await reader(connected)
    for changes in ({}, {"CompanyName": "Lima Homes"}):
        if changes:
            await changed_there(connected, row, **changes)
        await books.take_again(REALM, {"Customer": {str(row.qb_id)}})
        ours = await connected.one(Customer, Customer.id == row.id)
        assert (ours.given_name, ours.city, ours.phone) == ("Ana", "Milton", None)
        assert ours.company_name == changes.get("CompanyName")
        assert ours.version == row.version + (3 if changes else 2)
    await put_off(connected, None)
    await connected.settle()
    assert await connected.pushes() == [("update_customer", "done"), ("update_customer", "done")]
    there = await customer_there(connected, row)
    assert (there["GivenName"], there["BillAddr"]["City"], there["CompanyName"]) == ("Ana", "Milton", "Lima Homes")
    assert there["BillAddr"]["Line1"] == answer.json()["address"]["street"] == "1 Oak St"
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city, ours.phone, ours.company_name) == ("Ana", "Milton", None, "Lima Homes")


async def test_what_somebody_made_otherwise_there_is_shown_and_not_written_over(connected: Office) -> None:
    row = await typed(connected, BillAddr={"City": "Quincy"})
    await patch(connected, row, given_name="Ana", city="Boston")
    await put_off(connected, wall_now() + timedelta(hours=1))
    await changed_there(connected, row, BillAddr={"City": "Milton"})
    await connected.worker.run_until_idle()
    await (await reader(connected)).take_again(REALM, {"Customer": {str(row.qb_id)}})
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city) == (None, "Milton")
    await put_off(connected, None)
    await connected.settle()
    (push,) = await connected.rows(Push)
    assert (push.state, push.error_code) == (PushState.FAILED, "changed_in_quickbooks")
    dropped = await connected.api.post(f"/api/v1/quickbooks/writes/{push.id}/drop")
    assert dropped.status_code == 200, dropped.text
    await connected.settle()
    ours = await connected.one(Customer, Customer.id == row.id)
    assert (ours.given_name, ours.city) == (None, "Milton")


async def test_edits_need_the_version_that_was_read_and_sound_values(connected: Office) -> None:
    row = await typed(connected)
    assert (await patch(connected, row, version=99, given_name="Ana")).status_code == 412
    bare = await connected.api.patch(f"/api/v1/customers/{row.id}", json={"given_name": "Ana"})
    assert bare.status_code == 428
    for wrong in ({"phone": "12"}, {"email": "x"}, {"display_name": "a:b"}, {"display_name": None}, {"nme": "x"}):
        answer = await connected.api.patch(
            f"/api/v1/customers/{row.id}", json=wrong, headers={"If-Match": f'"{row.version}"'}
        )
        assert answer.status_code == 422, wrong
    unchanged = await patch(connected, row, display_name="Lima, Ana")
    assert unchanged.headers["ETag"] == f'"{row.version}"'
    assert await connected.pushes() == []
