"""The lines about money: they hold for true books, and each fails on the one lie that it is there for."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from demo.money import Books, billed, reconcile

FULL = "019354a0-0000-7000-8000-000000000001"
DEPOSIT = "019354a0-0000-7000-8000-000000000002"
REST = "019354a0-0000-7000-8000-000000000003"


def revenue(attributed: int, unattributed: int) -> dict[str, Any]:
    models = ("first_touch", "last_touch")
    return {
        "models": [
            {"model": model, "attributed_cents": attributed, "unattributed_cents": unattributed} for model in models
        ]
    }


@pytest.fixture
def books() -> Books:
    """Two invoices, one of them paid, and money of a stranger."""
    invoices = {"12": (10_000, 0), "13": (20_000, 20_000)}
    return Books(
        their_invoices=invoices,
        our_invoices=dict(invoices),
        their_money=11_000,
        our_money=11_000,
        accepted={"7": 10_000, "8": 20_000},
        billed={"7": [10_000], "8": [6_000, 14_000]},
        in_parts={"8"},
        revenue=revenue(10_000, 1_000),
    )


def broken(books: Books) -> list[int]:
    return [number for number, line in enumerate(reconcile(books)) if not line.holds]


def test_true_books_hold_in_every_line(books: Books) -> None:
    assert broken(books) == []
    assert reconcile(books)[2].figures == "$200.00 = $200.00 owed"


def test_an_invoice_that_only_one_side_has_is_seen(books: Books) -> None:
    assert broken(replace(books, our_invoices={"12": (10_000, 0)})) == [0, 2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"7": [10_000, 10_000]},
        {"7": [5_000, 5_000]},
        {"7": [9_999]},
        {"7": []},
        {"8": [6_000, 13_999]},
        {"8": [20_000]},
        {"8": [6_000, 14_000, 14_000]},
    ],
    ids=str,
)
def test_an_estimate_that_is_not_billed_once_is_seen(books: Books, wrong: dict[str, list[int]]) -> None:
    assert broken(replace(books, billed=books.billed | wrong)) == [1]


def test_without_an_accepted_estimate_nothing_was_shown(books: Books) -> None:
    assert broken(replace(books, accepted={}, billed={}, in_parts=set())) == [1]


def test_what_is_billed_is_what_the_documents_of_quickbooks_say() -> None:
    """Twice is twice, by link or by note; voided is nothing; a stranger's is nobody's."""

    def document(total: str, note: str = "", estimate: str | None = None) -> dict[str, Any]:
        links = [] if estimate is None else [{"TxnId": estimate, "TxnType": "Estimate"}]
        return {"TotalAmt": Decimal(total), "PrivateNote": note, "LinkedTxn": links}

    documents = [
        document("100.00", f"CRM {FULL}", "7"),
        document("100.00", f"CRM {FULL}"),
        document("60.00", f"CRM {DEPOSIT}"),
        document("140.00", f"CRM {REST}", "8"),
        document("0", f"Voided - CRM {REST}", "8"),
        document("12.00", "by hand", "8"),
        document("5.00", "by hand", "9"),
        {"TotalAmt": Decimal("1.00")},
    ]
    estimates = {FULL: "7", DEPOSIT: "8", REST: "8"}
    assert billed(documents, estimates) == {"7": [10_000, 10_000], "8": [6_000, 14_000, 1_200]}


def test_a_balance_that_is_a_cent_off_is_seen(books: Books) -> None:
    assert broken(replace(books, our_invoices={"12": (10_000, 1), "13": (20_000, 20_000)})) == [2]


@pytest.mark.parametrize(
    "lie",
    [{"their_money": 11_001}, {"our_money": 10_999}, {"revenue": revenue(10_000, 999)}, {"revenue": None}],
    ids=lambda lie: next(iter(lie)),
)
def test_a_cent_that_is_nowhere_is_seen(books: Books, lie: dict[str, Any]) -> None:
    assert broken(replace(books, **lie)) == [3, 4]


def test_books_without_any_money_hold(books: Books) -> None:
    empty = replace(books, their_invoices={}, our_invoices={}, their_money=0, our_money=0, revenue=None)
    assert broken(empty) == []
