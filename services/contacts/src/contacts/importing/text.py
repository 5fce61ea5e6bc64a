"""A whole file, decoded and parsed piece by piece: encoding, delimiter, headers, records. Constant memory."""

import codecs

from contacts.errors import FileRefused
from contacts.importing.encoding import Encoding
from contacts.importing.records import Record, RecordParser, detect_delimiter
from contacts.importing.staging import readable


def decoded_sample(head: bytes, encoding: Encoding) -> str:
    """The text at the beginning of a file; a character cut in half at the end of the sample is left out."""
    return _decoder(encoding).decode(head)


def _decoder(encoding: Encoding) -> codecs.IncrementalDecoder:
    # A stray byte in UTF-8 is the matter of its row: it passes as a lone surrogate, by which the row is rejected.
    is_utf_8 = encoding in (Encoding.UTF_8, Encoding.UTF_8_BOM)
    return codecs.getincrementaldecoder(encoding)("surrogateescape" if is_utf_8 else "strict")


class TextReader:
    """Feed the bytes of a file in order; each call gives the records that are complete. The header is the first."""

    def __init__(self, encoding: Encoding, delimiter: str) -> None:
        self._decoder = _decoder(encoding)
        self._parser = RecordParser(delimiter)

    def feed(self, chunk: bytes) -> list[Record]:
        return self._parser.feed(self._decoder.decode(chunk))

    def finish(self) -> list[Record]:
        records = self._parser.feed(self._decoder.decode(b"", final=True))
        return records + self._parser.finish()


def clean_headers(cells: list[str]) -> list[str]:
    """The header cells as they are shown; a blank one is named by its place. FileRefused where all are blank."""
    if not any(cell.strip() for cell in cells):
        raise FileRefused("The first line must name the columns, but it is blank.")
    return [readable(cell.strip()[:200]) or f"Column {place}" for place, cell in enumerate(cells, start=1)]


__all__ = ["TextReader", "clean_headers", "decoded_sample", "detect_delimiter"]
