"""How many SMS segments a text costs (3GPP TS 23.038), and the plain typography that keeps it cheap."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("^{}\\[]~|€\f")

_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′`´ʹʼˈ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys(
            "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
            " ",
        ),
        **dict.fromkeys("\u200b\u2060\ufeff\u00ad"),
        "…": "...",
        "\u2028": "\n",
        "\u2029": "\n",
    }
)


class Encoding(StrEnum):
    GSM7 = "gsm7"
    UCS2 = "ucs2"


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """`units` are septets or UTF-16 units, without the padding at the end of a part."""

    encoding: Encoding
    units: int
    segments: int


def normalise(text: str) -> str:
    """Curly quotes, long dashes, ellipses and odd spaces become their plain forms; NFC; idempotent.

    One curly quote more than doubles the price of a text, and phones and word processors insert them unasked.
    """
    plain = unicodedata.normalize("NFC", text).translate(_TYPOGRAPHY).replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", plain)


def count_segments(text: str, *, billing: bool = False) -> SegmentCount:
    """Count the text exactly as it stands (normalise it first if the sender will); empty text has none.

    `billing=True` counts as Quo bills: it puts any accented letter at UCS-2, even where GSM 7-bit has it.
    """
    encoding = billing_encoding(text) if billing else encoding_of(text)
    if encoding is Encoding.GSM7:
        return _pack(encoding, [2 if char in _GSM_EXTENSION else 1 for char in text], single=160, part=153)
    return _pack(encoding, [2 if ord(char) > 0xFFFF else 1 for char in text], single=70, part=67)


def encoding_of(text: str) -> Encoding:
    return Encoding.GSM7 if all(map(_is_gsm, text)) else Encoding.UCS2


def billing_encoding(text: str) -> Encoding:
    """The dearer reading: GSM 7-bit only for ASCII and the signs (not the letters) of the GSM alphabet."""
    cheap = all(_is_gsm(char) and (char.isascii() or not char.isalpha()) for char in text)
    return Encoding.GSM7 if cheap else Encoding.UCS2


def _is_gsm(char: str) -> bool:
    return char in _GSM_BASIC or char in _GSM_EXTENSION


def _pack(encoding: Encoding, costs: list[int], *, single: int, part: int) -> SegmentCount:
    units = sum(costs)
    if units <= single:
        return SegmentCount(encoding, units, 1 if units else 0)
    segments, filled = 1, 0
    for cost in costs:
        # A pair (escape and sign, or two surrogates) that does not fit whole opens the next part.
        if filled + cost > part:
            segments, filled = segments + 1, 0
        filled += cost
    return SegmentCount(encoding, units, segments)
