"""Visits as calendars read them (RFC 5545)."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from billing.calendar import Entry, calendar_text
from billing.states import VisitKind
from hypothesis import example, given
from hypothesis import strategies as st
from icalendar import Calendar

VISIT = UUID("01900000-0000-7000-8000-000000000001")
TEN = datetime(2031, 3, 6, 15, 0, tzinfo=UTC)
ENTRY = Entry(
    visit_id=VISIT,
    version=3,
    kind=VisitKind.REPAIR,
    starts_at=TEN,
    minutes=90,
    is_cancelled=False,
    changed_at=datetime(2031, 3, 4, 17, 0, 0, 250_000, tzinfo=UTC),
    title="North wall, two cracks",
    contact_name="Ana Lima",
    phone="+16175550100",
    place="12 Elm Street, Quincy, MA, 02169",
    assignee="Marco",
    visit_notes="Bring the long hose",
    job_notes="Dog in the yard",
)
BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
ANY_TEXT = st.text(min_size=1, max_size=300)
AWKWARD = "a;b, c\\n \\N \\\\ \"q\" ^n 'x':y=z\r\nnext\rline\tend \U0001f468‍\U0001f469‍\U0001f467 " + "é" * 250


def read(*entries: Entry, name: str = "Crew") -> Any:
    return Calendar.from_ical(calendar_text(name, entries))


def event(entry: Entry = ENTRY) -> Any:
    (found,) = read(entry).walk("VEVENT")
    return found


def shown(text: str) -> str:
    """What is left of a text: line breaks of any kind are one kind, and other control characters are none."""
    lines = BREAKS.sub("\n", text)
    return "".join(char for char in lines if char in "\n\t" or not (ord(char) < 32 or 127 <= ord(char) < 160))


def test_a_visit_says_what_where_and_when() -> None:
    found = event()
    assert str(found["SUMMARY"]) == "Repair: Ana Lima"
    assert str(found["LOCATION"]) == "12 Elm Street, Quincy, MA, 02169"
    assert (found.decoded("DTSTART"), found.decoded("DTEND")) == (TEN, TEN + timedelta(minutes=90))
    assert str(found["DESCRIPTION"]).split("\n") == [
        "North wall, two cracks",
        "With: Marco",
        "Bring the long hose",
        "Dog in the yard",
        "Phone: +16175550100",
    ]


def test_its_id_is_the_visits_and_its_sequence_the_version() -> None:
    found = event()
    assert str(found["UID"]).split("@")[0] == str(VISIT)
    assert str(event(replace(ENTRY, starts_at=TEN + timedelta(days=1), version=4))["UID"]) == str(found["UID"])
    assert (found["SEQUENCE"], found["STATUS"]) == (3, "CONFIRMED")
    # The stamp is the last change's, not the reading's: what did not change reads the same byte for byte.
    changed = ENTRY.changed_at.replace(microsecond=0)
    assert (found.decoded("DTSTAMP"), found.decoded("LAST-MODIFIED")) == (changed, changed)


def test_a_visit_called_off_stays_as_cancelled_and_takes_no_time() -> None:
    found = event(replace(ENTRY, is_cancelled=True))
    assert (found["STATUS"], found["TRANSP"]) == ("CANCELLED", "TRANSPARENT")
    assert str(found["SUMMARY"]) == "Cancelled: Repair: Ana Lima"


def test_what_is_not_known_is_left_out() -> None:
    bare = replace(
        ENTRY, contact_name=None, phone=None, place=None, assignee=None, visit_notes=None, job_notes=None, title="Wall"
    )
    found = event(bare)
    assert (str(found["SUMMARY"]), str(found["DESCRIPTION"])) == ("Repair: Wall", "Wall")
    assert "LOCATION" not in found


def test_times_are_told_in_utc() -> None:
    boston = ENTRY.starts_at.astimezone(timezone(timedelta(hours=-5)))
    assert "DTSTART:20310306T150000Z\r\n" in calendar_text("Crew", [replace(ENTRY, starts_at=boston)])


def test_a_calendar_without_visits_is_one() -> None:
    assert read(name="Crew, one; two").walk("VEVENT") == []
    assert calendar_text("Crew, one; two", []).split("\r\n") == [
        "BEGIN:VCALENDAR",
        "PRODID:-//Attack-a-Crack//CRM//EN",
        "VERSION:2.0",
        r"NAME:Crew\, one\; two",
        r"X-WR-CALNAME:Crew\, one\; two",
        "REFRESH-INTERVAL;VALUE=DURATION:PT15M",
        "X-PUBLISHED-TTL:PT15M",
        "END:VCALENDAR",
        "",
    ]


def test_visits_stand_in_the_order_given() -> None:
    later = replace(ENTRY, visit_id=UUID(int=VISIT.int + 1), starts_at=TEN + timedelta(days=1))
    assert [found.decoded("DTSTART").day for found in read(ENTRY, later).walk("VEVENT")] == [6, 7]


@given(text=ANY_TEXT)
@example(text=AWKWARD)
@example(text=r"C:\Notes\new")
@pytest.mark.parametrize(
    ("field", "member"), [("place", "LOCATION"), ("contact_name", "SUMMARY"), ("job_notes", "DESCRIPTION")]
)
def test_any_text_survives(field: str, member: str, text: str) -> None:
    bare = replace(ENTRY, phone=None, assignee=None, visit_notes=None)
    said = str(event(replace(bare, **{field: text}))[member])
    before = {"place": "", "contact_name": "Repair: ", "job_notes": "North wall, two cracks\n"}[field]
    assert said == before + shown(text)


@given(name=ANY_TEXT, text=ANY_TEXT)
@example(name=AWKWARD, text=AWKWARD)
def test_lines_are_folded_at_75_octets_and_end_with_crlf(name: str, text: str) -> None:
    entry = replace(ENTRY, contact_name=text, place=text, title=text, job_notes=text, visit_notes=text)
    written = calendar_text(name, [entry]).encode()
    assert written.endswith(b"END:VCALENDAR\r\n")
    lines = written.split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    for line in lines:
        line.decode()  # No character is cut in two.
