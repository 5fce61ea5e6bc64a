"""What a company itself refuses: books that are closed, and a subscription that has ended."""

from typing import Any

import httpx
import orjson
import pytest
from shared.testing import until

from .app import CONTROL, REALM, App, form, payment

SETTINGS = f"{CONTROL}/{REALM}/settings"


async def settle(control: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await control.patch(SETTINGS, json=changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_books_are_closed_up_to_a_day(app: App, control: httpx.AsyncClient) -> None:
    ana = await app.customer()
    old = await app.invoice(ana, TxnDate="2026-10-31")
    late = await app.invoice(ana, TxnDate="2026-11-01")
    await settle(control, book_close_date="2026-10-31")
    preferences = (await app.call("GET", "preferences")).json()["Preferences"]
    assert preferences["AccountingInfoPrefs"]["BookCloseDate"] == "2026-10-31"
    named = {"Id": old["Id"], "SyncToken": "0"}
    assert await app.fault("Invoice", form(ana, TxnDate="2026-10-31")) == "6200"
    assert await app.fault("Payment", payment(ana, late, "1.00", TxnDate="2026-10-31")) == "6200"
    assert (
        await app.fault("RefundReceipt", form(ana, TxnDate="2026-01-01", DepositToAccountRef={"value": "2"})) == "6200"
    )
    assert await app.fault("Invoice", named | {"sparse": True, "PrivateNote": "x"}) == "6200"
    # Not moved out of what is closed, and not moved into it.
    assert await app.fault("Invoice", named | {"sparse": True, "TxnDate": "2026-11-02"}) == "6200"
    assert (
        await app.fault("Invoice", {"Id": late["Id"], "SyncToken": "0", "sparse": True, "TxnDate": "2026-10-01"})
        == "6200"
    )
    assert await app.fault("Invoice", named, operation="void") == "6200"
    assert await app.fault("Invoice", named, operation="delete") == "6200"
    # What was billed before is paid after.
    await app.write("Payment", payment(ana, old, "100.00", TxnDate="2026-11-01"))
    assert (await app.read("Invoice", old["Id"]))["Balance"] == 0
    await settle(control, book_close_date=None)
    await app.invoice(ana, TxnDate="2026-10-31")


async def test_closed_books_have_one_code_or_the_other(app: App, control: httpx.AsyncClient, turn: Any) -> None:
    await settle(control, book_close_date="2026-10-31")
    await turn(shapes={"closed_books_code": "6210"})
    assert await app.fault("Invoice", form(await app.customer(), TxnDate="2026-10-31")) == "6210"


async def test_a_company_is_filled_whatever_is_closed(app: App, control: httpx.AsyncClient) -> None:
    await settle(control, book_close_date="2027-12-31")
    wanted = {"customers": 2, "invoices": 5, "payments": 3}
    assert (await control.post(f"{CONTROL}/{REALM}/fill", json=wanted)).status_code == 201


async def test_a_lapsed_company_is_read_and_not_written(app: App, control: httpx.AsyncClient) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana)
    assert (await settle(control, subscription="read_only"))["subscription"] == "read_only"
    named = {"Id": invoice["Id"], "SyncToken": "0"}
    assert await app.fault("Invoice", form(ana)) == "6190"
    assert await app.fault("Customer", {"Id": ana["Id"], "SyncToken": "0", "sparse": True, "Notes": "x"}) == "6190"
    assert await app.fault("Invoice", named, operation="void") == "6190"
    assert await app.fault("Invoice", named, operation="delete") == "6190"
    sent = await app.call("POST", f"invoice/{invoice['Id']}/send", sendTo="ana@example.com")
    assert sent.json()["Fault"]["Error"][0]["code"] == "6190"
    items = [
        {"bId": "1", "operation": "create", "Invoice": form(ana)},
        {"bId": "2", "Query": "select * from Invoice"},
    ]
    written, read = (await app.call("POST", "batch", {"BatchItemRequest": items})).json()["BatchItemResponse"]
    assert (written["Fault"]["Error"][0]["code"], len(read["QueryResponse"]["Invoice"])) == ("6190", 1)
    typed = {"customer_id": ana["Id"], "amount": "1.00"}
    assert (await control.post(f"{CONTROL}/{REALM}/payments", json=typed)).status_code == 409
    info = (await app.call("GET", f"companyinfo/{REALM}")).json()["CompanyInfo"]
    assert {"Name": "SubscriptionStatus", "Value": "EXPIRED"} in info["NameValue"]
    await settle(control, subscription="active")
    await app.invoice(ana)


async def test_an_ended_company_answers_nothing(app: App, control: httpx.AsyncClient) -> None:
    await settle(control, subscription="ended")
    for path in (f"companyinfo/{REALM}", "preferences", "customer/1"):
        answer = await app.call("GET", path)
        assert (answer.status_code, answer.json()["Fault"]["Error"][0]["code"]) == (400, "6190")


async def test_a_company_may_number_and_not_tax(app: App, control: httpx.AsyncClient) -> None:
    assert await settle(control, custom_txn_numbers=False, using_sales_tax=False) == {
        "book_close_date": None,
        "subscription": "active",
        "custom_txn_numbers": False,
        "using_sales_tax": False,
        "online_payments": False,
    }
    invoice = await app.invoice(await app.customer(), Line=form({"Id": "1"}, tax="TAX")["Line"])
    assert (invoice["DocNumber"], invoice["TotalAmt"]) == ("1001", 100)
    assert (await control.get(SETTINGS)).json()["using_sales_tax"] is False


async def links(app: App, **parameters: str) -> list[str | None]:
    """Of every invoice, read one by one and as a list."""
    found = (await app.call("GET", "query", query="select * from Invoice orderby Id", **parameters)).json()
    listed = [one.get("InvoiceLink") for one in found["QueryResponse"]["Invoice"]]
    for one, link in zip(found["QueryResponse"]["Invoice"], listed, strict=True):
        answer = await app.call("GET", f"invoice/{one['Id']}", **parameters)
        assert answer.json()["Invoice"].get("InvoiceLink") == link
    return listed


async def test_an_invoice_has_a_link_where_it_is_paid_online_and_has_an_address(
    app: App, control: httpx.AsyncClient
) -> None:
    ana = await app.customer()
    email = {"BillEmail": {"Address": "ana@example.com"}}
    before = await app.invoice(ana, **email)
    assert await links(app, include="invoiceLink") == [None]
    await settle(control, online_payments=True)
    preferences = (await app.call("GET", "preferences")).json()["Preferences"]
    assert preferences["SalesFormsPrefs"]["ETransactionPaymentEnabled"] is True
    invoice = await app.invoice(ana, **email)
    await app.invoice(ana)
    await app.invoice(ana, BillEmail={"Address": "ana at home"})
    assert await links(app) == [None] * 4
    first, link, *others = await links(app, include="invoiceLink")
    assert (first, link is not None and link.startswith("https://"), others) == (None, True, [None] * 2)
    # The company's setting is what an invoice has that says nothing of it.
    ways = ("AllowOnlineACHPayment", "AllowOnlineCreditCardPayment")
    assert [[one[way] for way in ways] for one in (before, invoice)] == [[False] * 2, [True] * 2]
    estimate = await app.write("Estimate", form(ana, **email))
    read = await app.call("GET", f"estimate/{estimate['Id']}", include="invoiceLink")
    assert "InvoiceLink" not in read.json()["Estimate"]


async def test_an_invoice_may_be_taken_out_of_online_payments(app: App, control: httpx.AsyncClient) -> None:
    await settle(control, online_payments=True)
    ana = await app.customer()
    email = {"BillEmail": {"Address": "ana@example.com"}}
    for card, bank in ((True, False), (False, True), (False, False)):
        await app.invoice(ana, AllowOnlineCreditCardPayment=card, AllowOnlineACHPayment=bank, **email)
    by_card, by_bank, by_none = await links(app, include="invoiceLink")
    assert (by_card is not None, by_bank is not None, by_none) == (True, True, None)


async def test_a_link_is_shown_from_the_minor_version_on_that_brought_it(
    app: App, control: httpx.AsyncClient, turn: Any
) -> None:
    await settle(control, online_payments=True)
    await app.invoice(await app.customer(), BillEmail={"Address": "ana@example.com"})

    async def is_shown(minorversion: str) -> bool:
        return await links(app, include="invoiceLink", minorversion=minorversion) != [None]

    asked = ("35", "36", "75", "", "none")
    assert [await is_shown(version) for version in asked] == [False, True, True, False, False]
    await turn(shapes={"minor_versions": "lifted"})
    assert [await is_shown(version) for version in asked] == [True] * 5


async def test_changed_preferences_are_told_of_and_a_lapse_is_not(
    app: App, control: httpx.AsyncClient, turn: Any, receiver: Any
) -> None:
    await turn(webhook_url=receiver.url)
    await settle(control, subscription="read_only")
    await settle(control, subscription="active", book_close_date="2026-10-31")
    await until(lambda: receiver.received, what="the change is told of")
    events = [event for call in receiver.received for event in orjson.loads(call.raw)]
    assert [(event["type"], event["intuitentityid"]) for event in events] == [("qbo.preferences.updated.v1", "1")]


@pytest.mark.parametrize(
    "wrong", [{"book_close_date": "soon"}, {"book_close_date": 0}, {"subscription": "none"}, {"colour": 1}]
)
async def test_what_is_no_setting_is_refused(control: httpx.AsyncClient, wrong: dict[str, Any]) -> None:
    assert (await control.patch(SETTINGS, json=wrong)).status_code == 422
    assert (await control.patch(f"{CONTROL}/12/settings", json={})).status_code == 404
