"""Who is who: what a customer and a contact have in common, how much that proves, and which contact it is then. Pure.

A phone is nearly a person, but households share one and numbers change hands: with names that contradict, a human
decides. An e-mail is less: couples and agents share one. A name alone proves nothing.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

from billing.models import ContactCopy, Customer

SURE = 80
"""From this score on a link is made without asking."""

_COMPANY_WORDS = frozenset(
    [
        "associates",
        "assoc",
        "association",
        "bank",
        "builders",
        "church",
        "co",
        "company",
        "condominium",
        "condominiums",
        "construction",
        "corp",
        "corporation",
        "development",
        "enterprises",
        "estates",
        "group",
        "holdings",
        "homes",
        "inc",
        "incorporated",
        "llc",
        "llp",
        "lp",
        "ltd",
        "management",
        "partners",
        "properties",
        "realtors",
        "realty",
        "rentals",
        "services",
        "trust",
    ]
)
_LEGAL_FORMS = frozenset(
    ["co", "company", "corp", "corporation", "inc", "incorporated", "llc", "llp", "lp", "ltd", "the"]
)
_TITLES = frozenset(["and", "dr", "miss", "mr", "mrs", "ms", "rev"])
_SUFFIXES = {"jr": "jr", "junior": "jr", "sr": "sr", "senior": "sr", "ii": "ii", "iii": "iii", "iv": "iv"}
_NICKNAMES = (
    "alexander alex sandy alexandra sandra", "andrew andy drew", "anthony tony", "barbara barb", "benjamin ben benny",
    "catherine katherine kathryn kathleen cathy kathy kate katie", "charles charlie chuck", "christopher chris kit",
    "christine christina chris tina", "daniel dan danny", "david dave", "deborah debra deb debbie", "donald don donnie",
    "edward ed eddie ted ned", "elizabeth liz beth betty eliza lisa", "eugene gene", "francis frank frances fran",
    "frederick fred", "gerald gerry jerry", "gregory greg", "henry hank harry", "james jim jimmy jamie",
    "jennifer jen jenny",
    "john jack johnny jonathan jon", "joseph joe joey", "joshua josh", "kenneth ken kenny", "kimberly kim",
    "lawrence laurence larry", "leonard leo len", "margaret maggie meg peggy", "matthew matt", "michael mike mick",
    "nancy ann anne anna", "nicholas nick", "pamela pam", "patricia pat patty tricia", "patrick pat", "peter pete",
    "philip phillip phil", "raymond ray", "rebecca becky", "richard rich rick dick", "robert rob bob bobby bert",
    "ronald ron", "samuel sam samantha", "stephen steven steve", "susan sue suzanne", "theodore ted theo",
    "thomas tom tommy", "timothy tim", "victoria vicky", "vincent vince vinny", "walter walt",
    "william bill will billy liam",
)  # fmt: skip
_STREET_WORDS = {
    "street": "st", "avenue": "ave", "av": "ave", "road": "rd", "drive": "dr", "lane": "ln", "court": "ct",
    "boulevard": "blvd", "place": "pl", "terrace": "ter", "circle": "cir", "highway": "hwy", "parkway": "pkwy",
    "square": "sq", "north": "n", "south": "s", "east": "e", "west": "w", "apartment": "apt", "suite": "ste",
}  # fmt: skip
_ZIP = re.compile(r"([0-9]{5})(?:-?[0-9]{4})?")
_ALSO_AT = 10
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Names:
    given: tuple[str, ...] = ()
    family: frozenset[str] = frozenset()
    suffix: str | None = None
    company: str | None = None
    """Of a person it says nothing here: only who has no other name is a company."""

    @property
    def is_company(self) -> bool:
        return self.company is not None and not self.given and not self.family

    @property
    def keys(self) -> list[str]:
        """By any of these somebody of the same name is looked up."""
        return sorted(self.family | ({self.company} if self.is_company and self.company else set()))


@dataclass(frozen=True)
class Place:
    street: str | None = None
    city: str | None = None
    zip: str | None = None


@dataclass(frozen=True)
class Profile:
    """What either side says of itself."""

    names: Names = Names()
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    place: Place = Place()


@dataclass(frozen=True)
class Match:
    """`score`: 0 to 100. `reasons`: for a person, what speaks for it and what against."""

    score: int
    reasons: tuple[str, ...]

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE

    @property
    def words(self) -> str:
        first, *others = self.reasons
        return ", ".join([first, *(reason[0].lower() + reason[1:] for reason in others)])

    def doubted(self, reason: str) -> "Match":
        """No longer sure, for this reason."""
        return replace(self, score=min(self.score, SURE - 1), reasons=(*self.reasons, reason))


def profile_of_contact(row: ContactCopy) -> Profile:
    return Profile(
        names=names_of(row.given_name, row.family_name, company=row.company_name),
        phones=frozenset(row.phones),
        emails=frozenset(map(str.lower, row.emails)),
        place=place_of(row.street, row.city, row.postal_code),
    )


def profile_of_customer(row: Customer) -> Profile:
    return Profile(
        names=names_of_customer(row),
        phones=frozenset({row.phone} if row.phone else ()),
        emails=frozenset({row.email.lower()} if row.email else ()),
        place=place_of(row.street, row.city, row.postal_code),
    )


def names_of_customer(row: Customer) -> Names:
    return names_of(row.given_name, row.family_name, company=row.company_name, display=row.display_name)


def names_of(
    given: str | None = None,
    family: str | None = None,
    *,
    suffix: str | None = None,
    company: str | None = None,
    display: str | None = None,
) -> Names:
    """Names without case, accents, titles and punctuation. `display` is read where there is neither first nor last
    name: `Lima, Ana`, `Ana & Ben Lima (Elm St)`, or a company.
    """
    firm = _company(company)
    firsts, lasts = _words(given), _words(family)
    if not firsts and not lasts and display:
        if _is_company(display, firm):
            return Names(company=firm or _company(display))
        firsts, lasts = _read(display)
    found = [_SUFFIXES[word] for word in [*lasts, *firsts, *_words(suffix)] if word in _SUFFIXES]
    return Names(
        given=tuple(word for word in firsts if word not in _SUFFIXES),
        family=frozenset(word for word in lasts if word not in _SUFFIXES),
        suffix=found[0] if found else None,
        company=firm,
    )


def place_of(street: str | None, city: str | None, postal_code: str | None) -> Place:
    written = [_STREET_WORDS.get(word, word) for word in _plain(street)]
    five = _ZIP.fullmatch(postal_code.strip()) if postal_code else None
    return Place(
        street=" ".join(written) or None,
        city=" ".join(_plain(city)) or None,
        zip=five.group(1) if five else None,
    )


def compare(one: Profile, other: Profile) -> Match | None:
    """What speaks for these two being the same, None where nothing does. Symmetric."""
    phone, email = bool(one.phones & other.phones), bool(one.emails & other.emails)
    full, clash = _is_same_name(one.names, other.names), _clash(one.names, other.names)
    zip_, city = _same(one.place.zip, other.place.zip), _same(one.place.city, other.place.city)
    house = zip_ and _same(one.place.street, other.place.street)
    is_kin = bool(one.names.family & other.names.family)
    score = _score(phone=phone, email=email, full=full, clash=clash is not None, house=house, zip_=zip_, city=city)
    if score == 0 and is_kin and house:
        score = 40
    if score == 0:
        return None
    if score < SURE and house and (phone or email):
        score = min(score + _ALSO_AT, SURE - 1)
    said = {
        "Same phone": phone,
        "Same e-mail address": email,
        "Same full name": full,
        "Same last name": is_kin and not full,
        "Same street and ZIP": house,
        "Same ZIP": zip_ and not house,
        "Same city": city and not zip_,
        clash or "": clash is not None,
    }
    return Match(score, tuple(reason for reason, holds in said.items() if holds))


def _score(*, phone: bool, email: bool, full: bool, clash: bool, house: bool, zip_: bool, city: bool) -> int:
    if phone and not clash:
        return 100 if full else 95
    if full and (email or house):
        return 90 if email else 85
    if phone:
        return 65
    if email:
        return 40 if clash else 55
    if full and (zip_ or city):
        return 45 if zip_ else 35
    return 0


def choose(matches: Mapping[K, Match]) -> K | None:
    """The one that it surely is; None where there is none, or more than one."""
    sure = [key for key, match in matches.items() if match.is_sure]
    return sure[0] if len(sure) == 1 else None


def _is_same_name(one: Names, other: Names) -> bool:
    if one.is_company and other.is_company:
        return one.company == other.company
    if not (one.given and other.given and one.family and other.family):
        return False
    return (one.given[0], one.family, one.suffix) == (other.given[0], other.family, other.suffix)


def _clash(one: Names, other: Names) -> str | None:
    """In what two names contradict each other; what one of them does not say is no contradiction."""
    if one.is_company and other.is_company and one.company != other.company:
        return "Other company"
    if one.family and other.family and not one.family & other.family:
        return "Other last name"
    if one.suffix and other.suffix and one.suffix != other.suffix:
        return "Junior and senior"
    if one.given and other.given and not any(_may_be(a, b) for a, b in product(one.given, other.given)):
        return "Other first name"
    return None


def _may_be(one: str, other: str) -> bool:
    """Ana and A., Dan and Daniel, Bob and Robert."""
    is_short = one.startswith(other) or other.startswith(one)
    return is_short or bool(_GROUPS.get(one, frozenset()) & _GROUPS.get(other, frozenset()))


def _same(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _is_company(display: str, firm: str | None) -> bool:
    return (firm is not None and _company(display) == firm) or bool(_COMPANY_WORDS & set(_plain(display)))


def _company(name: str | None) -> str | None:
    words = _plain(name)
    return " ".join([word for word in words if word not in _LEGAL_FORMS] or words) or None


def _read(display: str) -> tuple[list[str], list[str]]:
    """First and last names. Of a single word nobody knows which it is, and a phone or an e-mail is none."""
    bare = re.sub(r"\([^)]*\)", " ", display)
    if "@" in bare:
        return [], []
    if "," in bare:
        last, _, first = bare.partition(",")
        # `John Reed, Jr.` is not turned around.
        if set(_words(first)) - _SUFFIXES.keys():
            return _words(first), _words(last)
    words = _words(bare)
    names = [word for word in words if word not in _SUFFIXES]
    if len(names) < 2:
        return [], []
    return names[:-1], [names[-1], *(word for word in words if word in _SUFFIXES)]


def _words(text: str | None) -> list[str]:
    return [word for word in _plain(text) if word not in _TITLES and not word.isdecimal()]


def _plain(text: str | None) -> list[str]:
    if not text:
        return []
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", " ", re.sub(r"['’.]", "", bare)).split()


def _grouped(lines: Iterable[str]) -> dict[str, frozenset[int]]:
    groups: dict[str, set[int]] = {}
    for number, line in enumerate(lines):
        for name in line.split():
            groups.setdefault(name, set()).add(number)
    return {name: frozenset(numbers) for name, numbers in groups.items()}


_GROUPS = _grouped(_NICKNAMES)
