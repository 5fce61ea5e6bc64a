"""The table at the end: what the product says, held against the generated file and what the provider has seen.

Pure functions: facts in, lines out. A line that does not hold names the first cases.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from demo.households import Expected, Person
from demo.window import Window

OUTCOMES = ("created", "updated", "unchanged", "rejected")
OPT_OUT_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out"})
OPT_OUT_WORDINGS = frozenset(
    {
        "please stop texting me",
        "take me off your list",
        "remove me",
        "do not text this number again",
        "leave me alone",
        "please take me off this list",
    }
)
"""What the sandbox's people, and the demo itself, say when they want no more texts."""


@dataclass(frozen=True, slots=True)
class SentText:
    """A text that the provider accepted; `fault` is what it did wrong in answering."""

    recipient: str
    sender: str
    body: str
    at: datetime
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class IncomingText:
    sender: str
    body: str
    at: datetime

    @property
    def is_opt_out(self) -> bool:
        plain = " ".join(re.sub(r"[^a-z ]", "", self.body.lower()).split())
        return plain in OPT_OUT_WORDS or plain in OPT_OUT_WORDINGS


@dataclass(frozen=True, slots=True)
class Recipient:
    """As the product lists them."""

    phone: str | None
    text: str | None
    status: str
    was_sent: bool
    has_replied: bool = False

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "Recipient":
        return cls(
            item["phone"], item["text"], item["status"], item["sent_at"] is not None, item["replied_at"] is not None
        )


@dataclass(frozen=True)
class Evidence:
    """Everything the table is made of; `sent` and `incoming` are the provider's word, from the launch on."""

    expected: Expected
    is_first_import: bool
    """Whether the system knew none of the file's people and homes before."""
    imported: Mapping[str, Any]
    results: Mapping[str, Any]
    recipients: Sequence[Recipient]
    sent: Sequence[SentText]
    incoming: Sequence[IncomingText]
    opted_out: frozenset[str]
    """Phones that the product counts as opted out."""
    recorded: Mapping[str, datetime]
    """When the product committed the opt-out of those who asked, by its own consent ledger."""
    window: Window


@dataclass(frozen=True, slots=True)
class Line:
    claim: str
    figures: str
    holds: bool


def reconcile(evidence: Evidence) -> list[Line]:
    """The lines of the table, all of which must hold."""
    campaign = campaign_texts(evidence.sent, evidence.recipients)
    lines = [rows_add_up(evidence.expected, evidence.imported)]
    if evidence.is_first_import:
        lines.append(counts_are_true(evidence.expected, evidence.imported))
    return [
        *lines,
        audience_adds_up(evidence.results, evidence.recipients),
        ledger_agrees(campaign, evidence.results, evidence.recipients),
        nothing_is_unknown(evidence.results),
        nobody_twice(campaign),
        everybody_heard(evidence.incoming, evidence.opted_out),
        nobody_after_stop(campaign, evidence.incoming, evidence.recorded),
        nobody_outside(campaign, evidence.expected.people, evidence.window),
    ]


def campaign_texts(sent: Iterable[SentText], recipients: Iterable[Recipient]) -> list[SentText]:
    """Those of the provider's texts that are the campaign's; replies and confirmations have other words."""
    bodies = {recipient.text for recipient in recipients if recipient.text}
    return [text for text in sent if text.body in bodies]


def rows_add_up(expected: Expected, imported: Mapping[str, Any]) -> Line:
    counts = [int(imported[name]) for name in OUTCOMES]
    figures = f"{expected.rows:,} = {_sum(counts)}"
    return Line("records in the file = created + updated + unchanged + rejected", figures, sum(counts) == expected.rows)


def counts_are_true(expected: Expected, imported: Mapping[str, Any]) -> Line:
    """Only of a file that is new to the system: the generator knows what each row is."""
    true = [getattr(expected, name) for name in OUTCOMES]
    counts = [int(imported[name]) for name in OUTCOMES]
    figures = " / ".join(f"{count:,}" for count in true)
    if counts != true:
        figures += " ≠ " + " / ".join(f"{count:,}" for count in counts)
    return Line("each of the four counts = what the generator put in", figures, counts == true)


def audience_adds_up(results: Mapping[str, Any], recipients: Sequence[Recipient]) -> Line:
    """Three ways to count the same people."""
    listed = Counter(recipient.status for recipient in recipients)
    counts = {status: count for status, count in results["counts"].items() if count}
    holds = results["total"] == sum(counts.values()) == len(recipients) and counts == dict(listed)
    named = " + ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in counts.items())
    return Line("audience = sum of recipient states", f"{results['total']:,} = {named or '0'}", holds)


def ledger_agrees(campaign: Sequence[SentText], results: Mapping[str, Any], recipients: Sequence[Recipient]) -> Line:
    """By number and by name: the same phones, each with exactly its own words."""
    accepted = Counter((text.recipient, text.body) for text in campaign)
    claimed = Counter((str(r.phone), str(r.text)) for r in recipients if r.was_sent)
    figures = f"{len(campaign):,} = {results['sent']:,}"
    holds = accepted == claimed and len(campaign) == results["sent"]
    strays = [phone for phone, _ in [*(accepted - claimed), *(claimed - accepted)]]
    return Line("campaign texts in the provider's ledger = recipients sent or later", figures + _cases(strays), holds)


def nothing_is_unknown(results: Mapping[str, Any]) -> Line:
    open_states = ("unknown", "requested", "waiting")
    found = {state: int(results["counts"].get(state, 0)) for state in open_states}
    figures = ", ".join(f"{count:,} {state}" for state, count in found.items())
    return Line("unknown = 0, and nobody is left in between", figures, not any(found.values()))


def nobody_twice(campaign: Sequence[SentText]) -> Line:
    times = Counter(text.recipient for text in campaign)
    repeated = [phone for phone, count in times.items() if count > 1]
    figures = f"{len(times):,} people, {len(campaign):,} texts"
    return Line("nobody was texted twice", figures + _cases(repeated), not repeated)


def everybody_heard(incoming: Sequence[IncomingText], opted_out: frozenset[str]) -> Line:
    asked = {text.sender for text in incoming if text.is_opt_out}
    missed = sorted(asked - opted_out)
    figures = f"{len(asked):,} asked, {len(asked & opted_out):,} are opted out"
    return Line("whoever asked to be left alone is opted out", figures + _cases(missed), not missed)


# A text whose intent was committed before the opt-out is on the wire, and arrives a moment after it.
ON_THE_WIRE = timedelta(seconds=5)


def nobody_after_stop(
    campaign: Sequence[SentText], incoming: Sequence[IncomingText], recorded: Mapping[str, datetime]
) -> Line:
    """Against what the product had committed: how long it took to hear of it (a lost webhook, say) is only told."""
    asked_at: dict[str, datetime] = {}
    for text in incoming:
        if text.is_opt_out:
            asked_at[text.sender] = min(text.at, asked_at.get(text.sender, text.at))
    late = [
        text.recipient
        for text in campaign
        if text.recipient in recorded and text.at > recorded[text.recipient] + ON_THE_WIRE
    ]
    gaps = [recorded[phone] - at for phone, at in asked_at.items() if phone in recorded]
    longest = max(0.0, max(gaps, default=timedelta()).total_seconds())
    return Line(
        "nobody was texted after STOP was recorded",
        f"{len(asked_at):,} stops, recorded within {longest:,.0f} s, {len(late):,} texts after{_cases(late)}",
        not late,
    )


def nobody_outside(campaign: Sequence[SentText], people: Mapping[str, Person], window: Window) -> Line:
    """By the zone of the address in the file; a recipient that the file does not have counts as outside."""
    late = [text.recipient for text in campaign if not _is_inside(text, people.get(text.recipient), window)]
    zones = len({people[text.recipient].zone for text in campaign if text.recipient in people})
    figures = f"{len(campaign) - len(late):,} of {len(campaign):,} inside, {zones} zones"
    return Line("nobody was texted outside the window of their own zone", figures + _cases(late), not late)


def _is_inside(text: SentText, person: Person | None, window: Window) -> bool:
    return person is not None and window.is_open(text.at, zone=person.zone, state=person.state)


def _sum(counts: Iterable[int]) -> str:
    return " + ".join(f"{count:,}" for count in counts) or "0"


def _cases(phones: Sequence[str], most: int = 3) -> str:
    """The first cases of a line that does not hold, unrecognisable to others."""
    masked = [f"{phone[:5]}•••{phone[-4:]}" for phone in phones[:most]]
    return f" ({', '.join(masked)}{' …' if len(phones) > most else ''})" if masked else ""
