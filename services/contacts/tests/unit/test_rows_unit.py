"""One record of a file: people, property, warnings, rejections."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from contacts.importing.columns import guess
from contacts.importing.rows import ParsedRow, Rejection, RowReader

STANDARD = ["First Name", "Last Name", "Phone", "Mobile", "Email", "Address", "City", "State", "ZIP", "Tags"]
RADAR = (
    *("Type", "Address", "City", "ZIP", "APN", "Sq Ft", "Baths", "Est Value", "Purchase Date"),
    *("Mail Address", "Mail City", "Mail State", "Mail ZIP", "Owner Occ?"),
    *("Primary Name", "Primary Mobile Phone1", "Primary Mobile 1 Status", "Primary Email1"),
    *("Secondary Name", "Secondary Mobile Phone1", "Secondary Email1"),
)


def read(headers: Sequence[str], *cells: str, **named: str) -> ParsedRow:
    raw = list(cells) or [named.get(header.replace(" ", "_").replace("?", "").lower(), "") for header in headers]
    return RowReader(headers, guess(headers).mapping).read(raw)


def radar(**named: str) -> ParsedRow:
    return read(RADAR, **({"type": "SFR", "address": "12 Main Street", "city": "Quincy", "zip": "02169"} | named))


def test_a_standard_row_is_one_person_with_all_phones() -> None:
    row = read(
        STANDARD,
        "Ann",
        "Lee",
        "(617) 555-0100",
        "617.555.0101",
        "Ann@Example.com",
        "1 Elm St",
        "Quincy",
        "ma",
        "02169",
        "Roof; VIP ,roof",
    )
    [person] = row.people
    assert person.fields == {
        "first_name": "Ann",
        "last_name": "Lee",
        "street": "1 Elm St",
        "city": "Quincy",
        "state": "MA",
        "zip": "02169",
    }
    assert [(phone.e164, phone.type) for phone in person.phones] == [
        ("+16175550100", "other"),
        ("+16175550101", "mobile"),
    ]
    assert person.emails == [("ann@example.com", None)]
    assert person.tags == ["roof", "vip"]
    assert row.property is None
    assert row.warnings == []


def test_a_property_radar_row_is_a_property_and_a_couple() -> None:
    row = radar(
        apn="042-A",
        sq_ft="1,500",
        baths="2.5",
        est_value="$450,000",
        purchase_date="06/01/2010",
        mail_address="PO Box 1",
        mail_city="Boston",
        mail_state="MA",
        mail_zip="02101",
        primary_name="Ann Lee",
        primary_mobile_phone1="6175550100",
        primary_mobile_1_status="Active",
        primary_email1="both@example.com",
        secondary_name="Lee, Bob",
        secondary_mobile_phone1="6175550101",
        secondary_email1="both@example.com",
    )
    assert row.property is not None
    assert row.property.fields["square_feet"] == 1500
    assert row.property.fields["baths"] == Decimal("2.5")
    assert row.property.fields["estimated_value_cents"] == 45_000_000
    assert (row.property.apn, row.property.address_key) == ("042-A", "12 main st|02169")
    ann, bob = row.people
    assert (ann.fields["first_name"], ann.fields["last_name"], ann.fields["street"]) == ("Ann", "Lee", "PO Box 1")
    assert (bob.fields["first_name"], bob.fields["last_name"]) == ("Bob", "Lee")
    assert ann.phones[0].status == "Active"
    assert ann.emails == bob.emails


@pytest.mark.parametrize(("occupied", "street"), [("1", "12 Main Street"), ("0", None), ("", None)])
def test_the_house_is_the_home_only_of_an_owner_who_lives_there(occupied: str, street: str | None) -> None:
    row = radar(primary_name="Ann Lee", primary_mobile_phone1="6175550100", owner_occ=occupied)
    assert row.people[0].fields.get("street") == street


def test_an_organisation_is_a_company_and_no_first_name() -> None:
    row = radar(primary_name="ELM STREET REALTY TRUST", primary_mobile_phone1="6175550100")
    assert row.people[0].fields == {"company": "ELM STREET REALTY TRUST"}


@pytest.mark.parametrize("phone", ["555-0100", "123", "abc", "617555010", "(617) 155-0100", "0"])
def test_a_bad_phone_on_a_row_with_a_property_is_a_warning(phone: str) -> None:
    row = radar(primary_name="Ann Lee", primary_mobile_phone1=phone)
    assert row.people == []
    assert row.property is not None
    assert len(row.warnings) == 1
    assert "Primary Mobile Phone1" in row.warnings[0]


def test_bad_cells_are_left_blank_and_named() -> None:
    row = radar(sq_ft="1,5", est_value="call", purchase_date="13/45/2020")
    assert row.property is not None
    assert not {"square_feet", "estimated_value_cents", "purchased_on"} & row.property.fields.keys()
    assert [warning.split(" '")[0] for warning in row.warnings] == ["Sq Ft", "Est Value", "Purchase Date"]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["", " ", "\t"], Rejection.BLANK),
        (["Ann\x00", "", "6175550100"], Rejection.CONTROL_CHARACTERS),
        (["Ann\x1b", "", "6175550100"], Rejection.CONTROL_CHARACTERS),
        (["Ann", "Lee", "555-0100"], Rejection.INVALID_PHONE),
        (["Ann", "Lee", ""], Rejection.NO_IDENTITY),
        (["A" * 301, "Lee", "6175550100"], Rejection.TOO_LONG),
        (["a"] * 11, Rejection.TOO_MANY_CELLS),
    ],
)
def test_a_row_that_cannot_be_stored_is_rejected_with_its_reason(cells: list[str], code: str) -> None:
    with pytest.raises(Rejection) as rejected:
        read(STANDARD, *cells)
    assert rejected.value.code == code
    assert rejected.value.detail.endswith(".")


def test_one_good_phone_saves_a_row_with_a_bad_one() -> None:
    row = read(STANDARD, "Ann", "Lee", "12", "6175550101")
    assert [phone.e164 for phone in row.people[0].phones] == ["+16175550101"]
    assert row.warnings[0] == "The row has 4 of 10 cells; the others were taken as blank."
    assert row.warnings[1].startswith("Phone '12'")


def test_blank_cells_past_the_header_do_no_harm() -> None:
    assert read(STANDARD, "Ann", "Lee", "6175550100", *[""] * 9).people[0].fields["first_name"] == "Ann"


def test_a_neutralised_phone_of_a_rejected_rows_file_is_read() -> None:
    assert read(STANDARD, "Ann", "", "'+16175550100").people[0].phones[0].e164 == "+16175550100"


def test_a_row_with_a_second_person_only_is_stored() -> None:
    row = radar(secondary_name="Bob Lee", secondary_mobile_phone1="6175550101")
    assert [person.fields["first_name"] for person in row.people] == ["Bob"]
