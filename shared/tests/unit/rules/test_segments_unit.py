"""Segments against smsutil, which splits texts for real gateways, and against the table of the provider's notes."""

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st
from shared.rules.segments import Encoding, billing_encoding, count_segments, normalise

GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[]~|€\f"
gsm_text = st.text(alphabet=GSM, max_size=700)
any_text = st.text(
    alphabet=st.one_of(
        st.sampled_from(GSM),
        st.sampled_from("😀👍🏽é’“”–…ñ漢"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\x1b"),
    ),
    max_size=400,
)


def oracle(text: str) -> int:
    return len(smsutil.split(text).parts) if text else 0


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", Encoding.GSM7, 0, 0),
        ("a" * 160, Encoding.GSM7, 160, 1),
        ("a" * 161, Encoding.GSM7, 161, 2),
        ("a" * 306, Encoding.GSM7, 306, 2),
        ("a" * 307, Encoding.GSM7, 307, 3),
        ("a" * 159 + "€", Encoding.GSM7, 161, 2),
        ("a" * 152 + "€" + "a" * 152, Encoding.GSM7, 306, 3),
        ("a" * 69 + "’", Encoding.UCS2, 70, 1),
        ("a" * 70 + "’", Encoding.UCS2, 71, 2),
        ("a" * 68 + "😀", Encoding.UCS2, 70, 1),
        ("a" * 66 + "😀" + "a" * 66, Encoding.UCS2, 134, 3),
        ("a" * 1600, Encoding.GSM7, 1600, 11),
        ("`", Encoding.UCS2, 1, 1),
    ],
)
def test_counts_of_the_table(text: str, encoding: Encoding, units: int, segments: int) -> None:
    counted = count_segments(text)
    assert (counted.encoding, counted.units, counted.segments) == (encoding, units, segments)


@given(gsm_text)
def test_gsm_texts_split_as_smsutil_splits_them(text: str) -> None:
    assert count_segments(text).segments == oracle(text)


@given(any_text)
def test_all_texts_split_as_smsutil_splits_them(text: str) -> None:
    counted = count_segments(text)
    assert counted.segments == oracle(text)
    assert (counted.encoding is Encoding.GSM7) == (smsutil.is_valid_gsm(text) or not text)


@given(any_text)
def test_billing_is_never_cheaper_than_the_wire(text: str) -> None:
    assert count_segments(text, billing=True).segments >= count_segments(text).segments


def test_billing_puts_accented_letters_at_the_dearer_encoding() -> None:
    assert billing_encoding("Señor, ¿qué?") is Encoding.UCS2
    assert billing_encoding("£5 [10 €] ¡¿§") is Encoding.GSM7


def test_typography_becomes_plain() -> None:
    assert normalise("“It’s\u00a0here”—soon…\u200b «ok» 6′") == '"It\'s here"-soon... "ok" 6\''
    assert normalise("cafe\u0301\r\n") == "café\n"
    assert count_segments(normalise("‘" * 100)).segments == 1


@given(any_text)
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


def test_emoji_sequences_survive_normalising() -> None:
    assert normalise("👩‍🔧❤️") == "👩‍🔧❤️"
