"""Single cells: numbers, money, dates, flags, e-mails, formulas."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from contacts.importing import cells
from contacts.importing.cells import BadCell
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (cells.whole_number, "1,500", 1500),
        (cells.whole_number, "3", 3),
        (cells.whole_number, "1500.00", 1500),
        (cells.whole_number, "1,234,567", 1_234_567),
        (cells.small_decimal, "2.5", Decimal("2.5")),
        (cells.money_cents, "$1,234.50", 123_450),
        (cells.money_cents, "450000", 45_000_000),
        (cells.money_cents, "($500)", -50_000),
        (cells.money_cents, "-$500", -50_000),
        (cells.percentage, "55.5%", Decimal("55.5")),
        (cells.latitude, "42.36012345", Decimal("42.3601234")),
        (cells.year, "1923", 1923),
        (cells.calendar_date, "2024-12-31", date(2024, 12, 31)),
        (cells.calendar_date, "12/31/2024", date(2024, 12, 31)),
        (cells.calendar_date, "12-31-2024", date(2024, 12, 31)),
        (cells.calendar_date, "2024/1/5", date(2024, 1, 5)),
        (cells.flag, "1", True),
        (cells.flag, "No", False),
        (cells.email_address, "Pat@Example.COM", "pat@example.com"),
    ],
)
def test_a_cell_is_read(parser: Callable[[str], object], text: str, value: object) -> None:
    assert parser(text) == value


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (cells.whole_number, "1,5"),
        (cells.whole_number, "1,50,000"),
        (cells.whole_number, "12.5"),
        (cells.whole_number, "99999999999"),
        (cells.whole_number, "9" * 5000),
        (cells.decimal_number, "0." + "1" * 40),
        (cells.percentage, "99999.99999"),
        (cells.whole_number, "unknown"),
        (cells.whole_number, "١٢"),
        (cells.decimal_number, "."),
        (cells.decimal_number, "1e9"),
        (cells.decimal_number, "NaN"),
        (cells.small_decimal, "2.555"),
        (cells.money_cents, "$1.234"),
        (cells.money_cents, "$"),
        (cells.money_cents, "9" * 20),
        (cells.latitude, "91"),
        (cells.longitude, "-181"),
        (cells.year, "0"),
        (cells.calendar_date, "31/12/2024"),
        (cells.calendar_date, "2024-02-30"),
        (cells.calendar_date, "1/2/24"),
        (cells.flag, "maybe"),
        (cells.email_address, "pat@"),
        (cells.email_address, "a b@example.com"),
        (cells.email_address, "a@b..com"),
        (cells.email_address, "x" * 300 + "@example.com"),
    ],
)
def test_nothing_is_guessed_where_a_cell_cannot_be_read(parser: Callable[[str], object], text: str) -> None:
    with pytest.raises(BadCell):
        parser(text)


@given(st.text(max_size=30))
def test_no_parser_crashes_on_any_text(text: str) -> None:
    for parser in (
        cells.whole_number,
        cells.money_cents,
        cells.percentage,
        cells.small_decimal,
        cells.latitude,
        cells.year,
        cells.calendar_date,
        cells.flag,
        cells.email_address,
    ):
        try:
            parser(text)
        except BadCell:
            continue


@given(st.integers(-(10**12), 10**12))
def test_money_keeps_every_cent(amount: int) -> None:
    assert cells.money_cents(f"{Decimal(amount) / 100:,.2f}") == amount


@pytest.mark.parametrize("text", ["=1+1", "+16175550100", "-5", "@SUM(A1)", "\tx", "\rx"])
def test_formulas_are_neutralised_and_come_back(text: str) -> None:
    assert cells.neutralised(text) == "'" + text
    assert cells.restored(cells.neutralised(text)) == text


@given(st.text(max_size=10))
def test_a_neutralised_cell_never_starts_a_formula(text: str) -> None:
    shown = cells.neutralised(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    if not text.startswith("'"):
        assert cells.restored(shown) == text
