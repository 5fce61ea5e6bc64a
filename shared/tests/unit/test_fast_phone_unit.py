"""The fast way to read phones agrees with the rule of the house."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.rules.fast_phones import fast_phone
from shared.rules.phones import InvalidPhone, parse_phone


def outcome(parser: object, text: str) -> str:
    try:
        return parser(text)  # type: ignore[operator]
    except InvalidPhone as invalid:
        return invalid.reason


@settings(max_examples=400)
@given(st.integers(2_000_000_000, 9_999_999_999))
def test_every_ten_digit_number_has_the_same_outcome_both_ways(number: int) -> None:
    assert outcome(fast_phone, str(number)) == outcome(parse_phone, str(number))


@given(st.from_regex(r"(\+?1[-. ]?)?\(?[2-9]\d\d\)?[-. ]?[2-9]\d\d[-. ]?\d{4}( ?x\d)?", fullmatch=True))
def test_every_way_of_writing_has_the_same_outcome(text: str) -> None:
    assert outcome(fast_phone, text) == outcome(parse_phone, text)


@given(st.text(max_size=20))
def test_any_text_has_the_same_outcome(text: str) -> None:
    assert outcome(fast_phone, text) == outcome(parse_phone, text)


@pytest.mark.parametrize("text", ["5550100", "555-0100", "617 555 010", "", "+44 20 7946 0958"])
def test_seven_digits_are_never_completed(text: str) -> None:
    assert outcome(fast_phone, text) == outcome(parse_phone, text)
