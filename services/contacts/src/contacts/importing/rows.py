"""One record of a file, read under a mapping: up to two people and a property, or the reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.rules.fast_phones import fast_phone
from shared.rules.phones import InvalidPhone

from contacts.importing import cells as read
from contacts.importing.addresses import address_key
from contacts.importing.cells import BadCell
from contacts.importing.columns import CUSTOM_PREFIX, PHONE_TARGETS, Mapping, Target
from contacts.importing.names import is_organisation, split_name

MAX_TEXT = 300
MAX_LENGTHS = {"notes": 10_000, "state": 50, "zip": 20, "mail_state": 50, "mail_zip": 20, "apn": 100}
MAX_CUSTOM = 2_000
MAX_TAG = 100
MAX_TAGS = 50
HOME_FIELDS = ("street", "city", "state", "zip")

PROPERTY_PARSERS: dict[str, Callable[[str], Any]] = {
    "longitude": read.longitude,
    "latitude": read.latitude,
    "year_built": read.year,
    "purchased_on": read.calendar_date,
    "months_since_purchase": read.whole_number,
    "square_feet": read.whole_number,
    "beds": read.whole_number,
    "baths": read.small_decimal,
    "estimated_value_cents": read.money_cents,
    "estimated_equity_cents": read.money_cents,
    "equity_percent": read.percentage,
    "is_owner_occupied": read.flag,
    "is_listed_for_sale": read.flag,
    "is_foreclosure": read.flag,
    "is_high_equity": read.flag,
}


class Rejection(Exception):
    """The row is not stored. `code` is one of the stable words below, `detail` says it for a person."""

    BLANK = "blank"
    CONTROL_CHARACTERS = "control characters"
    TOO_MANY_CELLS = "too many cells"
    TOO_LONG = "too long"
    INVALID_PHONE = "invalid phone"
    NO_IDENTITY = "no identity"
    UNREADABLE = "unreadable text"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


@dataclass(slots=True)
class ParsedPhone:
    e164: str
    type: str
    status: str | None = None


@dataclass(slots=True)
class ParsedPerson:
    """`fields` holds only what is filled."""

    fields: dict[str, str]
    phones: list[ParsedPhone]
    emails: list[tuple[str, str | None]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    custom: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class ParsedProperty:
    fields: dict[str, Any]
    apn: str | None
    address_key: str | None


@dataclass(slots=True)
class ParsedRow:
    people: list[ParsedPerson]
    property: ParsedProperty | None
    warnings: list[str]


@dataclass(slots=True)
class _PersonColumns:
    """Where one person's cells stand. A status column belongs to the phone or e-mail of the same rank."""

    texts: list[tuple[int, str]] = field(default_factory=list)
    phones: list[tuple[int, str]] = field(default_factory=list)
    phone_statuses: list[int] = field(default_factory=list)
    emails: list[int] = field(default_factory=list)
    email_statuses: list[int] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    custom: list[tuple[int, str]] = field(default_factory=list)

    def add(self, index: int, target: str) -> None:
        if target.startswith(CUSTOM_PREFIX):
            self.custom.append((index, target.removeprefix(CUSTOM_PREFIX)))
        elif target == Target.TAGS:
            self.tags.append(index)
        elif target == Target.EMAIL:
            self.emails.append(index)
        elif target == Target.EMAIL_STATUS:
            self.email_statuses.append(index)
        elif target == Target.PHONE_STATUS:
            self.phone_statuses.append(index)
        elif target in PHONE_TARGETS:
            self.phones.append((index, target.partition(".")[2] or "other"))
        else:
            self.texts.append((index, target))


class RowReader:
    """Compiled from a mapping; `read` is pure and called once a record."""

    def __init__(self, headers: Sequence[str], mapping: Mapping) -> None:
        self._headers = list(headers)
        self._primary = _PersonColumns()
        self._secondary = _PersonColumns()
        self._property: list[tuple[int, str]] = []
        for index, target in enumerate(mapping):
            if target is None:
                continue
            group, _, rest = target.partition(".")
            if group == "property":
                self._property.append((index, rest))
            elif group == "secondary":
                self._secondary.add(index, rest)
            else:
                self._primary.add(index, target)

    def read(self, raw: list[str]) -> ParsedRow:
        """Raises Rejection where nothing of the record can be stored."""
        cells = self._clean(raw)
        warnings: list[str] = []
        if len(raw) < len(self._headers):
            warnings.append(f"The row has {len(raw)} of {len(self._headers)} cells; the others were taken as blank.")
        found = self._read_property(cells, warnings)
        home = _home(found.fields) if found else {}
        people = [
            person
            for columns in (self._primary, self._secondary)
            if (person := self._read_person(columns, cells, home, warnings)) is not None and person.phones
        ]
        if found is None and not people:
            raise self._nothing(cells, warnings)
        return ParsedRow(people, found, warnings)

    def _clean(self, raw: list[str]) -> list[str]:
        if read.has_control_characters(raw):
            raise Rejection(Rejection.CONTROL_CHARACTERS, "The row holds control characters; remove them.")
        cells = [cell.strip() for cell in raw]
        cells = [read.restored(cell) if cell[:1] == "'" else cell for cell in cells]
        if not any(cells):
            raise Rejection(Rejection.BLANK, "All cells of the row are empty.")
        width = len(self._headers)
        if any(cells[width:]):
            raise Rejection(
                Rejection.TOO_MANY_CELLS,
                f"The row has {len(cells)} cells, the header {width}; a comma may stand outside of quotes.",
            )
        return cells + [""] * (width - len(cells))

    def _read_property(self, cells: list[str], warnings: list[str]) -> ParsedProperty | None:
        fields: dict[str, Any] = {}
        for index, name in self._property:
            if not (text := cells[index]):
                continue
            parser = PROPERTY_PARSERS.get(name)
            if parser is None:
                fields[name] = self._text(index, name, text)
                continue
            try:
                fields[name] = parser(text)
            except BadCell as problem:
                warnings.append(f"{self._headers[index]} {text[:40]!r} {problem}; left blank.")
        if not fields:
            return None
        apn, key = fields.get("apn"), address_key(fields.get("street"), fields.get("zip"))
        if apn is None and key is None:
            warnings.append("The property has neither an APN nor an address with ZIP; it was not stored.")
            return None
        return ParsedProperty(fields, apn, key)

    def _read_person(
        self, columns: _PersonColumns, cells: list[str], home: dict[str, str], warnings: list[str]
    ) -> ParsedPerson | None:
        texts = {name: self._text(index, name, cells[index]) for index, name in columns.texts if cells[index]}
        phones = self._read_phones(columns, cells, warnings)
        emails = self._read_emails(columns, cells, warnings)
        if not (texts or phones or emails):
            return None
        if not phones and columns is self._secondary:
            warnings.append("The second person has no phone that can be used; not stored as a contact.")
        custom = {
            name: self._text(index, name, cells[index], limit=MAX_CUSTOM)
            for index, name in columns.custom
            if cells[index]
        }
        tags = self._read_tags(columns, cells)
        return ParsedPerson(_person_fields(texts, home), phones, emails, tags, custom)

    def _read_phones(self, columns: _PersonColumns, cells: list[str], warnings: list[str]) -> list[ParsedPhone]:
        phones: dict[str, ParsedPhone] = {}
        for rank, (index, kind) in enumerate(columns.phones):
            if not (text := cells[index]):
                continue
            try:
                e164 = fast_phone(text)
            except InvalidPhone as problem:
                warnings.append(f"{self._headers[index]} {text[:40]!r}: {problem.message}")
                continue
            status = _at(cells, columns.phone_statuses, rank)
            phones.setdefault(e164, ParsedPhone(e164, kind, status[:MAX_TEXT] if status else None))
        return list(phones.values())

    def _read_emails(
        self, columns: _PersonColumns, cells: list[str], warnings: list[str]
    ) -> list[tuple[str, str | None]]:
        emails: dict[str, str | None] = {}
        for rank, index in enumerate(columns.emails):
            if not (text := cells[index]):
                continue
            try:
                status = _at(cells, columns.email_statuses, rank)
                emails.setdefault(read.email_address(text), status[:MAX_TEXT] if status else None)
            except BadCell as problem:
                warnings.append(f"{self._headers[index]} {text[:40]!r} {problem}; left out.")
        return list(emails.items())

    def _read_tags(self, columns: _PersonColumns, cells: list[str]) -> list[str]:
        tags: dict[str, None] = {}
        for index in columns.tags:
            for tag in cells[index].replace(";", ",").split(","):
                if name := " ".join(tag.split()).lower():
                    tags[self._limited(index, name, MAX_TAG)] = None
        if len(tags) > MAX_TAGS:
            raise Rejection(Rejection.TOO_LONG, f"The row has {len(tags)} tags; at most {MAX_TAGS} are stored.")
        return list(tags)

    def _text(self, index: int, name: str, text: str, *, limit: int | None = None) -> str:
        return self._limited(index, text, limit or MAX_LENGTHS.get(name, MAX_TEXT))

    def _limited(self, index: int, text: str, limit: int) -> str:
        if len(text) > limit:
            raise Rejection(Rejection.TOO_LONG, f"{self._headers[index]} is longer than {limit:,} characters.")
        return text

    def _nothing(self, cells: list[str], warnings: list[str]) -> Rejection:
        """Why a row without a property and without a usable phone is rejected."""
        phones = [*self._primary.phones, *self._secondary.phones]
        if any(cells[index] for index, _ in phones):
            return Rejection(Rejection.INVALID_PHONE, warnings[-1] if len(warnings) == 1 else " ".join(warnings))
        return Rejection(Rejection.NO_IDENTITY, "The row has no phone and no property that it could be known by.")


def _person_fields(texts: dict[str, str], home: dict[str, str]) -> dict[str, str]:
    fields = {**home, **texts}
    if name := fields.pop("name", None):
        if is_organisation(name):
            fields.setdefault("company", name)
        elif not {"first_name", "last_name"} & fields.keys():
            first, last = split_name(name)
            fields |= {key: part for key, part in (("first_name", first), ("last_name", last)) if part}
    if len(fields.get("state", "")) == 2:
        fields["state"] = fields["state"].upper()
    return fields


def _home(fields: dict[str, Any]) -> dict[str, str]:
    """Where the owner of a property lives: the mailing address, or the property itself if the owner occupies it."""
    if fields.get("mail_street"):
        return {name: fields[f"mail_{name}"] for name in HOME_FIELDS if fields.get(f"mail_{name}")}
    if fields.get("is_owner_occupied"):
        return {name: fields[name] for name in HOME_FIELDS if fields.get(name)}
    return {}


def _at(cells: list[str], indexes: list[int], rank: int) -> str | None:
    return cells[indexes[rank]] or None if rank < len(indexes) else None
