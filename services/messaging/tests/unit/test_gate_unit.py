"""Whether a text may go out now."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from messaging.gate import Candidate, Decision, Gate, Verdict
from messaging.models import LineType
from messaging.states import Kind

NOW = datetime(2031, 3, 4, 17, tzinfo=UTC)
OPENS = NOW + timedelta(hours=10)
TEXT = Candidate(
    kind=Kind.CAMPAIGN,
    phone="+16175550143",
    is_opted_out=False,
    line_type=LineType.UNKNOWN,
    zones=("America/New_York",),
    region="MA",
    expires_at=None,
    last_inbound_at=None,
    evidence_at=None,
    repeats_recent_text=False,
    is_number_active=True,
)


def always(now: datetime, zones: Sequence[str], region: str | None) -> datetime:
    return now


def closed(now: datetime, zones: Sequence[str], region: str | None) -> datetime:
    return OPENS


OPEN = Gate(always, replies_pass_quiet_hours=True, allowed_phones=None)
CLOSED = Gate(closed, replies_pass_quiet_hours=True, allowed_phones=None)


def test_nothing_against_it() -> None:
    assert OPEN.check(TEXT, NOW).decision is Decision.SEND


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_opted_out": True}, "opted_out"),
        ({"line_type": LineType.LANDLINE}, "landline"),
        ({"repeats_recent_text": True}, "same_text"),
        ({"is_number_active": False}, "number_inactive"),
    ],
)
def test_what_forbids_it_for_good(change: dict[str, object], reason: str) -> None:
    assert OPEN.check(replace(TEXT, **change), NOW) == Verdict(Decision.SUPPRESS, reason)


def test_a_landline_may_get_a_persons_answer() -> None:
    assert OPEN.check(replace(TEXT, kind=Kind.REPLY, line_type=LineType.LANDLINE), NOW).decision is Decision.SEND


def test_its_time_is_over_at_the_instant_it_expires() -> None:
    assert OPEN.check(replace(TEXT, expires_at=NOW), NOW).decision is Decision.EXPIRE
    assert OPEN.check(replace(TEXT, expires_at=NOW + timedelta(seconds=1)), NOW).decision is Decision.SEND


def test_quiet_hours_put_it_off_or_end_its_turn() -> None:
    assert CLOSED.check(TEXT, NOW) == Verdict(Decision.WAIT, "quiet_hours", OPENS)
    brief = replace(TEXT, expires_at=NOW + timedelta(minutes=15))
    assert CLOSED.check(brief, NOW) == Verdict(Decision.EXPIRE, "quiet_hours")


@pytest.mark.parametrize(("hours", "decision"), [(24, Decision.SEND), (24.1, Decision.WAIT)])
def test_a_reply_passes_quiet_hours_for_a_day_after_the_last_inbound(hours: float, decision: Decision) -> None:
    reply = replace(TEXT, kind=Kind.REPLY, last_inbound_at=NOW - timedelta(hours=hours))
    assert CLOSED.check(reply, NOW).decision is decision


def test_replies_wait_as_well_where_the_setting_says_so() -> None:
    strict = Gate(closed, replies_pass_quiet_hours=False, allowed_phones=None)
    assert strict.check(replace(TEXT, kind=Kind.REPLY, last_inbound_at=NOW), NOW).decision is Decision.WAIT


@pytest.mark.parametrize(("seconds", "decision"), [(300, Decision.SEND), (301, Decision.SUPPRESS)])
def test_a_confirmation_passes_the_opt_out_for_five_minutes(seconds: int, decision: Decision) -> None:
    confirmation = replace(
        TEXT, kind=Kind.CONFIRMATION, is_opted_out=True, evidence_at=NOW - timedelta(seconds=seconds)
    )
    assert CLOSED.check(confirmation, NOW).decision is decision


def test_a_confirmation_of_nothing_is_not_sent() -> None:
    assert OPEN.check(replace(TEXT, kind=Kind.CONFIRMATION, is_opted_out=True), NOW).reason == "confirmation_late"


def test_trial_mode_texts_only_the_team() -> None:
    trial = Gate(always, replies_pass_quiet_hours=True, allowed_phones=frozenset({"+16175550100"}))
    assert trial.check(TEXT, NOW).reason == "stranger_in_trial"
    assert trial.check(replace(TEXT, phone="+16175550100"), NOW).decision is Decision.SEND
