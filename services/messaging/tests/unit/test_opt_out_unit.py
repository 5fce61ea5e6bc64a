"""The labelled corpus is the specification; the fuzz tests vary what people vary: case, spacing, punctuation."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messaging.opt_out import PROVIDER_WORDS, OptOutKind, classify

CORPUS = [
    json.loads(line)
    for line in (Path(__file__).parent / "fixtures" / "opt_out_corpus.jsonl").read_text("utf-8").splitlines()
]
DECIDED = {OptOutKind.KEYWORD, OptOutKind.FREE_WORDING}
# The carriers' list and 47 CFR 64.1200(a)(10).
FCC_WORDS = ["stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "stop all"]


def labelled(label: str) -> list[str]:
    return [row["text"] for row in CORPUS if row["label"] == label]


def test_corpus_is_large_distinct_and_bilingual() -> None:
    texts = [row["text"] for row in CORPUS]
    assert len(texts) == len(set(texts)) >= 600
    assert len([row for row in CORPUS if row["language"] == "es"]) >= 150
    assert len(labelled("none")) >= 300


def test_hardly_any_opt_out_is_missed() -> None:
    opt_outs = labelled("opt_out")
    missed = [text for text in opt_outs if not classify(text).suppresses]
    assert len(missed) <= 0.01 * len(opt_outs), missed


def test_most_opt_outs_need_no_person() -> None:
    opt_outs = labelled("opt_out")
    undecided = [text for text in opt_outs if classify(text).kind not in DECIDED]
    assert len(undecided) <= 0.03 * len(opt_outs), undecided


def test_what_is_decided_is_an_opt_out() -> None:
    decided = [row for row in CORPUS if classify(row["text"]).kind in DECIDED]
    wrong = [row for row in decided if row["label"] != "opt_out"]
    assert len(wrong) <= 0.05 * len(decided), wrong


def test_ordinary_conversation_is_rarely_frozen() -> None:
    ordinary = labelled("none")
    frozen = [text for text in ordinary if classify(text).suppresses]
    assert len(frozen) <= 0.02 * len(ordinary), frozen


def test_doubtful_wording_suppresses_until_a_person_decides() -> None:
    doubtful = labelled("unsure")
    sent_to = [text for text in doubtful if not classify(text).suppresses]
    assert len(sent_to) <= 0.02 * len(doubtful), sent_to


@pytest.mark.parametrize(("label", "kind"), [("opt_in", OptOutKind.OPT_IN), ("help", OptOutKind.HELP)])
def test_answers_of_one_word(label: str, kind: OptOutKind) -> None:
    assert {classify(text).kind for text in labelled(label)} == {kind}


@pytest.mark.parametrize("word", FCC_WORDS)
@pytest.mark.parametrize(
    "variant",
    [
        str.upper,
        str.lower,
        str.title,
        str.swapcase,
        lambda word: f"  {word}\n",
        lambda word: f"{word}.",
        lambda word: f"{word.upper()}!!!",
        lambda word: f"«{word}»",
        lambda word: f"*{word}*",
        lambda word: f"{word} 🙏🏽",
        lambda word: " ".join(word.replace(" ", "")),
        lambda word: ".".join(word.replace(" ", "")),
        lambda word: word.replace("o", "о").replace("e", "е"),  # Cyrillic
        lambda word: "".join(chr(ord(char) + 0xFEE0) if char != " " else char for char in word),  # fullwidth
        lambda word: word[0] + "\u200b" + word[1:],
        lambda word: f"{word}\n\nSent from my iPhone",
    ],
)
def test_every_fcc_word_in_every_dress_is_a_keyword(word: str, variant) -> None:
    assert classify(variant(word)).kind is OptOutKind.KEYWORD


around = st.text(alphabet=" \t\n.,!?-_*\"'()…–🙏😡\u200b\u00a0", max_size=8)


@given(word=st.sampled_from(FCC_WORDS), before=around, after=around, flips=st.lists(st.booleans(), min_size=11))
def test_case_spacing_and_punctuation_never_hide_a_keyword(
    word: str, before: str, after: str, flips: list[bool]
) -> None:
    dressed = "".join(
        char.upper() if flip else char for char, flip in zip(word, flips + [False] * len(word), strict=False)
    )
    assert classify(before + dressed + after).kind is OptOutKind.KEYWORD


@given(
    text=st.sampled_from(labelled("opt_out")),
    greeting=st.sampled_from(["Hi. ", "Hello!\n", "Sorry. ", "Ok. "]),
    shout=st.booleans(),
)
def test_a_greeting_or_shouting_does_not_hide_an_opt_out(text: str, greeting: str, shout: bool) -> None:
    said = classify(text)
    if said.kind is OptOutKind.FREE_WORDING and not any(char.isdigit() for char in text):
        assert classify(greeting + (text.upper() if shout else text)).suppresses


@given(st.text(max_size=400))
def test_any_text_gets_exactly_one_verdict(text: str) -> None:
    verdict = classify(text)
    assert verdict == classify(text)
    assert 0 < verdict.confidence <= 1
    assert bool(verdict.matched) == (verdict.kind is not OptOutKind.NONE)


def test_only_the_bare_words_are_the_providers() -> None:
    handled = {text for text in labelled("opt_out") if classify(text).is_provider_keyword}
    assert {text.strip().casefold() for text in handled} == PROVIDER_WORDS
    for own in ("revoke", "opt out", "stop.", "stop please", "Please stop texting me"):
        assert not classify(own).is_provider_keyword
    assert classify("Start").is_provider_keyword


@pytest.mark.parametrize("text", ["Wrong number", "numero equivocado", "No one by that name here"])
def test_a_wrong_number_is_marked_for_the_person_who_decides(text: str) -> None:
    verdict = classify(text)
    assert (verdict.kind, verdict.is_wrong_number) == (OptOutKind.UNSURE, True)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Yes please", OptOutKind.NONE),
        ("yes", OptOutKind.NONE),
        ("please start on Monday", OptOutKind.NONE),
        ("start texting me again", OptOutKind.NONE),
        ("the leak won't stop", OptOutKind.NONE),
        ("can you stop by Tuesday?", OptOutKind.NONE),
        ("at the end of the month", OptOutKind.NONE),
        ("cancel my Tuesday appointment", OptOutKind.NONE),
        ("ok cancel", OptOutKind.UNSURE),
        ("don't call me, text me", OptOutKind.UNSURE),
        ("don't text me before 9am", OptOutKind.UNSURE),
        ("don't stop texting me, I love the updates", OptOutKind.UNSURE),
        ("Wrong person, don't text again", OptOutKind.FREE_WORDING),
        ("STOP PLEASE", OptOutKind.FREE_WORDING),
        ("🛑", OptOutKind.UNSURE),
        ("", OptOutKind.NONE),
    ],
)
def test_decisions_that_were_argued_about(text: str, kind: OptOutKind) -> None:
    assert classify(text).kind is kind


@pytest.mark.parametrize(
    "unit",
    ["stop ", "a", "dont ", "please no more ", "s t o p ", "?a", "ﷺ", "\u0301", "take me ", "no me ", "leave me the "],
)
def test_hostile_length_costs_no_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    started = time.perf_counter()
    verdict = classify(text)
    assert time.perf_counter() - started < 1.0
    assert verdict.suppresses
