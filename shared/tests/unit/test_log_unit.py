import pytest
from shared.log import mask_phones, said_of, without_rows


@pytest.mark.parametrize("phone", ["+16175550123", "16175550123", "6175550123"])
def test_phone_numbers_are_masked_but_for_their_end(phone: str) -> None:
    masked = mask_phones(f"sending to {phone} now")
    assert phone not in masked
    assert masked.endswith("23 now")


@pytest.mark.parametrize("text", ["2026-11-24T10:00:00.000Z", "seq=12345", "0193a1b2-7c4d-7e8f-9a0b-1c2d3e4f5a6b"])
def test_what_is_no_phone_stays(text: str) -> None:
    assert mask_phones(text) == text


REFUSED = """asyncpg.exceptions.CheckViolationError: new row for relation "customer" violates check constraint "ck_x"
DETAIL:  Failing row contains (7, Ana Lima,
12 Elm St, ana@example.com).

The above exception was the direct cause of the following exception:

sqlalchemy.exc.IntegrityError: (IntegrityError) new row violates check constraint "ck_x"
DETAIL:  Failing row contains (7, Ana Lima, ana@example.com).
[SQL: INSERT INTO customer]"""


def test_of_a_refused_row_the_rule_is_logged_and_not_the_row() -> None:
    said = without_rows(REFUSED)
    assert ("Ana" in said, "Elm" in said, "example.com" in said) == (False, False, False)
    assert said.count('"ck_x"') == 2
    assert said.count("The above exception") == 1
    assert said.endswith("[SQL: INSERT INTO customer]")
    assert without_rows("no row at all") == "no row at all"


def test_nor_is_the_value_that_could_not_be_sent() -> None:
    said = without_rows("invalid input for query argument $3: 'Ana Lima \\ud83d' (no such character)\n[SQL: UPDATE x]")
    assert said == "invalid input for query argument $3\n[SQL: UPDATE x]"
    assert "Lima" not in said_of(ValueError("invalid input for query argument $1: 'Call\nAna Lima'"))
    inner = repr("invalid input for query argument $1: 'Call\\nAna Lima' (half an emoji)")
    assert "Lima" not in without_rows(inner)


def test_what_is_kept_of_an_error_is_short_and_names_no_row() -> None:
    kept = said_of(RuntimeError(REFUSED + "x" * 1000))
    assert ("Ana" in kept, "ck_x" in kept, len(kept) <= 500) == (False, True, True)
