"""What a write may hold: amounts as text, nothing at all, and what is beyond every column and calendar."""

from decimal import Decimal

from .app import App, form

D = Decimal


async def test_amounts_that_are_written_as_text_are_answered_as_numbers(app: App) -> None:
    # As a common client writes its decimals.
    line = {"DetailType": "SalesItemLineDetail", "Amount": "40.00", "SalesItemLineDetail": {"Qty": "1"}}
    body = {"CustomerRef": {"value": (await app.customer())["Id"]}, "Line": [line], "ExchangeRate": "1.5"}
    invoice = await app.write("Invoice", body)
    assert (invoice["Line"][0]["Amount"], invoice["TotalAmt"], invoice["ExchangeRate"]) == (D("40.00"), 40, D("1.5"))
    assert await app.fault("Invoice", body | {"Line": [line | {"Amount": "forty"}]}) == "2010"


async def test_what_is_sent_empty_is_not_shown(app: App) -> None:
    empty = {"CompanyName": None, "Notes": "", "PreferredDeliveryMethod": ""}
    ana = await app.customer(**empty)
    assert ana["PreferredDeliveryMethod"] == "Print"
    assert not {"CompanyName", "Notes"} & ana.keys()
    noted = await app.write("Customer", {"Id": ana["Id"], "SyncToken": "0", "sparse": True, "Notes": "Call first"})
    assert noted["Notes"] == "Call first"
    emptied = await app.write("Customer", {"Id": ana["Id"], "SyncToken": "1", "sparse": True, "Notes": ""})
    assert "Notes" not in emptied
    assert await app.fault("Customer", {"Id": ana["Id"], "SyncToken": "2", "sparse": True, "DisplayName": 5}) == "2010"


async def test_an_invoice_cannot_be_emptied_of_what_it_needs(app: App) -> None:
    invoice = await app.invoice(await app.customer())
    for name in ("CustomerRef", "Line"):
        named = {"Id": invoice["Id"], "SyncToken": "0", "sparse": True, name: None}
        assert await app.fault("Invoice", named) == "2020"


async def test_the_last_day_of_the_calendar_is_too_late_for_an_invoice(app: App) -> None:
    ana = await app.customer()
    late = {"TxnDate": "9999-12-31", "SalesTermRef": {"value": "3"}}
    assert await app.fault("Invoice", form(ana, **late)) == "2010"
    assert await app.fault("Invoice", form(ana, TxnDate="2026-02-30")) == "2010"


async def test_a_discount_beyond_all_amounts_is_refused(app: App) -> None:
    detail = {"PercentBased": True, "DiscountPercent": 99_999_999_999}
    discount = {"DetailType": "DiscountLineDetail", "Amount": 1, "DiscountLineDetail": detail}
    body = form(await app.customer(), "99999999999.00")
    assert await app.fault("Invoice", body | {"Line": [*body["Line"], discount]}) == "6000"


async def test_a_vendor_has_nothing_that_only_customers_have(app: App) -> None:
    vendor = await app.write("Vendor", {"DisplayName": "Resin and Ports"})
    assert not {"Taxable", "Job", "PreferredDeliveryMethod"} & vendor.keys()
