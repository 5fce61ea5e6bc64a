"""Which encoding a file has, and which files are refused."""

import pytest
from contacts.errors import FileRefused
from contacts.importing.encoding import Encoding, EncodingDetector
from contacts.importing.text import TextReader
from hypothesis import given
from hypothesis import strategies as st

PEOPLE = "Name,Phone\nJosé Muñoz,617 555 0100\nZoë – Straße,617 555 0101\n"


def detect(content: bytes, piece: int = 7) -> Encoding:
    detector = EncodingDetector()
    for start in range(0, len(content), piece):
        detector.feed(content[start : start + piece])
    return detector.result()


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ("utf-8", Encoding.UTF_8),
        ("utf-8-sig", Encoding.UTF_8_BOM),
        ("utf-16", Encoding.UTF_16),
        ("utf-16-le", Encoding.UTF_16_LE),
        ("utf-16-be", Encoding.UTF_16_BE),
        ("cp1252", Encoding.WINDOWS_1252),
    ],
)
def test_each_supported_encoding_is_detected_and_decodes_to_the_same_text(codec: str, expected: Encoding) -> None:
    content = PEOPLE.encode(codec)
    found = detect(content, piece=64)
    assert found is expected
    reader = TextReader(found, ",")
    rows = [record.cells for record in [*reader.feed(content), *reader.finish()]]
    assert rows[1] == ["José Muñoz", "617 555 0100"]


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
def test_the_size_of_the_pieces_does_not_matter(piece: int) -> None:
    assert detect(PEOPLE.encode("utf-8"), piece) is Encoding.UTF_8
    assert detect(PEOPLE.encode("cp1252"), piece) is Encoding.WINDOWS_1252


def test_a_late_byte_outside_utf_8_makes_the_whole_file_windows_1252() -> None:
    content = b"Name,Phone\n" + b"Jane,6175550100\n" * 20_000 + "José,6175550101\n".encode("cp1252")
    assert detect(content, piece=4096) is Encoding.WINDOWS_1252


@pytest.mark.parametrize("piece", [1, 7, 4096])
@pytest.mark.parametrize("stray", [b"\xff", b"\x96", b"\xe2\x80"])
def test_a_stray_byte_leaves_a_list_in_utf_8_what_it_is(stray: bytes, piece: int) -> None:
    content = PEOPLE.encode() + b"Jane" + stray + b"\n"
    assert detect(content, piece) is Encoding.UTF_8
    assert detect(b"Jane" + stray + b"\n" + PEOPLE.encode(), piece) is Encoding.UTF_8


def test_western_text_that_once_looks_like_utf_8_stays_western() -> None:
    content = "Name\nCAFÉ’S\nJosé\nZoë\nMuñoz\n".encode("cp1252")
    assert detect(content, piece=9) is Encoding.WINDOWS_1252


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\n \r\n", "The file is empty."),
        (b"MZ\x90\x00\x03" + b"\x00" * 600, "This is a Windows program"),
        (b"PK\x03\x04" + b"\x00" * 100, "This is a zip archive"),
        (b"%PDF-1.7 text", "This is a PDF document"),
        (b"\x1f\x8b\x08" + b"\x01" * 20, "This is a compressed archive"),
        (bytes(range(1, 256)) * 4, "This file holds no text"),
        (b"Name,Phone\nJos\xe9,1\nX\x81,2\n", "could not be read as UTF-8, UTF-16 or Windows-1252"),
        (b"\xff\xfea\x00b", "could not be read"),
    ],
)
def test_files_that_are_no_lists_are_refused_in_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(FileRefused, match=sentence) as refused:
        detect(content, piece=11)
    assert refused.value.message.count(". ") == 0
    assert refused.value.message.endswith(".")


@given(st.binary(max_size=2000), st.integers(1, 700))
def test_whatever_is_accepted_can_be_decoded(content: bytes, piece: int) -> None:
    try:
        encoding = detect(content, piece)
    except FileRefused:
        return
    is_utf_8 = encoding in (Encoding.UTF_8, Encoding.UTF_8_BOM)
    content.decode(encoding, "surrogateescape" if is_utf_8 else "strict")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=8), st.integers(1, 50))
def test_utf_8_text_never_turns_into_something_else(text: str, piece: int) -> None:
    content = ("Name\n" + text).encode()
    if text.strip():
        assert detect(content, piece) is Encoding.UTF_8
