"""Money: what we work out is what QuickBooks does, parts add up to their whole, and a document loses nothing."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from billing import documents
from billing.allocation import money_shares
from billing.lines import Line, LineKind, item_line, read_lines, share_of, store_lines
from billing.models import Application, Estimate, Invoice, Payment
from billing.services.payments import money_of
from billing.totals import compute_totals, line_amounts, split_by_share, taxable_cents
from hypothesis import example, given
from hypothesis import strategies as st
from sandbox.quickbooks.money import checked_amount
from sandbox.quickbooks.money import compute_totals as theirs

from shared import decimal_json

ID = UUID("3f0c1c3e-7b0a-7000-8000-000000000001")


def decimals(most: int, places: int = 7) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=0, max_value=most, places=places, allow_nan=False)


items = st.builds(
    item_line,
    item=st.sampled_from(["1", "2", "77"]),
    description=st.text(max_size=20),
    quantity=decimals(10_000) | st.integers(0, 1000).map(Decimal),
    unit_price=decimals(100_000) | decimals(100_000, places=2),
    is_taxable=st.booleans(),
)
texts = st.builds(Line, st.just(LineKind.TEXT), description=st.text(max_size=20))
percents = st.builds(Line, st.just(LineKind.DISCOUNT), percent=decimals(100))
amounts_off = st.builds(Line, st.just(LineKind.DISCOUNT), amount_cents=st.integers(0, 10_000_000))
some_lines = st.lists(items | items | texts | percents | amounts_off, min_size=1, max_size=8)
rates = st.just(Decimal(0)) | decimals(30)
ODD = item_line("1", "Crack", Decimal("128.350"), Decimal("14.50"), is_taxable=True)


def form(model: Any, lines: Sequence[Line]) -> Any:
    return model(
        id=ID,
        number="E-1001",
        written_on=date(2031, 3, 4),
        lines=store_lines(lines),
        email="ana@example.com",
        memo="Mind the dog",
        expires_on=date(2031, 4, 4),
    ) if model is Estimate else model(
        id=ID, number="I-1001", written_on=date(2031, 3, 4), lines=store_lines(lines), due_on=date(2031, 4, 4)
    )  # fmt: skip


def discounted(lines: Sequence[Line], *, is_before_tax: bool) -> list[Line]:
    """The lines as a form has them whose discounts all come off before the tax, or all after it."""
    return [replace(line, is_before_tax=is_before_tax and line.kind is LineKind.DISCOUNT) for line in lines]


def sent(lines: Sequence[Line]) -> dict[str, Any]:
    """What is sent, read as the sandbox reads it."""
    text = documents.text(documents.estimate(form(Estimate, lines), "63"))
    return dict(decimal_json.read(text))


def written(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines as they stand in what is sent."""
    found: list[dict[str, Any]] = sent(lines)["Line"]
    return found


@given(some_lines, rates, st.booleans())
@example([ODD, Line(LineKind.DISCOUNT, percent=Decimal("33.3333333"))], Decimal("6.25"), False)
@example([ODD, Line(LineKind.DISCOUNT, percent=Decimal("33.3333333"))], Decimal("6.25"), True)
@example([replace(ODD, is_taxable=False), ODD, Line(LineKind.DISCOUNT, amount_cents=1)], Decimal("6.25"), True)
@example([ODD, Line(LineKind.DISCOUNT, percent=Decimal(100))], Decimal("6.25"), True)
@example([Line(LineKind.DISCOUNT, amount_cents=5)], Decimal("6.25"), True)
@example([ODD], Decimal(0), False)
def test_totals_are_quickbookss(lines: list[Line], rate: Decimal, is_before_tax: bool) -> None:
    lines = discounted(lines, is_before_tax=is_before_tax)
    ours, body = compute_totals(lines, rate), sent(lines)
    their = theirs(body["Line"], rate, discount_first=body.get("ApplyTaxAfterDiscount") is True)
    assert (ours.subtotal, taxable_cents(lines), ours.tax, ours.total) == (
        int(their.subtotal * 100),
        int(their.taxable * 100),
        int(their.tax * 100),
        int(their.total * 100),
    )


@given(some_lines, st.booleans())
@example([ODD], False)
@example([ODD, Line(LineKind.DISCOUNT, percent=Decimal(100))], True)
def test_without_a_rate_the_total_is_known_only_where_nothing_is_taxed(lines: list[Line], is_before_tax: bool) -> None:
    lines = discounted(lines, is_before_tax=is_before_tax)
    ours, untaxed = compute_totals(lines, None), compute_totals(lines, Decimal(0))
    assert ours.subtotal == untaxed.subtotal
    assert (ours.tax, ours.total) == ((None, None) if taxable_cents(lines) else (0, untaxed.total))


@given(st.lists(items, min_size=1, max_size=8))
@example([ODD])
def test_every_amount_is_one_that_quickbooks_takes(lines: list[Line]) -> None:
    for line in written(lines):
        checked_amount(line)


@pytest.mark.parametrize(
    ("quantity", "price", "cents"),
    [
        ("128.350", "14.50", 186_108),
        ("1", "0.005", 1),
        ("1", "0.0049999", 0),
        ("3", "0.3333333", 100),
        ("0.5", "0.01", 1),
        ("2", "650", 130_000),
        ("0", "14.50", 0),
        ("0.0000001", "0.0000001", 0),
        ("9999999.9999999", "9999999.9999999", 9_999_999_999_999_800),
    ],
)
def test_a_line_is_rounded_half_up_once(quantity: str, price: str, cents: int) -> None:
    assert item_line("1", "", Decimal(quantity), Decimal(price), is_taxable=False).amount_cents == cents


shares_of_one = st.decimals(min_value="0.0000001", max_value=1, places=7)


cents_either_way = st.integers(-(10**12), 10**12)
"""A discount is also typed as a line below zero."""


@given(st.lists(st.tuples(cents_either_way, st.integers(0, 10**12)), max_size=10), shares_of_one)
def test_a_part_is_never_more_than_what_is_left(lines: list[tuple[int, int]], share: Decimal) -> None:
    amounts = [amount for amount, _ in lines]
    billed = [min(amount, done) if amount > 0 else max(amount, -done) for amount, done in lines]
    for part, amount, done in zip(split_by_share(amounts, billed, share), amounts, billed, strict=True):
        assert min(0, amount - done) <= part <= max(0, amount - done)


@given(st.lists(cents_either_way, min_size=1, max_size=10), st.lists(shares_of_one, max_size=8))
def test_parts_and_the_rest_are_the_whole(amounts: list[int], shares: list[Decimal]) -> None:
    billed = [0] * len(amounts)
    for share in shares:
        billed = [done + part for done, part in zip(billed, split_by_share(amounts, billed, share), strict=True)]
    rest = split_by_share(amounts, billed, Decimal(1))
    assert [done + part for done, part in zip(billed, rest, strict=True)] == amounts


@given(st.lists(st.integers(0, 10**12), max_size=10))
def test_nothing_is_left_of_what_was_billed_too_high(amounts: list[int]) -> None:
    assert split_by_share(amounts, [amount + 1 for amount in amounts], Decimal(1)) == [0] * len(amounts)


@pytest.mark.parametrize("share", ["0", "-0.1", "1.0000001"])
def test_a_share_is_some_of_it_and_not_more_than_all(share: str) -> None:
    with pytest.raises(ValueError, match="a share is more than 0"):
        split_by_share([100], [0], Decimal(share))


@given(st.lists(items, min_size=1, max_size=8), shares_of_one)
def test_the_lines_of_a_part_are_what_it_bills(lines: list[Line], share: Decimal) -> None:
    cents = split_by_share([line.amount_cents for line in lines], [0] * len(lines), share)
    parts = share_of(lines, cents, "Part: ")
    assert sum(part.amount_cents for part in parts) == sum(cents)
    for line in written(parts):
        checked_amount(line)


@given(some_lines, st.lists(shares_of_one, min_size=1, max_size=4), st.booleans())
def test_parts_with_their_part_of_every_discount_add_up_to_the_whole(
    lines: list[Line], shares: list[Decimal], is_before_tax: bool
) -> None:
    lines = discounted(lines, is_before_tax=is_before_tax)
    amounts = line_amounts(lines)
    billed, subtotal = [0] * len(lines), 0
    for share in [*shares, Decimal(1)]:
        cents = split_by_share(amounts, billed, share)
        part = share_of(lines, cents, "")
        subtotal += compute_totals(part, None).subtotal
        assert {line.is_before_tax for line in part if line.kind is LineKind.DISCOUNT} <= {is_before_tax}
        billed = [done + part for done, part in zip(billed, cents, strict=True)]
    assert subtotal == compute_totals(lines, None).subtotal


taken = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 10**9)), max_size=6)


@given(taken, st.integers(0, 10**10))
def test_money_and_credit_together_are_what_the_invoices_got(shares: list[tuple[str, int]], credit: int) -> None:
    money = money_shares(shares, credit)
    whole = sum(cents for _, cents in shares)
    assert sum(cents for _, cents in money) == max(0, whole - credit)
    assert all(cents > 0 for _, cents in money)
    by_credit = dict.fromkeys((name for name, _ in shares), 0)
    for name, cents in shares:
        by_credit[name] += cents
    for name, cents in money:
        by_credit[name] -= cents
    assert all(cents >= 0 for cents in by_credit.values())


@pytest.mark.parametrize(
    ("amount", "unapplied", "memo", "money"),
    [
        pytest.param(150, 0, 0, 150, id="money alone"),
        pytest.param(200, 50, 0, 150, id="some is left"),
        pytest.param(100, 0, 50, 100, id="a memo"),
        pytest.param(100, 0, 0, 100, id="a journal entry, which is not mirrored"),
        pytest.param(0, 0, 150, 0, id="credit alone"),
    ],
)
def test_what_a_payment_brings_more_than_it_is_is_credit(amount: int, unapplied: int, memo: int, money: int) -> None:
    shares = [Application(invoice_id=ID, amount_cents=150)]
    shares += [Application(credit_memo_id=ID, amount_cents=memo)] if memo else []
    payment = Payment(amount_cents=amount, unapplied_cents=unapplied)
    assert sum(cents for _, cents in money_of(payment, shares)) == money


def test_credit_is_taken_from_the_first_invoices() -> None:
    assert money_shares([("a", 50), ("b", 70)], 60) == [("b", 60)]
    assert money_shares([("a", 50), ("b", 70)], 0) == [("a", 50), ("b", 70)]


@given(some_lines)
@example([item_line("1", "Long", Decimal("0.1234567"), Decimal("99999.9999999"), is_taxable=True)])
@example([ODD, Line(LineKind.DISCOUNT, amount_cents=5, is_before_tax=True)])
def test_a_document_loses_nothing_on_its_way(lines: list[Line]) -> None:
    body = documents.estimate(form(Estimate, lines), "63")
    assert decimal_json.read(documents.text(body)) == body
    assert read_lines(store_lines(lines)) == lines
    for line, sent in zip(lines, written(lines), strict=True):
        if line.kind is LineKind.ITEM:
            detail = sent["SalesItemLineDetail"]
            assert (detail["Qty"], detail["UnitPrice"]) == (line.quantity, line.unit_price)
            assert sent["Amount"] * 100 == line.amount_cents


def test_an_estimate_as_it_is_sent() -> None:
    lines = [
        item_line("7", "Setup", Decimal("2.50"), Decimal("0.3333333"), is_taxable=True),
        Line(LineKind.TEXT, "North wall"),
        Line(LineKind.DISCOUNT, "For friends", percent=Decimal("12.5")),
        Line(LineKind.DISCOUNT, amount_cents=1_005),
    ]
    assert documents.text(documents.estimate(form(Estimate, lines), "63")) == (
        '{"CustomerRef":{"value":"63"},"DocNumber":"E-1001","TxnDate":"2031-03-04",'
        f'"PrivateNote":"crm:{ID}","Line":['
        '{"DetailType":"SalesItemLineDetail","Amount":0.83,"SalesItemLineDetail":{"ItemRef":{"value":"7"},'
        '"Qty":2.50,"UnitPrice":0.3333333,"TaxCodeRef":{"value":"TAX"}},"Description":"Setup"},'
        '{"DetailType":"DescriptionOnly","DescriptionLineDetail":{},"Description":"North wall"},'
        '{"DetailType":"DiscountLineDetail","DiscountLineDetail":{"PercentBased":true,"DiscountPercent":12.5},'
        '"Description":"For friends"},'
        '{"DetailType":"DiscountLineDetail","Amount":10.05,"DiscountLineDetail":{"PercentBased":false}}],'
        '"ApplyTaxAfterDiscount":false,'
        '"BillEmail":{"Address":"ana@example.com"},"CustomerMemo":{"value":"Mind the dog"},'
        '"ExpirationDate":"2031-04-04"}'
    )


@pytest.mark.parametrize("is_before_tax", [False, True])
def test_a_form_with_a_discount_says_whether_it_comes_off_before_the_tax(is_before_tax: bool) -> None:
    off = Line(LineKind.DISCOUNT, percent=Decimal(10), is_before_tax=is_before_tax)
    body = documents.invoice(form(Invoice, [ODD, off]), "63", estimate_qb_id=None, term_qb_id=None)
    assert body["ApplyTaxAfterDiscount"] is is_before_tax
    assert "ApplyTaxAfterDiscount" not in sent([ODD])


def test_an_invoice_names_its_estimate_and_its_term() -> None:
    body = documents.invoice(form(Invoice, [ODD]), "63", estimate_qb_id="140", term_qb_id="3")
    assert body["LinkedTxn"] == [{"TxnId": "140", "TxnType": "Estimate"}]
    assert (body["SalesTermRef"], body["DueDate"]) == ({"value": "3"}, "2031-04-04")
    bare = documents.invoice(form(Invoice, [ODD]), "63", estimate_qb_id=None, term_qb_id=None)
    assert not {"LinkedTxn", "SalesTermRef", "BillEmail", "CustomerMemo"} & set(bare)


def test_what_a_line_does_not_say_is_not_sent() -> None:
    """A line that somebody typed in QuickBooks as an amount alone, without item, quantity and price."""
    (line,) = written([Line(LineKind.ITEM, amount_cents=24_000)])
    assert line == {
        "DetailType": "SalesItemLineDetail",
        "Amount": Decimal("240.00"),
        "SalesItemLineDetail": {"TaxCodeRef": {"value": "NON"}},
    }


def test_an_answer_is_written_with_who_and_when() -> None:
    row = Estimate(id=ID, qb_id="140", sync_token=2, status_at=datetime(2031, 3, 4))  # noqa: DTZ001
    accepted = documents.marked_estimate(row, "Accepted", "J" * 200, "2031-03-04")
    assert (accepted["AcceptedBy"], accepted["AcceptedDate"]) == ("J" * 100, "2031-03-04")
    assert set(documents.marked_estimate(row, "Rejected", "Ana", "2031-03-04")) == {
        "Id", "SyncToken", "sparse", "TxnStatus"
    }  # fmt: skip
