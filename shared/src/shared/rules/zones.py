"""Where a person may be: every plausible time zone and the state, from address, ZIP or area code.

Being wrong costs a text at night, so doubt widens the answer: a state or prefix with two zones yields both, an
unknown place every zone of the country. Zones that differ only before 2007 (Detroit, Boise, Indianapolis …) stand
under one name.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import timezone as phone_zones

from shared.rules.phones import area_code
from shared.rules.place_tables import (
    AREA_CODES,
    SPLIT_AREA_CODES,
    SPLIT_ZIP3,
    STATE_NAMES,
    STATE_ZONES,
    WHOLE_ZIPS,
    ZIP3_RANGES,
)

Zones = tuple[str, ...]

# The Pacific territories are only ever inferred from their own ZIPs, names and area codes: with them in it,
# "daytime everywhere" would be empty in summer.
_FAR_TERRITORIES = frozenset({"AS", "GU", "MP"})
# Army post offices are anywhere in the world: as good as unknown.
_MILITARY = frozenset({"AA", "AE", "AP"})

ALL_US_ZONES: Zones = tuple(
    sorted({zone for state, zones in STATE_ZONES.items() if state not in _FAR_TERRITORIES for zone in zones})
)

# The library answers a number without a place (toll-free) with every zone of North America.
_MOST_ZONES_OF_A_PLACE = 12


@lru_cache(maxsize=50_000)
def zones_for(state: str | None, zip_code: str | None, phone: str) -> Zones:
    """IANA names, sorted, never empty: of state and ZIP if there is an address, else of the area code.

    A ZIP that lies in another state than the one given yields the zones of both.
    """
    state_code, (zip_state, zip_zones) = state_of(state), _place_of_zip(zip_code)
    if zip_state is None:
        zones = _zones_of_state(state_code) if state_code else _zones_of_phone(phone)
    elif state_code is None or state_code == zip_state:
        zones = zip_zones
    else:
        zones = zip_zones + _zones_of_state(state_code)
    return tuple(sorted(set(zones)))


@lru_cache(maxsize=50_000)
def region_for(state: str | None, zip_code: str | None, phone: str) -> str | None:
    """The code of the state whose rules apply; None when it is unknown or the address contradicts itself."""
    state_code, (zip_state, _) = state_of(state), _place_of_zip(zip_code)
    if state_code and zip_state and state_code != zip_state:
        return None
    region = state_code or zip_state or _STATE_OF_AREA_CODE.get(area_code(phone) or "")
    return None if region in _MILITARY else region


def state_of(text: str | None) -> str | None:
    """The two-letter code of a state, district, territory or army post office given by code or English name."""
    plain = (text or "").strip().rstrip(".")
    code = plain.upper()
    if code in STATE_ZONES or code in _MILITARY:
        return code
    return STATE_NAMES.get(" ".join(plain.casefold().split()))


def _place_of_zip(zip_code: str | None) -> tuple[str | None, Zones]:
    match = _ZIP.fullmatch((zip_code or "").strip())
    if match is None:
        return None, ()
    state = WHOLE_ZIPS.get(match[1]) or _STATE_OF_ZIP3.get(match[2])
    if state is None:
        return None, ()
    return state, _part_of_state(state, SPLIT_ZIP3.get(match[2]))


def _zones_of_state(state: str) -> Zones:
    return ALL_US_ZONES if state in _MILITARY else STATE_ZONES[state]


def _part_of_state(state: str, part: Zones | None) -> Zones:
    if state in _MILITARY:
        return ALL_US_ZONES
    return part or STATE_ZONES[state][:1]


def _zones_of_phone(phone: str) -> Zones:
    code = area_code(phone)
    state = _STATE_OF_AREA_CODE.get(code or "")
    if code and state:
        return _part_of_state(state, SPLIT_AREA_CODES.get(code))
    try:
        zones: Zones = phone_zones.time_zones_for_number(phonenumbers.parse(phone, None))
    except phonenumbers.NumberParseException:
        return ALL_US_ZONES
    unknown = len(zones) > _MOST_ZONES_OF_A_PLACE or phone_zones.UNKNOWN_TIMEZONE in zones
    return ALL_US_ZONES if unknown else zones


def _prefixes(ranges: str) -> list[str]:
    bounds = [part.partition("-") for part in ranges.split()]
    return [f"{n:03}" for low, _, high in bounds for n in range(int(low), int(high or low) + 1)]


_ZIP = re.compile(r"(([0-9]{3})[0-9]{2})(?:-?[0-9]{4})?")
_STATE_OF_ZIP3 = {zip3: state for state, ranges in ZIP3_RANGES.items() for zip3 in _prefixes(ranges)}
_STATE_OF_AREA_CODE = {code: state for state, codes in AREA_CODES.items() for code in codes.split()}
