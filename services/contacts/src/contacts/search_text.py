"""The one lower-case text that a contact or property is searched by, and what a query looks for in it."""

import re
import unicodedata
from collections.abc import Iterable

PHONE_LIKE = re.compile(r"\+?[\d\s().\-/]+")
MAX_WORDS = 8
MIN_ANYWHERE = 3


def folded(text: str) -> str:
    """Lower case, without accents: `José` is found by `jose`."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def search_text(parts: Iterable[str | None], phones: Iterable[str] = ()) -> str:
    """Words and the digits of phones, each after a blank, so that a short word can be looked up by its beginning."""
    words = folded(" ".join(part for part in parts if part))
    return " ".join(["", *words.split(), *(phone.lstrip("+") for phone in phones)])


def search_patterns(query: str) -> list[str]:
    """LIKE patterns that must all match. A query of phone characters is looked up as its digits."""
    digits = re.sub(r"\D", "", query)
    if len(digits) >= MIN_ANYWHERE and PHONE_LIKE.fullmatch(query.strip()) and digits.isascii():
        return [f"%{digits}%"]
    return [_pattern(word) for word in folded(query).split()[:MAX_WORDS]]


def _pattern(word: str) -> str:
    escaped = re.sub(r"([%_\\])", r"\\\1", word)
    # The trigram index knows words of fewer than three letters only by how they begin.
    return f"%{escaped}%" if len(word) >= MIN_ANYWHERE else f"% {escaped}%"


def sort_name(first: str | None, last: str | None, company: str | None, phone: str | None) -> str:
    """What lists are sorted by: last name first, else the company, else the phone."""
    person = " ".join(part for part in (last, first) if part)
    return folded(person or company or phone or "")[:200]
