"""What people do inside QuickBooks."""

from decimal import Decimal

import httpx

from .app import CONTROL, REALM, App, form, ledger

D = Decimal


async def test_books_may_hold_what_no_app_can_read(app: App, control: httpx.AsyncClient) -> None:
    made = await app.write("Estimate", form(await app.customer(), ExpirationDate="2026-12-01"))
    spoil = f"{CONTROL}/{REALM}/spoil-estimate"
    assert (await control.post(spoil, json={"estimate_id": made["Id"]})).status_code == 200
    assert (await app.read("Estimate", made["Id"]))["ExpirationDate"] == "in spring"
    assert (await control.post(spoil, json={"estimate_id": "4711"})).status_code == 404


async def test_people_pay_void_delete_and_merge(app: App, control: httpx.AsyncClient) -> None:
    ana, ben = await app.customer(), await app.customer("Ben Ortiz")
    invoice = await app.invoice(ben, "50.00")
    company = f"{CONTROL}/{REALM}"
    typed = {"customer_id": ben["Id"], "invoice_id": invoice["Id"], "amount": "50.00"}
    paid = (await control.post(f"{company}/payments", json=typed)).json()
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == 0
    assert (await control.post(f"{company}/payments", json=typed)).status_code == 409
    assert (await control.post(f"{company}/payment/{paid['id']}/void")).status_code == 200
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("50.00")
    merged = await control.post(f"{company}/merge-customers", json={"kept_id": ana["Id"], "gone_id": ben["Id"]})
    assert merged.status_code == 200
    assert (await app.read("Invoice", invoice["Id"]))["CustomerRef"]["value"] == ana["Id"]
    assert (await app.read("Customer", ana["Id"]))["Balance"] == D("50.00")
    assert (await app.call("GET", f"customer/{ben['Id']}")).status_code == 400
    assert (await control.post(f"{company}/invoice/{invoice['Id']}/delete")).status_code == 200
    assert (await control.post(f"{company}/invoice/{invoice['Id']}/delete")).status_code == 404
    assert {line["by"] for line in await ledger(control)} == {"api", "person"}
