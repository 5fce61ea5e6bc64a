"""Single cells: money, numbers, dates, flags, e-mails. One that cannot be read raises BadCell; nothing is guessed."""

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache

WHOLE = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.0*)?", re.ASCII)
NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?", re.ASCII)
YEAR_FIRST = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T ]00:00(?::00)?)?", re.ASCII)
YEAR_LAST = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/](\d{4})", re.ASCII)
EMAIL = re.compile(r"[^\s@<>,;\"()]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,188}[A-Za-z0-9])?\.[A-Za-z0-9-]{2,63}")
CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# The same few years, prices and flags fill most cells of a list.
REMEMBERED = 16_384
MAX_WHOLE = 2_147_483_647
# Decimals of this length are worked with exactly; no cell that means something is longer.
MAX_NUMBER_CHARACTERS = 24
MAX_DOLLARS = Decimal(10) ** 13
TRUE_WORDS = frozenset({"1", "yes", "y", "true", "t"})
FALSE_WORDS = frozenset({"0", "no", "n", "false", "f"})
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\0")


class BadCell(ValueError):
    """The message completes the sentence "<column> ..."."""


def has_control_characters(cells: list[str]) -> bool:
    """Tab and newlines are text; NUL and the other control characters are damage."""
    joined = "".join(cells)
    # Printable text, the ordinary case, is told apart without a search.
    return not joined.isprintable() and CONTROL_CHARACTER.search(joined) is not None


@lru_cache(REMEMBERED)
def whole_number(text: str) -> int:
    """`1,500` is 1500; `1,5` is nothing."""
    if not WHOLE.fullmatch(text):
        raise BadCell("is no whole number")
    value = int(_short(text).replace(",", "").split(".")[0])
    if abs(value) > MAX_WHOLE:
        raise BadCell("is too large")
    return value


def decimal_number(text: str) -> Decimal:
    if not any(map(str.isdigit, text)) or not text.isascii() or not NUMBER.fullmatch(text):
        raise BadCell("is no number")
    value = Decimal(_short(text).replace(",", ""))
    if abs(value) >= MAX_DOLLARS:
        raise BadCell("is too large")
    return value


def _short(text: str) -> str:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise BadCell("has too many digits")
    return text


@lru_cache(REMEMBERED)
def money_cents(text: str) -> int:
    """`$1,234.50` is 123450; `($500)` and `-$500` are negative. Fractions of a cent are refused."""
    is_negative = text.startswith("(") and text.endswith(")")
    bare = text.strip("()") if is_negative else text
    cents = decimal_number(bare.replace("$", "", 1).strip()) * 100
    if cents != cents.to_integral_value():
        raise BadCell("has fractions of a cent")
    return -int(cents) if is_negative else int(cents)


@lru_cache(REMEMBERED)
def percentage(text: str) -> Decimal:
    value = round(decimal_number(text.removesuffix("%").strip()), 4)
    if abs(value) >= 100_000:
        raise BadCell("is too large")
    return value


@lru_cache(REMEMBERED)
def small_decimal(text: str) -> Decimal:
    """Rooms, shares: below a thousand, two places kept exactly or refused."""
    value = decimal_number(text)
    if abs(value) >= 1000 or value != round(value, 2):
        raise BadCell("is out of range")
    return value


@lru_cache(REMEMBERED)
def latitude(text: str) -> Decimal:
    return _degrees(text, limit=90)


@lru_cache(REMEMBERED)
def longitude(text: str) -> Decimal:
    return _degrees(text, limit=180)


def _degrees(text: str, *, limit: int) -> Decimal:
    value = round(decimal_number(text), 7)
    if abs(value) > limit:
        raise BadCell("is out of range")
    return value


@lru_cache(REMEMBERED)
def year(text: str) -> int:
    value = whole_number(text)
    if not 1500 <= value <= 2200:
        raise BadCell("is no year")
    return value


@lru_cache(REMEMBERED)
def calendar_date(text: str) -> date:
    """Y-m-d, Y/m/d, m/d/Y or m-d-Y; a two-digit year is refused because it would be a guess."""
    if match := YEAR_FIRST.fullmatch(text):
        parts = match.group(1, 2, 3)
    elif match := YEAR_LAST.fullmatch(text):
        parts = match.group(3, 1, 2)
    else:
        raise BadCell("is no date of the form 2024-12-31 or 12/31/2024")
    try:
        return date(*map(int, parts))
    except ValueError:
        raise BadCell("is no date of the calendar") from None


@lru_cache(REMEMBERED)
def flag(text: str) -> bool:
    word = text.lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise BadCell("is neither 1 nor 0")


def email_address(text: str) -> str:
    """Lower-cased. One address; it identifies nobody."""
    if len(text) > 254 or not EMAIL.fullmatch(text) or ".." in text:
        raise BadCell("is no e-mail address")
    return text.lower()


def neutralised(text: str) -> str:
    """The cell as it may stand in a spreadsheet: one that would be run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def restored(text: str) -> str:
    """Undoes `neutralised`, so that a corrected file can be imported again."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_STARTS) else text
