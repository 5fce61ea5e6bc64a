"""Imports: progress, preview, and the rejected rows as a file."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import orjson
from shared.database import Begin
from shared.errors import NotFound
from shared.paging import Page, PageRequest, page
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.errors import ImportNotReady
from contacts.importing.cells import neutralised
from contacts.importing.columns import (
    IMPORT_LINE_HEADER,
    IMPORT_REASON_HEADER,
    IMPORT_ROW_HEADER,
    Mapping,
    Target,
    names_identity,
)
from contacts.importing.plan import Outcome
from contacts.importing.rows import Rejection, RowReader
from contacts.importing.staging import staged_rejection
from contacts.models import ImportFile, ImportJob, ImportOutcome, ImportRow
from contacts.views import ColumnView, FileView, ImportView, PreviewRow, PreviewView, RecordCounts, RowView

CHECKED_ROWS = 1_000
SHOWN_ROWS = 20
EXAMPLES = 3
# A row has at most 64 KiB: pieces of a preview and of an export hold a few MB at worst.
CHECKED_AT_ONCE = 100
CHECKED_BYTES = 4 * 1_048_576
EXPORTED_AT_ONCE = 250


async def list_imports(session: AsyncSession, params: PageRequest) -> Page[ImportView]:
    rows, cursor, total = await page(
        session, select(ImportJob), keys=[ImportJob.id.desc()], params=params, scope={"list": "imports"}
    )
    return Page(items=await views(session, rows), next_cursor=cursor, total=total)


async def view_import(session: AsyncSession, import_id: UUID) -> ImportView:
    job = await session.get(ImportJob, import_id)
    if job is None:
        raise NotFound("There is no such import.")
    return (await views(session, [job]))[0]


async def views(session: AsyncSession, jobs: Sequence[ImportJob]) -> list[ImportView]:
    files = {
        file.id: file
        for file in await session.scalars(select(ImportFile).where(ImportFile.id.in_([job.file_id for job in jobs])))
    }
    return [_view(job, files.get(job.file_id) if job.file_id else None) for job in jobs]


def _view(job: ImportJob, file: ImportFile | None) -> ImportView:
    return ImportView(
        id=job.id,
        version=job.version,
        name=job.name,
        filename=job.filename,
        preset=job.preset,
        duplicates=job.duplicates,
        status=job.status,
        file=FileView.model_validate(file) if file else None,
        rows=file.row_count if file else 0,
        processed=job.next_row - 1,
        created=job.created_rows,
        updated=job.updated_rows,
        unchanged=job.unchanged_rows,
        rejected=job.rejected_rows,
        warned=job.warned_rows,
        contacts=RecordCounts(
            created=job.created_contacts, updated=job.updated_contacts, unchanged=job.unchanged_contacts
        ),
        properties=RecordCounts(
            created=job.created_properties, updated=job.updated_properties, unchanged=job.unchanged_properties
        ),
        error=job.error,
        list_id=job.list_id,
        created_at=job.created_at,
        updated_at=job.updated_at,
        confirmed_at=job.confirmed_at,
        finished_at=job.finished_at,
    )


async def preview(session: AsyncSession, import_id: UUID) -> PreviewView:
    """The file under the present mapping. Nothing is stored by looking."""
    job = await session.get(ImportJob, import_id)
    if job is None:
        raise NotFound("There is no such import.")
    if job.file_id is None:
        raise ImportNotReady("Upload the file first.", current=job.status)
    file = await session.get_one(ImportFile, job.file_id)
    mapping = job.mapping or []
    rows = await _checked_rows(session, file, mapping)
    return PreviewView(
        encoding=file.encoding,
        delimiter=file.delimiter,
        preset=job.preset,
        duplicates=job.duplicates,
        columns=_columns(file.headers, mapping, rows),
        targets=list(Target),
        rows=file.row_count,
        checked_rows=len(rows),
        problems=dict(Counter(rejection for _, rejection in rows if rejection)),
        warned_rows=sum(bool(row.warnings) for row, _ in rows),
        first_rows=[row for row, _ in rows[:SHOWN_ROWS]],
        needs_mapping=not names_identity(mapping),
    )


async def _checked_rows(
    session: AsyncSession, file: ImportFile, mapping: Mapping
) -> list[tuple[PreviewRow, str | None]]:
    """The first rows as they would be read, each with the code of its rejection; fewer of them where they are long."""
    reader = RowReader(file.headers, mapping)
    checked: list[tuple[PreviewRow, str | None]] = []
    size = 0
    while len(checked) < CHECKED_ROWS and size < CHECKED_BYTES:
        stored = await session.scalars(
            select(ImportRow)
            .where(ImportRow.file_id == file.id, ImportRow.row_number > len(checked))
            .order_by(ImportRow.row_number)
            .limit(CHECKED_AT_ONCE)
        )
        rows = stored.all()
        if not rows:
            break
        checked += [_checked(row, reader) for row in rows]
        size += sum(len(row.cells) for row in rows)
    return checked


def _checked(row: ImportRow, reader: RowReader) -> tuple[PreviewRow, str | None]:
    cells: list[str] = orjson.loads(row.cells)
    shown = PreviewRow(row_number=row.row_number, line_number=row.line_number, cells=cells, problem=None, warnings=[])
    try:
        if row.problem is not None:
            raise staged_rejection(row.problem)
        shown.warnings = reader.read(cells).warnings
    except Rejection as rejection:
        shown.problem = rejection.detail
        return shown, rejection.code
    return shown, None


def _columns(headers: list[str], mapping: Mapping, rows: list[tuple[PreviewRow, str | None]]) -> list[ColumnView]:
    columns = []
    for place, header in enumerate(headers):
        filled = (row.cells[place] for row, _ in rows if place < len(row.cells) and row.cells[place].strip())
        examples = list(dict.fromkeys(cell[:100] for cell in filled))[:EXAMPLES]
        columns.append(ColumnView(header=header, target=mapping[place], examples=examples))
    return columns


async def rejected_csv(begin: Begin, import_id: UUID) -> AsyncIterator[str]:
    """Place, reason and the original cells of every rejected row, in pieces. It can be corrected and imported.

    A transaction a piece: outcomes are only ever added, and a slow reader must not hold a connection.
    """
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        job = await session.get_one(ImportJob, import_id)
        file = await session.get(ImportFile, job.file_id) if job.file_id else None
    if file is None:
        return
    # The mark tells Excel that this is UTF-8.
    yield "\ufeff" + _csv_lines([[IMPORT_ROW_HEADER, IMPORT_LINE_HEADER, IMPORT_REASON_HEADER, *file.headers]])
    after = 0
    while rows := await _rejected_after(begin, job, after):
        yield _csv_lines(
            [[str(row.row_number), str(row.line_number), row.detail or "", *orjson.loads(row.cells)] for row in rows]
        )
        after = rows[-1].row_number


async def _rejected_after(begin: Begin, job: ImportJob, after: int) -> Sequence[Any]:
    statement = (
        select(ImportOutcome.row_number, ImportRow.line_number, ImportOutcome.detail, ImportRow.cells)
        .join(ImportRow, (ImportRow.file_id == job.file_id) & (ImportRow.row_number == ImportOutcome.row_number))
        .where(
            ImportOutcome.import_id == job.id,
            ImportOutcome.outcome == Outcome.REJECTED,
            ImportOutcome.row_number > after,
        )
        .order_by(ImportOutcome.row_number)
        .limit(EXPORTED_AT_ONCE)
    )
    async with begin() as tx:
        return (await (await tx.aget(AsyncSession)).execute(statement)).all()


async def list_rows(
    session: AsyncSession, import_id: UUID, outcome: Outcome | None, warned: bool | None, params: PageRequest
) -> Page[RowView]:
    """In the order of the file. `total` is null under both filters: the job counts each of them alone."""
    job = await session.get(ImportJob, import_id)
    if job is None:
        raise NotFound("There is no such import.")
    statement: Any = (
        select(ImportOutcome, ImportRow.line_number)
        .join(ImportRow, (ImportRow.file_id == job.file_id) & (ImportRow.row_number == ImportOutcome.row_number))
        .where(ImportOutcome.import_id == job.id)
    )
    if outcome is not None:
        statement = statement.where(ImportOutcome.outcome == outcome)
    if warned is not None:
        statement = statement.where(ImportOutcome.warnings.is_not(None) == warned)
    rows, cursor, _ = await page(
        session,
        statement,
        keys=[ImportOutcome.__table__.c.row_number],
        params=params,
        scope={"list": "rows", "import": str(import_id), "outcome": outcome, "warned": warned},
        counted=False,
    )
    items = [
        RowView(
            row_number=row.row_number,
            line_number=line_number,
            outcome=row.outcome,
            reason=row.reason,
            detail=row.detail,
            warnings=row.warnings or [],
        )
        for row, line_number in rows
    ]
    return Page(items=items, next_cursor=cursor, total=_count_rows(job, outcome, warned))


def _count_rows(job: ImportJob, outcome: Outcome | None, warned: bool | None) -> int | None:
    processed = job.next_row - 1
    if outcome is not None:
        return getattr(job, f"{outcome}_rows") if warned is None else None
    if warned is None:
        return processed
    return job.warned_rows if warned else processed - job.warned_rows


def _csv_lines(rows: list[list[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([neutralised(cell) for cell in row] for row in rows)
    return text.getvalue()
