"""Templates: nobody ever gets a brace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.templates import (
    STANDARD_FIELDS,
    InvalidTemplate,
    MissingValue,
    lint,
    parse_template,
    render,
)

braced = st.text(alphabet="{}|ab_ first_name", max_size=30)
values = st.dictionaries(st.sampled_from(STANDARD_FIELDS), st.one_of(st.none(), st.text(max_size=20), braced))


def test_values_and_fallbacks() -> None:
    text = "Hi {first_name|there}, is {address} yours?"
    assert render(text, {"first_name": "Ann", "address": "4 Elm St"}) == "Hi Ann, is 4 Elm St yours?"
    assert render(text, {"first_name": " ", "address": "4 Elm St"}) == "Hi there, is 4 Elm St yours?"
    assert render("Hi{ First_Name | }", {}) == "Hi"


def test_a_missing_value_is_named() -> None:
    with pytest.raises(MissingValue) as missing:
        render("Hi {first_name}", {"first_name": None})
    assert missing.value.name == "first_name"
    template = parse_template("{first_name} {city|town} {zip}")
    assert template.missing({"zip": "02139"}) == {"first_name"}
    assert template.fields == {"first_name", "city", "zip"}
    assert template.required_fields == {"first_name", "zip"}


def test_an_unknown_name_lists_the_allowed_ones() -> None:
    with pytest.raises(InvalidTemplate, match=r"frist_name.*first_name") as refused:
        parse_template("Hi {frist_name}", custom_fields=["roof_age"])
    assert "roof_age" in refused.value.details["allowed"]
    assert render("{roof_age} years", {"roof_age": "12"}, custom_fields=["roof_age"]) == "12 years"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "Hi {first_name",
        "Hi first_name}",
        "{{first_name}}",
        "{first_name|{city}}",
        "{}",
        "{|x}",
        "{first name}",
    ],
)
def test_broken_braces_are_refused(text: str) -> None:
    with pytest.raises(InvalidTemplate):
        parse_template(text)


def test_values_are_not_expanded_again() -> None:
    with pytest.raises(MissingValue):
        render("Hi {first_name}", {"first_name": "{last_name}", "last_name": "Secret"})
    assert render("Hi {first_name|there}", {"first_name": "{{FirstName}}"}) == "Hi there"
    assert render("{first_name|}{last_name|}", {"first_name": "{city", "last_name": "}"}) == ""


def test_values_stay_on_one_line() -> None:
    assert render("Hi {first_name}!", {"first_name": " Ann\n Marie\t"}) == "Hi Ann Marie!"


@given(st.lists(st.one_of(braced, st.sampled_from(["{first_name}", "{city|town}", "Hi "])), max_size=6), values)
def test_no_placeholder_ever_survives(parts: list[str], given_values: dict[str, str | None]) -> None:
    try:
        rendered = render("".join(parts), given_values)
    except (InvalidTemplate, MissingValue):
        return
    assert "{" not in rendered
    assert "}" not in rendered


@given(st.text(alphabet=st.characters(exclude_characters="{}"), max_size=60))
def test_text_without_braces_is_left_alone(text: str) -> None:
    assert render(text, {}) == text


def codes(text: str, **options: object) -> list[str]:
    return [warning.code for warning in lint(text, "Attack-a-Crack", **options)]


def test_a_proper_first_text_has_no_warnings() -> None:
    assert codes("Hi {first_name}, Attack a Crack here. Free crack check? Reply STOP to opt out.") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Free crack check? Reply STOP to end", ["no_business_name"]),
        ("Attack-a-Crack here, call us. It won't stop raining", ["no_opt_out_words"]),
        ("Attack-a-Crack: https://bit.ly/3xY stop=STOP", ["public_short_link"]),
        ("Attack-a-Crack: tinyurl.com/abc text stop to quit", ["public_short_link"]),
        ("ATTACK A CRACK " + "x" * 300 + " unsubscribe: reply STOP", ["too_long"]),
        ("ATTACK A CRACK ñ " + "x" * 130 + " reply STOP", ["too_long"]),
    ],
)
def test_what_lint_warns_of(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_lint_knows_whole_hosts_and_later_texts() -> None:
    assert codes("Attack-a-Crack: best.co/x habit.ly/x bob@t.co STOP") == []
    assert codes("See you at 9", first_touch=False) == []
