"""Amounts are rounded half up to the cent, and totals follow from the lines."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.money import checked_amount, compute_totals, line_amount, with_discounts

QUANTITIES = st.decimals(-100_000, 100_000, places=5)
PRICES = st.decimals(-100_000, 100_000, places=7)
AMOUNTS = st.decimals(0, 100_000, places=2)
PERCENTS = st.decimals(0, 30, places=3)


def item(amount: object, *, tax: str | None = "NON", **detail: object) -> dict[str, Any]:
    code = {} if tax is None else {"TaxCodeRef": {"value": tax}}
    line = {"DetailType": "SalesItemLineDetail", "Amount": amount, "SalesItemLineDetail": {**code, **detail}}
    return {name: value for name, value in line.items() if value is not None}


def discount(amount: str) -> dict[str, Any]:
    return {"DetailType": "DiscountLineDetail", "Amount": Decimal(amount), "DiscountLineDetail": {}}


def discount_percent(percent: str) -> dict[str, Any]:
    detail = {"PercentBased": True, "DiscountPercent": Decimal(percent)}
    return {"DetailType": "DiscountLineDetail", "DiscountLineDetail": detail}


def rounded_in_integers(scaled: int, scale: int) -> Decimal:
    """Half up, away from zero, of `scaled` / `scale` dollars: without Decimal's own rounding."""
    cents = (abs(scaled) * 100 * 2 + scale) // (2 * scale)
    return Decimal(cents if scaled >= 0 else -cents) / 100


def test_the_line_that_was_refused_a_cent_below() -> None:
    assert line_amount(Decimal("128.350"), Decimal("14.50")) == Decimal("1861.08")


@given(QUANTITIES, PRICES)
def test_a_line_is_rounded_as_integers_would_be(quantity: Decimal, price: Decimal) -> None:
    scaled = int(quantity * 10**5) * int(price * 10**7)
    assert line_amount(quantity, price) == rounded_in_integers(scaled, 10**12)


@pytest.mark.parametrize("odd", range(1, 40, 2))
def test_half_a_cent_always_goes_up(odd: int) -> None:
    assert line_amount(Decimal(odd), Decimal("0.005")) == Decimal(odd + 1) / 200


@given(QUANTITIES, PRICES, st.sampled_from(["-0.01", "0.00", "0.01"]))
def test_a_line_a_cent_off_is_refused(quantity: Decimal, price: Decimal, off: str) -> None:
    line = item(line_amount(quantity, price) + Decimal(off), Qty=quantity, UnitPrice=price)
    if not Decimal(off):
        checked_amount(line)
        return
    with pytest.raises(QuickBooksFault) as refused:
        checked_amount(line)
    assert refused.value.code == "6070"


@pytest.mark.parametrize(
    "line",
    [
        item(Decimal(5), Qty=2),
        item(Decimal(5), UnitPrice=Decimal(3)),
        item(None, Qty=2, UnitPrice=Decimal(3)),
        item(Decimal(5)),
        {"DetailType": "DescriptionOnly", "Description": "Subtotal: all of it"},
    ],
)
def test_a_line_that_lacks_one_of_the_three_is_not_compared(line: dict[str, Any]) -> None:
    checked_amount(line)


def test_a_quantity_of_nothing_is_compared() -> None:
    with pytest.raises(QuickBooksFault):
        checked_amount(item(Decimal(5), Qty=0, UnitPrice=Decimal(3)))


@given(QUANTITIES, PRICES, st.sampled_from(["-0.01", "0.00", "0.01"]))
def test_the_price_may_win_over_a_line_a_cent_off(quantity: Decimal, price: Decimal, off: str) -> None:
    line = item(line_amount(quantity, price) + Decimal(off), Qty=quantity, UnitPrice=price)
    assert checked_amount(line, unit_price_wins=True) == line_amount(quantity, price)


@pytest.mark.parametrize("amount", ["abc", "NaN", Decimal("1E+40"), Decimal("1." + "0" * 30 + "1")])
def test_an_amount_that_cannot_be_worked_with_is_a_fault(amount: object) -> None:
    with pytest.raises(QuickBooksFault) as refused:
        checked_amount(item(amount, Qty=amount, UnitPrice=Decimal(1)))
    assert refused.value.code == "2010"


def test_the_example_of_the_reference() -> None:
    totals = compute_totals([item(Decimal("240.00"), tax="TAX", Qty=2, UnitPrice=Decimal(120))], Decimal(8))
    assert (totals.subtotal, totals.tax, totals.total) == (Decimal("240.00"), Decimal("19.20"), Decimal("259.20"))


@given(st.lists(st.tuples(AMOUNTS, st.sampled_from(["TAX", "NON", None])), max_size=5), PERCENTS)
def test_tax_is_on_the_sum_of_the_taxed_lines(lines: list[tuple[Decimal, str | None]], percent: Decimal) -> None:
    totals = compute_totals([item(amount, tax=tax) for amount, tax in lines], percent)
    taxed_cents = sum(int(amount * 100) for amount, tax in lines if tax == "TAX")
    assert totals.subtotal == sum(amount for amount, _ in lines)
    assert totals.tax == rounded_in_integers(taxed_cents * int(percent * 1000), 100 * 1000 * 100)
    assert totals.total == totals.subtotal + totals.tax


def test_tax_is_rounded_once_for_all_lines() -> None:
    lines = [item(Decimal("0.10"), tax="TAX") for _ in range(3)]
    assert compute_totals(lines, Decimal(5)).tax == Decimal("0.02")


@pytest.mark.parametrize("percent", [None, Decimal(0)])
def test_a_company_without_tax_charges_none(percent: Decimal | None) -> None:
    assert compute_totals([item(Decimal(10), tax="TAX")], percent).tax == 0


@pytest.mark.parametrize(
    "other",
    [
        {"DetailType": "DescriptionOnly", "Description": "Thank you", "Amount": Decimal(7)},
        {"DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}, "Amount": Decimal(999)},
    ],
)
def test_lines_without_an_item_count_for_nothing(other: dict[str, Any]) -> None:
    lines = [item(Decimal(10), tax="TAX")]
    assert compute_totals([*lines, other], Decimal(8)) == compute_totals(lines, Decimal(8))


@pytest.mark.parametrize("line", [discount("20.00"), discount_percent("10")])
def test_a_discount_is_subtracted(line: dict[str, Any]) -> None:
    totals = compute_totals([item(Decimal(150)), item(Decimal(50)), line], None)
    assert (totals.subtotal, totals.total) == (Decimal(180), Decimal(180))


def test_a_discount_in_percent_is_rounded_half_up() -> None:
    assert compute_totals([item(Decimal("0.10")), discount_percent("5")], None).total == Decimal("0.09")


@given(AMOUNTS, PERCENTS)
def test_a_discount_in_percent_says_what_it_takes_off(amount: Decimal, percent: Decimal) -> None:
    lines = [item(amount), discount_percent(str(percent))]
    off = rounded_in_integers(int(amount * 100) * int(percent * 1000), 100 * 1000 * 100)
    shown = with_discounts(lines)
    assert shown == [lines[0], {**lines[1], "Amount": off}]
    assert compute_totals(shown, None).total == amount - off


def test_the_amount_of_a_discount_in_percent_is_the_percentages() -> None:
    lines = [item(Decimal("100.20")), {**discount_percent("12.5"), "Amount": Decimal(99)}, discount("20.00")]
    assert [line["Amount"] for line in with_discounts(lines)] == [Decimal("100.20"), Decimal("12.53"), Decimal("20.00")]


def test_a_discount_lowers_the_taxed_part_by_its_share() -> None:
    lines = [item(Decimal(150), tax="TAX"), item(Decimal(50)), discount("20.00")]
    totals = compute_totals(lines, Decimal(10))
    assert (totals.taxable, totals.tax, totals.total) == (Decimal(135), Decimal("13.50"), Decimal("193.50"))


def test_a_form_of_words_alone_is_worth_nothing() -> None:
    assert compute_totals([{"DetailType": "DescriptionOnly"}], Decimal(8)).total == 0
