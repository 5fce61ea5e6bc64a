"""Money: cents in, cents out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.money import InvalidAmount, Money, line_cents, parse_money, percentage_of, to_cents

cents = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1,500.00", 150_000),
        ("1,500", 150_000),
        ("1500", 150_000),
        ("$.5", 50),
        ("-12.5", -1250),
        ("-$12.50", -1250),
        ("$-12.50", -1250),
        ("($3.00)", -300),
        (" $ 7 ", 700),
    ],
)
def test_amounts_that_are_read(text: str, expected: int) -> None:
    assert parse_money(text) == Money(expected)


@pytest.mark.parametrize(
    "text", ["", "$", "1.500,00", "1,50", "12.345", "1e3", "NaN", "ten", "--5", "(-5)", "()", "1,,000"]
)
def test_amounts_that_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_money(text)


@given(cents)
def test_writing_and_reading_is_exact(amount: int) -> None:
    assert parse_money(str(Money(amount))) == Money(amount)
    assert Money.of(Money(amount).amount) == Money(amount)


def test_halves_round_away_from_zero() -> None:
    assert [to_cents(Decimal(value)) for value in ("0.005", "0.015", "-0.005", "0.00499")] == [1, 2, -1, 0]
    assert line_cents(Decimal("2.5"), Decimal("3.3333333")) == 833
    assert percentage_of(150_001, Decimal("6.25")) == 9375
    with pytest.raises(InvalidAmount):
        to_cents(Decimal("Infinity"))


@given(cents, cents)
def test_sums(left: int, right: int) -> None:
    assert Money(left) + Money(right) == Money(left + right)
    assert Money(left) - Money(right) == Money(left) + -Money(right)


def test_floats_and_mixed_currencies_are_refused() -> None:
    with pytest.raises(TypeError):
        Money(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="add up"):
        Money(1) + Money(1, "CAD")
    with pytest.raises(ValueError, match="ISO"):
        Money(1, "dollars")
    assert str(Money(-150_050)) == "-$1,500.50"
    assert str(Money(5, "CAD")) == "CAD 0.05"
