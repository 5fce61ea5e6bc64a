"""The rows of the next chunks, read while this one waits for the database: reading needs the processor."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import orjson

from contacts.importing.rows import ParsedRow, Rejection, RowReader
from contacts.importing.staging import staged_rejection

# Read in slices: what came from the database meanwhile is looked at in between.
SLICE = 25


class StagedRow(NamedTuple):
    """A record as it was uploaded: its cells as JSON, and what made it unreadable, if anything did."""

    number: int
    cells: bytes
    problem: str | None


Row = tuple[int, ParsedRow | Rejection]


@dataclass
class _Chunk:
    first: int
    end: int
    reading: asyncio.Task[list[Row]]


class ReadAhead:
    """The next chunks of one file, in order. What a row says depends on the file and its mapping, both fixed by now.

    Two, so that there is something to read at each wait for the database: for the rows a chunk may touch, for its
    storing, for its commit.
    """

    CHUNKS = 2

    def __init__(self) -> None:
        self._file_id: UUID | None = None
        self._chunks: deque[_Chunk] = deque()

    def wanted(self, file_id: UUID, first: int) -> int | None:
        """The first row that is to be begun next, where `first` is the next one to be taken; None: enough are read.

        What was read for another place is forgotten here: it would never be taken.
        """
        if not self._continues(file_id, first):
            self._forget()
        if len(self._chunks) >= self.CHUNKS:
            return None
        return self._chunks[-1].end if self._chunks else first

    def begin(self, file_id: UUID, reader: RowReader, staged: Sequence[StagedRow]) -> None:
        """Read these rows, after those that are being read. They are the ones that are `wanted`."""
        before = self._chunks[-1].reading if self._chunks else None
        reading = asyncio.create_task(_read_slices(reader, staged, before))
        self._file_id = file_id
        self._chunks.append(_Chunk(staged[0].number, staged[-1].number + 1, reading))

    async def take(self, file_id: UUID, first: int) -> list[Row] | None:
        """The chunk that begins with row `first` of the file, once; None where another one was read ahead."""
        if not self._chunks or not self._continues(file_id, first):
            self._forget()
            return None
        return await self._chunks.popleft().reading

    def _continues(self, file_id: UUID, first: int) -> bool:
        return not self._chunks or (self._file_id, self._chunks[0].first) == (file_id, first)

    def _forget(self) -> None:
        for chunk in self._chunks:
            chunk.reading.cancel()
        self._chunks.clear()


async def _read_slices(
    reader: RowReader, staged: Sequence[StagedRow], before: asyncio.Task[list[Row]] | None
) -> list[Row]:
    if before is not None:
        await asyncio.wait([before])
    rows: list[Row] = []
    for start in range(0, len(staged), SLICE):
        rows += read_rows(reader, staged[start : start + SLICE])
        await asyncio.sleep(0)
    return rows


def read_rows(reader: RowReader, staged: Sequence[StagedRow]) -> list[Row]:
    return [(row.number, read_row(reader, orjson.loads(row.cells), row.problem)) for row in staged]


def read_row(reader: RowReader, cells: list[str], problem: str | None = None) -> ParsedRow | Rejection:
    if problem is not None:
        return staged_rejection(problem)
    try:
        return reader.read(cells)
    except Rejection as rejection:
        # Its traceback would keep the frames that read the chunk, and with them every chunk before.
        return rejection.with_traceback(None)
