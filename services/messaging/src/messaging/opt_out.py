"""Whether an inbound text asks to be texted no more: carrier words, free wording in English and Spanish, doubt.

The FCC counts any reasonable means (47 CFR 64.1200(a)(10)), the provider only six single words. So: normalise the
text, try it whole as a keyword, then look for phrases; a text that may or may not be one is `UNSURE`, which
suppresses and asks a person. Every step is linear in the text.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from messaging.opt_out_phrases import LIMIT, ORDINARY_STOP, PHRASES, TOPICS, Phrase
from messaging.opt_out_spelling import BREAK, canonical, spelt, words_of


class OptOutKind(StrEnum):
    NONE = "none"
    KEYWORD = "keyword"
    FREE_WORDING = "free_wording"
    UNSURE = "unsure"
    OPT_IN = "opt_in"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class OptOutVerdict:
    """`matched` is the normalised wording that decided; `confidence` orders the review queue, nothing else.

    `is_provider_keyword`: the provider acts on exactly this text and confirms it itself (Quo: the bare word in any
    case), so a confirmation of ours would be a second one. `is_wrong_number`: the writer says that we look for
    somebody else.
    """

    kind: OptOutKind
    matched: str = ""
    language: str | None = None
    is_provider_keyword: bool = False
    is_wrong_number: bool = False
    confidence: float = 1.0

    @property
    def suppresses(self) -> bool:
        """Nothing more may be sent, be it for good or until a person has decided."""
        return self.kind in (OptOutKind.KEYWORD, OptOutKind.FREE_WORDING, OptOutKind.UNSURE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PROVIDER_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit"})
CARRIER_WORDS = PROVIDER_WORDS | {"revoke", "optout"}
OPT_IN_WORDS = frozenset({"start", "unstop"})
_HELP_WORDS = {"help": "en", "info": "en", "ayuda": "es"}

# Carrier words that mean one thing only, whatever courtesy or temper stands around them.
_PLAIN_WORDS = frozenset(
    {"stop", "stopall", "unsubscribe", "optout", "revoke", "remove", "removed", "delete", "nomore", "dnc", "unsub"}
)
_SPANISH_WORDS = _words(
    "alto pare paren parar para basta detener detengase detenganse cancelar cancele cancelen baja nomas "
    "desuscribir desuscribirme"
)
_DOUBTFUL_WORDS = CARRIER_WORDS | _words(
    "off out salir fin terminar dejar yano borrar quitar eliminar enough block blocked spam scam stip stol"
)
_COURTESY = _words("please pls plz plse pleas thx thanks thank you ty por favor porfavor porfa gracias")
_TEMPER = _words(
    "u now asap immediately already just sir maam mam bro dude man guys lady hey hi hello kindly god omg wtf "
    "ffs jesus seriously the hell fucking me it this that these im sorry xfa ya senor senora right and all"
)
_ANSWERS = _words("ok okay yes yeah yep no nope nah k")
_STOP_SIGNS = frozenset("🛑🚫⛔🖕✋📵")
_LONGEST_KEYWORD_TEXT = 12
# Twice the longest text that the provider takes; what is longer was hardly typed by a person.
_LONGEST_TEXT = 3_200
_STOP = re.compile(r"\bstop\b")
_CONFIDENCE = {OptOutKind.KEYWORD: 1.0, OptOutKind.FREE_WORDING: 0.9, OptOutKind.UNSURE: 0.5}


def classify(text: str) -> OptOutVerdict:
    """Judge one inbound text; pure and deterministic.

    A text too long to be read whole in a few milliseconds is judged by its beginning, and is doubtful at best.
    """
    if len(text) > _LONGEST_TEXT:
        beginning = classify(text[:_LONGEST_TEXT])
        return beginning if beginning.suppresses else _verdict(OptOutKind.UNSURE, "too long to judge")
    words = words_of(text)
    verdict = _whole_text(words) or _stop_sign(text, words)
    if verdict is None or verdict.kind is OptOutKind.UNSURE:
        phrased = _phrases(canonical(words))
        verdict = phrased if verdict is None or phrased.kind is OptOutKind.FREE_WORDING else verdict
    is_provider_keyword = text.strip().casefold() in PROVIDER_WORDS | OPT_IN_WORDS
    return replace(verdict, is_provider_keyword=True) if is_provider_keyword else verdict


def _whole_text(words: list[str]) -> OptOutVerdict | None:
    spoken = [word for word in words if word != BREAK]
    if verdict := _keyword(spoken) or _answer(spoken) or _courteous(spoken):
        return verdict
    # A signature or an outburst may follow: "STOP\nSent from my iPhone".
    return _keyword(words[: words.index(BREAK)]) if BREAK in words else None


def _keyword(words: list[str]) -> OptOutVerdict | None:
    """A carrier word, also spaced out or repeated."""
    if words and (set(words) <= CARRIER_WORDS or _compact(words) in CARRIER_WORDS):
        return _verdict(OptOutKind.KEYWORD, " ".join(words[:6]), "en")
    return None


def _answer(words: list[str]) -> OptOutVerdict | None:
    word = _compact(words)
    if word in OPT_IN_WORDS:
        return OptOutVerdict(OptOutKind.OPT_IN, word, "en")
    if word in _HELP_WORDS:
        return OptOutVerdict(OptOutKind.HELP, word, _HELP_WORDS[word])
    return None


def _courteous(words: list[str]) -> OptOutVerdict | None:
    """A word that decides among others that do not: "STOP PLEASE", "no, stop it now", "cancelar gracias"."""
    asked = [spelt(word) for word in words if word not in _COURTESY]
    bare = [word for word in asked if word not in _TEMPER]
    core = [word for word in bare if word not in _ANSWERS]
    if not bare or len(core) > 4:
        return None
    heard = " ".join(words[:_LONGEST_KEYWORD_TEXT])
    forms = {_compact(core), _compact(bare)}
    if forms & _PLAIN_WORDS or (core and set(core) <= _PLAIN_WORDS):
        kind = OptOutKind.KEYWORD if len(words) == 1 and core[0] in CARRIER_WORDS else OptOutKind.FREE_WORDING
        return _verdict(kind, heard, "en")
    if _compact(asked) in CARRIER_WORDS:
        return _verdict(OptOutKind.FREE_WORDING, heard, "en")
    if forms & _SPANISH_WORDS:
        return _verdict(OptOutKind.FREE_WORDING, heard, "es")
    return _verdict(OptOutKind.UNSURE, heard) if forms & _DOUBTFUL_WORDS else None


def _stop_sign(text: str, words: list[str]) -> OptOutVerdict | None:
    if set(words) <= {BREAK} and not _STOP_SIGNS.isdisjoint(text):
        return _verdict(OptOutKind.UNSURE, "stop sign")
    return None


def _phrases(plain: str) -> OptOutVerdict:
    """The first phrase that decides; else the first doubt; else what a "stop" without a phrase is worth."""
    doubt: OptOutVerdict | None = None
    for phrase in PHRASES:
        if match := phrase.pattern.search(plain):
            verdict = _judge(phrase, match, plain)
            if verdict.kind is OptOutKind.FREE_WORDING:
                return verdict
            doubt = doubt or verdict
    return doubt or _left_over_stop(plain)


def _judge(phrase: Phrase, match: re.Match[str], plain: str) -> OptOutVerdict:
    around = f"{plain[: match.start()]} {BREAK} {plain[match.end() :]}"
    is_doubtful = (
        phrase.is_doubtful
        or bool(match.groupdict().get("negated"))
        or (phrase.may_be_limited and LIMIT.search(around) is not None)
    )
    kind = OptOutKind.UNSURE if is_doubtful else OptOutKind.FREE_WORDING
    heard = match[0].strip(f" {BREAK}")[:80]
    return replace(_verdict(kind, heard, phrase.language), is_wrong_number=phrase.is_wrong_number)


def _left_over_stop(plain: str) -> OptOutVerdict:
    """A "stop" that no phrase explains: none if it is about a leak or a visit, else a person should look."""
    if _STOP.search(plain) and not ORDINARY_STOP.search(plain) and TOPICS.isdisjoint(plain.split()):
        return _verdict(OptOutKind.UNSURE, "stop", "en")
    return OptOutVerdict(OptOutKind.NONE)


def _verdict(kind: OptOutKind, matched: str, language: str | None = None) -> OptOutVerdict:
    return OptOutVerdict(kind, matched, language, confidence=_CONFIDENCE[kind])


def _compact(words: list[str]) -> str:
    return "".join(words) if len(words) <= _LONGEST_KEYWORD_TEXT else ""
