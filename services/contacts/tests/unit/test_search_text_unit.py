"""What a contact is found by."""

import fnmatch

import pytest
from contacts.search_text import search_patterns, search_text, sort_name

TEXT = search_text(["José", "Muñoz", "Acme 100%", "ann@example.com", "12 Elm St"], ["+16175550100"])


def like(text: str, pattern: str) -> bool:
    """SQL LIKE for the patterns that are made here."""
    plain = pattern.replace("\\%", "\0").replace("[", "[[]").replace("%", "*").replace("\0", "%")
    return fnmatch.fnmatchcase(text, plain.replace("\\", ""))


@pytest.mark.parametrize(
    "query",
    ["jose", "MUÑOZ", "munoz jose", "617-555", "(617) 555-0100", "6175550100", "example", "elm 12", "ac", "100%", "st"],
)
def test_a_contact_is_found_by(query: str) -> None:
    assert all(like(TEXT, pattern) for pattern in search_patterns(query))


@pytest.mark.parametrize("query", ["maria", "617-556", "oz", "jose smith", "100_"])
def test_a_contact_is_not_found_by(query: str) -> None:
    assert not all(like(TEXT, pattern) for pattern in search_patterns(query))


def test_wildcards_of_the_database_are_plain_characters() -> None:
    assert search_patterns("50%_off") == ["%50\\%\\_off%"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Ann", "Lee", "Acme", "+1617"), "lee ann"),
        (("Ann", None, None, None), "ann"),
        ((None, None, "Acme", "+1617"), "acme"),
        ((None, None, None, "+1617"), "+1617"),
        ((None, None, None, None), ""),
    ],
)
def test_lists_are_sorted_by_last_name_then_company_then_phone(
    names: tuple[str | None, str | None, str | None, str | None], expected: str
) -> None:
    assert sort_name(*names) == expected
