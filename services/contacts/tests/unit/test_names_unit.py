"""Names and addresses in one cell."""

import pytest
from contacts.importing.addresses import address_key, zip5
from contacts.importing.names import is_organisation, split_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Ann Lee", ("Ann", "Lee")),
        ("Lee, Ann", ("Ann", "Lee")),
        ("Ann  Mary van Dyke", ("Ann", "Mary van Dyke")),
        ("Ann", ("Ann", None)),
        ("Ann,", ("Ann", None)),
        (",", (None, None)),
    ],
)
def test_a_full_name_is_split(name: str, parts: tuple[str | None, str | None]) -> None:
    assert split_name(name) == parts


@pytest.mark.parametrize("name", ["ELM STREET TRUST", "Acme LLC", "Smith & Co.", "City of Quincy", "J. Doe, Trustee"])
def test_organisations_are_told_by_their_words(name: str) -> None:
    assert is_organisation(name)


@pytest.mark.parametrize("name", ["Ann Lee", "Bob Incandenza", "Corey Trusty", "Pat Costello"])
def test_people_are_no_organisations(name: str) -> None:
    assert not is_organisation(name)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("12 Main Street", "02169"), ("12 MAIN ST.", "02169-1234")),
        (("5 North Elm Road", "02169"), ("5 N Elm Rd", "02169")),
    ],
)
def test_one_place_has_one_key(left: tuple[str, str], right: tuple[str, str]) -> None:
    assert address_key(*left) == address_key(*right)


@pytest.mark.parametrize(("street", "zip_code"), [(None, "02169"), ("12 Main St", None), ("  ", "02169")])
def test_half_an_address_is_no_key(street: str | None, zip_code: str | None) -> None:
    assert address_key(street, zip_code) is None


@pytest.mark.parametrize(("text", "expected"), [("02169", "02169"), ("02169-1234", "02169"), ("2169", None)])
def test_a_lost_leading_zero_is_not_guessed(text: str, expected: str | None) -> None:
    assert zip5(text) == expected
