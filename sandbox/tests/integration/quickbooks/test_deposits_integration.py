"""Deposits: what a bank has got cannot be changed any more, until the deposit is gone."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from .app import CONTROL, REALM, App, payment

D = Decimal
CHECKING, UNDEPOSITED = {"value": "2"}, {"value": "3"}


def deposit(*payments: dict[str, Any], **more: Any) -> dict[str, Any]:
    lines = [
        {"Amount": one["TotalAmt"], "LinkedTxn": [{"TxnId": one["Id"], "TxnType": "Payment", "TxnLineId": "0"}]}
        for one in payments
    ]
    return {"DepositToAccountRef": CHECKING, "Line": lines, **more}


async def paid(app: App, amount: str = "60.00", **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """An invoice of 100 and a payment for it."""
    found = (await app.query("select * from Customer")).get("Customer")
    ana = found[0] if found else await app.customer()
    invoice = await app.invoice(ana)
    return invoice, await app.write("Payment", payment(ana, invoice, amount, **more))


async def refusals(app: App, one: dict[str, Any]) -> list[str]:
    """The codes with which each change of the payment is refused."""
    token = (await app.read("Payment", one["Id"]))["SyncToken"]
    named = {"Id": one["Id"], "SyncToken": token, "sparse": True}
    return [
        await app.fault("Payment", named | {"PrivateNote": "x"}),
        await app.fault("Payment", named, operation="delete"),
        await app.fault("Payment", named, operation="update", include="void"),
    ]


async def test_a_deposited_payment_is_not_changed_until_the_deposit_is_gone(app: App) -> None:
    invoice, one = await paid(app)
    _, two = await paid(app, "40.00")
    made = await app.write("Deposit", deposit(one, two))
    assert (made["TotalAmt"], made["SyncToken"], len(made["Line"])) == (D("100.00"), "0", 2)
    assert made["Line"][0]["LinkedTxn"][0]["TxnId"] == one["Id"]
    assert (await app.read("Payment", one["Id"]))["LinkedTxn"] == [{"TxnId": made["Id"], "TxnType": "Deposit"}]
    assert await refusals(app, one) == await refusals(app, two) == ["6540"] * 3
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("40.00")
    gone = await app.write("Deposit", {"Id": made["Id"], "SyncToken": "0"}, operation="delete")
    assert gone["status"] == "Deleted"
    free = await app.read("Payment", one["Id"])
    assert "LinkedTxn" not in free
    await app.write("Payment", {"Id": one["Id"], "SyncToken": free["SyncToken"]}, operation="delete")
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D("100.00")


async def test_the_invoice_of_a_deposited_payment_may_still_be_voided(app: App) -> None:
    invoice, one = await paid(app)
    await app.write("Deposit", deposit(one))
    token = (await app.read("Invoice", invoice["Id"]))["SyncToken"]
    await app.write("Invoice", {"Id": invoice["Id"], "SyncToken": token}, operation="void")
    left = await app.read("Payment", one["Id"])
    assert (left["TotalAmt"], left["UnappliedAmt"], len(left["LinkedTxn"])) == (D("60.00"), D("60.00"), 1)


async def test_a_payment_is_deposited_once_whole_and_from_where_it_waits(app: App) -> None:
    _, one = await paid(app)
    await app.write("Deposit", deposit(one))
    assert await app.fault("Deposit", deposit(one)) == "6000"
    _, two = await paid(app, "40.00", DepositToAccountRef=CHECKING)
    assert await app.fault("Deposit", deposit(two)) == "6000"
    _, three = await paid(app, "40.00", DepositToAccountRef=UNDEPOSITED)
    assert await app.fault("Deposit", deposit(three | {"TotalAmt": D("39.00")})) == "6000"
    await app.write("Deposit", deposit(three))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Line": []}, "2020"),
        ({"DepositToAccountRef": None}, "2020"),
        ({"DepositToAccountRef": {"value": "1"}}, "6000"),
        ({"Line": [{"Amount": 1, "LinkedTxn": [{"TxnId": "99", "TxnType": "Payment"}]}]}, "2500"),
        ({"Line": [{"Amount": 1, "LinkedTxn": [{"TxnId": "1", "TxnType": "Invoice"}]}]}, "2500"),
        ({"Line": [{"Amount": 1}]}, "2020"),
        ({"Line": [{"Amount": 1, "DetailType": "DepositLineDetail", "DepositLineDetail": {}}]}, "2020"),
        ({"Line": [{"DetailType": "DepositLineDetail", "DepositLineDetail": {"AccountRef": {"value": "1"}}}]}, "2020"),
        ({"CustomerRef": {"value": "1"}}, "2010"),
    ],
)
async def test_what_is_wrong_with_a_deposit_has_its_code(app: App, changes: dict[str, Any], code: str) -> None:
    _, one = await paid(app)
    assert await app.fault("Deposit", deposit(one) | changes) == code


async def test_a_deposit_holds_other_money_and_is_changed_like_the_rest(app: App) -> None:
    _, one = await paid(app)
    _, two = await paid(app, "40.00")
    other = {
        "Amount": D("5.00"),
        "DetailType": "DepositLineDetail",
        "DepositLineDetail": {"AccountRef": {"value": "1"}},
    }
    body = deposit(one)
    body["Line"].append(other)
    made = await app.write("Deposit", body)
    assert made["TotalAmt"] == D("65.00")
    changed = deposit(two) | {"Id": made["Id"], "SyncToken": "0", "sparse": True}
    assert (await app.write("Deposit", changed))["TotalAmt"] == D("40.00")
    await app.write("Payment", {"Id": one["Id"], "SyncToken": "2", "sparse": True, "PrivateNote": "free"})
    assert await refusals(app, two) == ["6540"] * 3


async def test_a_person_deposits_and_takes_it_back(app: App, control: httpx.AsyncClient) -> None:
    company = f"{CONTROL}/{REALM}"
    _, one = await paid(app)
    made = await control.post(f"{company}/deposits", json={"payment_ids": [one["Id"]]})
    assert (made.status_code, made.json()["kind"]) == (201, "Deposit")
    assert await refusals(app, one) == ["6540"] * 3
    assert (await control.post(f"{company}/payment/{one['Id']}/void")).status_code == 409
    assert (await control.post(f"{company}/deposits", json={"payment_ids": [one["Id"]]})).status_code == 409
    assert (await control.post(f"{company}/deposits", json={"payment_ids": ["99"]})).status_code == 404
    assert (await control.post(f"{company}/deposit/{made.json()['id']}/delete")).status_code == 200
    assert (await control.post(f"{company}/payment/{one['Id']}/void")).status_code == 200
