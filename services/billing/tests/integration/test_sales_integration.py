"""Estimates and invoices: drafted, written into QuickBooks once, sent, answered, invoiced in parts, paid, voided."""

import asyncio
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import svcs
from billing.models import Customer, Estimate, Invoice, Item, Push, Term
from billing.public_links import PublicLinks
from billing.states import EstimateStatus

from .books import changed
from .office import COMPANY, Office

CONTACT = UUID("3f0c1c3e-7b0a-7000-8000-000000000001")
ANA = {"first_name": "Ana", "last_name": "Lima", "phones": ["+16175550143"], "emails": ["ana@example.com"]}


async def item(office: Office, name: str = "Carbon fiber strap") -> Item:
    return await office.one(Item, Item.name == name)


async def draft(office: Office, *, quantity: str = "2", **more: Any) -> dict[str, Any]:
    contact = await office.knows(**ANA, contact_id=CONTACT)
    line = {"item_id": str((await item(office)).id), "quantity": quantity}
    body = {"contact_id": str(contact), "lines": [line], **more}
    answer = await office.api.post("/api/v1/estimates", json=body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def post(office: Office, path: str, **body: Any) -> dict[str, Any]:
    answer = await office.api.post(f"/api/v1/{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def accepted(office: Office, **more: Any) -> dict[str, Any]:
    made = await draft(office, **more)
    await post(office, f"estimates/{made['id']}/push")
    await office.settle()
    return await post(office, f"estimates/{made['id']}/accept", name="Ana Lima")


async def public_page(office: Office, made: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Where the customer answers an estimate that is in QuickBooks, and what the form there sends along by itself."""
    address = str((await office.api.get(f"/api/v1/estimates/{made['id']}")).json()["public_url"])
    page = await office.api.get(address, headers={"Authorization": ""})
    assert page.status_code == 200
    return address, dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))


async def test_a_draft_is_ours_alone_and_shows_what_quickbooks_will_make_of_it(connected: Office) -> None:
    made = await draft(connected)
    assert (made["status"], made["number"], made["qb_id"]) == ("draft", None, None)
    assert (made["subtotal"]["amount_cents"], made["public_url"]) == (130_000, None)
    assert await connected.ledger("Estimate") == []
    edited = await connected.api.patch(
        f"/api/v1/estimates/{made['id']}", json={"memo": "Two straps"}, headers={"If-Match": '"1"'}
    )
    assert (edited.status_code, edited.json()["memo"]) == (200, "Two straps")
    stale = await connected.api.patch(
        f"/api/v1/estimates/{made['id']}", json={"memo": "Three"}, headers={"If-Match": '"1"'}
    )
    assert stale.status_code == 412
    gone = await connected.api.delete(f"/api/v1/estimates/{made['id']}", headers={"If-Match": '"2"'})
    assert gone.status_code == 204


async def test_an_estimate_is_written_once_with_its_customer_and_its_totals_become_quickbookss(
    connected: Office,
) -> None:
    made = await draft(connected)
    await asyncio.gather(*(post(connected, f"estimates/{made['id']}/push") for _ in range(5)))
    await connected.settle()
    assert [(line["kind"], line["operation"]) for line in await connected.ledger()] == [
        ("Customer", "created"),
        ("Estimate", "created"),
    ]
    shown = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()
    assert (shown["status"], shown["number"], shown["writes"]) == ("open", "E-1001", [])
    assert (shown["total"]["amount_cents"], shown["tax"]["amount_cents"]) == (138_125, 8_125)
    again = await draft(connected)
    assert again["customer"]["id"] == shown["customer"]["id"]
    # The rate is known by now: the preview is what QuickBooks will say.
    assert again["total"]["amount_cents"] == 138_125


def sums(form: dict[str, Any]) -> tuple[int | None, ...]:
    """Subtotal, tax and total."""
    shown = (form["subtotal"], form["tax"], form["total"])
    return tuple(money["amount_cents"] if money else None for money in shown)


async def test_tax_and_total_are_unknown_until_the_companys_rate_is(connected: Office) -> None:
    made, other = await draft(connected), await draft(connected)
    assert sums(made) == (130_000, None, None)
    (listed, _) = (await connected.api.get("/api/v1/estimates")).json()["items"]
    assert sums(listed) == (130_000, None, None)
    await post(connected, f"estimates/{made['id']}/push")
    await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
    invoice = await post(connected, "invoices", estimate_id=made["id"])
    assert (sums(invoice), invoice["balance"]) == ((130_000, None, None), None)
    (listed,) = (await connected.api.get("/api/v1/invoices")).json()["items"]
    assert (sums(listed), listed["balance"]) == ((130_000, None, None), None)
    await connected.settle()
    invoice = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (sums(invoice), invoice["balance"]["amount_cents"]) == ((130_000, 8_125, 138_125), 138_125)
    assert sums((await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()) == (130_000, 8_125, 138_125)
    # One that is a draft still is told by the rate that is known now.
    assert sums((await connected.api.get(f"/api/v1/estimates/{other['id']}")).json()) == (130_000, 8_125, 138_125)


async def test_without_anything_to_tax_the_total_is_exact_at_once(connected: Office) -> None:
    line = {"item_id": str((await item(connected)).id), "quantity": "2", "is_taxable": False}
    made = await draft(connected, lines=[line, {"description": "Mind the dog"}])
    assert sums(made) == (130_000, 0, 130_000)


async def test_a_company_that_charges_no_tax_has_exact_totals_at_once(office: Office) -> None:
    answer = await office.control.patch(f"{COMPANY}/settings", json={"using_sales_tax": False})
    assert answer.is_success, answer.text
    await office.connect()
    await office.settle()
    assert sums(await draft(office)) == (130_000, 0, 130_000)


async def test_sending_is_one_e_mail_and_is_told(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/send")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()
    assert shown["sent_at"] is not None
    assert await connected.pushes() == [
        ("create_customer", "done"),
        ("create_estimate", "done"),
        ("send_estimate", "done"),
    ]
    (sent,) = await connected.published("billing.estimate.sent.v1")
    assert (sent["number"], sent["amount"]["amount_cents"]) == ("E-1001", 138_125)


async def test_the_customer_answers_on_a_page_that_nobody_can_guess(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    address = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["public_url"]
    page = await connected.api.get(address, headers={"Authorization": ""})
    assert page.status_code == 200
    assert "$1,381.25" in page.text
    assert "Accept this estimate" in page.text
    _, price = await public_page(connected, made)
    assert price == {"total_cents": "138125", "currency": "USD"}
    nameless = await connected.api.post(f"{address}/accept", data={"name": " ", **price})
    assert (nameless.status_code, "enter your name" in nameless.text) == (422, True)
    for _ in range(2):
        answer = {"name": "Ana <b>Lima</b>", "note": "In May", **price}
        yes = await connected.api.post(f"{address}/accept", data=answer)
        assert (yes.status_code, "Thank you" in yes.text) == (200, True)
    no = await connected.api.post(f"{address}/decline", data={"name": "Ana"})
    assert (no.status_code, "This estimate is accepted already." in no.text) == (409, True)
    await connected.settle()
    qb_id = (await connected.one(Estimate)).qb_id
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["AcceptedBy"]) == ("Accepted", "Ana <b>Lima</b>")
    assert len(await connected.published("billing.estimate.accepted.v1")) == 1
    other = address[:-1] + ("A" if address[-1] != "A" else "B")
    nobodys = await connected.api.get(other)
    assert (nobodys.status_code, "There is no estimate at this address." in nobodys.text) == (404, True)
    for answer in (nameless, no, nobodys):
        assert answer.headers["content-type"].startswith("text/html")


async def test_a_yes_counts_for_the_price_that_was_shown_and_for_no_other(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    address, before = await public_page(connected, made)
    theirs = (await connected.quickbooks("GET", f"estimate/{(await connected.one(Estimate)).qb_id}"))["Estimate"]
    detail = {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}}
    line = {"DetailType": "SalesItemLineDetail", "Amount": 9999, "SalesItemLineDetail": detail}
    await changed(connected, "Estimate", theirs, Line=[line])
    await connected.settle()
    stale = await connected.api.post(f"{address}/accept", data={"name": "Ana Lima", **before})
    assert (stale.status_code, stale.headers["content-type"].split(";")[0]) == (409, "text/html")
    assert "The price has changed since you opened this page: it is $9,999.00 now. Nothing was accepted." in stale.text
    await connected.settle()
    assert (await connected.one(Estimate)).status is EstimateStatus.OPEN
    assert "mark_estimate" not in {kind for kind, _ in await connected.pushes()}
    # The page that says so asks anew, with the price that it shows.
    now = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', stale.text))
    assert now == {"total_cents": "999900", "currency": "USD"}
    yes = await connected.api.post(f"{address}/accept", data={"name": "Ana Lima", **now})
    assert (yes.status_code, "Thank you" in yes.text) == (200, True)


@pytest.mark.parametrize(
    "price",
    [
        {},
        {"total_cents": "138125"},
        {"currency": "USD"},
        {"total_cents": "1381.25", "currency": "USD"},
        {"total_cents": "138125", "currency": "dollars"},
    ],
)
async def test_a_yes_without_a_price_is_none_and_told_on_a_page(connected: Office, price: dict[str, str]) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    address, _ = await public_page(connected, made)
    answer = await connected.api.post(f"{address}/accept", data={"name": "Ana Lima", **price})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (422, "text/html")
    assert "The price that you accept is missing. Open the page again from our e-mail" in answer.text
    assert (await connected.one(Estimate)).status is EstimateStatus.OPEN
    # A no needs none.
    no = await connected.api.post(f"{address}/decline", data={"name": "Ana Lima"})
    assert (no.status_code, "Declined." in no.text) == (200, True)


async def test_nobody_says_yes_before_quickbooks_has_said_what_it_costs(connected: Office) -> None:
    """The first estimate of a company: no tax rate is known, and its total is not the one that QuickBooks makes."""
    made = await post(connected, f"estimates/{(await draft(connected))['id']}/push")
    assert (made["status"], made["public_url"]) == ("open", None)
    async with svcs.Container(connected.registry) as container:
        token = (await container.aget(PublicLinks)).token(UUID(made["id"]))
    page = await connected.api.get(f"/public/estimates/{token}")
    yes = await connected.api.post(f"/public/estimates/{token}/accept", data={"name": "Ana Lima"})
    assert {page.status_code, yes.status_code} == {404}
    assert "still being written" in page.text
    await connected.settle()
    assert "$1,381.25" in (await connected.api.get(f"/public/estimates/{token}")).text


@pytest.mark.parametrize(("entity", "code"), [("customer", "customer_gone"), ("item", "unknown_item")])
async def test_what_was_taken_away_since_the_draft_is_named(connected: Office, entity: str, code: str) -> None:
    await accepted(connected)
    made = await draft(connected)
    row = await connected.one(Customer) if entity == "customer" else await item(connected)
    newest = (await connected.quickbooks("GET", f"{entity}/{row.qb_id}"))[entity.capitalize()]
    body = {"Id": row.qb_id, "SyncToken": newest["SyncToken"], "sparse": True, "Active": False}
    await connected.quickbooks("POST", entity, body)
    await connected.settle()
    answer = await connected.api.post(f"/api/v1/estimates/{made['id']}/push")
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert "ctive again" in answer.json()["detail"]
    assert (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["status"] == "draft"
    assert [line["operation"] for line in await connected.ledger("Estimate")].count("created") == 1


async def test_an_invoice_has_terms_that_quickbooks_has(connected: Office) -> None:
    estimate = await accepted(connected)
    terms = (await connected.api.get("/api/v1/terms")).json()["items"]
    assert {"Net 30", "Due on receipt"} <= {term["name"] for term in terms}
    unknown = {"estimate_id": estimate["id"], "term_id": str(CONTACT)}
    answer = await connected.api.post("/api/v1/invoices", json=unknown)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.term_id")
    (net,) = [term for term in terms if term["name"] == "Net 30"]
    made = await post(connected, "invoices", estimate_id=estimate["id"], term_id=net["id"])
    await connected.settle()
    row = await connected.one(Invoice, Invoice.id == UUID(made["id"]))
    theirs = (await connected.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]
    assert theirs["SalesTermRef"]["value"] == (await connected.one(Term, Term.id == row.term_id)).qb_id


async def test_an_accepted_estimate_becomes_one_invoice_with_its_lines(connected: Office) -> None:
    estimate = await accepted(connected)
    bodies = [connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"]}) for _ in range(4)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*bodies))
    assert statuses == [202, 409, 409, 409]
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    row = await connected.one(Invoice)
    shown = (await connected.api.get(f"/api/v1/invoices/{row.id}")).json()
    assert (shown["number"], shown["status"], shown["total"]["amount_cents"]) == ("I-1001", "open", 138_125)
    assert [line["amount"]["amount_cents"] for line in shown["lines"]] == [130_000]
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    issued = await connected.published("billing.invoice.issued.v1")
    assert [event["estimate_id"] for event in issued] == [estimate["id"]]


async def test_a_deposit_and_the_rest_add_up_to_the_estimate(connected: Office) -> None:
    estimate = await accepted(connected, quantity="1.3333333")
    deposit = await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.333333")
    await connected.settle()
    assert (await connected.one(Estimate)).status is EstimateStatus.ACCEPTED
    rest = await post(connected, "invoices", estimate_id=estimate["id"], part="progress")
    await connected.settle()
    parts = [part["subtotal"]["amount_cents"] for part in (deposit, rest)]
    assert sum(parts) == estimate["subtotal"]["amount_cents"]
    assert parts[0] == 28_889
    assert (await connected.one(Estimate)).status is EstimateStatus.CLOSED
    over = await connected.api.post("/api/v1/invoices", json={"estimate_id": estimate["id"], "part": "progress"})
    assert over.status_code == 409


async def test_an_invoice_over_nothing_is_neither_paid_nor_voided(connected: Office) -> None:
    customer = await connected.new_customer("Warranty work")
    made = await connected.new_invoice(customer["Id"], "0.00")
    await connected.settle()
    (shown,) = (await connected.api.get("/api/v1/invoices")).json()["items"]
    assert (shown["status"], shown["paid_on"]) == ("nothing_due", None)
    statuses = ("nothing_due", "paid", "voided", "open", "overdue")
    found = [(await connected.api.get("/api/v1/invoices", params={"status": one})).json() for one in statuses]
    assert [len(page["items"]) for page in found] == [1, 0, 0, 0, 0]
    await connected.people_do(f"invoice/{made['Id']}/void")
    await connected.settle()
    assert (await connected.api.get(f"/api/v1/invoices/{shown['id']}")).json()["status"] == "voided"


async def test_what_is_paid_partly_and_then_whole_is_shown_so(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    row = await connected.one(Invoice)
    customer = (await connected.quickbooks("GET", f"invoice/{row.qb_id}"))["Invoice"]["CustomerRef"]["value"]
    await connected.people_do("payments", customer_id=customer, amount="381.25", invoice_id=row.qb_id)
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["balance"]["amount_cents"]) == ("partial", 100_000)
    second = await connected.people_do("payments", customer_id=customer, amount="1000", invoice_id=row.qb_id)
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["balance"]["amount_cents"]) == ("paid", 0)
    assert shown["paid_on"] == "2031-03-04"
    assert len(await connected.published("billing.invoice.paid.v1")) == 1
    await connected.people_do(f"payment/{second['id']}/void")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["paid_on"]) == ("partial", None)
    (voided,) = await connected.published("billing.payment.voided.v1")
    assert voided["amount"]["amount_cents"] == 0
    totals = (await connected.api.get("/api/v1/payments/totals")).json()["totals"]
    assert totals == [{"count": 1, "amount": {"amount_cents": 38_125, "currency": "USD"}}]


async def test_an_invoice_is_voided_there_and_then_here_and_may_be_made_anew(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    await post(connected, f"invoices/{invoice['id']}/void")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{invoice['id']}")).json()
    assert (shown["status"], shown["total"]["amount_cents"]) == ("voided", 0)
    assert len(await connected.published("billing.invoice.voided.v1")) == 1
    refused = await connected.api.post(f"/api/v1/invoices/{invoice['id']}/void")
    assert refused.status_code == 409


async def test_pdf_and_sending_of_an_invoice(connected: Office) -> None:
    estimate = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=estimate["id"])
    early = await connected.api.get(f"/api/v1/invoices/{invoice['id']}/pdf")
    assert (early.status_code, early.json()["code"]) == (409, "not_in_quickbooks_yet")
    await post(connected, f"invoices/{invoice['id']}/send", to="ap@example.com")
    await connected.settle()
    printed = await connected.api.get(f"/api/v1/invoices/{invoice['id']}/pdf")
    assert (printed.status_code, printed.content[:4]) == (200, b"%PDF")
    assert (await connected.one(Invoice)).sent_at is not None


async def test_estimates_expire_and_invoices_fall_due_at_the_companys_midnight(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    other = await accepted(connected)
    await post(connected, "invoices", estimate_id=other["id"], due_on="2031-03-10")
    await connected.settle()
    await connected.advance(timedelta(days=6, hours=10))  # Late in the evening of the 10th in Boston, the 11th in UTC.
    await connected.settle()
    assert await connected.published("billing.invoice.overdue.v1") == []
    await connected.advance(timedelta(hours=2))
    await connected.settle()
    assert len(await connected.published("billing.invoice.overdue.v1")) == 1
    aged = (await connected.api.get("/api/v1/receivables")).json()
    assert aged["totals"]["USD"]["days_1_30"] == 138_125
    await connected.advance(timedelta(days=30))
    await connected.settle()
    assert (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["status"] == "expired"
    figures = (await connected.api.get("/api/v1/receivables/figures")).json()
    assert (figures["accepted"], figures["expired"], figures["win_rate"]) == (1, 1, 0.5)
    assert figures["days_to_pay_median"] is None


@pytest.mark.parametrize("code", ["6200", "6210"])
async def test_a_closed_period_is_said_in_words_and_leaves_nothing_half_written(connected: Office, code: str) -> None:
    await connected.turn(shapes={"closed_books_code": code})
    made = await draft(connected)
    # Closed a moment ago: nobody has told us yet.
    settings = "/sandbox/v1/quickbooks/companies/9130350000000001/settings"
    assert (await connected.control.patch(settings, json={"book_close_date": "2031-03-31"})).is_success
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()
    (write,) = shown["writes"]
    assert (write["state"], "The accounting period is closed." in write["error"]) == ("failed", True)
    assert await connected.ledger("Estimate") == []
    again = await draft(connected)
    known = await connected.api.post(f"/api/v1/estimates/{again['id']}/push")
    assert (known.status_code, known.json()["code"]) == (409, "period_closed")
    assert (await connected.control.patch(settings, json={"book_close_date": None})).is_success
    await connected.api.post(f"/api/v1/quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    assert (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["qb_id"] is not None


async def test_what_cannot_be_drafted_is_refused_in_words(connected: Office) -> None:
    contact = await connected.knows(**ANA)
    strap = str((await item(connected)).id)

    async def refused(**body: Any) -> tuple[int, str]:
        answer = await connected.api.post("/api/v1/estimates", json={"contact_id": str(contact), **body})
        return answer.status_code, answer.json()["code"]

    assert (await refused(lines=[{"item_id": str(contact)}])) == (409, "unknown_item")
    assert (await refused(lines=[{"item_id": strap, "quantity": "-1"}])) == (422, "invalid")
    assert (await refused(lines=[{"item_id": strap, "unit_price": "-5"}])) == (422, "invalid")
    assert (await refused(lines=[{}])) == (422, "invalid")
    made = await draft(connected, lines=[{"description": "Words alone"}])
    empty = await connected.api.post(f"/api/v1/estimates/{made['id']}/push")
    assert (empty.status_code, empty.json()["code"]) == (409, "no_lines")


async def test_without_a_connection_every_writing_says_what_to_do(office: Office) -> None:
    contact = await office.knows(**ANA)
    answer = await office.api.post("/api/v1/estimates", json={"contact_id": str(contact), "lines": []})
    assert (answer.status_code, answer.json()["code"]) == (409, "quickbooks_not_connected")
    assert "administrator connects it" in answer.json()["detail"]
    for path in ("receivables", "receivables/figures", "payments/totals"):
        assert (await office.api.get(f"/api/v1/{path}")).status_code == 409
    for path in ("estimates", "invoices", "payments", "quickbooks/writes", "quickbooks/differences"):
        assert (await office.api.get(f"/api/v1/{path}")).json()["items"] == []


async def test_after_a_disconnect_sending_and_voiding_say_what_to_do_and_an_answer_still_counts(
    connected: Office,
) -> None:
    billed = await accepted(connected)
    invoice = await post(connected, "invoices", estimate_id=billed["id"])
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    await post(connected, "quickbooks/disconnect")
    before = await connected.pushes()
    for path in (f"invoices/{invoice['id']}/void", f"invoices/{invoice['id']}/send", f"estimates/{made['id']}/send"):
        answer = await connected.api.post(f"/api/v1/{path}", json={"to": "ana@example.com"} if "send" in path else None)
        assert (path, answer.status_code, answer.json()["code"]) == (path, 409, "quickbooks_not_connected")
        assert "administrator connects it" in answer.json()["detail"]
    assert await connected.pushes() == before
    address, price = await public_page(connected, made)
    yes = await connected.api.post(f"{address}/accept", data={"name": "Ana Lima", **price})
    assert (yes.status_code, "Thank you" in yes.text) == (200, True)
    await connected.connect()
    await connected.settle()
    row = await connected.one(Estimate, Estimate.id == UUID(made["id"]))
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert theirs["TxnStatus"] == "Accepted"


@pytest.mark.parametrize("gone", ["declined", "closed", "deleted"])
async def test_an_estimate_that_is_over_is_not_sent_any_more(connected: Office, gone: str) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    if gone == "declined":
        await post(connected, f"estimates/{made['id']}/decline", name="Ana Lima")
    elif gone == "closed":
        await post(connected, f"estimates/{made['id']}/accept", name="Ana Lima")
        await post(connected, "invoices", estimate_id=made["id"])
    else:
        await connected.people_do(f"estimate/{(await connected.one(Estimate)).qb_id}/delete")
    await connected.settle()
    answer = await connected.api.post(f"/api/v1/estimates/{made['id']}/send", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "invalid_transition")
    assert answer.json()["detail"].startswith(f"This estimate is {gone}.")
    await connected.settle()
    assert "send_estimate" not in {kind for kind, _ in await connected.pushes()}


@pytest.mark.parametrize("more_settings", [{"quickbooks_timeout_seconds": 3.0}])
@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize(
    "fault", ["timeout_after_commit", "reset_after_commit", "error_after_commit", "truncated_after_commit"]
)
async def test_an_unclear_end_is_one_invoice(connected: Office, fault: str, forgets: bool) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await connected.turn(
        # No webhook tells us either: the books are searched.
        events={"shares": {"missing": 1.0}},
        requests={"retention_seconds": 0 if forgets else 86_400},
        calls={"hang_seconds": 20.0, "chosen": {"create invoice": [fault]}},
    )
    await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    row = await connected.one(Invoice)
    assert (row.qb_id is not None, row.total_cents) == (True, 138_125)
    push = await connected.one(Push, Push.target_id == row.id)
    assert (push.state.value, push.attempts) == ("done", 2)


@pytest.mark.parametrize(
    "fault",
    ["throttled", "throttled_xml", "application_error", "unavailable_html", "reset_before_commit", "expired_token_xml"],
)
async def test_what_was_not_done_is_done_at_the_next_try(connected: Office, fault: str) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await connected.turn(calls={"chosen": {"create invoice": [fault]}})
    await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    assert (await connected.one(Invoice)).qb_id is not None


async def test_what_is_refused_for_good_is_shown_and_can_be_tried_again(connected: Office) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await connected.turn(calls={"chosen": {"create invoice": ["fault_in_200"]}})
    made = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    (write,) = (await connected.api.get(f"/api/v1/invoices/{made['id']}")).json()["writes"]
    assert write["state"] == "failed"
    assert (await connected.health())["failed_writes"] == 1
    await connected.api.post(f"/api/v1/quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    assert (await connected.health())["failed_writes"] == 0


async def test_a_number_that_somebody_else_took_is_left_to_them(connected: Office) -> None:
    estimate = await accepted(connected)
    other = await connected.new_customer("Somebody Else")
    await connected.new_invoice(other["Id"], DocNumber="I-1001")
    await connected.settle()
    made = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{made['id']}")).json()
    assert (shown["number"], shown["qb_id"] is not None) == ("I-1002", True)


async def test_a_clash_with_somebody_in_quickbooks_is_read_and_said_again(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    qb_id = (await connected.one(Estimate)).qb_id
    # Their change is not told to us: our SyncToken is an old one.
    await connected.turn(events={"shares": {"missing": 1.0}})
    body = {"Id": qb_id, "SyncToken": "0", "sparse": True, "CustomerMemo": {"value": "Mind the dog"}}
    await connected.quickbooks("POST", "estimate", body)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana")
    await connected.settle()
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["CustomerMemo"]["value"]) == ("Accepted", "Mind the dog")
    assert (await connected.one(Estimate)).memo == "Mind the dog"


async def test_amounts_are_quickbookss_own_to_the_cent(connected: Office) -> None:
    made = await draft(
        connected,
        quantity="128.35",
        lines=[
            {"item_id": str((await item(connected)).id), "quantity": "128.35", "unit_price": "14.5"},
            {"item_id": str((await item(connected, "Wall anchor")).id), "quantity": "3", "unit_price": "0.3333333"},
        ],
    )
    assert [line["amount"]["amount_cents"] for line in made["lines"]] == [186_108, 100]
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    row = await connected.one(Estimate)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert row.total_cents == int(Decimal(str(theirs["TotalAmt"])) * 100)


async def refused_invoice(office: Office, estimate: dict[str, Any]) -> dict[str, Any]:
    """An invoice that QuickBooks refuses for good; returns its write."""
    await office.turn(calls={"chosen": {"create invoice": ["fault_in_200"]}})
    made = await post(office, "invoices", estimate_id=estimate["id"])
    await office.settle()
    (write,) = (await office.api.get(f"/api/v1/invoices/{made['id']}")).json()["writes"]
    assert write["state"] == "failed"
    return dict(write)


async def test_an_invoice_that_is_given_up_lets_its_estimate_be_invoiced_anew(connected: Office) -> None:
    estimate = await accepted(connected)
    write = await refused_invoice(connected, estimate)
    await post(connected, f"quickbooks/writes/{write['id']}/drop")
    given_up = await connected.one(Invoice)
    assert (given_up.is_deleted, given_up.balance_cents) == (True, 0)
    again = await post(connected, "invoices", estimate_id=estimate["id"])
    await connected.settle()
    shown = (await connected.api.get(f"/api/v1/invoices/{again['id']}")).json()
    assert (shown["status"], shown["total"]["amount_cents"]) == ("open", 138_125)
    assert len(await connected.ledger("Invoice")) == 1


async def test_an_estimate_that_is_given_up_is_a_draft_again(connected: Office) -> None:
    made = await draft(connected)
    await connected.turn(calls={"chosen": {"create estimate": ["fault_in_200"]}})
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    (write,) = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["writes"]
    await post(connected, f"quickbooks/writes/{write['id']}/drop")
    shown = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()
    assert (shown["status"], shown["writes"]) == ("draft", [])
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    assert (await connected.one(Estimate)).qb_id is not None


async def test_an_invoice_that_somebody_made_of_the_estimate_in_quickbooks_is_mirrored_and_not_doubled(
    connected: Office,
) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    write = await refused_invoice(connected, estimate)
    row = await connected.one(Estimate)
    customer = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]["CustomerRef"]["value"]
    await connected.new_invoice(customer, LinkedTxn=[{"TxnId": row.qb_id, "TxnType": "Estimate"}])
    await connected.settle()
    theirs = await connected.one(Invoice, Invoice.qb_id.is_not(None))
    assert theirs.estimate_id == row.id
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    (ours,) = await connected.rows(Push, Push.state == "failed")
    assert (ours.error_code, "Somebody made invoice" in str(ours.error)) == ("invoiced_in_quickbooks", True)
    assert len(await connected.ledger("Invoice")) == 1


async def test_two_answers_at_once_are_one(connected: Office) -> None:
    made = await draft(connected)
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    address, price = await public_page(connected, made)
    answers = await asyncio.gather(
        *(
            connected.api.post(f"{address}/{verb}", data={"name": "Ana", **price})
            for verb in ("accept", "decline", "accept")
        )
    )
    assert sorted({answer.status_code for answer in answers}) == [200, 409]
    await connected.settle()
    told = [event for event in await connected.published() if event["type"].startswith("billing.estimate.")]
    assert len(told) == 1
