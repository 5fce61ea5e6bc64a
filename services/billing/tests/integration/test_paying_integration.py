"""Where a customer pays an invoice online: a link that QuickBooks gives, handed on to the office and on their page."""

from typing import Any

import pytest
from billing.models import Invoice
from sqlalchemy import text

from .books import changed, execute
from .office import COMPANY, Office
from .sales import accepted, post, public_page

EMAIL = "ana@example.com"


async def take_payments(office: Office) -> None:
    """The company takes payments online from now on; QuickBooks tells that its settings changed."""
    answer = await office.control.patch(f"{COMPANY}/settings", json={"online_payments": True})
    assert answer.is_success, answer.text
    await office.settle()


async def invoiced(office: Office, **more: Any) -> tuple[str, dict[str, Any]]:
    """The customer's page of an accepted estimate, and an invoice of it that is in QuickBooks."""
    made = await accepted(office, email=EMAIL)
    await office.settle()
    address, _ = await public_page(office, made)
    invoice = await post(office, "invoices", estimate_id=made["id"], **more)
    await office.settle()
    return address, invoice


async def written(office: Office, invoice: dict[str, Any]) -> Invoice:
    return await office.one(Invoice, Invoice.number == invoice["number"])


async def link_of(office: Office, invoice: dict[str, Any]) -> Any:
    return await office.api.get(f"/api/v1/invoices/{invoice['id']}/pay-link")


async def test_an_invoice_is_paid_at_the_link_that_quickbooks_gives(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    answer = await link_of(connected, invoice)
    assert answer.status_code == 200
    assert answer.json()["url"].startswith("https://connect.intuit.com/")
    page = await connected.api.get(address)
    assert f"Invoice {invoice['number']}" in page.text
    assert "$1,381.25" in page.text
    pay = f"{address}/pay/{invoice['id']}"
    assert f'href="{pay[pay.index("/public") :]}"' in page.text
    went = await connected.api.get(pay, follow_redirects=False)
    assert (went.status_code, went.headers["location"]) == (303, answer.json()["url"])


async def test_where_no_payment_is_taken_online_it_is_said_and_nothing_is_offered(connected: Office) -> None:
    address, invoice = await invoiced(connected)
    answer = await link_of(connected, invoice)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_pay_link")
    assert "does not take payments online" in answer.json()["detail"]
    page = await connected.api.get(address)
    assert f"Invoice {invoice['number']}" in page.text
    assert "/pay/" not in page.text
    went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
    assert (went.status_code, "call us" in went.text.lower()) == (409, True)


async def test_an_invoice_without_an_address_has_no_link(connected: Office) -> None:
    await take_payments(connected)
    customer = await connected.new_customer("Bo Berg")
    typed_in = await connected.new_invoice(customer["Id"])
    await connected.settle()
    row = await connected.one(Invoice, Invoice.qb_id == typed_in["Id"])
    answer = await connected.api.get(f"/api/v1/invoices/{row.id}/pay-link")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_pay_link")
    assert "e-mail address" in answer.json()["detail"]


async def test_nothing_is_offered_while_quickbooks_is_not_connected(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    await post(connected, "quickbooks/disconnect")
    page = (await connected.api.get(address)).text
    assert (invoice["number"] in page, "/pay/" in page) == (True, False)
    went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
    assert (went.status_code, "Call us" in went.text) == (409, True)


async def test_only_what_is_owed_is_paid(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    await post(connected, f"invoices/{invoice['id']}/void")
    await connected.settle()
    assert (await link_of(connected, invoice)).json()["code"] == "no_pay_link"
    assert invoice["number"] not in (await connected.api.get(address)).text


async def test_an_address_opens_the_invoices_of_its_own_estimate_alone(connected: Office) -> None:
    await take_payments(connected)
    address, _ = await invoiced(connected)
    _, other = await invoiced(connected)
    went = await connected.api.get(f"{address}/pay/{other['id']}", follow_redirects=False)
    assert (went.status_code, "location" in went.headers) == (404, False)
    forged = address[: address.rindex("/")] + "/forged"
    assert (await connected.api.get(f"{forged}/pay/{other['id']}", follow_redirects=False)).status_code == 404


async def test_an_address_that_we_did_not_make_is_a_page_that_is_not_there(connected: Office) -> None:
    made = await accepted(connected, email=EMAIL)
    await connected.settle()
    address, _ = await public_page(connected, made)
    too_long = address[: address.rindex("/")] + "/" + "x" * 120
    for asked in (too_long, f"{address}/pay/nonsense", f"{too_long}/pay/{made['id']}"):
        page = await connected.api.get(asked, headers={"Authorization": ""})
        assert (page.status_code, page.headers["content-type"].split(";")[0]) == (404, "text/html")
        assert "There is no estimate at this address. Check it, or call us." in page.text
    for verb in ("accept", "decline"):
        page = await connected.api.post(f"{too_long}/{verb}", data={"name": "Ana"}, headers={"Authorization": ""})
        assert (page.status_code, page.headers["content-type"].split(";")[0]) == (404, "text/html")


async def test_what_became_somebody_elses_is_neither_shown_nor_paid_here(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    ben = await connected.new_customer("Ben Ortiz")
    made = (await connected.quickbooks("GET", f"invoice/{(await written(connected, invoice)).qb_id}"))["Invoice"]
    await changed(connected, "Invoice", made, CustomerRef={"value": ben["Id"]})
    await connected.settle()
    assert invoice["number"] not in (await connected.api.get(address)).text
    went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
    assert (went.status_code, "location" in went.headers) == (404, False)
    assert (await link_of(connected, invoice)).status_code == 200


@pytest.mark.parametrize("more_settings", [{"quickbooks_rate": 7.5}])
async def test_who_wants_to_pay_gives_way_to_our_own_work(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
    assert went.status_code == 303
    await execute(connected, text("UPDATE provider_rate SET next_at = clock_timestamp() + interval '1 hour'"))
    for _ in range(3):
        went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
        assert (went.status_code, "in a few minutes" in went.text) == (502, True)


async def test_while_quickbooks_is_away_the_customer_is_asked_to_come_again(connected: Office) -> None:
    await take_payments(connected)
    address, invoice = await invoiced(connected)
    await connected.turn(calls={"chosen": {"read invoice": ["unavailable_html"]}})
    went = await connected.api.get(f"{address}/pay/{invoice['id']}", follow_redirects=False)
    assert (went.status_code, "in a few minutes" in went.text) == (502, True)
