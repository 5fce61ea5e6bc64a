"""What an event of billing becomes here: entries, copies, and what a change changed."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from contacts.billing import changed_details, copies_of, entry_of
from contacts.models import CustomerLink, EntryKind, EstimateCopy, InvoiceCopy, JobCopy, PaymentCopy
from contacts.queries.contacts import ContactFilter
from contacts.queries.money import MoneyFilter
from shared.events import billing
from shared.events.envelope import Money
from shared.ids import uuid7

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DOLLARS = Money(amount_cents=50_000)
CUSTOMER, CONTACT, DOCUMENT = uuid7(), uuid7(), uuid7()


def invoice(kind: Any = billing.InvoiceIssued, version: int = 1, **fields: Any) -> Any:
    return kind(
        **{
            "invoice_id": DOCUMENT,
            "version": version,
            "customer_id": CUSTOMER,
            "amount": DOLLARS,
            "balance": DOLLARS,
            "issued_on": date(2026, 3, 2),
            "occurred_at": AT,
            **fields,
        }
    )


def estimate(kind: Any) -> Any:
    return kind(estimate_id=DOCUMENT, version=1, customer_id=CUSTOMER, amount=DOLLARS, occurred_at=AT)


@pytest.mark.parametrize("kind", [billing.InvoiceIssued, billing.InvoiceVoided])
def test_what_happens_once_has_one_key_whatever_the_version(kind: Any) -> None:
    assert entry_of(invoice(kind, 1))["key"] == entry_of(invoice(kind, 7))["key"]


@pytest.mark.parametrize("kind", [billing.InvoiceSent, billing.InvoicePaid, billing.InvoiceOverdue])
def test_what_may_happen_again_has_a_key_for_each_version(kind: Any) -> None:
    assert entry_of(invoice(kind, 1))["key"] == entry_of(invoice(kind, 1))["key"]
    assert entry_of(invoice(kind, 1))["key"] != entry_of(invoice(kind, 7))["key"]


def test_an_entry_tells_what_is_known_and_nothing_else() -> None:
    entry = entry_of(
        invoice(billing.InvoicePaid, balance=Money(amount_cents=0), number="7", contact_id=CONTACT, paid_at=AT)
    )
    assert (entry["kind"], entry["about_id"], entry["contact_id"]) == (EntryKind.INVOICE, DOCUMENT, None)
    assert entry["details"] == {
        "status": "paid",
        "invoice_id": str(DOCUMENT),
        "number": "7",
        "customer_id": str(CUSTOMER),
        "amount_cents": 50_000,
        "balance_cents": 0,
        "currency": "USD",
        "issued_on": "2026-03-02",
    }


def test_only_a_link_names_the_contact_that_it_is_shown_to() -> None:
    link = billing.CustomerUnlinked(customer_id=CUSTOMER, contact_id=CONTACT, version=2, occurred_at=AT)
    entry = entry_of(link)
    assert (entry["kind"], entry["about_id"], entry["contact_id"]) == (EntryKind.CUSTOMER, CUSTOMER, CONTACT)
    assert entry["details"] == {"status": "unlinked", "customer_id": str(CUSTOMER)}


def test_each_kind_of_document_has_its_copy() -> None:
    payment = billing.PaymentReceived(
        payment_id=DOCUMENT,
        version=1,
        customer_id=CUSTOMER,
        amount=DOLLARS,
        received_on=date(2026, 3, 4),
        occurred_at=AT,
    )
    job = billing.JobScheduled(job_id=DOCUMENT, version=1, contact_id=CONTACT, title="Wall", occurred_at=AT)
    rows = copies_of([invoice(), payment, estimate(billing.EstimateSent), job])
    document = {"version": 1, "customer_id": CUSTOMER, "amount_cents": 50_000, "currency": "USD"}
    assert rows == {
        InvoiceCopy: [
            {
                "invoice_id": DOCUMENT,
                **document,
                "balance_cents": 50_000,
                "due_on": date(2026, 3, 2),
                "passed_due_on": None,
            }
        ],
        PaymentCopy: [{"payment_id": DOCUMENT, **document, "received_on": date(2026, 3, 4)}],
        EstimateCopy: [{"estimate_id": DOCUMENT, **document, "is_open": True}],
        JobCopy: [{"job_id": DOCUMENT, "version": 1, "contact_id": CONTACT}],
    }


@pytest.mark.parametrize("kind", [billing.EstimateAccepted, billing.EstimateDeclined, billing.EstimateExpired])
def test_an_answered_or_expired_estimate_is_not_open(kind: Any) -> None:
    assert copies_of([estimate(kind)])[EstimateCopy][0]["is_open"] is False


def test_an_overdue_invoice_says_which_day_has_passed() -> None:
    due_on = date(2026, 4, 1)
    [row] = copies_of([invoice(billing.InvoiceOverdue, due_on=due_on)])[InvoiceCopy]
    assert (row["due_on"], row["passed_due_on"]) == (due_on, due_on)


def test_a_documents_own_contact_is_a_link_that_any_told_link_outdates() -> None:
    [link] = copies_of([invoice(version=9, contact_id=CONTACT)])[CustomerLink]
    assert (link["version"], link["contact_id"], link["is_linked"]) == (0, CONTACT, True)
    told = billing.CustomerUnlinked(customer_id=CUSTOMER, contact_id=CONTACT, version=1, occurred_at=AT)
    [link] = copies_of([told])[CustomerLink]
    assert (link["version"], link["is_linked"]) == (1, False)


def test_a_change_tells_what_differs_from_before() -> None:
    before = {"amount_cents": 1, "currency": "USD", "balance_cents": 1, "customer_id": "a"}
    now = {"amount_cents": 2, "currency": "USD", "balance_cents": 2, "customer_id": "a", "due_on": "2026-04-01"}
    assert changed_details(now, before) == {**now, "before": {"amount_cents": 1, "due_on": None}}


@pytest.mark.parametrize("wanted", [{"has_balance": False}, {"paid_at_least": 0}, {"is_customer": True}])
def test_a_condition_on_money_narrows_a_search_also_where_it_is_false_or_nothing(wanted: dict[str, Any]) -> None:
    assert ContactFilter(money=MoneyFilter(**wanted)).narrows
    assert not ContactFilter(money=MoneyFilter()).narrows
