"""Receives the file of an import: bytes into the database as they come, then checked and staged row by row.

Nothing of a refused or broken-off upload stays: a file counts only once the import names it, in one last transaction.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import NotFound
from shared.ids import uuid7
from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.errors import FileRefused, FileTooLarge, ImportNotReady
from contacts.importing.columns import Guess, guess
from contacts.importing.encoding import ZIP_SIGNATURE, Encoding, EncodingDetector, refuse_foreign_format
from contacts.importing.records import Record
from contacts.importing.staging import staged
from contacts.importing.text import TextReader, clean_headers, decoded_sample, detect_delimiter
from contacts.models import ImportChunk, ImportFile, ImportJob, ImportRow, ImportStatus
from contacts.services.bulk import driver_connection
from contacts.services.workbooks import check_workbook, read_workbook
from contacts.settings import ContactsSettings

CHUNK_BYTES = 1_048_576
# Of two-byte lines this much makes a hundred thousand records: parsing takes a chunk in slices.
PARSED_BYTES = 131_072
STAGED_AT_ONCE = 5_000
STAGED_BYTES = 4 * 1_048_576
# How much one transaction deletes; a statement over millions of rows would run into its timeout, for ever.
DELETED_ROWS = 20_000
DELETED_CHUNKS = 32
# The encoding and delimiter are those of the beginning; 64 KiB hold more than any header.
SAMPLE_BYTES = 65_536
ABANDONED_AFTER = timedelta(days=1)


@dataclass
class Received:
    """What is known of a file once its last byte is stored."""

    file_id: UUID
    size: int
    sha256: str
    chunks: int
    is_workbook: bool
    encoding: Encoding | None
    head: bytes


class UploadProcess:
    """Opens a transaction for each piece: a slow client must not hold one."""

    def __init__(self, begin: Begin, settings: ContactsSettings) -> None:
        self._begin = begin
        self._settings = settings

    async def receive(self, import_id: UUID, body: AsyncIterator[bytes]) -> ImportJob:
        """Store and check the file; the import is then ready, with guessed columns.

        Raises FileRefused, FileTooLarge or ImportNotReady, and then leaves everything as it was before.
        """
        file_id = await self._start(import_id)
        try:
            received = await self._store_bytes(file_id, body)
            job, replaced = await self._stage(import_id, received)
        except BaseException:
            # Shielded, because a client that hung up cancels this task.
            await asyncio.shield(delete_file(self._begin, file_id))
            raise
        for old in replaced:
            await delete_file(self._begin, old)
        return job

    async def _start(self, import_id: UUID) -> UUID:
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            await _open_job(uow, import_id)
            file = ImportFile(id=uuid7(), import_id=import_id, headers=[], created_at=wall_now())
            uow.session.add(file)
            return file.id

    async def _store_bytes(self, file_id: UUID, body: AsyncIterator[bytes]) -> Received:
        hashed, detector = hashlib.sha256(), EncodingDetector()
        head, size, chunks = b"", 0, 0
        async for chunk in _rechunked(body):
            if not chunks:
                head = chunk[:SAMPLE_BYTES]
                if not head.startswith(ZIP_SIGNATURE):
                    refuse_foreign_format(head)
            size += len(chunk)
            self._check_size(size, is_workbook=head.startswith(ZIP_SIGNATURE))
            hashed.update(chunk)
            detector.feed(chunk)
            async with self._begin() as tx:
                (await tx.aget(AsyncSession)).add(ImportChunk(file_id=file_id, seq=chunks, content=chunk))
            chunks += 1
        is_workbook = head.startswith(ZIP_SIGNATURE)
        encoding = None if is_workbook else detector.result()
        return Received(file_id, size, hashed.hexdigest(), chunks, is_workbook, encoding, head)

    def _check_size(self, size: int, *, is_workbook: bool) -> None:
        limit = self._settings.max_workbook_bytes if is_workbook else self._settings.max_upload_bytes
        if size > limit:
            kind = "A workbook" if is_workbook else "A file"
            raise FileTooLarge(
                f"{kind} may have at most {limit:,} bytes; split the list and import the parts.", max_bytes=limit
            )

    async def _stage(self, import_id: UUID, received: Received) -> tuple[ImportJob, list[UUID]]:
        delimiter = None
        if received.encoding is not None:
            delimiter = detect_delimiter(decoded_sample(received.head, received.encoding))
            records = self._text_records(received, received.encoding, delimiter)
        else:
            records = self._workbook_records(received)
        staging = Staging(self._begin, received.file_id, self._settings.max_import_rows)
        async for batch in records:
            await staging.add(batch)
        headers, count = await staging.finish()
        return await self._adopt(import_id, received, delimiter, headers, count)

    async def _text_records(
        self, received: Received, encoding: Encoding, delimiter: str
    ) -> AsyncIterator[list[Record]]:
        reader = TextReader(encoding, delimiter)
        async for chunk in self._stored(received):
            for start in range(0, len(chunk), PARSED_BYTES):
                yield reader.feed(chunk[start : start + PARSED_BYTES])
        yield reader.finish()

    async def _workbook_records(self, received: Received) -> AsyncIterator[list[Record]]:
        with tempfile.TemporaryFile() as file:
            async for chunk in self._stored(received):
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(check_workbook, file, self._settings.max_unpacked_workbook_bytes)
            records = read_workbook(file)
            while batch := await asyncio.to_thread(_take, records):
                yield batch

    async def _stored(self, received: Received) -> AsyncIterator[bytes]:
        for seq in range(received.chunks):
            async with self._begin() as tx:
                yield (await (await tx.aget(AsyncSession)).get_one(ImportChunk, (received.file_id, seq))).content

    async def _adopt(
        self, import_id: UUID, received: Received, delimiter: str | None, headers: list[str], count: int
    ) -> tuple[ImportJob, list[UUID]]:
        """Let the import name its file; returns the files that nothing names any more."""
        async with self._begin() as tx:
            uow = await tx.aget(UnitOfWork)
            job = await _open_job(uow, import_id)
            found: Guess = guess(headers, job.preset)
            file = await uow.session.get_one(ImportFile, received.file_id)
            file.size_bytes, file.sha256 = received.size, received.sha256
            file.encoding = "xlsx" if received.is_workbook else received.encoding
            file.delimiter, file.headers, file.row_count = delimiter, headers, count
            await uow.session.flush()
            job.preset, job.mapping = found.preset, found.mapping
            job.file_id = file.id
            job.move(ImportStatus.READY, at=uow.now)
            await uow.session.flush()
            replaced = await uow.session.scalars(
                select(ImportFile.id).where(ImportFile.import_id == import_id, ImportFile.id != file.id)
            )
            uow.hint("import", job.id, job.version)
            return job, list(replaced)


class Staging:
    """Writes records as the rows of a file; the first one is the header."""

    def __init__(self, begin: Begin, file_id: UUID, max_rows: int) -> None:
        self._begin = begin
        self._file_id = file_id
        self._max_rows = max_rows
        self._headers: list[str] | None = None
        self._waiting: list[tuple[UUID, int, int, bytes, str | None]] = []
        self._waiting_bytes = 0
        self._count = 0

    async def add(self, records: list[Record]) -> None:
        for record in records:
            if self._headers is None:
                self._headers = clean_headers(record.cells)
                continue
            self._count += 1
            if self._count > self._max_rows:
                raise FileTooLarge(
                    f"A file may have at most {self._max_rows:,} rows; split the list and import the parts.",
                    max_rows=self._max_rows,
                )
            cells, problem = staged(record.cells)
            self._waiting.append((self._file_id, self._count, record.line, cells, problem))
            self._waiting_bytes += len(cells)
            if len(self._waiting) >= STAGED_AT_ONCE or self._waiting_bytes >= STAGED_BYTES:
                await self._write()

    async def finish(self) -> tuple[list[str], int]:
        """The headers and the number of rows. Raises FileRefused where there are none."""
        if self._headers is None:
            raise FileRefused("The file is empty.")
        if not self._count:
            raise FileRefused("The file names columns but has no rows.")
        await self._write()
        return self._headers, self._count

    async def _write(self) -> None:
        if not self._waiting:
            return
        async with self._begin() as tx:
            connection = await driver_connection(await tx.aget(AsyncSession))
            await connection.copy_records_to_table(
                "import_row",
                records=self._waiting,
                columns=["file_id", "row_number", "line_number", "cells", "problem"],
            )
        self._waiting, self._waiting_bytes = [], 0


class AbandonedUploads:
    """Deletes the bytes of uploads that broke off with their process."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            is_named = exists(select(ImportJob.id).where(ImportJob.file_id == ImportFile.id))
            found = await (await tx.aget(AsyncSession)).scalars(
                select(ImportFile.id).where(ImportFile.created_at < wall_now() - ABANDONED_AFTER, ~is_named)
            )
            abandoned = list(found)
        for file_id in abandoned:
            await delete_file(self._begin, file_id)
        return len(abandoned)


async def delete_file(begin: Begin, file_id: UUID) -> None:
    """Delete an upload in ranges, each in a transaction of its own, and what names it last."""
    for key, step in ((ImportRow.row_number, DELETED_ROWS), (ImportChunk.seq, DELETED_CHUNKS)):
        table = key.class_
        async with begin() as tx:
            last = await (await tx.aget(AsyncSession)).scalar(select(func.max(key)).where(table.file_id == file_id))
        for start in range(0, (last or 0) + 1, step):
            async with begin() as tx:
                await (await tx.aget(AsyncSession)).execute(
                    delete(table).where(table.file_id == file_id, key >= start, key < start + step)
                )
    async with begin() as tx:
        await (await tx.aget(AsyncSession)).execute(delete(ImportFile).where(ImportFile.id == file_id))


async def _open_job(uow: UnitOfWork, import_id: UUID) -> ImportJob:
    job = await uow.session.get(ImportJob, import_id, with_for_update=True)
    if job is None:
        raise NotFound("There is no such import.")
    if job.status not in (ImportStatus.AWAITING_FILE, ImportStatus.READY):
        raise ImportNotReady(f"This import is {job.status}; start a new one for another file.", current=job.status)
    return job


async def _rechunked(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of CHUNK_BYTES, the last one shorter."""
    waiting = bytearray()
    async for piece in body:
        waiting += piece
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def _take(records: Iterator[Record]) -> list[Record]:
    batch, characters = [], 0
    for record in records:
        batch.append(record)
        characters += sum(map(len, record.cells)) + len(record.cells)
        if len(batch) >= STAGED_AT_ONCE or characters >= STAGED_BYTES:
            break
    return batch
