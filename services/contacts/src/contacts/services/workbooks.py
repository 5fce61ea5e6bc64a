"""The first sheet of an .xlsx workbook as records of text. It is read from disk, row by row."""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import BinaryIO

from openpyxl import load_workbook  # type: ignore[import-untyped]
from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

from contacts.errors import FileRefused, FileTooLarge
from contacts.importing.records import Record

# What openpyxl raises, on one damaged file or another.
UNREADABLE = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    SyntaxError,
    OSError,
    EOFError,
    RuntimeError,
    ArithmeticError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    InvalidFileException,
)
# The strings that cells share are held in memory, unlike the sheet.
SHARED_STRINGS = "xl/sharedStrings.xml"
MAX_SHARED_STRINGS_BYTES = 40_000_000


def check_workbook(file: BinaryIO, max_unpacked_bytes: int) -> None:
    """Raises FileRefused where the archive is no workbook, FileTooLarge where it would unpack to too much."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
    except UNREADABLE:
        raise FileRefused("The workbook is damaged; save it again and upload it once more.") from None
    if "xl/workbook.xml" not in {member.filename for member in members}:
        raise FileRefused("This is a zip archive, not a list of contacts; unpack it and upload the list itself.")
    strings = sum(member.file_size for member in members if member.filename == SHARED_STRINGS)
    if sum(member.file_size for member in members) > max_unpacked_bytes or strings > MAX_SHARED_STRINGS_BYTES:
        raise FileTooLarge("The workbook unpacks to too much data; save the list as CSV instead.")


def read_workbook(file: BinaryIO) -> Iterator[Record]:
    """Records of the first sheet. Blocking: call it in a thread."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # openpyxl warns of styles and extensions that a list of contacts does not need.
        try:
            book = load_workbook(file, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            width: int | None = None
            for line, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                cells = [cell_text(value) for value in row]
                if any(cells):
                    cells = _fitted(cells, width)
                    width = width or len(cells)
                    yield Record(line, cells)
        except UNREADABLE as error:
            raise FileRefused("The workbook is damaged; save it again and upload it once more.") from error


def _fitted(cells: list[str], width: int | None) -> list[str]:
    """As wide as the header: a sheet may claim thousands of columns that nobody filled."""
    filled = max(place for place, cell in enumerate(cells, start=1) if cell)
    wanted = max(filled, width or 0)
    return cells[:wanted] + [""] * (wanted - len(cells))


def cell_text(value: object) -> str:
    """As a person sees it: `6175550100.0` is a phone, a date has no time unless it means one."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time().isoformat() == "00:00:00" else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
