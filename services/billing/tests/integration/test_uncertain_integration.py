"""What nobody outside Intuit knows for sure (reference, section 17): billing comes to the same under every setting.

| point | what is uncertain | shown by |
|---|---|---|
| 1 | how long a requestid is remembered; another body | test_a_write_whose_answer_was_lost_… and others (1) |
| 2 | the size of a batch; which limit of a minute binds | test_the_common_client_fills_a_batch_… (2) |
| 3 | what a 429 says | test_calls_that_come_too_soon_wait_and_none_is_lost (1) |
| 4 | CDC of more than 30 days | test_changes_that_are_too_old_…, test_changes_that_are_never_told_… |
| 4 | a query for more than 1000 | test_a_query_has_what_billing_needs_of_it |
| 5 | the state of an estimate that is linked | test_an_estimate_that_is_invoiced_in_full_is_closed (1) |
| 6 | the form of events, the key of a merge | test_a_change_is_mirrored_however_it_is_told (1) |
| 6 | what events hold as `data` | test_a_change_is_mirrored_whatever_its_event_holds |
| 7 | a refresh token of former times | test_a_refresh_that_was_lost_ends_the_consent_or_not_… (1) |
| 8 | how long a refresh token lives | test_a_consent_ends_when_its_answer_says |
| 9 | unquoted numbers in WHERE | test_a_query_has_what_billing_needs_of_it |
| 10 | whether an invoice's Deposit lowers its Balance | test_what_was_taken_with_an_invoice_… |
| 11 | whether UnitPrice wins over Amount | test_totals_are_those_that_quickbooks_works_out |
| 12 | whether CDC tells of who was made inactive | test_whoever_is_made_inactive_while_webhooks_are_lost_… (1) |
| 13 | sparse updates of payments and credit memos | test_money_that_is_changed_there_… |
| 14 | the status of 10000 | test_an_application_error_is_tried_again_whatever_its_status |
| 14 | the status of 5020 | test_what_the_plan_lacks_suspends_nothing_whatever_its_status |
| 14 | the form of a 401 | test_a_token_that_is_over_is_refreshed_whatever_says_so |
| 15 | the name of who was made inactive | test_the_name_of_somebody_inactive_is_free_or_gets_a_suffix (1) |
| 16 | AgedReceivables: the group of the total row, blanks | test_what_quickbooks_says_is_owed_is_read |
| 16 | AgedReceivables: whether credit is taken off | test_credit_is_no_difference_of_what_is_owed |

(1) in tests/contract/test_billing_client_contract.py; (2) in tests/contract/test_quickbooks_client_contract.py,
as billing sends no batches.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import svcs
from billing.models import CreditMemo, Customer, Estimate, Invoice, OAuthToken, Payment, Push, SyncMark
from billing.provider import Books, InvoiceSeen, QuickBooksRefused
from billing.registry import OpenedBooks
from billing.services.marks import CDC, DIFFERENCES
from billing.services.pulling import PAGE
from billing.services.tokens import TokenKeeper
from billing.states import PushKind, PushState
from shared.decimal_json import write as text_of
from shared.rules.money import to_cents
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from .office import LOST, REALM, Office


async def books(office: Office) -> Books:
    async with svcs.Container(office.registry) as container:
        return (await container.aget(OpenedBooks))(REALM)


# --- 4: change data capture, and the size of a query


@pytest.mark.parametrize(("code", "reach", "away"), [
    ("6000", 30, 40), ("4001", 30, 40), ("cut", 30, 40), ("6000", 7, 10), ("4001", 7, 10),
])  # fmt: skip
async def test_changes_that_are_too_old_are_found_by_reading_everything(
    connected: Office, code: str, reach: int, away: int
) -> None:
    await connected.turn(shapes={"cdc_too_old": code, "cdc_days": reach}, events=LOST)
    await compare_never(connected)
    ana = await connected.new_customer("Ana Lima")
    invoice = await connected.new_invoice(ana["Id"], "70.00")
    await connected.advance(timedelta(days=away))
    await connected.settle()
    row = await connected.one(Invoice, Invoice.qb_id == invoice["Id"])
    assert row.balance_cents == 7_000
    # It is told again from now on.
    connected.person_token = ""
    ben = await connected.new_customer("Ben Ortiz")
    await connected.advance(timedelta(hours=1))
    await connected.settle()
    assert await connected.rows(Customer, Customer.qb_id == ben["Id"])
    assert await refusal_of(connected, CDC) is None


async def test_changes_that_are_never_told_are_read_once_a_day(connected: Office) -> None:
    await connected.turn(calls={"chosen": {"cdc": ["fault_in_200"] * 50}}, events=LOST)
    await compare_never(connected)
    ana = await connected.new_customer("Ana Lima")
    await connected.advance(timedelta(hours=1))
    await connected.settle()
    assert not await connected.rows(Customer, Customer.qb_id == ana["Id"])
    assert "could not be processed" in str(await refusal_of(connected, CDC))
    assert "could not be processed" in (await connected.health())["last_error"]
    await connected.advance(timedelta(days=1))
    await connected.settle()
    assert await connected.rows(Customer, Customer.qb_id == ana["Id"])


async def compare_never(office: Office) -> None:
    """What is compared at night would be mended then."""
    async with office.begin() as tx:
        session = await tx.aget(AsyncSession)
        await session.execute(update(SyncMark).where(SyncMark.name == DIFFERENCES).values(due_at=None))


async def refusal_of(office: Office, mark: str) -> str | None:
    return (await office.one(SyncMark, SyncMark.name == mark)).error


@pytest.mark.parametrize("size", ["refuse", "cap"])
@pytest.mark.parametrize("takes_bare_numbers", [True, False])
async def test_a_query_has_what_billing_needs_of_it(connected: Office, size: str, takes_bare_numbers: bool) -> None:
    await connected.turn(shapes={"query_too_large": size, "has_bare_numbers": takes_bare_numbers})
    ana = await connected.new_customer("Ana O'Lima")
    invoice = await connected.new_invoice(ana["Id"], DocNumber="1001")
    asked, before = await books(connected), await connected.now() - timedelta(minutes=1)
    assert [one.id for one in await asked.find("Invoice", [invoice["Id"]])] == [invoice["Id"]]
    assert [one.id for one in await asked.page("Invoice", 1, PAGE)] == [invoice["Id"]]
    assert [one.id for one in await asked.page_changed("Invoice", before, 1, PAGE)] == [invoice["Id"]]
    assert [one.id for one in await asked.by_number("Invoice", "1001")] == [invoice["Id"]]
    assert [one.id for one in await asked.by_name("Ana O'Lima")] == [ana["Id"]]


# --- 6: events


@pytest.mark.parametrize("data", ["empty", "filled", "absent"])
async def test_a_change_is_mirrored_whatever_its_event_holds(connected: Office, data: str) -> None:
    await connected.turn(shapes={"event_data": data})
    kept, gone = await connected.new_customer("Kept"), await connected.new_customer("Gone")
    invoice = await connected.new_invoice(gone["Id"])
    deleted = await connected.new_invoice(gone["Id"])
    await connected.settle()
    await connected.people_do(f"invoice/{deleted['Id']}/delete")
    await connected.settle()
    assert (await of_id(connected, Invoice, deleted)).is_deleted
    await connected.people_do("merge-customers", kept_id=kept["Id"], gone_id=gone["Id"])
    await connected.settle()
    survivor = await of_id(connected, Customer, kept)
    assert (await of_id(connected, Invoice, invoice)).customer_id == survivor.id
    assert (await of_id(connected, Customer, gone)).merged_into_id == survivor.id


# --- 8: tokens


@pytest.mark.parametrize("days", [100, 101])
async def test_a_consent_ends_when_its_answer_says(office: Office, days: int) -> None:
    await office.turn(tokens={"idle_seconds": days * 86_400})
    await office.connect()
    given = await office.one(OAuthToken)
    assert given.refresh_expires_at - given.refreshed_at == timedelta(days=days)
    # The same holds of what a refresh answers.
    await office.turn(tokens={"idle_seconds": (days + 1) * 86_400})
    async with svcs.Container(office.registry) as container:
        keeper = await container.aget(TokenKeeper)
        await keeper.token(REALM, rejected=await keeper.token(REALM))
    renewed = await office.one(OAuthToken)
    assert renewed.version == given.version + 1
    assert renewed.refresh_expires_at - renewed.refreshed_at == timedelta(days=days + 1)


# --- 10, 11, 13: money


@pytest.mark.parametrize(("takes_off", "open_cents", "status"), [(True, 40_000, "partial"), (False, 50_000, "open")])
async def test_what_was_taken_with_an_invoice_leaves_what_quickbooks_says_is_owed(
    connected: Office, takes_off: bool, open_cents: int, status: str
) -> None:
    await connected.turn(shapes={"takes_deposit_off": takes_off})
    ana = await connected.new_customer()
    invoice = await connected.new_invoice(ana["Id"], "500.00", Deposit=Decimal("100.00"), DueDate="2031-12-31")
    await connected.settle()
    row = await of_id(connected, Invoice, invoice)
    assert (row.total_cents, row.balance_cents, row.paid_at) == (50_000, open_cents, None)
    shown = (await connected.api.get(f"/api/v1/invoices/{row.id}")).json()
    assert (shown["status"], shown["balance"]["amount_cents"]) == (status, open_cents)
    await connected.people_do(
        "payments", customer_id=ana["Id"], invoice_id=invoice["Id"], amount=str(Decimal(open_cents).scaleb(-2))
    )
    await connected.settle()
    row = await of_id(connected, Invoice, invoice)
    assert (row.balance_cents, row.paid_at is None) == (0, False)
    assert await differences(connected) == []


@pytest.mark.parametrize("price_wins", [False, True])
async def test_totals_are_those_that_quickbooks_works_out(connected: Office, price_wins: bool) -> None:
    await connected.turn(shapes={"unit_price_wins": price_wins})
    made = await pushed(connected, quantity="3", unit_price="33.335")
    row = await connected.one(Estimate, Estimate.id == made["id"])
    theirs = (await connected.quickbooks("GET", f"estimate/{row.qb_id}"))["Estimate"]
    assert row.total_cents == to_cents(Decimal(str(theirs["TotalAmt"]))) > 10_000
    # Somebody's amount that is not quantity times price: refused, or changed without a word.
    line = {
        "DetailType": "SalesItemLineDetail",
        "Amount": 100,
        "SalesItemLineDetail": {"ItemRef": {"value": "2"}, "Qty": 3, "UnitPrice": Decimal("33.35")},
    }
    ana = await connected.new_customer("Ben Ortiz")
    body = text_of({"CustomerRef": {"value": ana["Id"]}, "Line": [line]})
    writing = (await books(connected)).write("Invoice", body, request_id="r-1")
    if not price_wins:
        with pytest.raises(QuickBooksRefused, match="not its quantity times its price"):
            await writing
        return
    seen = await writing
    assert isinstance(seen, InvoiceSeen)
    assert (seen.total_cents, seen.lines[0].amount_cents, seen.balance_cents) == (10_005, 10_005, 10_005)
    await connected.settle()
    assert (await connected.one(Invoice, Invoice.qb_id == seen.id)).total_cents == 10_005


@pytest.mark.parametrize("sparse", ["kept", "required", "full"])
async def test_money_that_is_changed_there_is_mirrored_whatever_a_sparse_update_keeps(
    connected: Office, sparse: str
) -> None:
    await connected.turn(shapes={"sparse_money": sparse})
    ana = await connected.new_customer()
    invoice = await connected.new_invoice(ana["Id"], "500.00")
    memo = (await connected.quickbooks("POST", "creditmemo", sold(ana, "50.00")))["CreditMemo"]
    payment = await connected.people_do(
        "payments", customer_id=ana["Id"], invoice_id=invoice["Id"], amount="200.00", reference="check 7"
    )
    await connected.settle()
    # Another app says what is required, and nothing more: whether the payment still pays is QuickBooks's to say.
    customer = {"CustomerRef": {"value": ana["Id"]}}
    await changed(connected, "Payment", payment["id"], **customer, TotalAmt=Decimal("250.00"))
    await changed(connected, "CreditMemo", memo["Id"], **sold(ana, "70.00"))
    await connected.settle()
    got = await connected.one(Payment, Payment.qb_id == payment["id"])
    is_kept = sparse != "full"
    assert (got.amount_cents, got.unapplied_cents) == (25_000, 5_000 if is_kept else 25_000)
    assert got.reference == ("check 7" if is_kept else None)
    assert (await of_id(connected, Invoice, invoice)).balance_cents == (30_000 if is_kept else 50_000)
    assert (await of_id(connected, CreditMemo, memo)).remaining_cents == 7_000
    await connected.people_do(f"payment/{payment['id']}/void")
    await connected.settle()
    assert (await of_id(connected, Invoice, invoice)).balance_cents == 50_000
    assert await differences(connected) == []
    # Billing itself writes neither, so that there is nothing that a sparse update could lose.
    ours = {line["kind"] for line in await connected.ledger() if line["by"] == "api" and line["request_id"]}
    assert ours.isdisjoint({"Payment", "CreditMemo"})


def sold(customer: dict[str, Any], amount: str) -> dict[str, Any]:
    line = {
        "DetailType": "SalesItemLineDetail",
        "Amount": Decimal(amount),
        "SalesItemLineDetail": {"ItemRef": {"value": "2"}, "TaxCodeRef": {"value": "NON"}},
    }
    return {"CustomerRef": {"value": customer["Id"]}, "Line": [line]}


async def changed(office: Office, entity: str, qb_id: str, **body: Any) -> None:
    newest = (await office.quickbooks("GET", f"{entity.lower()}/{qb_id}"))[entity]
    head = {"Id": qb_id, "SyncToken": newest["SyncToken"], "sparse": True}
    await office.quickbooks("POST", entity.lower(), head | body)


# --- 14: refusals


@pytest.mark.parametrize("status", [500, 400])
@pytest.mark.parametrize("fault", ["application_error", "error_after_commit"])
async def test_an_application_error_is_tried_again_whatever_its_status(
    connected: Office, status: int, fault: str
) -> None:
    await connected.turn(
        shapes={"application_error_status": status},
        calls={"chosen": {"create estimate": [fault], "query": ["application_error"]}},
    )
    made = await pushed(connected)
    row = await connected.one(Estimate, Estimate.id == made["id"])
    assert [line["entity_id"] for line in await connected.ledger("Estimate")] == [row.qb_id]
    assert (await connected.one(Push, Push.kind == PushKind.CREATE_ESTIMATE)).state is PushState.DONE


@pytest.mark.parametrize("status", [400, 403])
async def test_what_the_plan_lacks_suspends_nothing_whatever_its_status(connected: Office, status: int) -> None:
    await connected.turn(
        shapes={"no_permission_status": status}, calls={"chosen": {"create estimate": ["no_permission"]}}
    )
    made = await pushed(connected)
    push = await connected.one(Push, Push.kind == PushKind.CREATE_ESTIMATE)
    assert (push.state, "plan" in str(push.error)) == (PushState.FAILED, True)
    assert await connected.ledger("Estimate") == []
    assert (await connected.health())["status"] == "connected"
    # Once the plan has it, a person tries again.
    answer = await connected.api.post(f"/api/v1/quickbooks/writes/{push.id}/retry")
    assert answer.is_success, answer.text
    await connected.settle()
    assert (await connected.one(Estimate, Estimate.id == made["id"])).qb_id is not None


@pytest.mark.parametrize("shape", ["json", "xml", "empty"])
async def test_a_token_that_is_over_is_refreshed_whatever_says_so(connected: Office, shape: str) -> None:
    await connected.turn(shapes={"unauthorized_shape": shape})
    before = await connected.one(OAuthToken)
    await connected.people_do("expire-access")
    made = await pushed(connected)
    assert (await connected.one(Estimate, Estimate.id == made["id"])).qb_id is not None
    assert (await connected.one(OAuthToken)).refreshes == before.refreshes + 1
    assert (await connected.health())["status"] == "connected"


async def pushed(office: Office, **line: str) -> dict[str, Any]:
    """An estimate that was to be written into QuickBooks."""
    contact = await office.knows(first_name="Ana", last_name="Lima", emails=["ana@example.com"])
    item = (await office.api.get("/api/v1/items")).json()["items"][0]
    lines = [{"item_id": item["id"], "quantity": "2", "unit_price": "100"} | line]
    made = await office.api.post("/api/v1/estimates", json={"contact_id": str(contact), "lines": lines})
    assert made.status_code == 201, made.text
    assert (await office.api.post(f"/api/v1/estimates/{made.json()['id']}/push")).is_success
    await office.settle()
    return dict(made.json())


async def of_id(office: Office, model: Any, made: dict[str, Any]) -> Any:
    return await office.one(model, model.qb_id == made["Id"])


async def differences(office: Office) -> list[dict[str, Any]]:
    """Compare now, and say what differed."""
    assert (await office.api.post("/api/v1/quickbooks/differences")).status_code == 202
    await office.settle()
    (newest, *_) = (await office.api.get("/api/v1/quickbooks/differences")).json()["items"]
    return list(newest["lines"])


# --- 16: AgedReceivables


@pytest.mark.parametrize("blank", ["", "0.00"])
@pytest.mark.parametrize("total", ["GrandTotal", "TOTAL", None])
async def test_what_quickbooks_says_is_owed_is_read(connected: Office, total: str | None, blank: str) -> None:
    await connected.turn(shapes={"aging_total": total, "aging_blank": blank})
    today = (await connected.now()).date()
    acme = await connected.new_customer("Acme")
    garage = await connected.new_customer("Garage", ParentRef={"value": acme["Id"]}, Job=True)
    ana = await connected.new_customer("Ana Lima")
    for customer, amount, late in ((acme, "1.00", 0), (garage, "2.00", 30), (garage, "4.00", 31), (ana, "8.05", 91)):
        await connected.new_invoice(
            customer["Id"], amount, TxnDate=str(today - timedelta(days=99)), DueDate=str(today - timedelta(days=late))
        )
    owed = await (await books(connected)).owed(today)
    assert owed == {acme["Id"]: 100, garage["Id"]: 600, ana["Id"]: 805}


@pytest.mark.parametrize("has_credits", [False, True])
async def test_credit_is_no_difference_of_what_is_owed(connected: Office, has_credits: bool) -> None:
    await connected.turn(shapes={"aging_has_credits": has_credits})
    ana = await connected.new_customer()
    await connected.new_invoice(ana["Id"], "500.00")
    await connected.quickbooks("POST", "creditmemo", sold(ana, "50.00"))
    await connected.people_do("payments", customer_id=ana["Id"], amount="70.00")
    await connected.settle()
    today = (await connected.now()).date()
    owed = await (await books(connected)).owed(today)
    assert owed == {ana["Id"]: 38_000 if has_credits else 50_000}
    assert await differences(connected) == []
