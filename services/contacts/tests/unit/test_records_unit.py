"""CSV records: strict quoting, physical lines, any size of piece."""

import csv
import io

import pytest
from contacts.errors import FileRefused
from contacts.importing.encoding import Encoding
from contacts.importing.records import RecordParser, detect_delimiter
from contacts.importing.text import TextReader
from hypothesis import given
from hypothesis import strategies as st


def parse(text: str, *, piece: int = 5, delimiter: str = ",") -> list[tuple[int, list[str]]]:
    parser = RecordParser(delimiter)
    records = []
    for start in range(0, len(text), piece):
        records += parser.feed(text[start : start + piece])
    return [tuple(record) for record in records + parser.finish()]


def test_a_record_knows_the_line_it_began_on() -> None:
    text = 'a,b\n\n1,"two\nlines"\r\n3,4\r5,6'
    assert parse(text) == [(1, ["a", "b"]), (3, ["1", "two\nlines"]), (5, ["3", "4"]), (6, ["5", "6"])]


def test_separators_of_other_alphabets_are_text_and_no_line_ends() -> None:
    assert parse("a\u2028b\x85c\x0bd,2\n") == [(1, ["a\u2028b\x85c\x0bd", "2"])]


def test_an_empty_line_is_no_record_and_a_line_of_blanks_is_one() -> None:
    assert parse("a\n\n  \n,\n") == [(1, ["a"]), (3, ["  "]), (4, ["", ""])]


def test_nul_survives_parsing_so_that_its_row_can_be_rejected() -> None:
    assert parse("a,b\n1,\x002\n") == [(1, ["a", "b"]), (2, ["1", "\x002"])]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,2\n"x,3\n4,5\n', 3),
        ('a,b\n1,2\n"x"y,3\n', 3),
        ("a,b\n1,2\n" + '"x,3\n' + "4,5\n" * 60_000, 3),
        ('a\n"' + "x" * 200_000, 2),
    ],
)
def test_a_broken_quote_refuses_the_file_and_names_its_line(text: str, line: int) -> None:
    with pytest.raises(FileRefused, match=f"line {line} ") as refused:
        parse(text, piece=65_536)
    assert refused.value.details == {"line": line}


def test_an_endless_line_is_refused_before_it_fills_memory() -> None:
    with pytest.raises(FileRefused, match="longer than a million characters"):
        parse("x," * 2_000_000, piece=40_000)


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [("a,b;c\n", ","), ("a;b;c\n", ";"), ("a\tb\tc", "\t"), ("a|b|c", "|"), ("only", ","), ('"a,b,c";d;e\n', ";")],
)
def test_the_delimiter_is_the_one_that_splits_the_header_best(sample: str, delimiter: str) -> None:
    assert detect_delimiter(sample) == delimiter


CELLS = st.text(st.sampled_from(["a", "é", ",", '"', "\n", "\r", " ", ";", "\u2028", "\x00"]), max_size=6)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=8)


@given(TABLES, st.integers(1, 40))
def test_what_a_spreadsheet_writes_is_read_back_whatever_the_pieces(table: list[list[str]], piece: int) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows(table)
    assert [cells for _, cells in parse(file.getvalue(), piece=piece)] == table


def test_a_cell_may_be_longer_than_the_module_allows_by_default() -> None:
    _, row = parse("Name,Notes\nAnn," + "x" * 140_000 + "\n", piece=100_000)
    assert (row[0], len(row[1][1])) == (2, 140_000)


@given(st.text(st.sampled_from('ab,"\n\r'), max_size=60), st.integers(1, 20))
def test_the_pieces_never_change_the_outcome(text: str, piece: int) -> None:
    def outcome(size: int) -> object:
        try:
            return parse(text, piece=size)
        except FileRefused as refused:
            return refused.message

    assert outcome(piece) == outcome(1000)


@given(st.text(max_size=80), st.integers(1, 9))
def test_bytes_may_be_cut_anywhere(text: str, piece: int) -> None:
    content = text.encode()
    chunks = [content[start : start + piece] for start in range(0, len(content), piece)]

    def outcome(parts: list[bytes]) -> object:
        try:
            reader = TextReader(Encoding.UTF_8, ",")
            return [record for part in parts for record in reader.feed(part)] + reader.finish()
        except FileRefused as refused:
            return refused.message

    assert outcome(chunks) == outcome([content])
