"""What becomes of a write that QuickBooks refuses, does not answer, or did already."""

from datetime import timedelta
from uuid import UUID

import pytest
from billing import documents
from billing.models import Customer, Estimate, Invoice, Push
from billing.services.pushing import MOST_LOOK_UPS
from billing.states import PushState
from sqlalchemy import update

from .books import execute
from .office import LOST, Office
from .sales import ANA, accepted, draft, post, public_page, refused_invoice


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
        events=LOST,
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
    await connected.turn(events=LOST)
    body = {"Id": qb_id, "SyncToken": "0", "sparse": True, "CustomerMemo": {"value": "Mind the dog"}}
    await connected.quickbooks("POST", "estimate", body)
    await post(connected, f"estimates/{made['id']}/accept", name="Ana")
    await connected.settle()
    theirs = (await connected.quickbooks("GET", f"estimate/{qb_id}"))["Estimate"]
    assert (theirs["TxnStatus"], theirs["CustomerMemo"]["value"]) == ("Accepted", "Mind the dog")
    assert (await connected.one(Estimate)).memo == "Mind the dog"


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


async def test_a_look_up_that_is_refused_says_nothing_of_the_write(connected: Office) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    chosen = {"create invoice": ["reset_after_commit"], "query": ["no_permission"]}
    shapes = {"has_unique_numbers": False}
    await connected.turn(events=LOST, calls={"chosen": chosen}, shapes=shapes)
    await post(connected, "invoices", estimate_id=estimate["id"], part="deposit", share="0.3")
    await connected.settle()
    assert (await connected.health())["failed_writes"] == 0
    assert len(await connected.ledger("Invoice")) == 1
    assert (await connected.one(Invoice)).qb_id is not None


async def test_what_cannot_be_looked_up_for_hours_is_left_to_a_person(connected: Office) -> None:
    estimate = await accepted(connected)
    await connected.settle()
    await connected.turn(calls={"chosen": {"query": ["no_permission"]}})
    await post(connected, "invoices", estimate_id=estimate["id"])
    await execute(connected, update(Push).where(Push.state == PushState.PENDING).values(attempts=MOST_LOOK_UPS - 1))
    await connected.settle()
    (write,) = (await connected.api.get(f"/api/v1/invoices/{(await connected.one(Invoice)).id}")).json()["writes"]
    assert (write["state"], "give it up only where it is not there" in write["error"]) == ("failed", True)
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    assert (await connected.one(Invoice)).qb_id is not None
    assert len(await connected.ledger("Invoice")) == 1


async def test_what_is_tried_again_is_looked_for_first(connected: Office) -> None:
    """Also where nobody waits for what QuickBooks remembers of requests, and a number may be there twice."""
    estimate = await accepted(connected)
    await connected.turn(shapes={"has_unique_numbers": False}, events=LOST)
    write = await refused_invoice(connected, estimate)
    row = await connected.one(Invoice)
    theirs = await connected.new_invoice(
        (await connected.one(Customer)).qb_id or "", DocNumber=row.number, PrivateNote=documents.note_of(row.id)
    )
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    assert len(await connected.ledger("Invoice")) == 1
    assert (await connected.one(Invoice)).qb_id == theirs["Id"]


async def test_what_is_done_keeps_nothing_of_what_it_said(connected: Office) -> None:
    estimate = await accepted(connected)
    await post(connected, f"estimates/{estimate['id']}/send", to="ana@example.com")
    await connected.settle()
    done = await connected.rows(Push)
    assert {push.state for push in done} == {PushState.DONE}
    assert [(push.body, push.argument) for push in done] == [(None, None)] * 4


async def test_an_estimate_that_is_tried_again_after_weeks_holds_as_long_again(connected: Office) -> None:
    made = await draft(connected)
    await connected.turn(calls={"chosen": {"create estimate": ["fault_in_200"]}})
    await post(connected, f"estimates/{made['id']}/push")
    await connected.settle()
    holds = (await held(connected))[1]
    await connected.advance(timedelta(days=40))
    (write,) = (await connected.api.get(f"/api/v1/estimates/{made['id']}")).json()["writes"]
    await post(connected, f"quickbooks/writes/{write['id']}/retry")
    await connected.settle()
    assert (await held(connected)) == ("open", holds)


async def held(office: Office) -> tuple[str, timedelta]:
    """How long its price holds."""
    row = await office.one(Estimate)
    assert row.expires_on is not None
    return row.status.value, row.expires_on - row.written_on
