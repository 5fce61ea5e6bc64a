"""Text to CSV records, strictly and piece by piece: a record knows the physical line it began on."""

import csv
import io
from typing import NamedTuple

from contacts.errors import FileRefused

DELIMITERS = ",;\t|"
MAX_RECORD_CHARACTERS = 1_048_576
# The module's own limit for a cell would refuse the file for what is one row that is too long.
csv.field_size_limit(MAX_RECORD_CHARACTERS)
TOO_LONG = "is longer than a million characters; a quote may be missing"


class Record(NamedTuple):
    line: int
    cells: list[str]


class RecordParser:
    """Feed decoded text in pieces of any size; each call gives the records that are complete.

    Quoting is strict: a quote that is never closed refuses the file, because a lenient reader would swallow
    the lines after it without a word. An empty line is no record. Lines end in LF, CRLF or CR.
    """

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._tail = ""
        self._open: list[str] = []
        self._open_characters = 0
        self._lines_before = 0

    def feed(self, text: str) -> list[Record]:
        text = self._tail + text
        # A CR at the very end may be the first half of CRLF, so it waits for the next piece.
        cut = max(text.rfind("\n"), text.rfind("\r", 0, max(len(text) - 1, 0))) + 1
        self._tail = text[cut:]
        self._open_characters += cut
        if len(self._tail) + self._open_characters - cut > MAX_RECORD_CHARACTERS:
            raise self._refused(TOO_LONG)
        return self._parse(text[:cut], is_last=False) if cut else []

    def finish(self) -> list[Record]:
        """The records that were still open at the end of the file."""
        rest, self._tail = self._tail, ""
        return self._parse(rest, is_last=True)

    def _parse(self, text: str, *, is_last: bool) -> list[Record]:
        lines = [*self._open, *io.StringIO(text, newline="")]
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        records: list[Record] = []
        consumed = 0
        try:
            for cells in reader:
                if cells:
                    records.append(Record(self._lines_before + consumed + 1, cells))
                consumed = reader.line_num
        except csv.Error as error:
            self._lines_before += consumed
            if is_last or str(error) != "unexpected end of data":
                raise self._refused(_explanation(str(error))) from None
            self._open = lines[consumed:]
            self._open_characters = sum(map(len, self._open))
        else:
            self._lines_before += consumed
            self._open, self._open_characters = [], 0
        return records

    def _refused(self, explanation: str) -> FileRefused:
        line = self._lines_before + 1
        return FileRefused(f"The record that begins on line {line:,} {explanation}.", line=line)


def _explanation(error: str) -> str:
    if "field limit" in error:
        return TOO_LONG
    if error == "unexpected end of data":
        return "has a quote that is never closed; close it or remove it and upload the file again"
    if "expected after" in error:
        return "has text right after a closing quote; double the quotes inside the cell and upload the file again"
    return "is not valid CSV; correct it and upload the file again"


def detect_delimiter(sample: str) -> str:
    """The delimiter that splits the first line that is not empty into most cells; a comma if none does."""
    first = next((line for line in io.StringIO(sample, newline=None) if line.strip()), "")
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([first], delimiter=delimiter), [])))
