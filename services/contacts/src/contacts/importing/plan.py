"""What a chunk of rows changes, decided without a database: rows and known records in, changes and outcomes out.

The first row of a file that names a record decides by the chosen policy; later rows of the same file only fill
what is still blank. So a second run of a file, under any policy, changes nothing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.ids import uuid7

from contacts.importing.addresses import address_key
from contacts.importing.rows import ParsedPerson, ParsedPhone, ParsedProperty, ParsedRow, Rejection

PERSON_FIELDS = ("first_name", "last_name", "company", "street", "city", "state", "zip", "notes")


class Duplicates(StrEnum):
    """What happens to records that exist already."""

    SKIP = "skip"
    FILL_BLANKS = "fill_blanks"
    OVERWRITE = "overwrite"


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(slots=True, eq=False)
class Record:
    """A contact or property as the plan knows it. `seen_as` is what this import did to it so far."""

    id: UUID
    fields: dict[str, Any]
    seen_as: Outcome | None = None
    is_upgraded: bool = False
    is_new: bool = False
    is_changed: bool = False
    is_first_seen: bool = False

    def see(self, outcome: Outcome) -> None:
        if self.seen_as is None:
            self.is_first_seen = True
            self.seen_as = outcome
        elif self.seen_as is Outcome.UNCHANGED and outcome is Outcome.UPDATED:
            self.seen_as = outcome
            self.is_upgraded = not self.is_first_seen

    def write(self, fields: dict[str, Any], *, overwrite: bool) -> bool:
        changes = {
            name: value
            for name, value in fields.items()
            if self.fields.get(name) != value and (overwrite or self.fields.get(name) is None)
        }
        self.fields |= changes
        return bool(changes)


@dataclass(slots=True, eq=False)
class Person(Record):
    phones: dict[str, ParsedPhone] = field(default_factory=dict)
    emails: dict[str, str | None] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    custom: dict[str, Any] = field(default_factory=dict)
    added_phones: list[ParsedPhone] = field(default_factory=list)
    added_emails: list[tuple[str, str | None]] = field(default_factory=list)
    added_tags: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Home(Record):
    """A property: its columns in `fields`, its people in `owners` (contact id → is primary)."""

    owners: dict[UUID, bool] = field(default_factory=dict)
    added_owners: list[tuple[UUID, bool]] = field(default_factory=list)

    @property
    def apn(self) -> str | None:
        return self.fields.get("apn")


@dataclass(slots=True)
class RowOutcome:
    row_number: int
    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    warnings: list[str] = field(default_factory=list)


class Known:
    """The records that a chunk may touch, found by their keys."""

    def __init__(self, people: Iterable[Person] = (), homes: Iterable[Home] = ()) -> None:
        self.by_phone: dict[str, Person] = {}
        self.by_apn: dict[str, Home] = {}
        self.by_address: dict[str, list[Home]] = {}
        for person in people:
            self.by_phone |= dict.fromkeys(person.phones, person)
        for home in homes:
            self.index(home)

    def index(self, home: Home) -> None:
        if home.apn:
            self.by_apn[home.apn] = home
        if key := home.fields.get("address_key"):
            self.by_address.setdefault(key, []).append(home)

    def move(self, home: Home, key: str | None) -> None:
        """The address of a home changed to `key`, or it is new."""
        if (before := home.fields.get("address_key")) and home in self.by_address.get(before, []):
            self.by_address[before].remove(home)
        home.fields["address_key"] = key
        self.index(home)


class ChunkPlan:
    """Apply rows one after the other; then `people`, `homes` and `outcomes` say what is to be written."""

    def __init__(self, known: Known, duplicates: Duplicates) -> None:
        self._known = known
        self._duplicates = duplicates
        self.people: dict[UUID, Person] = {}
        self.homes: dict[UUID, Home] = {}
        self.outcomes: list[RowOutcome] = []

    def reject(self, row_number: int, rejection: Rejection) -> None:
        self.outcomes.append(RowOutcome(row_number, Outcome.REJECTED, rejection.code, rejection.detail))

    def apply(self, row_number: int, row: ParsedRow) -> None:
        warnings = list(row.warnings)
        done: list[Outcome] = []
        people: list[Person] = []
        for parsed in row.people:
            person, outcome = self._apply_person(parsed, people, warnings)
            if person is not None:
                people.append(person)
                done.append(outcome)
        if row.property is not None:
            done.append(self._apply_home(row.property, people, warnings))
        outcome = _strongest(done)
        is_kept = outcome is Outcome.UNCHANGED and self._duplicates is Duplicates.SKIP
        self.outcomes.append(RowOutcome(row_number, outcome, "kept" if is_kept else None, None, warnings))

    def _apply_person(
        self, parsed: ParsedPerson, row_mates: list[Person], warnings: list[str]
    ) -> tuple[Person | None, Outcome]:
        by_phone = self._known.by_phone
        person = next((by_phone[phone.e164] for phone in parsed.phones if phone.e164 in by_phone), None)
        if person is not None and person in row_mates:
            warnings.append("The second person has the same phone as the first; one contact was stored.")
            return None, Outcome.UNCHANGED
        if person is None:
            outcome, person = Outcome.CREATED, Person(uuid7(), {}, is_new=True)
            self._write_person(person, parsed, warnings, overwrite=True)
        else:
            outcome = self._update_person(person, parsed, warnings)
        person.see(outcome)
        self.people[person.id] = person
        return person, outcome

    def _update_person(self, person: Person, parsed: ParsedPerson, warnings: list[str]) -> Outcome:
        if self._duplicates is Duplicates.SKIP:
            return Outcome.UNCHANGED
        overwrite = self._duplicates is Duplicates.OVERWRITE and person.seen_as is None
        if not self._write_person(person, parsed, warnings, overwrite=overwrite):
            return Outcome.UNCHANGED
        person.is_changed = True
        return Outcome.UPDATED

    def _write_person(self, person: Person, parsed: ParsedPerson, warnings: list[str], *, overwrite: bool) -> bool:
        changed = person.write(parsed.fields, overwrite=overwrite)
        for name, value in parsed.custom.items():
            if person.custom.get(name) != value and (overwrite or person.custom.get(name) is None):
                person.custom[name] = value
                changed = True
        for phone in parsed.phones:
            changed |= self._add_phone(person, phone, warnings)
        for address, status in parsed.emails:
            if address not in person.emails:
                person.emails[address] = status
                person.added_emails.append((address, status))
                changed = True
        for tag in parsed.tags:
            if tag not in person.tags:
                person.tags.add(tag)
                person.added_tags.append(tag)
                changed = True
        return changed

    def _add_phone(self, person: Person, phone: ParsedPhone, warnings: list[str]) -> bool:
        owner = self._known.by_phone.setdefault(phone.e164, person)
        if owner is not person:
            warnings.append(f"The phone ending in {phone.e164[-4:]} belongs to another contact; left there.")
            return False
        if phone.e164 in person.phones:
            return False
        person.phones[phone.e164] = phone
        person.added_phones.append(phone)
        return True

    def _apply_home(self, parsed: ParsedProperty, people: list[Person], warnings: list[str]) -> Outcome:
        homes = self._find_homes(parsed)
        if not homes:
            outcome, homes = Outcome.CREATED, [Home(uuid7(), {}, is_new=True)]
            self._write_home(homes[0], parsed, people, overwrite=True)
        elif len(homes) == 1:
            outcome = self._update_home(homes[0], parsed, people)
        else:
            outcome = Outcome.UNCHANGED
            warnings.append("Several properties have this address and the row has no APN; they were left as they are.")
        for home in homes:
            home.see(outcome)
            self.homes[home.id] = home
        return outcome

    def _find_homes(self, parsed: ParsedProperty) -> list[Home]:
        """By APN; else by address and ZIP, where another APN makes it another place. More than one is ambiguous."""
        if parsed.apn and (home := self._known.by_apn.get(parsed.apn)):
            return [home]
        places = self._known.by_address.get(parsed.address_key, []) if parsed.address_key else []
        unnumbered = [home for home in places if home.apn is None]
        return unnumbered if parsed.apn or unnumbered else places.copy()

    def _update_home(self, home: Home, parsed: ParsedProperty, people: list[Person]) -> Outcome:
        if self._duplicates is Duplicates.SKIP:
            return Outcome.UNCHANGED
        overwrite = self._duplicates is Duplicates.OVERWRITE and home.seen_as is None
        if not self._write_home(home, parsed, people, overwrite=overwrite):
            return Outcome.UNCHANGED
        home.is_changed = True
        return Outcome.UPDATED

    def _write_home(self, home: Home, parsed: ParsedProperty, people: list[Person], *, overwrite: bool) -> bool:
        changed = home.write(parsed.fields, overwrite=overwrite)
        if changed:
            self._known.move(home, address_key(home.fields.get("street"), home.fields.get("zip")))
        for person in people:
            if person.id not in home.owners:
                is_primary = person is people[0] and not any(home.owners.values())
                home.owners[person.id] = is_primary
                home.added_owners.append((person.id, is_primary))
                changed = True
        return changed


def record_changes(records: Iterable[Record]) -> Counter[Outcome]:
    """How the counts of an import's records change by a chunk."""
    changes: Counter[Outcome] = Counter()
    for record in records:
        if record.is_first_seen and record.seen_as is not None:
            changes[record.seen_as] += 1
        elif record.is_upgraded:
            changes[Outcome.UNCHANGED] -= 1
            changes[Outcome.UPDATED] += 1
    return changes


def _strongest(outcomes: list[Outcome]) -> Outcome:
    if Outcome.CREATED in outcomes:
        return Outcome.CREATED
    return Outcome.UPDATED if Outcome.UPDATED in outcomes else Outcome.UNCHANGED
