"""Generated PropertyRadar exports: one row a household, with the dirt of real files, and the truth about each row.

A row is a function of (seed, its number), so a file of any length is written in constant memory, and a later row
can repeat an earlier one. Files of neighbouring seeds share no phone and no parcel, up to 10,000 rows.

`python -m demo.households --rows 100000 --seed 7 > homes.csv` writes one.
"""

import argparse
import csv
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from random import Random
from typing import TextIO

from demo.names import FIRST_NAMES, KINDS_OF_HOME, LAST_NAMES, ORGANISATIONS, STREETS, SUBDIVISIONS
from demo.places import PLACES, WEIGHTS, Place

PERSON_HEADERS = ("Name", "Mobile Phone1", "Mobile 1 Status", "Email1", "Email 1 Status", "Email1 Hash")
HEADERS = (
    "Type", "Address", "City", "ZIP", "Subdivision", "Longitude", "Latitude", "APN", "Yr Built", "Purchase Date",
    "Purchase Mos Since", "Sq Ft", "Beds", "Baths", "Est Value", "Est Equity $", "Est Equity %", "Owner",
    "Mail Address", "Mail City", "Mail State", "Mail ZIP", "Owner Occ?", "Listed for Sale?", "Listing Status",
    "Foreclosure?", "High Equity?",
    *(f"Primary {header}" for header in PERSON_HEADERS),
    *(f"Secondary {header}" for header in PERSON_HEADERS),
)  # fmt: skip
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y", "%Y/%m/%d")
PHONE_FORMATS = ("({a}) {e}-{n}", "{a}-{e}-{n}", "{a}{e}{n}", "+1 {a} {e} {n}", "{a}.{e}.{n}", "1-{a}-{e}-{n}")
BAD_PHONES = ("555-0142", "617-CRACKED", "N/A", "000-000-0000", "617555014", "no phone", "6.17555E+09", "61755501422")
CONTROL_CHARACTERS = ("\x00", "\x07", "\x1b", "\x0b")
CHUNK_CHARACTERS = 64 * 1024
LOOK_BACK = 50
TODAY = date(2026, 1, 1)
"""Fixed, so that the same seed gives the same file next year."""

# Exchanges that are in use: 555 is fiction's, 950 and 958 to 959 the carriers', N11 the services'.
EXCHANGES = tuple(n for n in range(200, 1000) if n % 100 != 11 and n not in (555, 950, 958, 959, 976))
_NUMBERS = len(EXCHANGES) * 10_000
_PEOPLE_OF_A_SEED = 20_000
# Shares no factor with the count of numbers: stepping by it visits each number once.
_STEP = 4_000_037


class Kind(StrEnum):
    """What a row is; it says what must become of it in a system that knows none of the file yet."""

    HOUSEHOLD = "household"
    REPEATED = "repeated"
    """An earlier row again, word by word: nothing changes."""
    CORRECTED = "corrected"
    """An earlier row again with another e-mail: the person is updated."""
    SECOND_HOME = "second_home"
    """The owner of an earlier row with a further property: that is created."""
    BLANK = "blank"
    DAMAGED = "damaged"
    """With a control character in it."""

    @property
    def outcome(self) -> str:
        """created, updated, unchanged or rejected."""
        return _OUTCOMES[self]


_OUTCOMES = {
    Kind.HOUSEHOLD: "created",
    Kind.REPEATED: "unchanged",
    Kind.CORRECTED: "updated",
    Kind.SECOND_HOME: "created",
    Kind.BLANK: "rejected",
    Kind.DAMAGED: "rejected",
}
_SHARES = {
    Kind.REPEATED: 0.012,
    Kind.CORRECTED: 0.008,
    Kind.SECOND_HOME: 0.008,
    Kind.BLANK: 0.004,
    Kind.DAMAGED: 0.004,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a phone that can be texted, as it stands after the import."""

    phone: str
    zone: str
    state: str
    """Zone and state are those of the address, and where the file has none, those of the area code."""
    is_landline: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """`cells` follow HEADERS."""

    number: int
    kind: Kind
    cells: tuple[str, ...]
    people: tuple[Person, ...] = ()
    has_primary: bool = False
    """Whether the first of two people is among those with a usable phone."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an import of the file must report, and whom it brings in."""

    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    people: dict[str, Person]
    """By phone; who is named twice stands with the first address."""


@dataclass(slots=True)
class _Draft:
    """A household on its way to cells. `lives_at` is None where the file does not say where the owner lives."""

    number: int
    home: Place
    lives_at: Place | None
    cells: dict[str, str]
    people: list[Person] = field(default_factory=list)


class Households:
    """The rows of one file: exactly `rows` records, repeatable."""

    def __init__(self, rows: int, seed: int = 1) -> None:
        if rows < 1 or seed < 0:
            raise ValueError("a file has at least one row, and a seed of 0 or more")
        self.rows = rows
        self.seed = seed

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, range(1, self.rows + 1))

    def row(self, number: int) -> Row:
        kind = self._kind(number)
        if kind is Kind.BLANK:
            return Row(number, kind, ("",) * len(HEADERS))
        if kind is Kind.DAMAGED:
            return self._damaged(number)
        if kind is Kind.HOUSEHOLD:
            return self._household(number)
        source = self._source_of(number)
        if source is None:
            return self._household(number)
        if kind is Kind.REPEATED:
            return replace(source, number=number, kind=kind)
        return self._corrected(number, source) if kind is Kind.CORRECTED else self._second_home(number, source)

    def expected(self) -> Expected:
        outcomes: Counter[str] = Counter()
        people: dict[str, Person] = {}
        for row in self:
            outcomes[row.kind.outcome] += 1
            for person in row.people:
                people.setdefault(person.phone, person)
        counts = {name: outcomes[name] for name in ("created", "updated", "unchanged", "rejected")}
        return Expected(rows=self.rows, people=people, **counts)

    def write(self, file: TextIO) -> None:
        """The CSV; `file` is opened in UTF-8 with newline=''."""
        file.writelines(self._pieces())

    def chunks(self) -> Iterator[bytes]:
        """The same as bytes, piece by piece, made while they are read."""
        return (piece.encode() for piece in self._pieces())

    def _pieces(self) -> Iterator[str]:
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer)
        writer.writerow(HEADERS)
        for row in self:
            writer.writerow(row.cells)
            if buffer.tell() >= CHUNK_CHARACTERS:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
        yield buffer.getvalue()

    def _random(self, number: int, purpose: str) -> Random:
        return Random(f"{self.seed}/{number}/{purpose}")

    def _kind(self, number: int) -> Kind:
        chance = self._random(number, "kind").random()
        for kind, share in _SHARES.items():
            chance -= share
            if chance < 0:
                return kind
        return Kind.HOUSEHOLD

    def _source_of(self, number: int) -> Row | None:
        """An earlier household whose first person can be texted."""
        farthest = self._random(number, "source").randint(1, LOOK_BACK)
        for earlier in range(max(1, number - farthest), number):
            if self._kind(earlier) is Kind.HOUSEHOLD and (row := self._household(earlier)).has_primary:
                return row
        return None

    def _household(self, number: int) -> Row:
        random = self._random(number, "household")
        home = _pick_place(random)
        cells = dict.fromkeys(HEADERS, "") | _home(random, home) | {"APN": self._parcel(number)}
        _leave_out(random, cells, number)
        draft = _Draft(number, home, _add_owner_address(random, cells, home), cells)
        has_primary = self._add_people(random, draft)
        return Row(number, Kind.HOUSEHOLD, tuple(cells.values()), tuple(draft.people), has_primary)

    def _damaged(self, number: int) -> Row:
        random = self._random(number, "damage")
        cells = list(self._household(number).cells)
        at = HEADERS.index(random.choice(("Address", "Owner", "Primary Name")))
        cells[at] = f"{cells[at][:3]}{random.choice(CONTROL_CHARACTERS)}{cells[at][3:]}"
        return Row(number, Kind.DAMAGED, tuple(cells))

    def _corrected(self, number: int, source: Row) -> Row:
        cells = list(source.cells)
        cells[HEADERS.index("Primary Email1")] = f"owner{self.seed}.{number}@example.net"
        return Row(number, Kind.CORRECTED, tuple(cells), source.people)

    def _second_home(self, number: int, source: Row) -> Row:
        random = self._random(number, "second home")
        new = {"APN": self._parcel(number), "Owner Occ?": "0"}
        cells = dict.fromkeys(HEADERS, "") | _home(random, _pick_place(random)) | new
        first = dict(zip(HEADERS, source.cells, strict=True))
        cells |= {name: first[name] for name in HEADERS if name.startswith("Primary ") or name == "Owner"}
        return Row(number, Kind.SECOND_HOME, tuple(cells.values()), source.people[:1])

    def _parcel(self, number: int) -> str:
        digits = f"{(self.seed * 1_000_003 + number) % 10**9:09}"
        return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"

    def _e164(self, number: int, area_code: str, *, second: bool) -> str:
        ordinal = self.seed * _PEOPLE_OF_A_SEED + number * 2 + second
        exchange, line = divmod(ordinal * _STEP % _NUMBERS, 10_000)
        return f"+1{area_code}{EXCHANGES[exchange]}{line:04}"

    def _add_people(self, random: Random, draft: _Draft) -> bool:
        """Fill in one or two people; returns whether the first can be texted."""
        last = random.choice(LAST_NAMES)
        name = _name(random, last)
        email = f"{_mailbox(name)}{draft.number}@example.com" if random.random() < 0.6 else ""
        phone = self._phone(random, draft, second=False)
        has_primary = bool(draft.people)
        draft.cells["Owner"] = name
        draft.cells |= _person("Primary", name, phone, email)
        if random.random() < 0.25:
            partner = f"{random.choice(FIRST_NAMES)} {last}"
            # Couples share an e-mail, and now and then one phone.
            theirs = email if random.random() < 0.4 else f"{_mailbox(partner)}{draft.number}@example.com"
            other = phone if random.random() < 0.05 else self._phone(random, draft, second=True)
            draft.cells |= _person("Secondary", partner, other, theirs)
        return has_primary

    def _phone(self, random: Random, draft: _Draft, *, second: bool) -> tuple[str, str]:
        """Text and status of a phone; a usable one adds its person to the draft."""
        chance = random.random()
        if chance < 0.39:
            return "", ""
        if chance < 0.47:
            return random.choice(BAD_PHONES), "Unknown"
        is_landline = chance < 0.49
        # Some keep their number when they move.
        place = (draft.lives_at or draft.home) if random.random() < 0.94 else _pick_place(random)
        e164 = self._e164(draft.number, random.choice(place.area_codes), second=second)
        found = draft.lives_at or place
        draft.people.append(Person(e164, found.zone, found.state, is_landline))
        text = random.choice(PHONE_FORMATS).format(a=e164[2:5], e=e164[5:8], n=e164[8:])
        status = "Landline" if is_landline else random.choice(("Active", "Active", "Active", "Inactive", ""))
        return text, status


def _pick_place(random: Random) -> Place:
    return random.choices(PLACES, WEIGHTS)[0]


def _home(random: Random, place: Place) -> dict[str, str]:
    """What a property looks like in the file; how it is written varies from row to row."""
    value = random.randrange(180_000, 1_900_000, 1_000)
    percent = random.randint(5, 100)
    bought = TODAY - timedelta(days=random.randint(40, 14_000))
    feet = random.randint(700, 5_200)
    return {
        "Type": random.choice(KINDS_OF_HOME),
        "Address": f"{random.randint(1, 1_999)} {random.choice(STREETS)}",
        "City": place.city,
        "ZIP": random.choice(place.zips),
        "Subdivision": random.choice(SUBDIVISIONS),
        "Longitude": f"{place.longitude + random.uniform(-0.05, 0.05):.6f}",
        "Latitude": f"{place.latitude + random.uniform(-0.04, 0.04):.6f}",
        "Yr Built": str(random.randint(1880, 2022)),
        "Purchase Date": bought.strftime(random.choice(DATE_FORMATS)),
        "Purchase Mos Since": str((TODAY - bought).days // 30),
        "Sq Ft": f"{feet:,}" if random.random() < 0.7 else str(feet),
        "Beds": str(random.randint(1, 6)),
        "Baths": random.choice(("1", "1.5", "2", "2.0", "2.5", "3")),
        "Est Value": f"${value:,}" if random.random() < 0.8 else str(value),
        "Est Equity $": f"${value * percent // 100:,}",
        "Est Equity %": f"{percent}%" if random.random() < 0.5 else str(percent),
        "Owner Occ?": "1",
        "Listed for Sale?": "1" if (is_listed := random.random() < 0.06) else "0",
        "Listing Status": random.choice(("Active", "Pending")) if is_listed else "",
        "Foreclosure?": "1" if random.random() < 0.02 else "0",
        "High Equity?": "1" if percent >= 50 else "0",
    }


def _leave_out(random: Random, cells: dict[str, str], number: int) -> None:
    """Some rows lack the ZIP or the parcel number, never both: the property could not be told from others."""
    chance = random.random()
    if chance < 0.015:
        cells["ZIP"] = ""
    elif chance < 0.03:
        cells["APN"] = ""
        # Without a parcel number the address is what tells this home from every other one.
        cells["Address"] += f", Unit {number}"


def _add_owner_address(random: Random, cells: dict[str, str], home: Place) -> Place | None:
    """Where the owner lives as far as the file says: in the home, at a mailing address, or nobody knows."""
    chance = random.random()
    if chance < 0.83:
        return home if cells["ZIP"] else None
    cells["Owner Occ?"] = "0"
    if chance < 0.85:
        return None
    place = _pick_place(random)
    cells |= {
        "Mail Address": f"{random.randint(1, 1_999)} {random.choice(STREETS)}",
        "Mail City": place.city,
        "Mail State": place.state,
        "Mail ZIP": random.choice(place.zips) if random.random() < 0.95 else "",
    }
    return place


def _name(random: Random, last: str) -> str:
    first = random.choice(FIRST_NAMES)
    chance = random.random()
    if chance < 0.05:
        street = random.choice(STREETS).rsplit(" ", 1)[0]
        return random.choice(ORGANISATIONS).format(first=first, last=last, street=street)
    if chance < 0.12:
        return f"{last}, {first}"
    if chance < 0.2:
        return f"{first} {last}".upper()
    return f"{first} {last}"


def _person(role: str, name: str, phone: tuple[str, str], email: str) -> dict[str, str]:
    values = (
        name,
        *phone,
        email,
        "Verified" if email else "",
        hashlib.md5(email.encode(), usedforsecurity=False).hexdigest() if email else "",
    )
    return {f"{role} {header}": value for header, value in zip(PERSON_HEADERS, values, strict=True)}


def _mailbox(name: str) -> str:
    return "".join(char for char in name.lower() if char.isascii() and char.isalpha())


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a generated PropertyRadar export to standard output.")
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    for chunk in Households(wanted.rows, wanted.seed).chunks():
        sys.stdout.buffer.write(chunk)


if __name__ == "__main__":
    main()
