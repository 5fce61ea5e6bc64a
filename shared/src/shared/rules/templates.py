"""Message templates: `{first_name}` and `{first_name|there}`. What is rendered never holds a brace."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from shared.errors import Invalid
from shared.rules.segments import count_segments, normalise

STANDARD_FIELDS = ("first_name", "last_name", "full_name", "company", "address", "city", "state", "zip")

_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER_OR_BRACE = re.compile(r"\{([^{}]*)\}|[{}]")

# Public shorteners hide the sender; carriers filter texts that hold one (CTIA Messaging Principles 5.3.5).
_SHORTENERS = (
    "bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly", "cutt.ly", "rb.gy",
    "shorturl.at", "tiny.cc", "bl.ink", "t.ly", "s.id", "v.gd", "lnkd.in", "soo.gd", "clck.ru", "short.io",
    "tiny.one", "bitly.com", "qr.ae", "adf.ly", "shorte.st", "x.gd", "dub.sh",
)  # fmt: skip
_SHORTENER_LINK = re.compile(
    r"(?<![\w.@-])(?:https?://)?(?:www\.)?(" + "|".join(map(re.escape, _SHORTENERS)) + r")(?=/|\b(?![.-]?\w))",
    re.IGNORECASE,
)
_OPT_OUT_WORDS = re.compile(
    r"\bSTOP\b|\b(?:[Oo]pt|OPT)[ -]?(?:out|OUT)\b|\b[Uu]nsubscribe\b|\bUNSUBSCRIBE\b"
    r"|\b(?i:reply|text|txt|send|responda|responde|env[ií]e|env[ií]a)\b[^.!?\n]{0,20}\b(?i:stop|end|quit|cancel|alto)\b"
)


class InvalidTemplate(Invalid):
    code = "invalid_template"
    # What every route calls the text; one that takes several says which.
    request_field = "body.message"


class MissingValue(Invalid):
    """The person has no value for `name` and the template gives no fallback: block or skip, never send."""

    code = "missing_template_value"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no {name} for this person, and the template has no fallback.", field=name)
        self.name = name


@dataclass(frozen=True, slots=True)
class Placeholder:
    name: str
    fallback: str | None


@dataclass(frozen=True, slots=True)
class LintWarning:
    """`code` is stable: no_business_name, no_opt_out_words, public_short_link, too_long."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template; parse once, render per person."""

    parts: tuple[str | Placeholder, ...]

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(part.name for part in self.parts if isinstance(part, Placeholder))

    @property
    def required_fields(self) -> frozenset[str]:
        return frozenset(p.name for p in self.parts if isinstance(p, Placeholder) and p.fallback is None)

    def missing(self, values: Mapping[str, str | None]) -> frozenset[str]:
        """The names that would make `render` raise."""
        return frozenset(name for name in self.required_fields if _usable(values.get(name)) is None)

    def render(self, values: Mapping[str, str | None]) -> str:
        """Raise MissingValue for the first placeholder that has neither a value nor a fallback."""
        return "".join(part if isinstance(part, str) else _fill(part, values) for part in self.parts)


def parse_template(text: str, custom_fields: Collection[str] = ()) -> Template:
    """Raise InvalidTemplate for a lone brace or a name neither standard nor in `custom_fields`."""
    return Template(tuple(_parts(text, frozenset(STANDARD_FIELDS).union(custom_fields))))


def render(text: str, values: Mapping[str, str | None], custom_fields: Collection[str] = ()) -> str:
    return parse_template(text, custom_fields).render(values)


def lint(text: str, business_name: str, *, first_touch: bool = True, max_segments: int = 2) -> list[LintWarning]:
    """What a person should know before this is sent; warnings never block by themselves.

    The length is that of the text as written, placeholders included; previews show the longest render.
    """
    warnings = list(_first_touch_warnings(text, business_name)) if first_touch else []
    if link := _SHORTENER_LINK.search(text):
        warnings.append(
            LintWarning("public_short_link", f"Carriers block public short links such as {link[1].lower()}.")
        )
    segments = count_segments(normalise(text), billing=True).segments
    if segments > max_segments:
        warnings.append(LintWarning("too_long", f"The text takes {segments} segments, more than {max_segments}."))
    return warnings


def _first_touch_warnings(text: str, business_name: str) -> Iterator[LintWarning]:
    if business_name.strip() and _letters(business_name) not in _letters(text):
        yield LintWarning("no_business_name", f"A first text has to say who writes: name {business_name}.")
    if _OPT_OUT_WORDS.search(text) is None:
        yield LintWarning("no_opt_out_words", "A first text has to say how to opt out: “Reply STOP to opt out.”")


def _letters(text: str) -> str:
    # "Attack-a-Crack" and "attack a crack" name the same business.
    return "".join(filter(str.isalnum, text.casefold()))


def _parts(text: str, allowed: frozenset[str]) -> Iterator[str | Placeholder]:
    end = 0
    for match in _PLACEHOLDER_OR_BRACE.finditer(text):
        if match[1] is None:
            raise InvalidTemplate(f"The brace at position {match.start() + 1} has no partner.", position=match.start())
        if match.start() > end:
            yield text[end : match.start()]
        yield _placeholder(match[1], allowed)
        end = match.end()
    if end < len(text):
        yield text[end:]


def _placeholder(inside: str, allowed: frozenset[str]) -> Placeholder:
    name, bar, fallback = inside.partition("|")
    name = name.strip().lower()
    if _FIELD_NAME.fullmatch(name) is None or name not in allowed:
        raise InvalidTemplate(
            f"There is no field {name!r}. Allowed: {', '.join(sorted(allowed))}.",
            field=name,
            allowed=sorted(allowed),
        )
    return Placeholder(name, fallback.strip() if bar else None)


def _fill(placeholder: Placeholder, values: Mapping[str, str | None]) -> str:
    value = _usable(values.get(placeholder.name))
    if value is not None:
        return value
    if placeholder.fallback is None:
        raise MissingValue(placeholder.name)
    return placeholder.fallback


def _usable(value: str | None) -> str | None:
    """The value on one line, or None: a blank is no value, and one with a brace is a mail merge's leftover.

    Refusing every brace, not only whole placeholders, keeps two values from forming one between them.
    """
    if value is None or "{" in value or "}" in value:
        return None
    return " ".join(value.split()) or None
