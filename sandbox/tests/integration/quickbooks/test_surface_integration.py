"""The edge: memory of requests, faults, limits, queries, changes, batches, reports, PDF, people, and telling of it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
import svcs
from sandbox.quickbooks.notices import SIGNATURE, signature
from sandbox.settings import SandboxSettings
from sandbox.spec import SPEC
from shared.testing import until
from shared.testing.plugin import FakeClock

from shared import decimal_json

from .app import CONTROL, REALM, App, form, payment

D = Decimal
VERIFIER = "test-verifier-token"


async def ledger(control: httpx.AsyncClient) -> list[dict[str, Any]]:
    return (await control.get(f"{CONTROL}/{REALM}/ledger")).json()["items"]


# --- requestid


async def test_a_repeated_request_has_one_effect_and_the_same_answer(app: App, control: httpx.AsyncClient) -> None:
    ana = await app.customer()
    first = await app.call("POST", "invoice", form(ana), requestid="r-1")
    again = await app.call("POST", "invoice", form(ana), requestid="r-1")
    assert first.content == again.content
    assert [line["operation"] for line in await ledger(control) if line["kind"] == "Invoice"] == ["created"]
    assert [line["request_id"] for line in await ledger(control)] == [None, "r-1"]


async def test_another_body_under_the_same_requestid_is_turned(app: App, turn: Any) -> None:
    ana = await app.customer()
    first = await app.write("Invoice", form(ana, "1.00"), requestid="r-1")
    assert (await app.write("Invoice", form(ana, "2.00"), requestid="r-1"))["Id"] == first["Id"]
    await turn(requests={"differing_body": "refuse"})
    assert await app.fault("Invoice", form(ana, "2.00"), requestid="r-1") == "600"


async def test_a_forgotten_requestid_is_a_new_one(app: App, turn: Any, crm_clock: FakeClock) -> None:
    ana = await app.customer()
    first = await app.write("Invoice", form(ana), requestid="r-1")
    await crm_clock.advance(timedelta(days=1))
    await app.refresh()
    assert (await app.write("Invoice", form(ana), requestid="r-1"))["Id"] != first["Id"]
    await turn(requests={"retention_seconds": 0})
    second = await app.write("Invoice", form(ana), requestid="r-2")
    assert (await app.write("Invoice", form(ana), requestid="r-2"))["Id"] != second["Id"]


async def test_a_refused_write_does_not_use_its_requestid_up(app: App) -> None:
    ana = await app.customer()
    assert await app.fault("Invoice", form(ana) | {"Line": []}, requestid="r-1") == "2020"
    assert (await app.write("Invoice", form(ana), requestid="r-1"))["Id"]


async def test_each_item_of_a_batch_is_remembered_by_its_own_id(app: App, turn: Any) -> None:
    def named(bid: str, name: str) -> dict[str, Any]:
        return {"bId": bid, "operation": "create", "Customer": {"DisplayName": name}}

    async def batch(*items: dict[str, Any]) -> dict[str, dict[str, Any]]:
        answer = await app.call("POST", "batch", {"BatchItemRequest": items}, requestid="r-1")
        return {item["bId"]: item for item in answer.json()["BatchItemResponse"]}

    first = await batch(named("1", "Ana Lima"), {"bId": "2", "operation": "create", "Customer": {}})
    second = await batch(named("1", "Ana Lima"), named("2", "Ben Ortiz"), named("3", "Cy Doe"))
    assert second["1"] == first["1"]
    # What was refused did not use its id up, and what was not in the first batch is done.
    assert [second[bid]["Customer"]["DisplayName"] for bid in ("2", "3")] == ["Ben Ortiz", "Cy Doe"]
    assert await app.query("select count(*) from Customer") == {"totalCount": 3}
    await turn(requests={"differing_body": "refuse"})
    third = await batch(named("1", "Dan Evans"), named("4", "Eve Hall"))
    assert third["1"]["Fault"]["Error"][0]["code"] == "600"
    assert third["4"]["Customer"]["DisplayName"] == "Eve Hall"


# --- faults and limits


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        ("expired_token", 401, "application/json"),
        ("expired_token_xml", 401, "application/xml"),
        ("forbidden", 403, "application/json"),
        ("throttled", 429, "application/json"),
        ("throttled_xml", 429, "application/xml"),
        ("application_error", 500, "application/json"),
        ("unavailable_html", 503, "text/html"),
        ("fault_in_200", 200, "application/json"),
    ],
)
async def test_a_chosen_fault_has_its_shape_and_no_effect(
    app: App, control: httpx.AsyncClient, turn: Any, fault: str, status: int, content_type: str
) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": [fault]}})
    answer = await app.call("POST", "invoice", form(ana))
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, content_type)
    assert answer.headers["intuit_tid"]
    assert [line["kind"] for line in await ledger(control)] == ["Customer"]
    await app.invoice(ana)


async def test_an_error_after_the_commit_leaves_its_effect(app: App, turn: Any) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": ["error_after_commit"]}})
    broken = await app.call("POST", "invoice", form(ana, DocNumber="INV-1"), requestid="r-1")
    assert (broken.status_code, broken.json()["Fault"]["type"]) == (500, "SystemFault")
    found = await app.query("select * from Invoice where DocNumber = 'INV-1'")
    again = await app.write("Invoice", form(ana, DocNumber="INV-1"), requestid="r-1")
    assert [invoice["Id"] for invoice in found["Invoice"]] == [again["Id"]]


async def test_an_answer_may_be_cut_short(app: App, turn: Any) -> None:
    ana = await app.customer()
    await turn(calls={"chosen": {"create invoice": ["truncated_after_commit"]}})
    broken = await app.call("POST", "invoice", form(ana))
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        decimal_json.read(broken.text)
    assert await app.query("select count(*) from Invoice") == {"totalCount": 1}


async def test_a_connection_may_be_reset_or_hang_after_the_commit(
    app: App, turn: Any, serve: Any, registry: svcs.Registry, settings: SandboxSettings
) -> None:
    """Over a socket: only there is a connection that can be reset."""
    ana = await app.customer()
    faults = ["reset_after_commit", "timeout_after_commit", "reset_before_commit"]
    await turn(calls={"chosen": {"create invoice": faults}, "hang_seconds": 30.0})
    served = SPEC.app(registry, settings)
    async with (
        served.router.lifespan_context(served),
        serve(served) as url,
        httpx.AsyncClient(base_url=url, timeout=2) as http,
    ):
        far = replace(app, http=http)
        for error in (httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.RemoteProtocolError):
            with pytest.raises((error, httpx.ReadError)):
                await far.call("POST", "invoice", form(ana))
        assert await far.query("select count(*) from Invoice") == {"totalCount": 2}


async def test_the_company_is_called_so_often_and_no_more(app: App, control: httpx.AsyncClient, turn: Any) -> None:
    await turn(limits={"per_second": 3, "retry_after": 7})
    answers = await asyncio.gather(*(app.call("GET", "preferences") for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 2
    assert refused[0].headers["retry-after"] == "7"
    calls = (await control.get(f"{CONTROL}/{REALM}/grants")).json()["calls"]
    assert (calls["most_in_a_second"], calls["refused"]) == (3, len(refused))
    await turn(limits={"per_second": None, "per_minute": 4, "throttled_shape": "xml"})
    answers = await asyncio.gather(*(app.call("GET", "preferences") for _ in range(4)))
    assert "ThrottleExceeded" in next(answer.text for answer in answers if answer.status_code == 429)


# --- reading


async def test_pages_are_by_position_and_lists_show_what_is_active(app: App) -> None:
    people = [await app.customer(f"Person {number}") for number in range(5)]
    await app.write("Customer", {"Id": people[0]["Id"], "SyncToken": "0", "sparse": True, "Active": False})
    page = await app.query("select * from Customer orderby Id startposition 2 maxresults 2")
    assert [one["DisplayName"] for one in page["Customer"]] == ["Person 2", "Person 3"]
    assert (page["startPosition"], page["maxResults"]) == (2, 2)
    assert await app.query("select count(*) from Customer where Active in (true, false)") == {"totalCount": 5}


async def test_a_query_that_is_none_says_where(app: App) -> None:
    answer = await app.call("GET", "query", query="select * from Invoice TxnDate > '2026-01-01'")
    [error] = answer.json()["Fault"]["Error"]
    assert error["code"] == "4000"
    assert error["Detail"] == 'QueryParserError: Encountered " <IDENTIFIER> "TxnDate "" at line 1, column 23.'


async def test_changes_hold_tombstones_and_end_at_the_most(app: App, turn: Any, crm_clock: FakeClock) -> None:
    ana = await app.customer()
    since = (await app.read("Customer", ana["Id"]))["MetaData"]["LastUpdatedTime"]
    await crm_clock.advance(timedelta(minutes=1))
    kept, gone = await app.invoice(ana), await app.invoice(ana)
    await app.write("Invoice", {"Id": gone["Id"], "SyncToken": "0"}, operation="delete")
    answer = await app.call("GET", "cdc", entities="Invoice,Estimate", changedSince=since)
    [group] = answer.json()["CDCResponse"][0]["QueryResponse"]
    assert [one["Id"] for one in group["Invoice"]] == [kept["Id"], gone["Id"]]
    assert group["Invoice"][1]["status"] == "Deleted"
    nothing = await app.call("GET", "cdc", entities="Estimate", changedSince=since)
    assert nothing.json()["CDCResponse"] == [{"QueryResponse": [{}]}]
    await turn(shapes={"cdc_most": 1})
    fewer = await app.call("GET", "cdc", entities="Invoice", changedSince=since)
    assert fewer.json()["CDCResponse"][0]["QueryResponse"][0]["maxResults"] == 1
    await crm_clock.advance(timedelta(days=31))
    await app.refresh()
    assert (await app.call("GET", "cdc", entities="Invoice", changedSince=since)).status_code == 400


async def test_what_is_not_shown_takes_no_room_among_the_changes(app: App, turn: Any) -> None:
    gone = await app.customer("Gone")
    since = gone["MetaData"]["CreateTime"]
    await app.write("Customer", {"Id": gone["Id"], "SyncToken": "0", "sparse": True, "Active": False})
    kept = await app.customer("Kept")
    await turn(shapes={"cdc_most": 1})
    answer = await app.call("GET", "cdc", entities="Customer", changedSince=since)
    [group] = answer.json()["CDCResponse"][0]["QueryResponse"]
    assert [one["Id"] for one in group["Customer"]] == [kept["Id"]]
    await turn(shapes={"has_inactive_in_cdc": True})
    answer = await app.call("GET", "cdc", entities="Customer", changedSince=since)
    [group] = answer.json()["CDCResponse"][0]["QueryResponse"]
    assert [one["Id"] for one in group["Customer"]] == [gone["Id"]]


async def test_the_items_of_a_batch_stand_alone(app: App, turn: Any) -> None:
    ana = await app.customer()
    items = [
        {"bId": "1", "operation": "create", "Customer": {"DisplayName": "Ben Ortiz"}},
        {"bId": "2", "operation": "create", "Customer": {"DisplayName": "Ana Lima"}},
        {"bId": "3", "operation": "create", "Invoice": form(ana)},
        {"bId": "4", "Query": "select * from Customer"},
    ]
    answer = await app.call("POST", "batch", {"BatchItemRequest": items})
    found = {item["bId"]: item for item in answer.json()["BatchItemResponse"]}
    assert found["2"]["Fault"]["Error"][0]["code"] == "6240"
    assert found["3"]["Invoice"]["TotalAmt"] == 100
    assert [one["DisplayName"] for one in found["4"]["QueryResponse"]["Customer"]] == ["Ana Lima", "Ben Ortiz"]
    await turn(shapes={"batch_most": 10})
    many = await app.call("POST", "batch", {"BatchItemRequest": [items[3]] * 11})
    assert many.json()["Fault"]["Error"][0]["code"] == "1040"


async def test_the_company_its_preferences_and_its_price_book_are_read(app: App) -> None:
    info = (await app.call("GET", f"companyinfo/{REALM}")).json()["CompanyInfo"]
    assert (info["Id"], info["Country"]) == ("1", "US")
    assert (await app.call("GET", "preferences")).json()["Preferences"]["SalesFormsPrefs"]["CustomTxnNumbers"] is True
    items = (await app.query("select * from Item"))["Item"]
    assert {"Crack injection, per foot"} <= {item["Name"] for item in items}


async def test_receivables_are_aged_by_days_past_due(app: App) -> None:
    ana = await app.customer()
    for due, amount in (("2027-01-01", "1.00"), ("2026-12-02", "2.00"), ("2026-12-01", "4.00"), ("2026-09-30", "8.00")):
        await app.invoice(ana, amount, TxnDate="2026-09-01", DueDate=due)
    answer = await app.call("GET", "reports/AgedReceivables", report_date="2027-01-01")
    row, total = answer.json()["Rows"]["Row"]
    assert [cell["value"] for cell in row["ColData"]] == ["Ana Lima", "1.00", "2.00", "4.00", "", "8.00", "15.00"]
    assert total["Summary"]["ColData"][-1]["value"] == "15.00"


async def test_jobs_stand_below_their_customer_and_totals_and_blanks_are_turned(app: App, turn: Any) -> None:
    acme = await app.customer("Acme")
    job = await app.customer("Garage", ParentRef={"value": acme["Id"]}, Job=True)
    await app.invoice(acme, "1.00", TxnDate="2027-01-01", DueDate="2027-01-01")
    await app.invoice(job, "2.00", TxnDate="2027-01-01", DueDate="2027-01-01")

    async def rows() -> list[dict[str, Any]]:
        return (await app.call("GET", "reports/AgedReceivables", report_date="2027-01-01")).json()["Rows"]["Row"]

    section, total = await rows()
    assert [cell["value"] for cell in section["Header"]["ColData"]] == ["Acme", "1.00", "", "", "", "", "1.00"]
    assert [row["ColData"][0]["id"] for row in section["Rows"]["Row"]] == [job["Id"]]
    assert section["Summary"]["ColData"][-1]["value"] == total["Summary"]["ColData"][-1]["value"] == "3.00"
    assert total["group"] == "GrandTotal"
    await turn(shapes={"aging_total": "TOTAL", "aging_blank": "0.00"})
    section, total = await rows()
    assert (section["Header"]["ColData"][2]["value"], total["group"]) == ("0.00", "TOTAL")
    await turn(shapes={"aging_total": None})
    assert len(await rows()) == 1
    await app.write("CreditMemo", form(job, "0.50", TxnDate="2026-12-01"))
    on_account = {"CustomerRef": {"value": acme["Id"]}, "TotalAmt": D("5.00"), "TxnDate": "2027-01-01"}
    await app.write("Payment", on_account)
    [section] = await rows()
    assert section["Summary"]["ColData"][-1]["value"] == "3.00"
    await turn(shapes={"aging_has_credits": True})
    [section] = await rows()
    assert [cell["value"] for cell in section["Header"]["ColData"][1:3]] == ["-4.00", "0.00"]
    assert [cell["value"] for cell in section["Summary"]["ColData"][1:]] == [
        "-2.00", "0.00", "-0.50", "0.00", "0.00", "-2.50"
    ]  # fmt: skip


async def test_a_form_is_printed(app: App) -> None:
    invoice = await app.invoice(await app.customer(), DocNumber="INV-(1)")
    answer = await app.call("GET", f"invoice/{invoice['Id']}/pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert b"Invoice INV-\\(1\\)" in answer.content


async def test_what_is_no_operation_is_refused(app: App) -> None:
    for method, path in (("GET", "unicorn/1"), ("POST", "invoice/1/fax"), ("GET", "invoice")):
        assert (await app.call(method, path)).json()["Fault"]["Error"][0]["code"] == "500"
    assert await app.fault("Customer", {"Id": "1", "SyncToken": "0"}, operation="delete") == "500"


# --- people inside QuickBooks


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


# --- telling the app


def told(receiver: Any) -> list[str]:
    return [event["type"] for call in receiver.received for event in orjson.loads(call.raw)]


async def told_of(receiver: Any, count: int) -> list[str]:
    await until(lambda: len(told(receiver)) >= count, what=f"{count} changes are told of")
    return told(receiver)


async def test_changes_are_told_in_order_and_signed(app: App, turn: Any, receiver: Any) -> None:
    await turn(webhook_url=receiver.url)
    ana = await app.customer()
    invoice = await app.invoice(ana)
    await app.write("Payment", payment(ana, invoice, "100.00"))
    types = await told_of(receiver, 4)
    assert types[:3] == ["qbo.customer.created.v1", "qbo.invoice.created.v1", "qbo.payment.created.v1"]
    call = receiver.received[0]
    assert call.headers[SIGNATURE] == signature(call.raw, VERIFIER)
    [event, *_] = orjson.loads(call.raw)
    assert (event["intuitaccountid"], event["intuitentityid"], event["data"]) == (REALM, ana["Id"], {})


async def test_what_was_not_acknowledged_holds_up_the_rest(
    app: App, turn: Any, receiver: Any, crm_clock: FakeClock
) -> None:
    await turn(webhook_url=receiver.url)
    receiver.status = 500
    await app.customer()
    await told_of(receiver, 1)
    await app.customer("Ben Ortiz")
    receiver.status = 200
    await crm_clock.advance(timedelta(seconds=10))
    await told_of(receiver, 3)
    assert [len(orjson.loads(call.raw)) for call in receiver.received] == [1, 1, 1]
    assert receiver.received[0].raw == receiver.received[1].raw


async def test_an_event_may_come_twice_late_or_never(app: App, turn: Any, receiver: Any, crm_clock: FakeClock) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"duplicate": 1.0}})
    await app.customer("Twice")
    assert await told_of(receiver, 2) == ["qbo.customer.created.v1"] * 2
    await turn(events={"shares": {"missing": 1.0}})
    await app.customer("Never")
    await turn(events={"shares": {"late": 1.0}})
    late = await app.customer("Late")
    await crm_clock.advance(timedelta(hours=1))
    await told_of(receiver, 3)
    [event] = orjson.loads(receiver.received[-1].raw)
    assert event["intuitentityid"] == late["Id"]


async def test_a_signature_may_be_wrong_once(app: App, turn: Any, receiver: Any, crm_clock: FakeClock) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"bad_signature": 1.0}})
    receiver.status = 401
    await app.customer()
    await told_of(receiver, 1)
    await crm_clock.advance(timedelta(seconds=10))
    await told_of(receiver, 2)
    spoiled, right = (call.headers[SIGNATURE] == signature(call.raw, VERIFIER) for call in receiver.received)
    assert (spoiled, right) == (False, True)


async def test_the_old_form_groups_by_company(app: App, turn: Any, receiver: Any) -> None:
    await turn(webhook_url=receiver.url, shapes={"event_format": "old"})
    ana = await app.customer()
    await until(lambda: receiver.received, what="a change is told of")
    [company] = orjson.loads(receiver.received[0].raw)["eventNotifications"]
    [entity] = company["dataChangeEvent"]["entities"]
    assert (company["realmId"], entity["name"], entity["operation"]) == (REALM, "Customer", "Create")
    assert entity["id"] == ana["Id"]


async def test_test_events_are_signed_and_about_nothing(
    app: App, control: httpx.AsyncClient, turn: Any, receiver: Any
) -> None:
    await turn(webhook_url=receiver.url, events={"shares": {"missing": 1.0}})
    events = f"{CONTROL}/{REALM}/test-events"
    assert (await control.post(events, json={"kinds": ["Invoice", "Customer"]})).json() == {"told": 2}
    assert sorted(await told_of(receiver, 2)) == ["qbo.customer.updated.v1", "qbo.invoice.updated.v1"]
    call = receiver.received[0]
    assert call.headers[SIGNATURE] == signature(call.raw, VERIFIER)
    [event, *_] = orjson.loads(call.raw)
    assert event["intuitaccountid"] == REALM
    assert (await app.call("GET", f"invoice/{event['intuitentityid']}")).status_code == 400
    assert await ledger(control) == []
    assert (await control.post(events, json={"kinds": ["Unicorn"]})).status_code == 422
    assert (await control.post(f"{CONTROL}/12/test-events", json={})).status_code == 404
