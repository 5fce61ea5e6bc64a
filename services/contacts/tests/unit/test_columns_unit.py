"""Guessing what columns mean."""

import pytest
from contacts.errors import WrongColumns
from contacts.importing.columns import Preset, Target, check_mapping, guess, names_identity

RADAR = [
    "Type",
    "Address",
    "City",
    "ZIP",
    "APN",
    "Sq Ft",
    "Est Value",
    "Est Equity $",
    "Est Equity %",
    "Owner Occ?",
    "Primary Name",
    "Primary Mobile Phone1",
    "Primary Mobile 1 Status",
    "Primary Email1",
    "Primary Email1 Hash",
    "Secondary Name",
    "Secondary Mobile Phone1",
]


def test_common_headers_are_understood_in_any_case_and_punctuation() -> None:
    found = guess(["FIRST_NAME", "Last Name", "Phone #", "E-Mail", "Zip Code", "Favourite colour"])
    assert found.preset is Preset.STANDARD
    assert found.mapping == ["first_name", "last_name", "phone", "email", "zip", None]


def test_several_phone_columns_are_all_taken_and_a_second_name_is_not() -> None:
    found = guess(["Name", "Phone", "Phone 2", "Cell Phone", "Full Name"])
    assert found.mapping == ["name", "phone", "phone", "phone.mobile", None]


def test_a_property_radar_export_is_recognised_by_its_required_headers() -> None:
    found = guess(RADAR)
    assert found.preset is Preset.PROPERTY_RADAR
    assert dict(zip(RADAR, found.mapping, strict=True)) == {
        "Type": "property.type",
        "Address": "property.street",
        "City": "property.city",
        "ZIP": "property.zip",
        "APN": "property.apn",
        "Sq Ft": "property.square_feet",
        "Est Value": "property.estimated_value_cents",
        "Est Equity $": "property.estimated_equity_cents",
        "Est Equity %": "property.equity_percent",
        "Owner Occ?": "property.is_owner_occupied",
        "Primary Name": "name",
        "Primary Mobile Phone1": "phone.mobile",
        "Primary Mobile 1 Status": "phone.status",
        "Primary Email1": "email",
        "Primary Email1 Hash": None,
        "Secondary Name": "secondary.name",
        "Secondary Mobile Phone1": "secondary.phone.mobile",
    }


def test_a_missing_required_column_is_named() -> None:
    with pytest.raises(WrongColumns, match="the columns City, ZIP are missing"):
        guess([header for header in RADAR if header not in {"City", "ZIP"}], Preset.PROPERTY_RADAR)


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(WrongColumns, match="501 columns"):
        guess(["x"] * 501)


def test_openphone_exports_are_read() -> None:
    found = guess(["First name", "Last name", "Company", "Role", "Phone number", "Email"], Preset.OPENPHONE)
    assert found.mapping == ["first_name", "last_name", "company", "custom.role", "phone", "email"]


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        (["phone"], "names 1 columns, the file has 2"),
        (["phone", "colour"], "cannot mean 'colour'"),
        (["phone", "custom.Bad Key"], "cannot mean"),
        (["city", "city"], "Two columns cannot both mean 'city'"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping: list[str | None], sentence: str) -> None:
    with pytest.raises(WrongColumns, match=sentence):
        check_mapping(mapping, 2)


@pytest.mark.parametrize("mapping", [["phone", "phone"], [None, "custom.roof_type"], ["email", "email"]])
def test_a_mapping_that_can_be_is_taken(mapping: list[str | None]) -> None:
    check_mapping(mapping, 2)


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        ([Target.PHONE], True),
        ([Target.SECONDARY_PHONE], True),
        ([Target.PROPERTY_APN], True),
        ([Target.PROPERTY_STREET, Target.PROPERTY_ZIP], True),
        ([Target.PROPERTY_STREET], False),
        ([Target.EMAIL, Target.NAME], False),
        ([None], False),
    ],
)
def test_an_import_needs_something_that_tells_records_apart(mapping: list[str | None], expected: bool) -> None:
    assert names_identity(mapping) is expected
