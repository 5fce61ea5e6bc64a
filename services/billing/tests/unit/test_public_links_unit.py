"""Addresses of public pages that nobody can guess."""

import base64
import re
from uuid import UUID

import pytest
from billing.public_links import PublicLinks
from hypothesis import given
from hypothesis import strategies as st

LINKS = PublicLinks(b"k" * 32)
ID = UUID("01900000-0000-7000-8000-000000000001")


@given(st.uuids())
def test_a_link_leads_to_what_it_was_made_for(row_id: UUID) -> None:
    token = LINKS.token(row_id)
    assert LINKS.read(token) == row_id
    assert re.fullmatch(r"[A-Za-z0-9_-]{46}", token)


def test_every_letter_counts() -> None:
    token = LINKS.token(ID)
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        assert LINKS.read(token[:place] + other + token[place + 1 :]) is None


def test_there_is_one_way_to_write_it() -> None:
    """The last letter holds bits that mean nothing: no second address leads to the same page."""
    token = LINKS.token(ID)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [last for last in letters if LINKS.read(token[:-1] + last)] == [token[-1]]
    for also in (
        token + "=",
        token + "==",
        token + "\n",
        " " + token,
        token + "A",
        token[:-1],
        token.replace("-", "+"),
    ):
        assert also == token or LINKS.read(also) is None


@pytest.mark.parametrize("token", ["", "A", "=", "====", "ü", "%00", "\x00", "a" * 5000, "../..", "☃" * 46])
def test_what_we_did_not_make_leads_nowhere(token: str) -> None:
    assert LINKS.read(token) is None


@given(st.text(max_size=80))
def test_nothing_that_is_typed_breaks_it(token: str) -> None:
    assert LINKS.read(token) is None


def test_a_bare_id_and_a_short_signature_are_refused() -> None:
    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    signed = base64.urlsafe_b64decode(LINKS.token(ID) + "==")
    assert signed[:16] == ID.bytes
    assert LINKS.read(text(signed)) == ID
    for raw in (ID.bytes, signed[:17], signed[:-1], signed + b"\x00", bytes(34)):
        assert LINKS.read(text(raw)) is None


def test_another_key_makes_other_links() -> None:
    others = PublicLinks(b"j" * 32)
    assert others.token(ID) != LINKS.token(ID)
    assert others.read(LINKS.token(ID)) is None
