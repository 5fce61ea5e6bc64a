"""A record as it is kept until the import runs: JSON of bounded size, and the reason where it can be no row."""

import orjson

from contacts.importing.rows import Rejection

MAX_RECORD_BYTES = 65_536
# What is kept of a record that is too long: its beginning tells people which one it is.
KEPT_CELLS = 500
KEPT_CHARACTERS = 10_000

_DETAILS = {
    Rejection.TOO_LONG: f"The row is longer than {MAX_RECORD_BYTES:,} bytes; shorten it. Only its beginning is kept.",
    Rejection.UNREADABLE: "The row holds bytes that are no UTF-8 (shown as \ufffd); write those characters anew.",
}


def staged(cells: list[str]) -> tuple[bytes, str | None]:
    """The cells as bytes, and the code of the rejection that awaits the row whatever the columns mean."""
    try:
        packed = orjson.dumps(cells)
    except TypeError:
        # Bytes that could not be decoded stand in the text as lone surrogates, which nothing else makes.
        return staged([readable(cell) for cell in cells])[0], Rejection.UNREADABLE
    if len(packed) <= MAX_RECORD_BYTES:
        return packed, None
    return orjson.dumps(_beginning(cells)), Rejection.TOO_LONG


def staged_rejection(code: str) -> Rejection:
    return Rejection(code, _DETAILS[code])


def readable(text: str) -> str:
    """The text with a replacement character for every byte that could not be decoded."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def _beginning(cells: list[str]) -> list[str]:
    room = KEPT_CHARACTERS
    kept = []
    for cell in cells[:KEPT_CELLS]:
        kept.append(cell[:room])
        room -= len(kept[-1])
    return kept
