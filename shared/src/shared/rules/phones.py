"""Phone numbers: the one way in from typed text to E.164, and the ways out for people, logs and hashes."""

import hashlib
import hmac
import re
import unicodedata

import phonenumbers

from shared.errors import Invalid

# Longer than any honest way to write one number; keeps parsing constant-time on hostile input.
_LONGEST_TEXT = 64
# E.164 has at most 15; an exit code such as 011 adds three.
_MOST_DIGITS = 18
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")
_SEPARATORS = re.compile(r"\(?\+?[0-9 ().\-/]+")
_EXTENSION = re.compile(r"(?:\s*[,;]?\s*(?:extension|ext|extn|x)[\s.:]*|\s*[#,;]\s*)[0-9]+\s*$", re.IGNORECASE)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NANP = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}")


class InvalidPhone(Invalid):
    """`reason` is a stable word: empty, control_characters, letters, extension, bad_characters, too_short,
    too_long, spreadsheet_number, unassigned (no such area code, exchange or country), premium_rate."""

    code = "invalid_phone"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, reason=reason)
        self.reason = reason


def parse_phone(text: str, region: str = "US") -> str:
    """Return the number in E.164, or raise InvalidPhone; nothing is ever added, dropped or guessed.

    - A number without area code is refused, never completed.
    - An extension is refused: a text to the main line would reach a switchboard, not the person.
    - Vanity letters are refused: a name in the wrong column would dial somebody.
    - Invisible marks (as phones paste them) and Unicode digits and dashes have one meaning and are read;
      control characters are refused.
    - The fictional 555 exchange of an assigned area code is accepted, as every sandbox uses it.
    """
    plain = _plain(text)
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException as exc:
        raise _unparsable(exc) from exc
    _refuse_wrong_length(number)
    if not _digits(plain).endswith(phonenumbers.national_significant_number(number)):
        # The library cuts off what looks like a second number; half of what was typed is a guess.
        raise InvalidPhone("too_long", "This holds more than one phone number.")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    # Of no type is what is_valid_number() refuses; asked once, as imports and first readings ask by the ten thousand.
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN or _has_service_exchange(e164):
        raise InvalidPhone("unassigned", "No such area code or exchange is in use.")
    if kind == phonenumbers.PhoneNumberType.PREMIUM_RATE:
        raise InvalidPhone("premium_rate", "A premium-rate number is never a person's.")
    return e164


def is_valid(text: str, region: str = "US") -> bool:
    try:
        parse_phone(text, region)
    except InvalidPhone:
        return False
    return True


def format_national(e164: str) -> str:
    """`(617) 555-0100` for North America; the international form elsewhere, so that it parses back."""
    number = phonenumbers.parse(e164, None)
    form = (
        phonenumbers.PhoneNumberFormat.NATIONAL
        if number.country_code == 1
        else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )
    return phonenumbers.format_number(number, form)


def mask(e164: str) -> str:
    """A form for logs: enough to recognise one's own case, too little to dial."""
    if _E164.fullmatch(e164) is None:
        return "•••"
    return f"{e164[:5]}•••{e164[-4:]}" if len(e164) >= 12 else f"{e164[:3]}•••{e164[-2:]}"


def phone_hash(e164: str, key: bytes) -> str:
    """HMAC-SHA256 in hex: keyed, because ten digits can be tried out in seconds against a plain hash."""
    if len(key) < 16:
        raise ValueError("the key of phone hashes has at least 16 bytes")
    return hmac.new(key, e164.encode("ascii"), hashlib.sha256).hexdigest()


def area_code(e164: str) -> str | None:
    """The North American area code, None for a number elsewhere."""
    return e164[2:5] if _NANP.fullmatch(e164) else None


def _plain(text: str) -> str:
    """The text as ASCII digits and separators, or InvalidPhone."""
    stripped = text.strip()
    if not stripped:
        raise InvalidPhone("empty", "There is no number here.")
    if len(stripped) > _LONGEST_TEXT:
        raise InvalidPhone("too_long", "This is too long for one phone number.")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") for char in stripped):
        raise InvalidPhone("control_characters", "The number holds control characters.")
    plain = "".join(map(_ascii, stripped.translate(_DASHES))).strip().removeprefix("tel:").strip()
    _refuse_odd_forms(plain)
    return plain


def _ascii(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(char))
    if category == "Zs":
        return " "
    return "+" if char == "＋" else char


def _refuse_odd_forms(plain: str) -> None:
    if _EXTENSION.search(plain):
        raise InvalidPhone("extension", "A number with an extension can't be texted.")
    if re.search(r"[^\W\d_]", plain):
        raise InvalidPhone("letters", "The number holds letters.")
    if _SEPARATORS.fullmatch(plain) is None or not re.search(r"[0-9]", plain):
        raise InvalidPhone("bad_characters", "The number holds characters that no phone number has.")
    if len(_digits(plain)) > _MOST_DIGITS:
        raise InvalidPhone("too_long", "There are more digits than a phone number has.")
    if re.search(r"[0-9]{5}\.0$", plain):
        raise InvalidPhone("spreadsheet_number", "A spreadsheet turned this number into a decimal (.0).")


def _digits(plain: str) -> str:
    return "".join(filter(str.isdecimal, plain))


def _unparsable(exc: phonenumbers.NumberParseException) -> InvalidPhone:
    if exc.error_type == phonenumbers.NumberParseException.TOO_LONG:
        return InvalidPhone("too_long", "There are more digits than a phone number has.")
    if exc.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
        return InvalidPhone("unassigned", "No such country code is in use.")
    return InvalidPhone("too_short", "This is too short for a phone number.")


def _refuse_wrong_length(number: phonenumbers.PhoneNumber) -> None:
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible in (
        phonenumbers.ValidationResult.TOO_SHORT,
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
    ):
        raise InvalidPhone("too_short", "Digits are missing; give the number with its area code.")
    if possible == phonenumbers.ValidationResult.TOO_LONG:
        raise InvalidPhone("too_long", "There are more digits than a phone number has.")


def _has_service_exchange(e164: str) -> bool:
    # 211 to 911 are service codes; no exchange bears one (NANPA, central office code guidelines).
    return e164.startswith("+1") and e164[6:8] == "11" and area_code(e164) not in _TOLL_FREE


_TOLL_FREE = frozenset({"800", "833", "844", "855", "866", "877", "888"})
