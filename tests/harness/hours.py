"""In which hours somebody may be texted, worked out without the product's own rules, which are held against this.

The address decides; without a usable one the area code; without either, every place must allow it.
"""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from demo.places import PLACES, Place
from demo.window import FEDERAL_HOURS, Window

ANY_DAY = Window(range(7), *FEDERAL_HOURS)
CLOSED_ON_HOLIDAYS = {"RI"}
# Written down from the calendar of the Office of Personnel Management, the observed days included.
HOLIDAYS = {
    date.fromisoformat(day)
    for day in [
        "2026-01-01",
        "2026-01-19",
        "2026-02-16",
        "2026-05-25",
        "2026-06-19",
        "2026-07-03",
        "2026-07-04",
        "2026-09-07",
        "2026-10-12",
        "2026-11-11",
        "2026-11-26",
        "2026-12-25",
        "2027-01-01",
        "2027-01-18",
        "2027-02-15",
        "2027-05-31",
        "2027-06-18",
        "2027-06-19",
        "2027-07-04",
        "2027-07-05",
        "2027-09-06",
        "2027-10-11",
        "2027-11-11",
        "2027-11-25",
        "2027-12-24",
        "2027-12-25",
        "2027-12-31",
        "2028-01-01",
        "2028-01-17",
        "2028-02-21",
        "2028-05-29",
        "2028-06-19",
        "2028-07-04",
        "2028-09-04",
        "2028-10-09",
        "2028-11-10",
        "2028-11-11",
        "2028-11-23",
        "2028-12-25",
    ]
}


def closed_in(at: datetime, *, state: str | None, zip_code: str | None, phone: str) -> list[str]:
    """The towns that the person may live in and in which nobody may be texted at this instant."""
    return [place.city for place in _places(state, zip_code, phone) if not _is_open(at, place)]


def _places(state: str | None, zip_code: str | None, phone: str) -> Sequence[Place]:
    by_zip = [place for place in PLACES if (zip_code or "")[:5] in place.zips and place.state == (state or place.state)]
    by_state = [place for place in PLACES if place.state == state]
    by_area_code = [place for place in PLACES if phone[2:5] in place.area_codes]
    return by_zip or by_state or by_area_code or PLACES


def _is_open(at: datetime, place: Place) -> bool:
    local_day = at.astimezone(ZoneInfo(place.zone)).date()
    if place.state in CLOSED_ON_HOLIDAYS and local_day in HOLIDAYS:
        return False
    return ANY_DAY.is_open(at, zone=place.zone, state=place.state)
