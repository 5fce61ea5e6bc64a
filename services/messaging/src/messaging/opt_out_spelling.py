"""From what people type to plain canonical words: case, look-alike letters, spacing, spelling, synonyms."""

import re
import unicodedata
from collections.abc import Iterable

# Between sentences and lines; it keeps phrases from reaching over.
BREAK = "|"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LONGEST_WORD = 40
_LOOKALIKES = str.maketrans(
    "АВЕЅЗІЈКМНОРСТУХавеѕіјкмнорстухҺһԁԛԝѵΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχꜱᴛᴏᴘᴜɴʙᴄʀɪᴇʟᴀᴅɡ",
    "ABESZIJKMHOPCTYXabesijkmhopctyxHhdqwvABEZHIKMNOPTYXaeikvoptuxstopunbcrieladg",
)
# Negative circled and negative squared letters have no compatibility decomposition.
_ENCLOSED = {first + n: chr(ord("A") + n) for first in (0x1F150, 0x1F170) for n in range(26)}
_APOSTROPHES = str.maketrans(dict.fromkeys("'’‘`´ʼ′"))
_SENTENCE_END = re.compile(r"[.!?;:…]+(?=\s|$)|[\n\r\u2028\u2029]+|(?<=[^\W\d])[!?]+")
_DOLLAR_AS_S = re.compile(r"\$(?=[^\W\d_])")
_WORD = re.compile(r"[a-z0-9]+|\|")
_LEET = str.maketrans("01345", "oleas")
_STRETCHED = re.compile(r"([a-z])\1{2,}")

_MISSPELT_STOP = _words("stpo sotp stp stopp stahp stap tsop sttop stopo stpp dtop sopt pstop stob stoped")
_MISSPELT_UNSUBSCRIBE = re.compile(
    r"(?:un?s|unub|onsub|insub)[a-z]{0,8}?(?:be|bed|b|ib|bing|iber?|bir|bi|ive|ption|cripe|cribr|crieb)"
)

_SYNONYMS: dict[str, str] = {
    spelling: word
    for word, spellings in {
        # Every way to reach somebody in writing counts as one, so that one phrase covers "msg", "txt" and "contact".
        "text": "texts texting txt txts txting txtin txtn texing textin texxt tex txtng textng textting message "
        "messages messaging mesage mesages mesaging messge messges messging mssg mssgs msg msgs msging imessage "
        "contact contacting conact contacts bother bothering harass harassing harrass harrassing harras harrasing "
        "spamming spaming solicit soliciting soliciation solicitation solicitations sms mms pester pestering hound "
        "hounding annoying bugging emailing emails notifications alerts communication communications write writing",
        "texted": "messaged contacted txted emailed bothered harassed spammed solicited",
        "call": "calls calling phone phoning ring ringing robocalls voicemails",
        "called": "phoned",
        "send": "sending sends sendin sned",
        "dont": "donot dnt dint don",
        "number": "num nbr numbr numer digits nmber",
        "remove": "remov romove remve removing removed reomve removal",
        "unsubscribe": "unsub",
        "want": "wanna",
        "you": "u ya yall",
        "your": "ur",
    }.items()
    for spelling in spellings.split()
}
_JOINED = (
    (re.compile(r"\b(?:do not|don t|do nt)\b"), "dont"),
    (re.compile(r"\bopt(?:ed|ing|s)? (?:(?:me|us|my [a-z0-9]+|this number) )?out\b"), "optout"),
    (re.compile(r"\b(?:hit(?:ting)? me up|reach(?:ing)? out|get in touch)\b"), "text me"),
    (re.compile(r"\bstop all\b"), "stop"),
    (re.compile(r"\bany more\b"), "anymore"),
)


def words_of(text: str) -> list[str]:
    """Lower-case ASCII words, with a BREAK between sentences and lines; emoji and punctuation are dropped."""
    plain = unicodedata.normalize("NFKC", text.translate(_ENCLOSED)).translate(_LOOKALIKES).casefold()
    plain = _DOLLAR_AS_S.sub("s", plain.translate(_APOSTROPHES).replace(BREAK, " "))
    plain = unicodedata.normalize("NFD", _SENTENCE_END.sub(f" {BREAK} ", plain))
    plain = "".join(char for char in plain if unicodedata.category(char) not in ("Mn", "Cf"))
    return _spelled_out(_plain_word(word) for word in _WORD.findall(plain))


def canonical(words: list[str]) -> str:
    """The words with spellings and synonyms folded, in one string that begins and ends with a BREAK."""
    folded = (_SYNONYMS.get(word) or spelt(word) for word in words)
    plain = " ".join((BREAK, *folded, BREAK))
    for pattern, word in _JOINED:
        plain = pattern.sub(word, plain)
    return plain


def spelt(word: str) -> str:
    """The word, or the keyword that it misspells."""
    if word in _MISSPELT_STOP:
        return "stop"
    if word.startswith(("uns", "us", "unu", "onsu", "insu")) and _MISSPELT_UNSUBSCRIBE.fullmatch(word):
        return word if word.endswith("able") or len(word) < 7 else "unsubscribe"
    return word


def _plain_word(word: str) -> str:
    if not word.isalpha() and not word.isdigit() and word != BREAK:
        word = word.translate(_LEET)
    return _STRETCHED.sub(r"\1", word)[:_LONGEST_WORD]


def _spelled_out(words: Iterable[str]) -> list[str]:
    """`s t o p` becomes one word: a run of at least three single letters is spelling, not language."""
    joined: list[str] = []
    run: list[str] = []
    for word in (*words, BREAK):
        if len(word) == 1 and word.isalpha():
            run.append(word)
            continue
        joined.extend(["".join(run)] if len(run) >= 3 else run)
        run = []
        joined.append(word)
    return joined[:-1]
