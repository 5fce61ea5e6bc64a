"""Runs confirmed imports chunk by chunk; the cursor moves in the transaction that stores the rows before it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from uuid import UUID

import asyncpg
from shared.database import Begin, UnitOfWork
from shared.database_errors import translate_database_error
from shared.errors import ServiceUnavailable
from shared.events.contacts import (
    AddressItem,
    ContactItem,
    ImportCompleted,
    OwnerItem,
    PhoneItem,
    PropertyItem,
)
from shared.failpoints import failpoint
from shared.rules.zones import region_for, zones_for
from sqlalchemy import select, text

from contacts.importing.plan import ChunkPlan, Home, Known, Outcome, Person, record_changes
from contacts.importing.read_ahead import ReadAhead, Row, StagedRow, read_rows
from contacts.importing.rows import ParsedRow, Rejection, RowReader
from contacts.models import OPEN_STATUSES, ImportFile, ImportJob, ImportStatus, RecordKind
from contacts.publishing import publish_contacts, publish_properties
from contacts.services.bulk import ChunkStore, driver_connection
from contacts.settings import ContactsSettings

# Chunks of several imports are stored one at a time: side by side they could meet the same phones in another order.
CHUNK_LOCK = 7_100_001
CHUNK_BYTES = 4 * 1_048_576


class ImportEngine:
    """Any number of workers may run it; each takes the oldest open import that no other holds."""

    def __init__(self, begin: Begin, settings: ContactsSettings) -> None:
        self._begin = begin
        self._chunk_rows = settings.import_chunk_rows
        self._ahead = ReadAhead()

    async def run_once(self) -> int:
        """Store the next chunk of one import; returns how many rows it had, at least 1 where there was an import."""
        claimed: list[UUID] = []
        try:
            async with self._begin() as tx:
                uow = await tx.aget(UnitOfWork)
                job = await _claim(uow)
                if job is None:
                    return 0
                claimed.append(job.id)
                rows = await ImportChunk(uow, job, self._ahead).run(self._chunk_rows)
                await uow.flush()
                failpoint("import.before_chunk_commit")
        except Exception as error:
            await self._record_failure(claimed, error)
            raise
        failpoint("import.after_chunk_commit")
        return max(rows, 1)

    async def _record_failure(self, claimed: list[UUID], error: Exception) -> None:
        """Let the others go first, and end the import whose chunk fails again and again: it must not block them."""
        if not claimed:
            return
        known = translate_database_error(error)
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            job = await uow.session.get_one(ImportJob, claimed[0], with_for_update=True)
            if isinstance(known, ServiceUnavailable):
                job.updated_at = uow.now
            elif job.status in OPEN_STATUSES:
                job.record_failure(known.message.rstrip(".") if known else type(error).__name__, at=uow.now)
                uow.hint("import", job.id, job.version)


async def _claim(uow: UnitOfWork) -> ImportJob | None:
    job = (
        await uow.session.scalars(
            select(ImportJob)
            .where(ImportJob.status.in_(OPEN_STATUSES))
            .order_by(ImportJob.updated_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
    ).one_or_none()
    if job is not None:
        # The tables grow faster than their statistics: what was small a moment ago would still be read from end to end.
        await uow.session.execute(
            text("SELECT pg_advisory_xact_lock(:key), set_config('enable_seqscan', 'off', true)"), {"key": CHUNK_LOCK}
        )
    return job


class ImportChunk:
    """The next rows of a claimed import, in the transaction that claimed it.

    It changes many aggregates at once, because a chunk that is stored in parts could not be resumed exactly.
    """

    def __init__(self, uow: UnitOfWork, job: ImportJob, ahead: ReadAhead) -> None:
        self._uow = uow
        self._job = job
        self._ahead = ahead

    async def run(self, limit: int) -> int:
        job, uow = self._job, self._uow
        file = await uow.session.get_one(ImportFile, job.file_id)
        if job.status is ImportStatus.QUEUED:
            job.move(ImportStatus.RUNNING, at=uow.now)
        connection = await driver_connection(uow.session)
        store = ChunkStore(connection, job.id, uow.now)
        reader = RowReader(file.headers, job.mapping or [])
        rows = await self._ahead.take(file.id, job.next_row)
        if rows is None:
            rows = read_rows(reader, await self._staged(connection, job.next_row, limit))
        await self._read_on(connection, file.id, reader, job.next_row + len(rows), limit)
        plan = await self._plan(store, rows)
        await self._store(store, plan)
        outcomes = Counter(row.outcome for row in plan.outcomes)
        job.count(outcomes, warned=sum(bool(row.warnings) for row in plan.outcomes))
        job.count_records(RecordKind.CONTACT, record_changes(plan.people.values()))
        job.count_records(RecordKind.PROPERTY, record_changes(plan.homes.values()))
        # Imports take turns: the one that waited longest goes next.
        job.updated_at = uow.now
        if job.next_row > file.row_count:
            self._complete(job, file)
        uow.hint("import", job.id, job.version)
        return len(rows)

    async def _read_on(
        self, connection: asyncpg.Connection, file_id: UUID, reader: RowReader, first: int, limit: int
    ) -> None:
        """Let the rows from `first` on be read while this chunk waits."""
        while (wanted := self._ahead.wanted(file_id, first)) is not None:
            staged = await self._staged(connection, wanted, limit)
            if not staged:
                return
            self._ahead.begin(file_id, reader, staged)

    async def _staged(self, connection: asyncpg.Connection, first: int, limit: int) -> list[StagedRow]:
        records = await connection.fetch(
            "SELECT row_number, cells, problem FROM import_row"
            " WHERE file_id = $1 AND row_number >= $2 ORDER BY row_number LIMIT $3",
            self._job.file_id,
            first,
            limit,
        )
        return list(_bounded(StagedRow(*record) for record in records))

    async def _plan(self, store: ChunkStore, rows: list[Row]) -> ChunkPlan:
        parsed = [row for _, row in rows if isinstance(row, ParsedRow)]
        known = await store.load(parsed, self._job.duplicates) if parsed else Known()
        plan = ChunkPlan(known, self._job.duplicates)
        for number, row in rows:
            if isinstance(row, Rejection):
                plan.reject(number, row)
            else:
                plan.apply(number, row)
        return plan

    async def _store(self, store: ChunkStore, plan: ChunkPlan) -> None:
        job = self._job
        assert job.list_id is not None  # noqa: S101 - the confirm made the list
        versions = await store.write(plan, job.list_id, source=f"import:{job.preset}")
        changed = [person for person in plan.people.values() if person.id in versions]
        await store.add_timeline(
            [
                (
                    person.id,
                    f"import:{job.id}:{person.id}",
                    {
                        "import_id": str(job.id),
                        "name": job.name,
                        "outcome": Outcome.CREATED if person.is_new else Outcome.UPDATED,
                    },
                )
                for person in changed
            ]
        )
        publish_contacts(self._uow, [contact_item(person, versions[person.id]) for person in changed])
        homes = [home for home in plan.homes.values() if home.id in versions]
        publish_properties(self._uow, [property_item(home, versions[home.id]) for home in homes])

    def _complete(self, job: ImportJob, file: ImportFile) -> None:
        job.move(ImportStatus.COMPLETED, at=self._uow.now)
        self._uow.publish(
            ImportCompleted(
                import_id=job.id,
                list_id=job.list_id,
                rows=file.row_count,
                created=job.created_rows,
                updated=job.updated_rows,
                unchanged=job.unchanged_rows,
                rejected=job.rejected_rows,
            )
        )


def _bounded(staged: Iterable[StagedRow]) -> Iterator[StagedRow]:
    """As many as make a transaction, and events, of ordinary size: at least one."""
    size = 0
    for row in staged:
        yield row
        size += len(row.cells)
        if size > CHUNK_BYTES:
            return


def contact_item(person: Person, version: int) -> ContactItem:
    fields = person.fields
    state, zip_code = fields.get("state"), fields.get("zip")
    phones = list(person.phones)
    return ContactItem(
        contact_id=person.id,
        version=version,
        first_name=fields.get("first_name"),
        last_name=fields.get("last_name"),
        company=fields.get("company"),
        phones=[
            PhoneItem(e164=phone.e164, type=phone.type, is_primary=phone.e164 == phones[0])
            for phone in person.phones.values()
        ],
        emails=list(person.emails),
        address=AddressItem(street=fields.get("street"), city=fields.get("city"), state=state, zip=zip_code),
        zones=list(zones_for(state, zip_code, phones[0])),
        region=region_for(state, zip_code, phones[0]),
        tags=sorted(person.tags),
        custom_fields=person.custom,
    )


def property_item(home: Home, version: int) -> PropertyItem:
    fields = home.fields
    address = AddressItem(**{name: fields.get(name) for name in ("street", "city", "state", "zip")})
    owners = [
        OwnerItem(contact_id=contact, role="owner", is_primary=primary) for contact, primary in home.owners.items()
    ]
    return PropertyItem(property_id=home.id, version=version, address=address, apn=home.apn, owners=owners)
