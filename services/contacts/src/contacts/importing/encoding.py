"""Which text encoding an uploaded file has, judged while it streams past in constant memory."""

import codecs
from enum import StrEnum

from contacts.errors import FileRefused

SAMPLE_BYTES = 65_536
MIN_BYTES_TO_JUDGE = 512
MAX_CONTROL_SHARE = 0.10
CONTROL_BYTES = bytes(sorted((set(range(32)) | {127}) - {9, 10, 13}))
CP1252_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"

SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed archive"),
    (b"BZh", "a compressed archive"),
    (b"7z\xbc\xaf", "a compressed archive"),
    (b"Rar!", "a compressed archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\xd0\xcf\x11\xe0", "a file of an old Office version"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a word-processor document"),
)
ADVICE = "export the list as CSV or .xlsx and try again."


class Encoding(StrEnum):
    """The value is the Python codec that decodes the file, byte-order mark included."""

    UTF_8 = "utf-8"
    UTF_8_BOM = "utf-8-sig"
    UTF_16 = "utf-16"
    UTF_16_LE = "utf-16-le"
    UTF_16_BE = "utf-16-be"
    WINDOWS_1252 = "cp1252"


ZIP_SIGNATURE = b"PK\x03\x04"


def refuse_foreign_format(head: bytes) -> None:
    """Raise FileRefused where the first bytes are those of a well-known kind of file that is no text."""
    for signature, kind in SIGNATURES:
        if head.startswith(signature):
            raise FileRefused(f"This is {kind}, not a list of contacts; {ADVICE}")


class EncodingDetector:
    """Feed every chunk in order, then ask for the result. Nothing but a sample of the beginning is kept."""

    def __init__(self) -> None:
        self._head = b""
        self._size = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self._encoding: Encoding | None = None
        self._unreadable_at: int | None = None
        self._is_windows_1252 = True
        self._whole_characters = 0
        self._stray_bytes = 0

    def feed(self, chunk: bytes) -> None:
        if len(self._head) < SAMPLE_BYTES:
            self._head += chunk[: SAMPLE_BYTES - len(self._head)]
        if self._decoder is None:
            self._encoding = _by_beginning(self._head)
            errors = "surrogateescape" if self._is_utf_8 else "strict"
            self._decoder = codecs.getincrementaldecoder(self._encoding)(errors)
        self._is_windows_1252 = self._is_windows_1252 and not _holds_any(chunk, CP1252_UNDEFINED)
        self._decode(chunk, final=False)
        self._size += len(chunk)

    def result(self) -> Encoding:
        """The encoding of the whole file; FileRefused if it is empty, no text, or not decodable throughout."""
        if self._encoding is None or not self._head.strip():
            raise FileRefused("The file is empty.")
        refuse_foreign_format(self._head)
        if "utf-16" not in self._encoding and _looks_binary(self._head):
            raise FileRefused(f"This file holds no text; {ADVICE}")
        self._decode(b"", final=True)
        if self._unreadable_at is None:
            return self._encoding
        if self._is_utf_8 and (self._encoding is Encoding.UTF_8_BOM or self._whole_characters >= self._stray_bytes):
            # Western text has next to nothing that looks like a character of UTF-8: some rows are damaged, not all.
            return self._encoding
        if self._encoding is Encoding.UTF_8 and self._is_windows_1252:
            return Encoding.WINDOWS_1252
        raise FileRefused(
            "The text could not be read as UTF-8, UTF-16 or Windows-1252 "
            f"(the bytes near position {self._unreadable_at:,} fit none of them); save it as CSV UTF-8 and try again."
        )

    @property
    def _is_utf_8(self) -> bool:
        return self._encoding in (Encoding.UTF_8, Encoding.UTF_8_BOM)

    def _decode(self, chunk: bytes, *, final: bool) -> None:
        if self._decoder is None or (self._unreadable_at is not None and not self._is_utf_8):
            return
        try:
            text = self._decoder.decode(chunk, final)
        except UnicodeDecodeError as error:
            self._unreadable_at = self._size + error.start
            return
        if not text.isascii() and self._is_utf_8:
            self._weigh(text)

    def _weigh(self, text: str) -> None:
        """Count the characters outside of ASCII, and the bytes that are none."""
        readable = text.encode("utf-8", "ignore")
        stray = len(text) - len(readable.decode("utf-8"))
        self._whole_characters += len(text) - len(text.encode("ascii", "ignore")) - stray
        self._stray_bytes += stray
        if stray and self._unreadable_at is None:
            before = next(place for place, char in enumerate(text) if "\udc80" <= char <= "\udcff")
            self._unreadable_at = self._size + len(text[:before].encode())


def _by_beginning(head: bytes) -> Encoding:
    if head.startswith(codecs.BOM_UTF8):
        return Encoding.UTF_8_BOM
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Encoding.UTF_16
    # Western text in UTF-16 without a mark has a zero in nearly every second byte.
    pairs = len(head) // 2
    if pairs >= 4 and head[1::2].count(0) > 0.6 * pairs and head[0::2].count(0) < 0.1 * pairs:
        return Encoding.UTF_16_LE
    if pairs >= 4 and head[0::2].count(0) > 0.6 * pairs and head[1::2].count(0) < 0.1 * pairs:
        return Encoding.UTF_16_BE
    return Encoding.UTF_8


def _holds_any(chunk: bytes, wanted: bytes) -> bool:
    return len(chunk.translate(None, wanted)) != len(chunk)


def _looks_binary(head: bytes) -> bool:
    # A stray control character is one rejected row; a file full of them is not text at all.
    controls = len(head) - len(head.translate(None, CONTROL_BYTES))
    return len(head) >= MIN_BYTES_TO_JUDGE and controls > MAX_CONTROL_SHARE * len(head)
