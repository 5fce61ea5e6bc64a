"""Records as they are kept: of bounded size, and always as text."""

import orjson
import pytest
from contacts.importing.encoding import Encoding
from contacts.importing.rows import Rejection
from contacts.importing.staging import MAX_RECORD_BYTES, staged, staged_rejection
from contacts.importing.text import TextReader
from hypothesis import given
from hypothesis import strategies as st


def test_an_ordinary_record_is_kept_as_it_is() -> None:
    assert staged(["Ann", "617 555 0100"]) == (b'["Ann","617 555 0100"]', None)


@pytest.mark.parametrize("cells", [["Ann", "x" * 70_000], ["x"] * 40_000, ["\x01" * 30_000, "😀" * 30_000]])
def test_of_a_record_that_is_too_long_the_beginning_is_kept(cells: list[str]) -> None:
    packed, problem = staged(cells)
    assert problem == Rejection.TOO_LONG
    assert len(packed) <= MAX_RECORD_BYTES
    kept = orjson.loads(packed)
    assert kept[0][:3] == cells[0][:3]
    assert "65,536 bytes" in staged_rejection(problem).detail


def test_bytes_that_are_no_text_reject_their_row_and_no_other() -> None:
    reader = TextReader(Encoding.UTF_8, ",")
    records = [*reader.feed("Name,City\nJosé,Quincy\n".encode()), *reader.feed(b"Jo\xe9,Quincy\n"), *reader.finish()]
    assert [staged(record.cells)[1] for record in records] == [None, None, Rejection.UNREADABLE]
    assert orjson.loads(staged(records[2].cells)[0]) == ["Jo\ufffd", "Quincy"]


@given(st.lists(st.text(st.characters(codec=None))))
def test_whatever_the_cells_hold_can_be_kept(cells: list[str]) -> None:
    assert isinstance(orjson.loads(staged(cells)[0]), list)
