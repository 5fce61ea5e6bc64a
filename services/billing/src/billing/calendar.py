"""Visits as calendars read them: iCalendar (RFC 5545). Pure: the same rows are the same text, byte for byte."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Event, vDuration, vText

from billing.states import VisitKind

_PRODUCT = "-//Attack-a-Crack//CRM//EN"
_UID_DOMAIN = "attack-a-crack.crm"
"""Never the address that we happen to be served at: a calendar knows a visit again by its UID."""
_REREAD = timedelta(minutes=15)
_BREAK = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_ESCAPED = str.maketrans({"\\": r"\\", ";": r"\;", ",": r"\,", "\n": r"\n"})


class Text(vText):
    r"""Words that people wrote. The library's own escaping takes a written `\N`, as in `C:\Notes`, for a line break.

    All kinds of line breaks become one; a text has no other control characters than the tab (RFC 5545, 3.3.11).
    """

    def to_ical(self) -> bytes:
        return _CONTROL.sub("", _BREAK.sub("\n", self)).translate(_ESCAPED).encode()


@dataclass(frozen=True)
class Entry:
    """A visit with what a technician needs to know of it."""

    visit_id: UUID
    version: int
    kind: VisitKind
    starts_at: datetime
    minutes: int
    is_cancelled: bool
    changed_at: datetime
    """When the visit, its job or its person was last changed."""
    title: str
    contact_name: str | None
    phone: str | None
    place: str | None
    assignee: str | None
    visit_notes: str | None
    job_notes: str | None


def calendar_text(name: str, entries: Iterable[Entry]) -> str:
    """The calendar, with visits in the order given."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    for member in ("name", "x-wr-calname"):
        calendar[member] = Text(name)
    calendar.add("refresh-interval", vDuration(_REREAD), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(_REREAD))
    for entry in entries:
        calendar.add_component(_event(entry))
    written: bytes = calendar.to_ical(sorted=False)
    return written.decode()


def _event(entry: Entry) -> Event:
    starts_at, changed_at = entry.starts_at.astimezone(UTC), entry.changed_at.astimezone(UTC)
    event = Event()
    event.add("uid", f"{entry.visit_id}@{_UID_DOMAIN}")
    event.add("dtstamp", changed_at)
    event.add("last-modified", changed_at)
    event.add("sequence", entry.version)
    event.add("dtstart", starts_at)
    event.add("dtend", starts_at + timedelta(minutes=entry.minutes))
    event.add("status", "CANCELLED" if entry.is_cancelled else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if entry.is_cancelled else "OPAQUE")
    event["summary"] = Text(_summary(entry))
    if entry.place:
        event["location"] = Text(entry.place)
    event["description"] = Text(_description(entry))
    return event


def _summary(entry: Entry) -> str:
    summary = f"{entry.kind.capitalize()}: {entry.contact_name or entry.title}"
    # Some programs show a cancelled visit as any other, and somebody would drive there.
    return f"Cancelled: {summary}" if entry.is_cancelled else summary


def _description(entry: Entry) -> str:
    lines = (
        entry.title,
        entry.assignee and f"With: {entry.assignee}",
        entry.visit_notes,
        entry.job_notes,
        entry.phone and f"Phone: {entry.phone}",
    )
    return "\n".join(filter(None, lines))
