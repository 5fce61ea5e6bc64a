"""Reading: queries, changes, batches, the company, receivables, forms as PDF."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from shared.testing.plugin import FakeClock

from .app import REALM, App, form

D = Decimal


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


async def aged(app: App, **parameters: str) -> dict[str, Any]:
    answer = await app.call("GET", "reports/AgedReceivables", **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_head_of_a_report_says_of_when_it_is_and_whether_it_is_empty(app: App) -> None:
    def options(report: dict[str, Any]) -> dict[str, str]:
        return {option["Name"]: option["Value"] for option in report["Header"]["Option"]}

    empty = await aged(app, report_date="2027-01-01")
    assert options(empty) == {"report_date": "2027-01-01", "NoReportData": "true"}
    await app.invoice(await app.customer())
    report = await aged(app, report_date="2027-01-01")
    assert options(report) == {"report_date": "2027-01-01", "NoReportData": "false"}
    assert (report["Header"]["StartPeriod"], report["Header"]["EndPeriod"]) == ("2027-01-01", "2027-01-01")


async def test_the_receivables_of_one_customer_are_those_of_nobody_else(app: App) -> None:
    ana, ben = await app.customer(), await app.customer("Ben Ortiz")
    garage = await app.customer("Garage", ParentRef={"value": ana["Id"]}, Job=True)
    idle = await app.customer("Carla Chen")
    for customer, amount in ((ana, "1.00"), (ben, "2.00"), (garage, "4.00")):
        await app.invoice(customer, amount)
    row, total = (await aged(app, customer=ana["Id"]))["Rows"]["Row"]
    assert (row["ColData"][0]["id"], total["Summary"]["ColData"][-1]["value"]) == (ana["Id"], "1.00")
    section, total = (await aged(app, customer=garage["Id"]))["Rows"]["Row"]
    assert [row["ColData"][0]["id"] for row in section["Rows"]["Row"]] == [garage["Id"]]
    assert section["Header"]["ColData"][-1]["value"] == "0.00"
    assert total["Summary"]["ColData"][-1]["value"] == "4.00"
    nothing = await aged(app, customer=idle["Id"])
    assert {"Name": "NoReportData", "Value": "true"} in nothing["Header"]["Option"]


async def test_days_past_due_are_counted_up_to_the_report_or_to_today(app: App, crm_clock: FakeClock) -> None:
    today = (await crm_clock.now()).date()
    day, due = (today + timedelta(days=40)).isoformat(), (today + timedelta(days=1)).isoformat()
    await app.invoice(await app.customer(), "1.00", DueDate=due)
    for method, column in (("Report_Date", 3), ("Current", 1)):
        report = await aged(app, report_date=day, aging_method=method)
        assert (report["Rows"]["Row"][0]["ColData"][column]["value"], report["Header"]["EndPeriod"]) == ("1.00", day)
    assert (await aged(app, report_date=day))["Rows"]["Row"][0]["ColData"][3]["value"] == "1.00"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"aging_method": "current"}, "2170"),
        ({"aging_method": ""}, "2170"),
        ({"customer": "9999"}, "2500"),
        ({"customer": ""}, "2500"),
        ({"customer": "Ana Lima"}, "2500"),
        ({"report_date": "20270101"}, "6000"),
    ],
)
async def test_a_report_of_what_there_is_not_is_refused(app: App, wrong: dict[str, str], code: str) -> None:
    answer = await app.call("GET", "reports/AgedReceivables", **wrong)
    assert (answer.status_code, answer.json()["Fault"]["Error"][0]["code"]) == (400, code)


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
