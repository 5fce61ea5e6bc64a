"""Places: the tables against libphonenumber's own data, and doubt that widens."""

from datetime import datetime
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers.tzdata import TIMEZONE_DATA
from shared.rules.phones import is_valid
from shared.rules.place_tables import AREA_CODES, SPLIT_AREA_CODES, SPLIT_ZIP3, STATE_NAMES, STATE_ZONES, ZIP3_RANGES
from shared.rules.zones import ALL_US_ZONES, region_for, state_of, zones_for

EASTERN, CENTRAL, MOUNTAIN, PACIFIC = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)
# Orlando's overlay is Eastern whatever the library says; Alaska's islands share Hawaii's clock only in winter.
LIBRARY_IS_WRONG = {"689", "907"}


def clock(zone: str) -> tuple[object, object]:
    return tuple(ZoneInfo(zone).utcoffset(datetime(2027, month, 15)) for month in (1, 7))  # type: ignore[return-value] # noqa: DTZ001


@pytest.mark.parametrize("state", sorted(AREA_CODES))
def test_area_codes_cover_every_clock_that_the_library_knows(state: str) -> None:
    for code in set(AREA_CODES[state].split()) - LIBRARY_IS_WRONG:
        known = {clock(zone) for key, zones in TIMEZONE_DATA.items() if key.startswith(f"1{code}") for zone in zones}
        assert known <= {clock(zone) for zone in zones_for(None, None, f"+1{code}5550100")}, code
        assert region_for(None, None, f"+1{code}5550100") == state


@pytest.mark.parametrize("hundred", range(200, 1000, 100))
def test_every_geographic_area_code_in_use_has_its_state(hundred: int) -> None:
    listed = {code for codes in AREA_CODES.values() for code in codes.split()}
    in_use = {str(code) for code in range(hundred, hundred + 100) if is_geographic_here(f"+1{code}5550100")}
    assert in_use
    assert in_use <= listed


def is_geographic_here(phone: str) -> bool:
    number = phonenumbers.parse(phone)
    return (
        is_valid(phone)
        and phonenumbers.region_code_for_number(number) in ("US", "PR", "VI", "GU", "MP", "AS")
        and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
    )


def test_tables_hang_together() -> None:
    assert set(AREA_CODES) == set(STATE_ZONES) == set(STATE_NAMES.values())
    assert set(STATE_ZONES) - {"GU", "MP", "AS"} <= set(ZIP3_RANGES)
    codes = [code for codes in AREA_CODES.values() for code in codes.split()]
    assert len(codes) == len(set(codes))
    assert set(SPLIT_AREA_CODES) <= set(codes)
    for zip3, zones in SPLIT_ZIP3.items():
        state = region_for(None, f"{zip3}01", "")
        assert state is not None
        assert set(zones) <= set(STATE_ZONES[state]), zip3


def test_no_zip_prefix_belongs_to_two_states() -> None:
    owners: dict[int, str] = {}
    for state, ranges in ZIP3_RANGES.items():
        for part in ranges.split():
            low, _, high = part.partition("-")
            for number in range(int(low), int(high or low) + 1):
                assert owners.setdefault(number, state) == state


@pytest.mark.parametrize(
    ("state", "zip_code", "phone", "zones", "region"),
    [
        ("MA", "02139", "+13105550100", (EASTERN,), "MA"),
        ("massachusetts", None, "", (EASTERN,), "MA"),
        (" ma. ", "", "", (EASTERN,), "MA"),
        (None, "02139-1234", "+13105550100", (EASTERN,), "MA"),
        (None, None, "+13105550100", (PACIFIC,), "CA"),
        ("TX", "79901", "", (MOUNTAIN,), "TX"),
        ("TX", "77001", "", (CENTRAL,), "TX"),
        ("TX", None, "", (CENTRAL, MOUNTAIN), "TX"),
        ("TN", "37402", "", (EASTERN,), "TN"),
        ("TN", "37203", "", (CENTRAL,), "TN"),
        ("FL", "32501", "", (CENTRAL,), "FL"),
        ("FL", "33101", "", (EASTERN,), "FL"),
        ("IN", "47708", "", (CENTRAL,), "IN"),
        ("KY", None, "", (CENTRAL, EASTERN), "KY"),
        ("AZ", "85001", "", ("America/Phoenix",), "AZ"),
        ("AZ", "86515", "", (MOUNTAIN, "America/Phoenix"), "AZ"),
        ("AK", "99501", "", ("America/Adak", "America/Anchorage"), "AK"),
        ("OR", "97914", "", (MOUNTAIN, PACIFIC), "OR"),
        (None, "96799", "", ("Pacific/Pago_Pago",), "AS"),
        (None, "96910", "", ("Pacific/Guam",), "GU"),
        (None, "83414", "", (MOUNTAIN,), "WY"),
        (None, None, "+18505550100", (CENTRAL, EASTERN), "FL"),
        (None, None, "+14165550100", ("America/Toronto",), None),
        (None, None, "+442079460958", ("Europe/London",), None),
    ],
)
def test_places(
    state: str | None, zip_code: str | None, phone: str, zones: tuple[str, ...], region: str | None
) -> None:
    assert zones_for(state, zip_code, phone) == tuple(sorted(zones))
    assert region_for(state, zip_code, phone) == region


def test_an_address_that_contradicts_itself_is_in_both_places_and_no_state() -> None:
    assert zones_for("MA", "90210", "") == (PACIFIC, EASTERN)
    assert region_for("MA", "90210", "") is None


@pytest.mark.parametrize("phone", ["+18005550100", "+15005550006", "garbage", ""])
def test_an_unknown_place_is_everywhere(phone: str) -> None:
    assert zones_for(None, None, phone) == ALL_US_ZONES
    assert region_for(None, None, phone) is None


def test_an_army_post_office_is_everywhere() -> None:
    assert zones_for("AE", "09012", "+16175550100") == ALL_US_ZONES
    assert region_for("AE", "09012", "+16175550100") is None


def test_a_zip_that_lost_its_zero_is_not_completed() -> None:
    assert zones_for(None, "2139", "+13105550100") == (PACIFIC,)
    assert state_of("Mass") is None


def test_every_zone_loads() -> None:
    assert {ZoneInfo(zone).key for zones in STATE_ZONES.values() for zone in zones} >= set(ALL_US_ZONES)
