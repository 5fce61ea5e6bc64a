"""Refund receipts: forms that give money back, and leave what a customer owes as it is."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from shared.testing import until
from shared.testing.plugin import FakeClock

from .app import CONTROL, REALM, App, form, payment

D = Decimal
CHECKING, INCOME = {"value": "2"}, {"value": "1"}


def refund(customer: dict[str, Any], amount: str = "40.00", **more: Any) -> dict[str, Any]:
    return form(customer, amount, DepositToAccountRef=CHECKING, **more)


async def test_a_refund_is_filled_in_like_a_form_and_owes_nothing(app: App) -> None:
    ana = await app.customer()
    await app.invoice(ana, "100.00")
    paid_back = await app.write("RefundReceipt", refund(ana, tax="TAX", PaymentRefNum="ch_1", PrivateNote="ext:r1"))
    assert (paid_back["TxnTaxDetail"]["TotalTax"], paid_back["TotalAmt"]) == (D("2.50"), D("42.50"))
    assert paid_back["Line"][-1]["DetailType"] == "SubTotalLineDetail"
    assert (paid_back["SyncToken"], paid_back["Balance"], paid_back["PaymentRefNum"]) == ("0", 0, "ch_1")
    assert paid_back["CustomerRef"] == {"value": ana["Id"], "name": "Ana Lima"}
    assert paid_back["TxnDate"]
    assert await app.read("RefundReceipt", paid_back["Id"]) == paid_back
    assert (await app.read("Customer", ana["Id"]))["Balance"] == D("100.00")


async def test_a_refund_needs_no_customer(app: App) -> None:
    nobodys = refund({"Id": "0"})
    nobodys.pop("CustomerRef")
    assert "CustomerRef" not in await app.write("RefundReceipt", nobodys)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DepositToAccountRef": None}, "2020"),
        ({"DepositToAccountRef": {"value": "99"}}, "2500"),
        ({"DepositToAccountRef": INCOME}, "6000"),
        ({"CustomerRef": {"value": "99"}}, "2500"),
        ({"PaymentMethodRef": {"value": "99"}}, "2500"),
        ({"Line": []}, "2020"),
        ({"DueDate": "2027-01-01"}, "2010"),
        ({"DocNumber": "x" * 22}, "2050"),
        ({"PaymentRefNum": "x" * 22}, "2050"),
        ({"TxnDate": "soon"}, "2010"),
    ],
)
async def test_what_is_wrong_with_a_refund_has_its_code(app: App, changes: dict[str, Any], code: str) -> None:
    assert await app.fault("RefundReceipt", refund(await app.customer()) | changes) == code


async def test_a_refund_is_changed_in_part_and_in_full(app: App) -> None:
    ana = await app.customer()
    made = await app.write("RefundReceipt", refund(ana, PrivateNote="ext:r1"))
    named = {"Id": made["Id"], "SyncToken": "0", "sparse": True}
    changed = await app.write("RefundReceipt", {**named, "CustomerMemo": {"value": "Sorry"}})
    assert (changed["SyncToken"], changed["PrivateNote"], changed["TotalAmt"]) == ("1", "ext:r1", D("40.00"))
    assert await app.fault("RefundReceipt", named) == "5010"
    full = await app.write("RefundReceipt", refund(ana, "7.00", Id=made["Id"], SyncToken="1"))
    assert ("PrivateNote" in full, full["TotalAmt"]) == (False, D("7.00"))


async def test_a_refund_is_voided_by_an_update_and_by_nothing_else(app: App) -> None:
    made = await app.write("RefundReceipt", refund(await app.customer()))
    named = {"Id": made["Id"], "SyncToken": "0", "sparse": True}
    assert await app.fault("RefundReceipt", named, operation="void") == "500"
    voided = await app.write("RefundReceipt", named, operation="update", include="void")
    assert (voided["TotalAmt"], voided["PrivateNote"], voided["SyncToken"]) == (0, "Voided", "1")
    assert {line["Amount"] for line in voided["Line"]} == {D("0.00")}


async def test_payments_and_invoices_are_voided_each_in_its_way(app: App) -> None:
    ana = await app.customer()
    invoice = await app.invoice(ana)
    paid = await app.write("Payment", payment(ana, invoice, "100.00"))
    assert await app.fault("Payment", {"Id": paid["Id"], "SyncToken": "0"}, operation="void") == "500"
    items = [
        {"bId": "1", "operation": "void", "Payment": {"Id": paid["Id"], "SyncToken": "0"}},
        {"bId": "2", "operation": "update", "optionsData": "void", "Payment": {"Id": paid["Id"], "SyncToken": "0"}},
    ]
    answers = (await app.call("POST", "batch", {"BatchItemRequest": items})).json()["BatchItemResponse"]
    assert answers[0]["Fault"]["Error"][0]["code"] == "500"
    assert answers[1]["Payment"]["TotalAmt"] == 0


async def test_refunds_are_found_printed_sent_and_told_of_when_gone(app: App, crm_clock: FakeClock) -> None:
    ana = await app.customer()
    since = (await app.read("Customer", ana["Id"]))["MetaData"]["LastUpdatedTime"]
    await crm_clock.advance(timedelta(minutes=1))
    kept = await app.write("RefundReceipt", refund(ana, DocNumber="R-1"))
    gone = await app.write("RefundReceipt", refund(ana, "1.00"))
    deleted = await app.write("RefundReceipt", {"Id": gone["Id"], "SyncToken": "0"}, operation="delete")
    assert deleted["status"] == "Deleted"
    for where in ("DocNumber = 'R-1'", f"CustomerRef = '{ana['Id']}'", "TotalAmt > '10'", "PaymentRefNum LIKE '%'"):
        found = (await app.query(f"select * from RefundReceipt where {where}")).get("RefundReceipt", [])
        assert [one["Id"] for one in found] == ([] if "LIKE" in where else [kept["Id"]])
    answer = await app.call("GET", "cdc", entities="RefundReceipt", changedSince=since)
    [group] = answer.json()["CDCResponse"][0]["QueryResponse"]
    assert [(one["Id"], one.get("status")) for one in group["RefundReceipt"]] == [
        (kept["Id"], None),
        (gone["Id"], "Deleted"),
    ]
    assert (await app.call("GET", f"refundreceipt/{kept['Id']}/pdf")).content.startswith(b"%PDF-")
    sent = await app.call("POST", f"refundreceipt/{kept['Id']}/send", sendTo="ana@example.com")
    assert sent.json()["RefundReceipt"]["EmailStatus"] == "EmailSent"


async def test_a_person_types_a_refund_and_voids_it(app: App, control: httpx.AsyncClient) -> None:
    ana, company = await app.customer(), f"{CONTROL}/{REALM}"
    typed = {"customer_id": ana["Id"], "amount": "12.50", "reference": "ch_1", "note": "ext:p1"}
    made = await control.post(f"{company}/refunds", json=typed)
    assert (made.status_code, made.json()["kind"]) == (201, "RefundReceipt")
    found = await app.read("RefundReceipt", made.json()["id"])
    assert (found["TotalAmt"], found["PaymentRefNum"], found["PrivateNote"]) == (D("12.50"), "ch_1", "ext:p1")
    assert found["DepositToAccountRef"]["value"] == CHECKING["value"]
    assert (await control.post(f"{company}/refundreceipt/{found['Id']}/void")).json()["sync_token"] == "1"
    assert (await control.post(f"{company}/refunds", json=typed | {"customer_id": "99"})).status_code == 409
    merged = {"kept_id": (await app.customer("Ben Ortiz"))["Id"], "gone_id": ana["Id"]}
    assert (await control.post(f"{company}/merge-customers", json=merged)).status_code == 200
    assert (await app.read("RefundReceipt", found["Id"]))["CustomerRef"]["value"] == merged["kept_id"]


@pytest.mark.parametrize("shape", ["cloudevents", "old"])
async def test_refunds_are_told_of(app: App, turn: Any, receiver: Any, shape: str) -> None:
    await turn(webhook_url=receiver.url, shapes={"event_format": shape})
    made = await app.write("RefundReceipt", refund(await app.customer()))
    named = {"Id": made["Id"], "SyncToken": "0", "sparse": True}
    await app.write("RefundReceipt", {**named, "PrivateNote": "x"})
    await app.write("RefundReceipt", {**named, "SyncToken": "1"}, operation="update", include="void")
    await app.write("RefundReceipt", {**named, "SyncToken": "2"}, operation="delete")
    await until(lambda: len(_told(receiver, shape)) >= 4, what="four changes of the refund are told of")
    operations = ("created", "updated", "void", "deleted")
    if shape == "old":
        assert _told(receiver, shape) == [("RefundReceipt", name) for name in ("Create", "Update", "Void", "Delete")]
    else:
        assert _told(receiver, shape) == [f"qbo.refundreceipt.{operation}.v1" for operation in operations]


def _told(receiver: Any, shape: str) -> list[Any]:
    calls = [orjson.loads(call.raw) for call in receiver.received]
    if shape == "old":
        notifications = [one for call in calls for one in call["eventNotifications"]]
        entities = [entity for one in notifications for entity in one["dataChangeEvent"]["entities"]]
        return [(entity["name"], entity["operation"]) for entity in entities if entity["name"] != "Customer"]
    return [event["type"] for call in calls for event in call if "customer" not in event["type"]]
