"""The lines about money: they hold for true books, and each fails on the one lie that it is there for."""

from dataclasses import replace
from typing import Any

import pytest
from demo.money import Books, reconcile


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
        per_estimate={"a": 1, "b": 1},
        revenue=revenue(10_000, 1_000),
    )


def broken(books: Books) -> list[int]:
    return [number for number, line in enumerate(reconcile(books)) if not line.holds]


def test_true_books_hold_in_every_line(books: Books) -> None:
    assert broken(books) == []
    assert reconcile(books)[1].figures == "$200.00 = $200.00 owed"


def test_an_invoice_that_only_one_side_has_is_seen(books: Books) -> None:
    assert broken(replace(books, our_invoices={"12": (10_000, 0)})) == [0, 1]


def test_an_estimate_that_was_invoiced_twice_is_seen(books: Books) -> None:
    assert broken(replace(books, per_estimate={"a": 2})) == [0]


def test_a_balance_that_is_a_cent_off_is_seen(books: Books) -> None:
    assert broken(replace(books, our_invoices={"12": (10_000, 1), "13": (20_000, 20_000)})) == [1]


@pytest.mark.parametrize(
    "lie",
    [{"their_money": 11_001}, {"our_money": 10_999}, {"revenue": revenue(10_000, 999)}, {"revenue": None}],
    ids=lambda lie: next(iter(lie)),
)
def test_a_cent_that_is_nowhere_is_seen(books: Books, lie: dict[str, Any]) -> None:
    assert broken(replace(books, **lie)) == [2, 3]


def test_books_without_any_money_hold() -> None:
    empty = Books({}, {}, their_money=0, our_money=0, per_estimate={}, revenue=None)
    assert broken(empty) == []
