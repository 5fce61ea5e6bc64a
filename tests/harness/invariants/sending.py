"""I1 to I5 and I14: what reached the provider, held against what was intended and allowed."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from harness.hours import closed_in
from harness.invariants.evidence import Evidence, Sent, gather
from harness.system import System

Check = Callable[[System], Awaitable[list[str]]]

ON_ITS_WAY = timedelta(seconds=1)
"""How long after its commit an opt-out may still be overtaken by a text that was claimed before it."""
LATE_AT_THE_PROVIDER = timedelta(seconds=3)
"""How long a busy machine may take from the look at the deadline to the provider's."""
CONFIRMATION_WINDOW = timedelta(minutes=5)
SAME_TEXT_WINDOW = timedelta(hours=24)
PROVIDER_LIMIT = 10
MOST_RECEIVED = {1: 15, 5: 50}
"""Seconds → calls in any such span. In one second more than the limit, as a busy machine receives in bunches what left
evenly; over five it has to be made up for."""
HELD_TO_THE_HOURS = {"campaign", "scheduled"}
LEGAL_MOVES = {
    "queued": {"in_flight", "suppressed", "expired", "cancelled"},
    "in_flight": {"accepted", "rejected", "unknown", "queued"},
    "unknown": {"accepted", "delivered", "undelivered", "failed", "not_found", "review"},
    "not_found": {"accepted", "delivered", "undelivered", "failed"},
    "review": {"accepted", "delivered", "undelivered", "failed", "not_found"},
    "accepted": {"delivered", "undelivered", "failed"},
}


async def one_text_per_intent(system: System) -> list[str]:
    """I1: one text per intent; and per step of a campaign and phone, unless a person resent it, and that once."""
    sent = (await gather(system)).sent
    known = {(s.message["phone"], s.message["body"]) for s in sent if s.message}
    found = [f"{s} repeats an intent" for s in sent if not s.message and _words(s) in known]
    keys = Counter(
        (m["campaign_id"], m["step"], m["phone"], m["resend_of"]) for m in _messages(sent) if m["campaign_id"]
    )
    found += [f"{phone} got {n} texts of step {step}" for (_, step, phone, _), n in keys.items() if n > 1]
    resends = Counter(m["resend_of"] for m in _messages(sent) if m["resend_of"])
    found += [f"{original} was resent {n} times" for original, n in resends.items() if n > 1]
    alarmed = await system.rows("messaging", "SELECT id FROM message WHERE is_alarmed")
    return found + [f"{row['id']} is alarmed" for row in alarmed]


def _words(text: Sent) -> tuple[str, str]:
    return text.entry["recipient"], text.entry["body"]


def _messages(sent: Iterable[Sent]) -> list[Any]:
    return [text.message for text in sent if text.message]


async def no_text_without_an_intent(system: System) -> list[str]:
    """I2: the intent of whatever the provider received was committed before, and its deadline had not passed."""
    found = []
    for text in (await gather(system)).sent:
        if text.message is None or text.intent_at is None:
            found.append(f"{text} has no intent before it, only {[str(at) for at in text.intents]}")
        elif text.entry["recv_at"] > text.message["not_after"] + LATE_AT_THE_PROVIDER:
            found.append(f"{text} left after its deadline at {text.message['not_after']:%H:%M:%S.%f}")
    return found


async def no_text_after_an_opt_out(system: System) -> list[str]:
    """I3: nothing whose intent follows an opt-out, nothing received a second after one; but one confirmation."""
    evidence = await gather(system)
    confirmed: Counter[tuple[str, Any]] = Counter()
    found = []
    for text in evidence.sent:
        if text.message and text.message["kind"] == "confirmation":
            confirmed[text.entry["recipient"], text.message["in_reply_to"]] += 1
            found += _late_confirmation(evidence, text)
        else:
            found += _after_opt_out(evidence, text)
    return found + [f"{phone} got {n} confirmations of one opt-out" for (phone, _), n in confirmed.items() if n > 1]


def _after_opt_out(evidence: Evidence, text: Sent) -> list[str]:
    phone, received = text.entry["recipient"], text.entry["recv_at"]
    if text.intent_at and (out := evidence.opted_out_by(phone, text.intent_at)):
        return [f"{text}: its intent of {text.intent_at:%H:%M:%S.%f} follows the opt-out of {out['committed_at']}"]
    if out := evidence.opted_out_by(phone, received - ON_ITS_WAY):
        return [f"{text}: later than a second after the opt-out of {out['committed_at']}"]
    return []


def _late_confirmation(evidence: Evidence, text: Sent) -> list[str]:
    opt_outs = [
        entry
        for entry in evidence.consent.get(text.entry["recipient"], ())
        if text.message and entry["evidence_message_id"] == text.message["in_reply_to"]
    ]
    if any(text.entry["crm_at"] <= out["occurred_at"] + CONFIRMATION_WINDOW + ON_ITS_WAY for out in opt_outs):
        return []
    return [f"{text}: a confirmation without an opt-out in the five minutes before it"]


async def opt_out_windows(system: System, phones: Iterable[str]) -> list[float]:
    """By how many seconds texts of these phones were received after an opt-out that they had overtaken."""
    evidence, wanted = await gather(system), set(phones)
    return [
        (text.entry["recv_at"] - out["committed_at"]).total_seconds()
        for text in evidence.sent
        if text.entry["recipient"] in wanted
        and text.message
        and text.message["kind"] != "confirmation"
        and (out := evidence.opted_out_by(text.entry["recipient"], text.entry["recv_at"]))
    ]


async def times_to_the_wire(system: System, phones: Iterable[str]) -> list[float]:
    """Seconds from the commit of the intent to the provider, for the texts of these phones."""
    wanted = set(phones)
    return [
        (text.entry["recv_at"] - text.intent_at).total_seconds()
        for text in (await gather(system)).sent
        if text.entry["recipient"] in wanted and text.intent_at
    ]


async def no_text_outside_the_window(system: System) -> list[str]:
    """I4: campaign texts arrive when the law lets them where the person lives, state hours included."""
    addresses = {
        row["e164"]: row
        for row in await system.rows(
            "contacts",
            "SELECT p.e164, c.state, c.zip FROM phone p JOIN contact c ON c.id = p.contact_id WHERE p.is_active",
        )
    }
    found = []
    for text in (await gather(system)).sent:
        if text.message is None or text.message["kind"] not in HELD_TO_THE_HOURS:
            continue
        phone, at = text.entry["recipient"], text.entry["crm_at"]
        home = addresses.get(phone, {"state": None, "zip": None})
        closed = closed_in(at, state=home["state"], zip_code=home["zip"], phone=phone)
        found += [f"{text}: it is {at:%a %H:%M} UTC, closed in {', '.join(closed)}"] if closed else []
    return found


async def limits_kept(system: System) -> list[str]:
    """I5: counted anew from the ledger, per second, number and day, campaign and day, and contact."""
    evidence = await gather(system)
    return [
        *_too_fast([text.entry["recv_at"] for text in evidence.sent]),
        *await _over_daily_caps(system, evidence.sent),
        *_same_text_within_a_day(evidence.sent),
        *await _requests_over_the_limit(system),
    ]


def _too_fast(received: list[datetime]) -> list[str]:
    instants = sorted(received)
    return [
        f"{most + 1} texts in the {seconds} s from {first}"
        for seconds, most in MOST_RECEIVED.items()
        for first, last in zip(instants, instants[most:], strict=False)
        if last - first < timedelta(seconds=seconds)
    ]


async def _over_daily_caps(system: System, sent: Iterable[Sent]) -> list[str]:
    """The counters themselves are held against the ledger, too: they may count more (doubt counts), never less."""
    by_number: Counter[tuple[Any, Any]] = Counter()
    by_campaign: Counter[tuple[Any, Any, Any]] = Counter()
    for text in sent:
        if text.message and text.message["kind"] == "campaign":
            number, day = text.message["number_id"], _local_day(text)
            by_number[number, day] += 1
            by_campaign[text.message["campaign_id"], number, day] += 1
    caps = {row["id"]: row["daily_cap"] for row in await system.rows("messaging", "SELECT * FROM phone_number")}
    campaigns = {row["id"]: row["daily_cap"] for row in await system.rows("campaigns", "SELECT * FROM campaign")}
    counters = {
        (row["number_id"], row["on_date"]): row["taken"]
        for row in await system.rows("messaging", "SELECT * FROM cap_counter WHERE scope = 'campaign'")
    }
    found = [f"{n} texts of a number on {key[1]}" for key, n in by_number.items() if n > caps[key[0]]]
    found += [f"{counters.get(k, 0)} of {n} counted on {k[1]}" for k, n in by_number.items() if n > counters.get(k, 0)]
    return found + [
        f"{n} texts of campaign {campaign} on {day}"
        for (campaign, _, day), n in by_campaign.items()
        if campaign in campaigns and n > campaigns[campaign]
    ]


def _local_day(text: Sent) -> Any:
    assert text.message is not None
    return text.entry["crm_at"].astimezone(ZoneInfo(text.message["zone"])).date()


def _same_text_within_a_day(sent: Iterable[Sent]) -> list[str]:
    by_words: dict[tuple[str, str], list[Sent]] = defaultdict(list)
    for text in sent:
        by_words[_words(text)].append(text)
    return [
        f"{later}: the same words as {earlier}"
        for texts in by_words.values()
        for earlier, later in pairwise(texts)
        if later.entry["crm_at"] < earlier.entry["crm_at"] + SAME_TEXT_WINDOW
        and not (later.message and later.message["repeats_text"])
    ]


async def _requests_over_the_limit(system: System) -> list[str]:
    stats = (await system.sandbox.get("/sandbox/v1/stats")).json()
    controls = (await system.sandbox.get("/sandbox/v1/controls")).json()
    return [
        f"{tally['key_name']}: {tally['most_in_any_second']} requests in a second"
        for tally in stats["requests"]
        if controls["rate_limit"] == PROVIDER_LIMIT and tally["most_in_any_second"] > MOST_RECEIVED[1]
    ]


async def only_legal_moves(system: System) -> list[str]:
    """I14: only listed moves occur, each follows the one before, and nothing is left hanging."""
    moves = await system.rows(
        "messaging", "SELECT message_id, from_status, to_status FROM message_transition ORDER BY message_id, id"
    )
    found = []
    for before, after in pairwise(moves):
        if before["message_id"] == after["message_id"] and before["to_status"] != after["from_status"]:
            found.append(f"{after['message_id']} jumps from {before['to_status']} to {after['from_status']}")
    found += [
        f"{move['message_id']}: {move['from_status']} to {move['to_status']}"
        for move in moves
        if move["from_status"] and move["to_status"] not in LEGAL_MOVES.get(move["from_status"], set())
    ]
    hanging = await system.rows(
        "messaging",
        "SELECT id, status FROM message WHERE status = 'in_flight' AND not_after < clock_timestamp() - interval '2 min'"
        " OR status = 'unknown' AND intent_at < crm_now() - interval '30 minutes'",
    )
    return found + [f"{row['id']} hangs as {row['status']}" for row in hanging]


SENDING: dict[str, Check] = {
    "I1 one provider message per intent": one_text_per_intent,
    "I2 no provider message without an earlier intent": no_text_without_an_intent,
    "I3 nothing after an opt-out": no_text_after_an_opt_out,
    "I4 nothing outside the window": no_text_outside_the_window,
    "I5 limits and caps": limits_kept,
    "I14 only legal moves": only_legal_moves,
}
