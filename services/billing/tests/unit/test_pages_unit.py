"""The pages that customers see: whatever was typed anywhere stands there as text."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from billing.lines import Line, LineKind, item_line
from billing.pages import BillShown, Business, EstimatePage, estimate_page, message_page
from billing.states import EstimateStatus
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.money import Money

EVIL = """<script>alert('x')</script>"><img src=x onerror="y"> & Sons'"""
SHOWN = EstimatePage(
    business=Business("Attack-a-Crack", "(617) 555-0100"),
    number="E-1001",
    status=EstimateStatus.OPEN,
    expires_on=date(2031, 4, 3),
    lines=(
        item_line("1", "Carbon fiber strap", Decimal("2.50"), Decimal("650.00"), is_taxable=True),
        Line(LineKind.TEXT, "North wall"),
        Line(LineKind.DISCOUNT, "For friends", amount_cents=5_000),
    ),
    subtotal=Money(157_500),
    tax=Money(9_844),
    total=Money(167_344),
    action="/public/estimates/abc",
    bills=(
        BillShown("I-7", Money(50_000), date(2031, 5, 1), "/public/estimates/abc/pay/1"),
        BillShown("I-8", Money(2_500), None, None),
    ),
)
KNOWN = {
    "html", "head", "meta", "title", "link", "body", "main", "p", "h1", "h2", "table", "thead", "tbody", "tfoot", "tr",
    "th", "td", "form", "span", "label", "input", "textarea", "button", "a",
}  # fmt: skip
VOID = {"meta", "link", "input"}


class Reading(HTMLParser):
    """The tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reading:
    found = Reading(text)
    assert found.open == []
    assert set(found.tags) <= KNOWN
    assert not [name for name in found.attributes if name.startswith("on")]
    return found


def test_an_estimate_shows_its_lines_and_sums() -> None:
    found = read(estimate_page(SHOWN))
    cells = [word.strip() for word in found.words if word.strip()]
    for words in (
        ["Carbon fiber strap", "2.5", "$1,625.00"],
        ["North wall"],
        ["For friends", "-$50.00"],
        ["Subtotal", "$1,575.00", "Tax", "$98.44", "Total", "$1,673.44"],
    ):
        start = cells.index(words[0])
        assert cells[start : start + len(words)] == words
    assert "Valid until April 3, 2031." in cells
    assert "Waiting for your answer" in cells
    assert found.attributes["action"] == ["/public/estimates/abc/accept", "/public/estimates/abc/decline"]


def test_what_is_owed_stands_there_with_the_way_to_pay_it_online_where_there_is_one() -> None:
    found = read(estimate_page(SHOWN))
    assert {"Invoice I-7: $500.00, due on May 1, 2031", "Invoice I-8: $25.00"} <= set(found.words)
    assert found.attributes["href"][2:] == ["/public/estimates/abc/pay/1"]
    assert "To pay" not in read(estimate_page(replace(SHOWN, bills=()))).words


def test_whoever_is_asked_to_call_finds_the_number() -> None:
    for page in (estimate_page(SHOWN), message_page("Gone", "Call us.", business=SHOWN.business)):
        found = read(page)
        assert ("tel:6175550100" in found.attributes["href"], "(617) 555-0100" in found.words) == (True, True)
    unlisted = read(message_page("Gone", "Call us.", business=Business("Attack-a-Crack")))
    assert ("Attack-a-Crack" in unlisted.words, "a" in unlisted.tags) == (True, False)


def test_for_how_long_a_price_holds_is_said_while_it_can_be_accepted() -> None:
    assert "Valid until" not in estimate_page(replace(SHOWN, status=EstimateStatus.ACCEPTED, action=None))


def test_the_sums_add_up_for_whoever_adds_them() -> None:
    """A line that has an amount shows it, also where QuickBooks knows no quantity of it."""
    page = estimate_page(replace(SHOWN, lines=(Line(LineKind.TEXT, "A bundle", amount_cents=8_000),)))
    assert "$80.00" in page


def test_a_yes_takes_the_total_along_that_was_shown() -> None:
    found = read(estimate_page(SHOWN))
    assert (found.attributes["name"][2:4], found.attributes["value"]) == (
        ["total_cents", "currency"],
        ["167344", "USD"],
    )


def test_what_came_of_an_answer_is_said_first() -> None:
    found = read(estimate_page(replace(SHOWN, notice=f"The price has changed. {EVIL}")))
    assert found.attributes["role"] == ["alert", "status"]
    assert f"The price has changed. {EVIL}" in found.words


@pytest.mark.parametrize("field", ["business", "number", "action"])
def test_what_somebody_typed_is_text(field: str) -> None:
    page = estimate_page(replace(SHOWN, **{field: Business(EVIL, EVIL + "1") if field == "business" else EVIL}))
    assert "<script" not in page
    assert "<img" not in page
    found = read(page)
    if field == "action":
        assert found.attributes["action"][0] == f"{EVIL}/accept"
    else:
        assert any(EVIL in word for word in found.words)


@given(st.text(max_size=60))
def test_whatever_a_line_says_stands_in_its_cell(description: str) -> None:
    description = description.replace("\r", "").replace("\x00", "")
    found = read(estimate_page(replace(SHOWN, lines=(Line(LineKind.TEXT, description + EVIL),))))
    assert description + EVIL in found.words


def test_words_and_an_address_of_somebody_elses_are_text_too() -> None:
    page = message_page(EVIL, EVIL, onward=f"/next?a=1&b={EVIL}")
    found = read(page)
    assert "<img" not in page
    assert f"/next?a=1&b={EVIL}" in found.attributes["href"]
    assert f"0; url=/next?a=1&b={EVIL}" in found.attributes["content"]
    plain = read(message_page("Gone", "Call us."))
    assert "a" not in plain.tags
    assert "http-equiv" not in plain.attributes


def test_closed_is_called_invoiced_only_where_it_was() -> None:
    closed = replace(SHOWN, status=EstimateStatus.CLOSED, action=None)
    assert "Accepted" not in estimate_page(closed)
    assert "Accepted and invoiced." in estimate_page(replace(closed, is_invoiced=True))


def test_of_a_discount_in_percent_the_amount_is_shown() -> None:
    lines = (*SHOWN.lines[:2], Line(LineKind.DISCOUNT, "Ten percent", percent=Decimal(10)))
    assert "-$162.50" in estimate_page(replace(SHOWN, lines=lines))


@pytest.mark.parametrize("status", list(EstimateStatus))
def test_every_state_has_its_words_and_only_what_can_be_answered_asks(status: EstimateStatus) -> None:
    found = read(estimate_page(replace(SHOWN, status=status, action=None)))
    assert "form" not in found.tags
    # A draft is shown to nobody.
    assert ("role" in found.attributes) is (status is not EstimateStatus.DRAFT)


def test_no_page_is_found_by_searching_or_runs_anything() -> None:
    for page in (estimate_page(SHOWN), message_page("A", "B")):
        found = read(page)
        assert "noindex" in found.attributes["content"]
        assert found.attributes["lang"] == ["en"]
        assert found.attributes["href"][0] == "/public/billing.css"


def test_a_field_has_a_label_and_what_it_may_hold() -> None:
    found = read(estimate_page(SHOWN))
    asked = found.tags.count("input") - found.attributes["type"].count("hidden")
    assert found.tags.count("label") == asked + found.tags.count("textarea") == 4
    assert found.attributes["maxlength"] == ["100", "1000", "100", "1000"]


@pytest.mark.parametrize(
    ("quantity", "shown"), [("2", "2"), ("2.50", "2.5"), ("100", "100"), ("0.0000001", "0.0000001"), ("1E+2", "100")]
)
def test_a_quantity_is_written_as_people_do(quantity: str, shown: str) -> None:
    line = item_line("1", "Strap", Decimal(quantity), Decimal(1), is_taxable=False)
    assert f"<td>{shown}</td>" in estimate_page(replace(SHOWN, lines=(line,)))
