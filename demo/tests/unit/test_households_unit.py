"""The generator: repeatable, dirty in every promised way, and right about what it has made."""

import csv
import io
import re
from collections import Counter
from datetime import datetime
from math import gcd

import pytest
from demo.households import _NUMBERS, _STEP, DATE_FORMATS, HEADERS, Households, Kind, Row
from demo.places import PLACES
from shared.rules.phones import InvalidPhone, parse_phone
from shared.rules.zones import region_for, zones_for

ROWS = 1_200


def text_of(rows: int, seed: int) -> str:
    return b"".join(Households(rows, seed).chunks()).decode()


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(Households(ROWS))


@pytest.fixture(scope="module")
def cells() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(ROWS, 1), newline=""), strict=True))


def column(cells: list[dict[str, str]], name: str) -> set[str]:
    return {row[name] for row in cells}


def test_the_same_seed_gives_the_same_file_and_another_one_another() -> None:
    assert text_of(150, 7) == text_of(150, 7)
    assert text_of(150, 7) != text_of(150, 8)


def test_the_file_comes_in_pieces_and_is_never_held_whole() -> None:
    pieces = [len(piece) for piece in Households(ROWS).chunks()]
    assert len(pieces) > 3
    assert max(pieces) < 80_000


def test_a_longer_file_begins_like_a_shorter_one() -> None:
    assert text_of(300, 1).startswith(text_of(100, 1))


def test_the_file_has_the_presets_columns_and_exactly_the_rows_asked_for(cells: list[dict[str, str]]) -> None:
    assert tuple(cells[0]) == HEADERS
    assert len(HEADERS) == len(set(HEADERS)) == 39
    assert len(cells) == ROWS


def test_each_row_ends_as_exactly_one_of_the_four() -> None:
    expected = Households(ROWS).expected()
    assert expected.created + expected.updated + expected.unchanged + expected.rejected == expected.rows == ROWS
    assert min(expected.updated, expected.unchanged, expected.rejected) > 3


def test_every_person_has_a_phone_that_the_product_accepts() -> None:
    people = Households(ROWS).expected().people
    assert len(people) > ROWS / 2
    assert [phone for phone in people if parse_phone(phone) != phone] == []


def test_neighbouring_seeds_share_nobody_and_no_parcel() -> None:
    files = [Households(300, seed) for seed in (4, 5)]
    phones = [set(file.expected().people) for file in files]
    parcels = [{row.cells[HEADERS.index("APN")] for row in file} - {""} for file in files]
    assert phones[0] & phones[1] == set()
    assert parcels[0] & parcels[1] == set()


def test_no_two_households_of_a_file_share_a_phone_by_accident(rows: list[Row]) -> None:
    assert gcd(_STEP, _NUMBERS) == 1
    fresh = [person.phone for row in rows if row.kind is Kind.HOUSEHOLD for person in row.people]
    assert len(fresh) == len(set(fresh))


def test_a_repeated_row_is_word_by_word_an_earlier_one(rows: list[Row]) -> None:
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        if row.kind is Kind.REPEATED:
            assert row.cells in seen
        seen.add(row.cells)


def test_a_corrected_row_differs_from_an_earlier_one_in_the_email_only(rows: list[Row]) -> None:
    email = HEADERS.index("Primary Email1")
    earlier: set[tuple[str, ...]] = set()
    for row in rows:
        rest = row.cells[:email] + row.cells[email + 1 :]
        if row.kind is Kind.CORRECTED:
            assert rest in earlier
            assert row.cells not in earlier
        earlier.add(rest)


def test_a_second_home_has_a_parcel_of_its_own_and_an_owner_who_is_known(rows: list[Row]) -> None:
    owners = Counter(person.phone for row in rows if row.kind is Kind.HOUSEHOLD for person in row.people)
    second = [row for row in rows if row.kind is Kind.SECOND_HOME]
    assert second
    assert all(owners[row.people[0].phone] == 1 for row in second)


def test_blank_rows_are_blank_and_damaged_ones_hold_a_control_character(rows: list[Row]) -> None:
    for row in rows:
        text = "".join(row.cells)
        assert (text == "") == (row.kind is Kind.BLANK)
        assert bool(re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text)) == (row.kind is Kind.DAMAGED)


def test_bad_phones_are_of_many_kinds_and_no_parser_takes_them(cells: list[dict[str, str]]) -> None:
    bad = {row["Primary Mobile Phone1"] for row in cells if row["Primary Mobile 1 Status"] == "Unknown"}
    assert len(bad) >= 6
    for text in bad:
        with pytest.raises(InvalidPhone):
            parse_phone(text)


def test_the_dirt_of_real_files_is_there(cells: list[dict[str, str]]) -> None:
    assert any("," in feet for feet in column(cells, "Sq Ft"))
    assert any(value.startswith("$") and "," in value for value in column(cells, "Est Value"))
    assert "Landline" in column(cells, "Primary Mobile 1 Status")
    assert {"", "0", "1"} >= column(cells, "Foreclosure?") > {"0"}
    assert any("’" in name for name in column(cells, "Primary Name"))
    assert any("é" in name for name in column(cells, "Primary Name"))
    assert any("\n" in name for name in column(cells, "Subdivision"))
    assert any('"' in name for name in column(cells, "Subdivision"))
    assert any(not row["ZIP"] and row["APN"] for row in cells)
    assert any(row["ZIP"] and not row["APN"] for row in cells)


def test_couples_share_emails_and_now_and_then_a_phone(cells: list[dict[str, str]]) -> None:
    couples = [row for row in cells if row["Secondary Name"]]
    assert len(couples) > ROWS / 8
    assert any(row["Primary Email1"] and row["Primary Email1"] == row["Secondary Email1"] for row in couples)
    shared = [row for row in couples if row["Primary Mobile Phone1"] == row["Secondary Mobile Phone1"] != ""]
    assert 0 < len(shared) < len(couples) / 4


def test_dates_come_in_the_four_formats(cells: list[dict[str, str]]) -> None:
    found = Counter(
        pattern for date in column(cells, "Purchase Date") - {""} for pattern in DATE_FORMATS if _is(date, pattern)
    )
    assert set(found) == set(DATE_FORMATS)


def _is(date: str, pattern: str) -> bool:
    try:
        datetime.strptime(f"{date} +0000", f"{pattern} %z")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.city)
def test_zips_area_codes_states_and_zones_of_a_place_agree(place) -> None:
    for zip_code in place.zips:
        assert zones_for(None, zip_code, "+14415550100") == (place.zone,)
        assert region_for(None, zip_code, "+14415550100") == place.state
    for code in place.area_codes:
        assert place.zone in zones_for(None, None, f"+1{code}2340100")
        assert region_for(None, None, f"+1{code}2340100") == place.state


def test_most_people_have_the_area_code_of_where_they_live() -> None:
    people = Households(ROWS).expected().people.values()
    home = sum(region_for(None, None, person.phone) == person.state for person in people)
    assert 0.85 < home / len(people) < 1


@pytest.mark.parametrize(("rows", "seed"), [(0, 1), (5, -1)])
def test_an_impossible_file_is_refused(rows: int, seed: int) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        Households(rows, seed)
