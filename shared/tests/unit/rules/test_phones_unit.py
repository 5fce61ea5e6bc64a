"""Phones: what is read, what is refused and why, and that every way out leads back in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.phones import InvalidPhone, area_code, format_national, is_valid, mask, parse_phone, phone_hash

KEY = b"0123456789abcdef"
nanp = st.builds(
    "+1{}{}{:04}".format,
    st.sampled_from(["617", "212", "305", "907", "208", "808", "416"]),
    st.from_regex(r"[2-9][02-9][0-9]|[2-9]1[02-9]", fullmatch=True),
    st.integers(0, 9999),
)


@pytest.mark.parametrize(
    "text",
    [
        "617-555-0100",
        "(617) 555-0100",
        "1 617 555 0100",
        "16175550100",
        "+1 (617) 555.0100",
        " 617/555/0100\n",
        "tel:+1-617-555-0100",
        "６１７５５５０１００",
        "٦١٧٥٥٥٠١٠٠",
        "617–555–0100",
        "617\u00a0555\u00a00100",
        "\u202a+1 617 555 0100\u202c",
    ],
)
def test_ways_to_write_one_number(text: str) -> None:
    assert parse_phone(text) == "+16175550100"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \t", "empty"),
        ("555-0100", "too_short"),
        ("5550100", "too_short"),
        ("911", "too_short"),
        ("617555010", "too_short"),
        ("61755501001", "too_long"),
        ("1" * 100_000, "too_long"),
        ("617-555-0100 / 617-555-0101", "too_long"),
        ("617-555-0100 x12", "extension"),
        ("617-555-0100 ext. 5", "extension"),
        ("617-555-0100#5", "extension"),
        ("6175550100,,5", "extension"),
        ("1-800-FLOWERS", "letters"),
        ("617-555-0100 home", "letters"),
        ("6.17555E+09", "letters"),
        ("1617555010.0", "spreadsheet_number"),
        ("617\x00555 0100", "control_characters"),
        ("617\n555\n0100", "control_characters"),
        ("617_555_0100", "bad_characters"),
        ("+", "bad_characters"),
        ("222-222-2222", "unassigned"),
        ("555-555-0100", "unassigned"),
        ("617-055-0100", "unassigned"),
        ("617-911-0100", "unassigned"),
        ("+999 123 4567", "unassigned"),
        ("900-555-0100", "premium_rate"),
    ],
)
def test_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPhone) as refused:
        parse_phone(text)
    assert refused.value.reason == refused.value.details["reason"] == reason
    assert not is_valid(text)


def test_a_number_abroad_is_read_with_its_country_code() -> None:
    assert parse_phone("+44 20 7946 0958") == parse_phone("011 44 20 7946 0958") == "+442079460958"
    assert format_national("+442079460958") == "+44 20 7946 0958"


@given(nanp)
def test_every_form_reads_back_as_the_same_number(e164: str) -> None:
    assert parse_phone(e164) == parse_phone(format_national(e164)) == parse_phone(e164[2:]) == e164
    assert area_code(e164) == e164[2:5]


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    if is_valid(text):
        assert parse_phone(parse_phone(text)) == parse_phone(text)
    else:
        with pytest.raises(InvalidPhone):
            parse_phone(text)


@given(st.from_regex(r"[0-9 ()+.-]{0,24}", fullmatch=True))
def test_no_digit_is_ever_added_or_dropped(text: str) -> None:
    if is_valid(text):
        typed = "".join(filter(str.isdigit, text))
        assert parse_phone(text)[1:] in (typed, f"1{typed}", typed.removeprefix("011"))


def test_masks_show_too_little_to_dial() -> None:
    assert mask("+16175550100") == "+1617•••0100"
    assert mask("+4512345678") == "+45•••78"
    assert mask("6175550100 Bob") == mask("") == "•••"


def test_hashes_need_the_key() -> None:
    first = phone_hash("+16175550100", KEY)
    assert len(first) == 64
    assert first == phone_hash("+16175550100", KEY)
    assert first != phone_hash("+16175550100", b"another key 1234")
    assert first != phone_hash("+16175550101", KEY)
    with pytest.raises(ValueError, match="16 bytes"):
        phone_hash("+16175550100", b"short")
