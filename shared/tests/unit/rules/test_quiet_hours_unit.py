"""Quiet hours, minute by minute on the days when clocks change, against an oracle that only reads wall clocks."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.rules.place_tables import STATE_ZONES
from shared.rules.quiet_hours import (
    Opening,
    SendingWindow,
    closes_at,
    is_within_window,
    next_allowed,
    next_opening,
)
from shared.rules.state_windows import federal_holidays, is_holiday
from shared.rules.zones import ALL_US_ZONES, region_for, zones_for

MINUTE = timedelta(minutes=1)
US_ZONES = sorted({zone for zones in STATE_ZONES.values() for zone in zones})
# Spring forward and fall back of two years; 2027 changes on 14 March and 7 November.
CHANGE_DAYS = [date(2026, 11, 1), date(2027, 3, 14), date(2027, 11, 7), date(2028, 3, 12)]
MON_TO_SAT = SendingWindow(frozenset(range(6)), time(9, 30), time(17, 15))

# Opening minute and closing minute by weekday (0 is Monday), typed in again from the published table.
TABLE: dict[str, list[tuple[int, int] | None]] = {
    **{state: [(480, 1200)] * 7 for state in ("FL", "OK", "MD", "WA", "MA", "NJ")},
    **{state: [(480, 1200)] * 6 + [None] for state in ("AL", "LA", "MS")},
    **{state: [(540, 1200)] * 7 for state in ("CT", "NV")},
    **{state: [(540, 1260)] * 7 for state in ("CA", "IL", "MI", "MN", "NM")},
    "KY": [(600, 1260)] * 7,
    "PA": [(540, 1260)] * 6 + [None],
    "UT": [(480, 1260)] * 6 + [None],
    "TX": [(540, 1260)] * 6 + [(720, 1260)],
    "RI": [(540, 1080)] * 5 + [(600, 1020)] * 2,
}
CLOSED_ON_HOLIDAYS = {"AL", "LA", "MS", "PA", "UT", "RI"}
HOLIDAYS = {
    date(2026, 11, 11), date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1), date(2027, 1, 18),
    date(2027, 2, 15), date(2027, 5, 31), date(2027, 6, 18), date(2027, 6, 19), date(2027, 7, 4), date(2027, 7, 5),
    date(2027, 9, 6), date(2027, 10, 11), date(2027, 11, 11), date(2027, 11, 25), date(2027, 12, 24),
    date(2027, 12, 25), date(2027, 12, 31), date(2028, 1, 1),
}  # fmt: skip


def is_open_there(now: datetime, zone: ZoneInfo, state: str) -> bool:
    local = now.astimezone(zone)
    if state in CLOSED_ON_HOLIDAYS and local.date() in HOLIDAYS:
        return False
    hours = TABLE.get(state, [(480, 1260)] * 7)[local.weekday()]
    return hours is not None and hours[0] <= local.hour * 60 + local.minute < hours[1]


def oracle(now: datetime, zones: tuple[str, ...], region: str | None) -> bool:
    return all(
        is_open_there(now, ZoneInfo(zone), state)
        for zone in zones
        for state in ([region] if region else [s for s, known in STATE_ZONES.items() if zone in known])
    )


def minutes_around(day: date) -> list[datetime]:
    """Every minute of the day in every zone of the country."""
    first = datetime.combine(day, time(), tzinfo=UTC) - timedelta(hours=12)
    return [first + n * MINUTE for n in range(48 * 60)]


@pytest.mark.parametrize("day", CHANGE_DAYS)
@pytest.mark.parametrize("zone", US_ZONES)
def test_every_minute_when_clocks_change(zone: str, day: date) -> None:
    there = ZoneInfo(zone)
    state = next(state for state, zones in STATE_ZONES.items() if zone in zones)
    wrong = [
        now for now in minutes_around(day) if is_within_window(now, (zone,), state) != is_open_there(now, there, state)
    ]
    assert wrong == []


@pytest.mark.parametrize("state", sorted(STATE_ZONES))
def test_every_state_through_two_years(state: str) -> None:
    zones = STATE_ZONES[state]
    instants = [datetime(2026, 11, 1, tzinfo=UTC) + n * timedelta(hours=7, minutes=13) for n in range(1380)]
    wrong = [now for now in instants if is_within_window(now, zones, state) != oracle(now, zones, state)]
    assert wrong == []


@pytest.mark.parametrize("zones", [("America/New_York",), ("America/Chicago", "America/Denver"), ALL_US_ZONES])
def test_an_unknown_state_is_every_state_of_its_zones(zones: tuple[str, ...]) -> None:
    instants = [datetime(2027, 6, 13, tzinfo=UTC) + n * timedelta(minutes=47) for n in range(260)]
    wrong = [now for now in instants if is_within_window(now, zones, None) != oracle(now, zones, None)]
    assert wrong == []
    assert any(is_within_window(now, zones, None) for now in instants)


@pytest.mark.parametrize("month", range(1, 13))
def test_nobody_is_unreachable_because_their_place_is_unknown(month: int) -> None:
    now = datetime(2027, month, 3, tzinfo=UTC)
    opening = next_opening(now, ALL_US_ZONES, None)
    assert opening is not None
    assert opening.opens_at - now < timedelta(days=5)
    assert opening.closes_at - opening.opens_at >= timedelta(hours=3)


states = st.sampled_from(sorted(STATE_ZONES))
instants = st.datetimes(datetime(2026, 11, 1), datetime(2027, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
windows = st.one_of(
    st.none(),
    st.just(MON_TO_SAT),
    st.builds(
        SendingWindow,
        st.frozensets(st.integers(0, 6), min_size=1),
        st.times(time(0), time(11)),
        st.times(time(12), time(23)),
        st.sampled_from([None, "America/New_York", "Pacific/Honolulu"]),
    ),
)


@given(now=instants, state=states, window=windows)
@settings(max_examples=150)
def test_the_next_opening_is_open_and_the_first(now: datetime, state: str, window: SendingWindow | None) -> None:
    zones = STATE_ZONES[state]
    opening = next_opening(now, zones, state, window)
    if opening is None:
        assert window is not None
        return
    assert now <= opening.opens_at < opening.closes_at
    last = opening.closes_at - timedelta(microseconds=1)
    assert is_within_window(opening.opens_at, zones, state, window)
    assert is_within_window(last, zones, state, window)
    assert not is_within_window(opening.closes_at, zones, state, window)
    waited = opening.opens_at - now
    assert is_within_window(now, zones, state, window) == (not waited)
    for part in range(1, 20):
        assert not waited or not is_within_window(now + waited * part / 20, zones, state, window)


@given(now=instants, state=states, window=windows)
@settings(max_examples=100)
def test_a_sending_window_only_ever_narrows(now: datetime, state: str, window: SendingWindow | None) -> None:
    zones = STATE_ZONES[state]
    if is_within_window(now, zones, state, window):
        assert is_within_window(now, zones, state)
        assert next_allowed(now, zones, state, window) == now
        if window is not None and window.zone is None:
            local = [now.astimezone(ZoneInfo(zone)) for zone in zones]
            assert all(there.weekday() in window.weekdays for there in local)
            assert all(window.start <= there.time() < window.end for there in local)


def test_eight_in_the_morning_to_eight_in_the_evening_in_massachusetts() -> None:
    zones, region = zones_for("MA", "02139", ""), region_for("MA", "02139", "")
    early = datetime(2027, 3, 15, 11, 59, tzinfo=UTC)
    morning, evening = datetime(2027, 3, 15, 12, tzinfo=UTC), datetime(2027, 3, 16, 0, tzinfo=UTC)
    assert next_opening(early, zones, region) == Opening(morning, evening)
    assert closes_at(morning, zones, region) == evening
    assert closes_at(early, zones, region) is None
    assert next_allowed(evening, zones, region) == datetime(2027, 3, 16, 12, tzinfo=UTC)


def test_openings_run_on_past_midnight_utc() -> None:
    opening = next_opening(datetime(2027, 7, 1, 20, tzinfo=UTC), ("Pacific/Honolulu",), "HI")
    assert opening == Opening(datetime(2027, 7, 1, 20, tzinfo=UTC), datetime(2027, 7, 2, 7, tzinfo=UTC))


def test_long_weekends_are_waited_out() -> None:
    # Saturday evening before Memorial Day: Louisiana lets nobody solicit until Tuesday.
    saturday_night = datetime(2027, 5, 30, 2, tzinfo=UTC)
    assert next_allowed(saturday_night, ("America/Chicago",), "LA") == datetime(2027, 6, 1, 13, tzinfo=UTC)


def test_a_window_that_never_meets_the_law_is_never_open() -> None:
    sundays = SendingWindow(frozenset({6}), time(9), time(17))
    assert next_opening(datetime(2027, 3, 1, tzinfo=UTC), ("America/Chicago",), "AL", sundays) is None


def test_an_office_window_is_read_on_the_offices_clock() -> None:
    office = SendingWindow(frozenset(range(5)), time(9), time(17), zone="America/New_York")
    opening = next_opening(datetime(2027, 6, 2, tzinfo=UTC), ("America/Los_Angeles",), "CA", office)
    assert opening == Opening(datetime(2027, 6, 2, 16, tzinfo=UTC), datetime(2027, 6, 2, 21, tzinfo=UTC))


def test_no_zone_is_every_zone_and_a_naive_time_is_refused() -> None:
    now = datetime(2027, 6, 2, 15, tzinfo=UTC)
    assert is_within_window(now, (), None) == is_within_window(now, ALL_US_ZONES, None)
    with pytest.raises(ValueError, match="naive"):
        is_within_window(now.replace(tzinfo=None), ("America/New_York",), "MA")
    with pytest.raises(ValueError, match="weekdays"):
        SendingWindow(frozenset(), time(9), time(17))
    with pytest.raises(ValueError, match="starts before"):
        SendingWindow(frozenset({1}), time(17), time(9))


def test_holidays_with_their_observed_days() -> None:
    first, last = date(2026, 11, 1), date(2028, 1, 1)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    assert {day for day in days if is_holiday(day)} == HOLIDAYS
    # Eleven, and the Monday on which a Veterans Day that falls on a Sunday is observed.
    assert len(federal_holidays(2029)) == 12


def test_ten_thousand_recipients_share_the_work() -> None:
    now = datetime(2027, 5, 3, 11, tzinfo=UTC)
    numbers = [f"+1{code}5{n:06}" for code in ("617", "212", "850", "808", "800") for n in range(400)]
    opens = {next_allowed(now, zones_for(None, None, phone), region_for(None, None, phone)) for phone in numbers}
    # 8 o'clock in the East, in the panhandle's later zone, and in Hawaii (for a toll-free number too).
    assert {at.hour for at in opens if at} == {12, 13, 18}
