"""The database side of an import chunk: load what the rows may touch, write what the plan says, set by set."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import asyncpg
import orjson
from shared.ids import uuid7
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.importing.plan import PERSON_FIELDS, ChunkPlan, Duplicates, Home, Known, Outcome, Person, Record
from contacts.importing.rows import ParsedPhone, ParsedRow
from contacts.models import PROPERTY_FIELDS, RecordKind
from contacts.search_text import search_text, sort_name

CONTACT_COLUMNS = (*PERSON_FIELDS, "custom_fields", "sort_name", "search_text", "updated_at")
PROPERTY_COLUMNS = (*PROPERTY_FIELDS, "search_text", "updated_at")


async def driver_connection(session: AsyncSession) -> asyncpg.Connection:
    """The transaction's own connection, for COPY and pipelined statements. Never commit or close it."""
    connection = await (await session.connection()).get_raw_connection()
    return cast("asyncpg.Connection", connection.driver_connection)


class ChunkStore:
    """Lives in one chunk's transaction."""

    def __init__(self, connection: asyncpg.Connection, import_id: UUID, now: datetime) -> None:
        self._db = connection
        self._import_id = import_id
        self._now = now

    async def load(self, rows: Iterable[ParsedRow], duplicates: Duplicates) -> Known:
        """Records with a phone, APN or address of the rows; locked in id order where they may be changed."""
        rows = list(rows)
        lock = "" if duplicates is Duplicates.SKIP else " FOR UPDATE"
        phones = {phone.e164 for row in rows for person in row.people for phone in person.phones}
        people = await self._load_people(list(phones), lock) if phones else {}
        places = [row.property for row in rows if row.property is not None]
        homes = await self._load_homes(
            [place.apn for place in places if place.apn],
            [place.address_key for place in places if place.address_key],
            lock,
        )
        await self._load_seen({**people, **homes})
        return Known(people.values(), homes.values())

    async def _load_people(self, phones: list[str], lock: str) -> dict[UUID, Person]:
        owners = await self._db.fetch(
            "SELECT DISTINCT contact_id FROM phone WHERE e164 = ANY($1::text[]) AND is_active", phones
        )
        if not owners:
            return {}
        ids = sorted(owner["contact_id"] for owner in owners)
        rows = await self._db.fetch(
            f"SELECT id, custom_fields::text, {', '.join(PERSON_FIELDS)} FROM contact"
            f" WHERE id = ANY($1::uuid[]) AND is_active ORDER BY id{lock}",
            ids,
        )
        people = {
            row["id"]: Person(
                row["id"], {name: row[name] for name in PERSON_FIELDS}, custom=orjson.loads(row["custom_fields"])
            )
            for row in rows
        }
        await self._load_parts(people)
        return people

    async def _load_parts(self, people: dict[UUID, Person]) -> None:
        ids = list(people)
        for row in await self._db.fetch(
            "SELECT contact_id, e164, type, status FROM phone"
            " WHERE contact_id = ANY($1::uuid[]) AND is_active ORDER BY is_primary DESC, id",
            ids,
        ):
            people[row["contact_id"]].phones[row["e164"]] = ParsedPhone(row["e164"], row["type"], row["status"])
        for row in await self._db.fetch(
            "SELECT contact_id, address, status FROM email"
            " WHERE contact_id = ANY($1::uuid[]) ORDER BY is_primary DESC, id",
            ids,
        ):
            people[row["contact_id"]].emails[row["address"]] = row["status"]
        for row in await self._db.fetch(
            "SELECT ct.contact_id, t.name FROM contact_tag ct JOIN tag t ON t.id = ct.tag_id"
            " WHERE ct.contact_id = ANY($1::uuid[])",
            ids,
        ):
            people[row["contact_id"]].tags.add(row["name"])

    async def _load_homes(self, apns: list[str], keys: list[str], lock: str) -> dict[UUID, Home]:
        if not apns and not keys:
            return {}
        rows = await self._db.fetch(
            f"SELECT id, {', '.join(PROPERTY_FIELDS)} FROM property"
            f" WHERE apn = ANY($1::text[]) OR address_key = ANY($2::text[]) ORDER BY id{lock}",
            apns,
            keys,
        )
        homes = {row["id"]: Home(row["id"], {name: row[name] for name in PROPERTY_FIELDS}) for row in rows}
        if homes:
            for row in await self._db.fetch(
                "SELECT property_id, contact_id, is_primary FROM contact_property WHERE property_id = ANY($1::uuid[])",
                list(homes),
            ):
                homes[row["property_id"]].owners[row["contact_id"]] = row["is_primary"]
        return homes

    async def _load_seen(self, records: dict[UUID, Record]) -> None:
        if not records:
            return
        for row in await self._db.fetch(
            "SELECT record_id, outcome FROM import_record WHERE import_id = $1 AND record_id = ANY($2::uuid[])",
            self._import_id,
            list(records),
        ):
            records[row["record_id"]].seen_as = Outcome(row["outcome"])

    async def write(self, plan: ChunkPlan, list_id: UUID, source: str) -> dict[UUID, int]:
        """Store everything the plan changed, and the outcome of every row. Returns the new versions."""
        people, homes = list(plan.people.values()), list(plan.homes.values())
        versions: dict[UUID, int] = {record.id: 1 for record in (*people, *homes) if record.is_new}
        await self._insert_people([person for person in people if person.is_new], source)
        versions |= await self._update_people([person for person in people if person.is_changed and not person.is_new])
        await self._insert_homes([home for home in homes if home.is_new])
        versions |= await self._update_homes([home for home in homes if home.is_changed and not home.is_new])
        await self._insert_parts(people, homes)
        await self._insert_members([person.id for person in people if person.is_first_seen], list_id)
        await self._insert_records(people, homes)
        await self._insert_outcomes(plan)
        return versions

    async def _insert_people(self, people: list[Person], source: str) -> None:
        await self._copy(
            "contact",
            ("id", "version", "source", "is_active", "created_at", *CONTACT_COLUMNS),
            [(person.id, 1, source, True, self._now, *self._contact_values(person)) for person in people],
        )

    async def _update_people(self, people: list[Person]) -> dict[UUID, int]:
        if not people:
            return {}
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(CONTACT_COLUMNS, start=2))
        await self._db.executemany(
            f"UPDATE contact SET version = version + 1, {assignments} WHERE id = $1",
            [(person.id, *self._contact_values(person)) for person in people],
        )
        return await self._versions("contact", people)

    def _contact_values(self, person: Person) -> tuple[Any, ...]:
        fields = person.fields
        return (
            *(fields.get(name) for name in PERSON_FIELDS),
            orjson.dumps(person.custom).decode(),
            sort_name(
                fields.get("first_name"),
                fields.get("last_name"),
                fields.get("company"),
                next(iter(person.phones), None),
            ),
            person_search_text(fields, person.emails, person.phones),
            self._now,
        )

    async def _insert_homes(self, homes: list[Home]) -> None:
        await self._copy(
            "property",
            ("id", "version", "created_at", *PROPERTY_COLUMNS),
            [(home.id, 1, self._now, *self._property_values(home)) for home in homes],
        )

    async def _update_homes(self, homes: list[Home]) -> dict[UUID, int]:
        if not homes:
            return {}
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(PROPERTY_COLUMNS, start=2))
        await self._db.executemany(
            f"UPDATE property SET version = version + 1, {assignments} WHERE id = $1",
            [(home.id, *self._property_values(home)) for home in homes],
        )
        return await self._versions("property", homes)

    def _property_values(self, home: Home) -> tuple[Any, ...]:
        fields = home.fields
        return (*(fields.get(name) for name in PROPERTY_FIELDS), property_search_text(fields), self._now)

    async def _versions(self, table: str, records: Sequence[Record]) -> dict[UUID, int]:
        rows = await self._db.fetch(
            f"SELECT id, version FROM {table} WHERE id = ANY($1::uuid[])",
            [record.id for record in records],
        )
        return {row["id"]: row["version"] for row in rows}

    async def _insert_parts(self, people: list[Person], homes: list[Home]) -> None:
        """Phones, e-mails, tags and owners that were added."""
        await self._copy(
            "phone",
            ("id", "contact_id", "e164", "type", "status", "is_primary", "is_active"),
            [
                (
                    uuid7(),
                    person.id,
                    phone.e164,
                    phone.type,
                    phone.status,
                    phone.e164 == next(iter(person.phones)),
                    True,
                )
                for person in people
                for phone in person.added_phones
            ],
        )
        await self._copy(
            "email",
            ("id", "contact_id", "address", "status", "is_primary"),
            [
                (uuid7(), person.id, address, status, address == next(iter(person.emails)))
                for person in people
                for address, status in person.added_emails
            ],
        )
        await self._copy(
            "contact_property",
            ("contact_id", "property_id", "role", "is_primary"),
            [(contact, home.id, "owner", primary) for home in homes for contact, primary in home.added_owners],
        )
        await self._insert_tags(people)

    async def _insert_tags(self, people: list[Person]) -> None:
        names = sorted({tag for person in people for tag in person.added_tags})
        if not names:
            return
        await self._db.execute(
            "INSERT INTO tag (id, name, created_at) SELECT i, n, $3 FROM unnest($1::uuid[], $2::text[]) AS t(i, n)"
            " ON CONFLICT DO NOTHING",
            [uuid7() for _ in names],
            names,
            self._now,
        )
        rows = await self._db.fetch("SELECT name, id FROM tag WHERE name = ANY($1::text[])", names)
        ids = {row["name"]: row["id"] for row in rows}
        await self._copy(
            "contact_tag",
            ("contact_id", "tag_id"),
            [(person.id, ids[tag]) for person in people for tag in person.added_tags],
        )

    async def _insert_members(self, contacts: list[UUID], list_id: UUID) -> None:
        # A person may have been put on the list by hand while the import runs.
        await self._db.execute(
            "INSERT INTO list_member (list_id, contact_id, added_at) SELECT $1, c, $3 FROM unnest($2::uuid[]) AS t(c)"
            " ON CONFLICT DO NOTHING",
            list_id,
            contacts,
            self._now,
        )

    async def _insert_records(self, people: list[Person], homes: list[Home]) -> None:
        records: list[tuple[RecordKind, Record]] = [(RecordKind.CONTACT, person) for person in people]
        records += [(RecordKind.PROPERTY, home) for home in homes]
        await self._copy(
            "import_record",
            ("import_id", "record_id", "kind", "outcome"),
            [(self._import_id, record.id, kind, record.seen_as) for kind, record in records if record.is_first_seen],
        )
        upgraded = [record.id for _, record in records if record.is_changed and not record.is_first_seen]
        if upgraded:
            await self._db.execute(
                "UPDATE import_record SET outcome = 'updated'"
                " WHERE import_id = $1 AND record_id = ANY($2::uuid[]) AND outcome = 'unchanged'",
                self._import_id,
                upgraded,
            )

    async def _insert_outcomes(self, plan: ChunkPlan) -> None:
        await self._copy(
            "import_outcome",
            ("import_id", "row_number", "outcome", "reason", "detail", "warnings"),
            [
                (
                    self._import_id,
                    row.row_number,
                    row.outcome,
                    row.reason,
                    row.detail,
                    orjson.dumps(row.warnings).decode() if row.warnings else None,
                )
                for row in plan.outcomes
            ],
        )

    async def add_timeline(self, entries: Sequence[tuple[UUID, str, dict[str, Any]]]) -> None:
        """One entry (contact, key, details) for each contact that the chunk created or changed."""
        await self._db.execute(
            "INSERT INTO timeline_entry (id, version, contact_id, key, kind, occurred_at, details)"
            " SELECT i, 1, c, k, 'import', $5, d::jsonb"
            " FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS t(i, c, k, d)"
            " ON CONFLICT (key) DO NOTHING",
            [uuid7() for _ in entries],
            [contact for contact, _, _ in entries],
            [key for _, key, _ in entries],
            [orjson.dumps(details).decode() for _, _, details in entries],
            self._now,
        )

    async def _copy(self, table: str, columns: Sequence[str], records: list[tuple[Any, ...]]) -> None:
        if records:
            await self._db.copy_records_to_table(table, records=records, columns=list(columns))


def person_search_text(fields: dict[str, Any], emails: Iterable[str], phones: Iterable[str]) -> str:
    names = ("first_name", "last_name", "company", "street", "city", "state", "zip")
    return search_text([*(fields.get(name) for name in names), *emails], phones)


def property_search_text(fields: dict[str, Any]) -> str:
    return search_text(
        fields.get(name) for name in ("street", "city", "state", "zip", "apn", "owner_name", "subdivision")
    )
