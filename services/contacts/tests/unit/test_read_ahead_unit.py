"""Rows read ahead are those that would have been read now, or none."""

from uuid import UUID, uuid4

import orjson
import pytest
from contacts.importing.read_ahead import ReadAhead, StagedRow, read_rows
from contacts.importing.rows import ParsedRow, Rejection, RowReader

READER = RowReader(["Phone"], ["phone.mobile"])
FILE = uuid4()


def staged(first: int, count: int = 3) -> list[StagedRow]:
    return [StagedRow(n, orjson.dumps([f"617-555-{n:04d}"]), None) for n in range(first, first + count)]


async def test_chunks_are_taken_in_order_and_once() -> None:
    ahead = ReadAhead()
    assert ahead.wanted(FILE, 100) == 100
    ahead.begin(FILE, READER, staged(100, 60))
    assert ahead.wanted(FILE, 100) == 160
    ahead.begin(FILE, READER, staged(160, 10))
    assert ahead.wanted(FILE, 100) is None
    assert await ahead.take(FILE, 100) == read_rows(READER, staged(100, 60))
    assert ahead.wanted(FILE, 160) == 170
    assert await ahead.take(FILE, 160) == read_rows(READER, staged(160, 10))
    assert await ahead.take(FILE, 170) is None


@pytest.mark.parametrize(("file_id", "first"), [(FILE, 101), (uuid4(), 100)], ids=["other row", "other file"])
async def test_another_chunk_is_not_taken_for_it(file_id: UUID, first: int) -> None:
    ahead = ReadAhead()
    ahead.begin(FILE, READER, staged(100))
    assert await ahead.take(file_id, first) is None
    assert await ahead.take(FILE, 100) is None


async def test_what_another_file_wants_replaces_what_was_read_ahead() -> None:
    ahead, other = ReadAhead(), uuid4()
    ahead.begin(FILE, READER, staged(100))
    assert ahead.wanted(other, 7) == 7
    ahead.begin(other, READER, staged(7))
    assert await ahead.take(other, 7) == read_rows(READER, staged(7))


def test_a_row_is_read_or_rejected_by_what_it_is() -> None:
    rows = read_rows(
        READER,
        [
            StagedRow(1, orjson.dumps(["617-555-0100"]), None),
            StagedRow(2, orjson.dumps(["12"]), None),
            StagedRow(3, orjson.dumps(["617-555-0101"]), Rejection.UNREADABLE),
        ],
    )
    assert [type(row) for _, row in rows] == [ParsedRow, Rejection, Rejection]


def test_a_rejection_keeps_nothing_else_alive() -> None:
    [(_, rejection)] = read_rows(READER, [StagedRow(1, orjson.dumps(["12"]), None)])
    assert isinstance(rejection, Rejection)
    assert rejection.__traceback__ is None
