"""When two written addresses are the same place: the key that properties are matched by."""

import re

ABBREVIATIONS = {
    "street": "st",
    "avenue": "ave",
    "av": "ave",
    "road": "rd",
    "drive": "dr",
    "lane": "ln",
    "court": "ct",
    "boulevard": "blvd",
    "place": "pl",
    "terrace": "ter",
    "circle": "cir",
    "highway": "hwy",
    "parkway": "pkwy",
    "square": "sq",
    "north": "n",
    "south": "s",
    "east": "e",
    "west": "w",
    "apartment": "apt",
    "unit": "unit",
    "suite": "ste",
}
ZIP = re.compile(r"(\d{5})(?:-?\d{4})?")


def zip5(text: str | None) -> str | None:
    """The five digits of a ZIP or ZIP+4, None for anything else (a lost leading zero is not guessed)."""
    match = ZIP.fullmatch(text.strip()) if text else None
    return match.group(1) if match else None


def address_key(street: str | None, zip_code: str | None) -> str | None:
    """Street without case, punctuation and long forms, and the ZIP; None unless both are known."""
    words = re.sub(r"[^\w#/-]+", " ", street.lower()).split() if street else []
    if not words or not zip_code:
        return None
    return f"{' '.join(ABBREVIATIONS.get(word, word) for word in words)}|{zip5(zip_code) or zip_code.strip().lower()}"
