"""A filled company holds together: what customers owe, what invoices are open for, and what payments gave agree."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.quickbooks.filling import Entry, Ground, Link, PricedItem, Wanted, entries, plan
from sandbox.quickbooks.forms import Desk
from sandbox.quickbooks.money import compute_totals

TODAY = date(2027, 3, 1)
END = datetime(2027, 3, 1, 5, tzinfo=UTC)
TAX = Decimal("6.25")
WANTED = Wanted(customers=40, invoices=120, payments=90, months=18, seed=7)


def ground(**changes: Any) -> Ground:
    known: dict[str, Any] = {
        "desk": Desk(today=TODAY, tax_percent=TAX, closed_until=None),
        "zone": "America/New_York",
        "end": END,
        "items": (PricedItem("2", "Crack injection, per foot", Decimal("85.00")),),
        "terms": (("1", {"Type": "STANDARD", "DueDays": 0}), ("3", {"Type": "STANDARD", "DueDays": 30})),
        "first_name_id": 5,
        "first_transaction_id": 9,
    }
    return Ground(**known | changes)


def filled(wanted: Wanted = WANTED) -> tuple[dict[tuple[str, int], Entry], list[Link]]:
    planned = plan(wanted, ground())
    return {(entry.kind, entry.id): entry for entry in entries(planned)}, planned.links


def of(found: dict[tuple[str, int], Entry], kind: str) -> list[Entry]:
    return [entry for (name, _), entry in found.items() if name == kind]


@settings(max_examples=40, deadline=None)
@given(
    customers=st.integers(1, 12),
    invoices=st.integers(0, 25),
    payments=st.integers(0, 60),
    seed=st.integers(0, 10_000),
)
def test_what_is_owed_open_and_given_agrees(customers: int, invoices: int, payments: int, seed: int) -> None:
    found, links = filled(Wanted(customers=customers, invoices=invoices, payments=payments, months=6, seed=seed))
    assert Counter(kind for kind, _ in found) == Counter(
        {"Customer": customers, "Invoice": invoices, "Payment": payments}
    )
    given_to: defaultdict[int, Decimal] = defaultdict(Decimal)
    given_by: defaultdict[int, Decimal] = defaultdict(Decimal)
    for link in links:
        assert link.amount > 0
        given_by[link.payment_id] += link.amount
        given_to[link.invoice_id] += link.amount
    owed: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in of(found, "Invoice"):
        body = entry.body
        assert body["TotalAmt"] == compute_totals(body["Line"], TAX).total
        assert body["Balance"] == body["TotalAmt"] - given_to[entry.id] >= 0
        owed[body["CustomerRef"]["value"]] += body["Balance"]
    for entry in of(found, "Payment"):
        assert entry.body["UnappliedAmt"] == entry.body["TotalAmt"] - given_by[entry.id] >= 0
        assert entry.body["TotalAmt"] > 0
        owed[entry.body["CustomerRef"]["value"]] -= entry.body["UnappliedAmt"]
    for entry in of(found, "Customer"):
        assert entry.body["Balance"] == entry.body["BalanceWithJobs"] == owed[str(entry.id)]


def test_links_stand_on_both_sides_and_within_one_customer() -> None:
    found, links = filled()
    assert len(links) > 60
    for link in links:
        paying, paid = found["Payment", link.payment_id].body, found["Invoice", link.invoice_id].body
        [line] = [one for one in paying["Line"] if one["LinkedTxn"][0]["TxnId"] == str(link.invoice_id)]
        assert (line["Amount"], line["LinkedTxn"][0]["TxnType"]) == (link.amount, "Invoice")
        assert {"TxnId": str(link.payment_id), "TxnType": "Payment"} in paid["LinkedTxn"]
        assert paying["CustomerRef"] == paid["CustomerRef"]


def test_there_are_full_partial_and_double_payments_and_money_on_account() -> None:
    found, links = filled(Wanted(customers=100, invoices=600, payments=500, months=18, seed=3))
    balances = [entry.body for entry in of(found, "Invoice")]
    assert any(body["Balance"] == 0 for body in balances)
    assert any(0 < body["Balance"] < body["TotalAmt"] for body in balances)
    assert any(entry.body["UnappliedAmt"] for entry in of(found, "Payment"))
    assert max(Counter(link.payment_id for link in links).values()) > 1


def test_times_are_spread_over_the_months_and_in_the_order_of_ids() -> None:
    found, _ = filled()
    written = [entry for entry in found.values() if entry.kind != "Customer"]
    instants = [entry.created_at for entry in sorted(written, key=lambda entry: entry.id)]
    assert instants == sorted(instants)
    assert END - timedelta(days=18 * 31) <= min(instants) < max(instants) < END
    assert max(instants) - min(instants) > timedelta(days=400)
    assert all(entry.created_at <= entry.updated_at < END for entry in found.values())
    customers = {entry.id: entry.created_at for entry in of(found, "Customer")}
    assert all(customers[int(one.body["CustomerRef"]["value"])] <= one.created_at for one in written)


def test_a_payment_changes_its_invoice_last() -> None:
    found, links = filled()
    for link in links:
        paid = found["Invoice", link.invoice_id]
        assert paid.created_at <= found["Payment", link.payment_id].created_at <= paid.updated_at


def test_ids_go_on_from_where_the_company_stands() -> None:
    found, _ = filled()
    assert sorted(entry.id for entry in of(found, "Customer")) == list(range(5, 45))
    assert sorted(entry.id for entry in found.values() if entry.kind != "Customer") == list(range(9, 9 + 210))


def test_names_numbers_and_phones_are_nobody_elses() -> None:
    found, _ = filled(Wanted(customers=300, invoices=300, payments=0, months=18, seed=1))
    people = [entry.body for entry in of(found, "Customer")]
    for value in (lambda body: body["DisplayName"], lambda body: body["PrimaryPhone"]["FreeFormNumber"]):
        assert len({value(body) for body in people}) == 300
    assert len({entry.body["DocNumber"] for entry in of(found, "Invoice")}) == 300


def test_the_seed_decides() -> None:
    assert filled() == filled()
    assert filled() != filled(Wanted(customers=40, invoices=120, payments=90, months=18, seed=8))


@pytest.mark.parametrize("payments", [0, 5])
def test_without_invoices_payments_are_on_account(payments: int) -> None:
    found, links = filled(Wanted(customers=1, invoices=0, payments=payments, months=1, seed=1))
    assert (links, len(of(found, "Payment"))) == ([], payments)
