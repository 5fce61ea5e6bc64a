"""What nobody outside Intuit knows for sure, as the controls turn it."""

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


# --- Limits


async def test_batches_have_a_limit_of_their_own(app: App, turn: Any) -> None:
    await turn(limits={"batch_per_minute": 2})
    items = {"BatchItemRequest": [{"bId": "1", "Query": "select * from Term"}]}
    statuses = [(await app.call("POST", "batch", items)).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert (await app.call("GET", "preferences")).status_code == 200
    await turn(limits={"batch_per_minute": None})
    assert (await app.call("POST", "batch", items)).status_code == 200


# --- Reading


@pytest.mark.parametrize(("answer", "code"), [("6000", "6000"), ("4001", "4001"), ("cut", None)])
async def test_changes_that_are_too_old_are_refused_or_left_out(
    app: App, turn: Any, crm_clock: FakeClock, answer: str, code: str | None
) -> None:
    await turn(shapes={"cdc_days": 7, "cdc_too_old": answer})
    old = await app.customer("Old")
    await crm_clock.advance(timedelta(days=8))
    await app.refresh()
    new = await app.customer("New")
    since = old["MetaData"]["CreateTime"]
    answered = (await app.call("GET", "cdc", entities="Customer", changedSince=since)).json()
    if code is None:
        [group] = answered["CDCResponse"][0]["QueryResponse"]
        assert [one["Id"] for one in group["Customer"]] == [new["Id"]]
    else:
        assert answered["Fault"]["Error"][0]["code"] == code


# --- Money


@pytest.mark.parametrize(("takes_off", "balance"), [(True, "400.00"), (False, "500.00")])
async def test_a_deposit_is_taken_off_what_is_owed_or_not(app: App, turn: Any, takes_off: bool, balance: str) -> None:
    await turn(shapes={"takes_deposit_off": takes_off})
    ana = await app.customer()
    invoice = await app.invoice(ana, "500.00", Deposit=D("100.00"))
    assert (invoice["TotalAmt"], invoice["Balance"]) == (D("500.00"), D(balance))
    await app.write("Payment", payment(ana, invoice, "300.00"))
    assert (await app.read("Invoice", invoice["Id"]))["Balance"] == D(balance) - 300
    for wrong in ("500.01", "-1.00"):
        assert await app.fault("Invoice", form(ana, "500.00", Deposit=D(wrong))) == "6460"


async def test_the_price_of_a_line_may_win_over_its_amount(app: App, turn: Any) -> None:
    ana = await app.customer()
    wrong = form(ana, "100.00")
    wrong["Line"][0]["SalesItemLineDetail"] |= {"Qty": 3, "UnitPrice": D("33.35")}
    assert await app.fault("Invoice", wrong) == "6070"
    await turn(shapes={"unit_price_wins": True})
    made = await app.write("Invoice", wrong)
    assert (made["Line"][0]["Amount"], made["TotalAmt"], made["Balance"]) == (D("100.05"),) * 3


@pytest.mark.parametrize("how", ["kept", "required", "full"])
async def test_a_sparse_update_of_money_keeps_what_it_omits_or_not(app: App, turn: Any, how: str) -> None:
    await turn(shapes={"sparse_money": how})
    ana = await app.customer()
    memo = await app.write("CreditMemo", form(ana, "5.00", PrivateNote="ext:1"))
    paid = await app.write("Payment", payment(ana, await app.invoice(ana), "60.00", PrivateNote="ext:2"))
    for kind, made, needed in (("CreditMemo", memo, ("CustomerRef", "Line")), ("Payment", paid, ("CustomerRef",))):
        change = {"Id": made["Id"], "SyncToken": made["SyncToken"], "sparse": True, "TxnDate": "2026-11-20"}
        if how != "kept":
            assert await app.fault(kind, change) == "2020"
            change |= {name: made[name] for name in needed} | {"TotalAmt": made["TotalAmt"]}
        assert ("PrivateNote" in await app.write(kind, change)) is (how != "full")
    left = await app.read("Payment", paid["Id"])
    # Its lines are what it pays: a full update that omits them takes them away.
    assert left["UnappliedAmt"] == (60 if how == "full" else 0)
    void = {"Id": paid["Id"], "SyncToken": left["SyncToken"], "sparse": True}
    assert (await app.write("Payment", void, operation="update", include="void"))["TotalAmt"] == 0


# --- Refusals


@pytest.mark.parametrize("status", [500, 400])
async def test_an_application_error_has_either_status(app: App, turn: Any, status: int) -> None:
    ana = await app.customer()
    faults = ["application_error", "error_after_commit"]
    await turn(shapes={"application_error_status": status}, calls={"chosen": {"create invoice": faults}})
    for _ in faults:
        answer = await app.call("POST", "invoice", form(ana))
        assert (answer.status_code, answer.json()["Fault"]["Error"][0]["code"]) == (status, "10000")


@pytest.mark.parametrize("status", [400, 403])
async def test_what_the_plan_lacks_has_either_status(app: App, turn: Any, status: int) -> None:
    ana = await app.customer()
    await turn(shapes={"no_permission_status": status}, calls={"chosen": {"create invoice": ["no_permission"]}})
    answer = await app.call("POST", "invoice", form(ana))
    assert (answer.status_code, answer.json()["Fault"]["Error"][0]["code"]) == (status, "5020")
    assert await app.query("select * from Invoice") == {}


@pytest.mark.parametrize(
    ("shape", "content_type", "words"),
    [("json", "application/json", '"3200"'), ("xml", "application/xml", 'code="100"'), ("empty", "text/plain", "")],
)
async def test_a_token_that_is_over_is_refused_in_either_shape(
    app: App, control: httpx.AsyncClient, turn: Any, shape: str, content_type: str, words: str
) -> None:
    await turn(shapes={"unauthorized_shape": shape})
    assert (await control.post(f"{CONTROL}/{REALM}/expire-access")).is_success
    answer = await app.call("GET", "preferences")
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (401, content_type)
    assert words in answer.text


# --- Telling the app


@pytest.mark.parametrize("data", ["empty", "filled", "absent"])
async def test_events_of_other_operations_than_merges_may_hold_something(
    app: App, control: httpx.AsyncClient, turn: Any, receiver: Any, data: str
) -> None:
    await turn(webhook_url=receiver.url, shapes={"event_data": data})
    kept, gone = await app.customer("Kept"), await app.customer("Gone")
    body = {"kept_id": kept["Id"], "gone_id": gone["Id"]}
    assert (await control.post(f"{CONTROL}/{REALM}/merge-customers", json=body)).is_success

    def events() -> list[dict[str, Any]]:
        return [event for call in receiver.received for event in orjson.loads(call.raw)]

    await until(lambda: len(events()) >= 3, what="three changes are told of")
    created, _, merged = events()
    assert merged["data"] == {"deletedId": gone["Id"]}
    assert (created.get("data") == {}, "data" in created) == (data == "empty", data != "absent")
