"""Estimates: drafted, written into QuickBooks once, sent, answered on the page of the customer, expired."""

import asyncio
import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
import svcs
from billing.models import Customer, Estimate
from billing.public_links import PublicLinks
from billing.states import EstimateStatus

from .books import changed
from .office import COMPANY, Office
from .sales import ANA, accepted, draft, item, post, public_page, sums


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


async def test_an_estimate_holds_from_the_day_on_which_it_is_written_however_long_it_was_drafted(
    connected: Office,
) -> None:
    made = await draft(connected)
    assert made["expires_on"] is None
    await connected.advance(timedelta(days=40))
    sent = await post(connected, f"estimates/{made['id']}/send")
    assert date.fromisoformat(sent["expires_on"]) - date.fromisoformat(sent["written_on"]) == timedelta(days=30)
    await connected.settle()
    assert [event["type"] for event in await connected.published() if "estimate" in event["type"]] == [
        "billing.estimate.sent.v1"
    ]
    row = await connected.one(Estimate)
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert (row.status, theirs["ExpirationDate"]) == (EstimateStatus.OPEN, sent["expires_on"])


@pytest.mark.parametrize("verb", ["push", "send"])
async def test_a_day_that_somebody_gave_and_that_has_passed_is_theirs_to_change(connected: Office, verb: str) -> None:
    today = (await connected.now()).date()
    made = await draft(connected, expires_on=str(today + timedelta(days=7)))
    await connected.advance(timedelta(days=8))
    refused = await connected.api.post(f"/api/v1/estimates/{made['id']}/{verb}", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_day_passed")
    assert "Give it a later one, or none, and try again." in refused.json()["detail"]
    await connected.settle()
    assert (await connected.ledger("Estimate"), await connected.pushes()) == ([], [])
    later = str(today + timedelta(days=8))
    edited = await connected.api.patch(
        f"/api/v1/estimates/{made['id']}", json={"expires_on": later}, headers={"If-Match": '"1"'}
    )
    assert edited.status_code == 200
    assert (await post(connected, f"estimates/{made['id']}/{verb}"))["expires_on"] == later


@pytest.mark.parametrize("verb", ["accept", "decline"])
async def test_what_nobody_has_seen_is_not_answered(connected: Office, verb: str) -> None:
    made = await draft(connected)
    refused = await connected.api.post(f"/api/v1/estimates/{made['id']}/{verb}", json={"name": "Ana Lima"})
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert refused.json()["detail"] == "This estimate was not sent yet. Send it first."
    assert (await connected.one(Estimate)).status is EstimateStatus.DRAFT
