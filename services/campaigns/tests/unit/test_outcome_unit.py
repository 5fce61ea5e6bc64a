"""Reports in any order, any number of times, lead to one final state; and only by legal moves."""

from datetime import UTC, datetime, timedelta

import pytest
from campaigns.outcome import Report, Standing, judge, judge_opt_out
from campaigns.states import RECIPIENT_MOVES
from campaigns.states import RecipientStatus as R
from hypothesis import given
from hypothesis import strategies as st

T0 = datetime(2026, 11, 23, 15, tzinfo=UTC)
REQUESTED = Standing(R.REQUESTED, T0)

# The life of one text as messaging's state machine allows it: (report, reason).
HISTORIES = [
    [(Report.ACCEPTED, None)],
    [(Report.ACCEPTED, None), (Report.DELIVERED, None)],
    [(Report.ACCEPTED, None), (Report.UNDELIVERED, "30006")],
    [(Report.ACCEPTED, None), (Report.FAILED, "30005")],
    [(Report.REJECTED, "0200400")],
    [(Report.UNKNOWN, None), (Report.ACCEPTED, None), (Report.DELIVERED, None)],
    [(Report.UNKNOWN, None), (Report.NOT_FOUND, None)],
    [(Report.UNKNOWN, None), (Report.NOT_FOUND, None), (Report.DELIVERED, None)],
    [(Report.UNKNOWN, None), (Report.REVIEW, None), (Report.NOT_FOUND, None), (Report.ACCEPTED, None)],
    [(Report.UNKNOWN, None), (Report.REVIEW, None)],
    [(Report.SUPPRESSED, "opted_out")],
    [(Report.SUPPRESSED, "quiet_hours")],
    [(Report.SUPPRESSED, "landline")],
    [(Report.EXPIRED, "expired")],
    [(Report.CANCELLED, "opted_out")],
    [(Report.CANCELLED, "campaign_cancelled")],
]
STOP = "stop"


def run(events: list[tuple]) -> Standing:
    standing = REQUESTED
    for kind, reason, at in events:
        verdict = judge_opt_out(standing, at=at) if kind == STOP else judge(standing, kind, reason=reason, at=at)
        if verdict is None:
            continue
        assert verdict.status is standing.status or verdict.status in RECIPIENT_MOVES[standing.status]
        standing = Standing(verdict.status, at)
    return standing


@st.composite
def shuffled_twice(draw: st.DrawFn) -> tuple[list, list]:
    """A history with opt-outs somewhere in time, and the same in disorder with repeats."""
    history = [
        (report, reason, T0 + timedelta(seconds=10 * n + 10))
        for n, (report, reason) in enumerate(draw(st.sampled_from(HISTORIES)))
    ]
    stops = [(STOP, None, T0 + timedelta(seconds=s)) for s in draw(st.lists(st.integers(1, 60), max_size=2))]
    events = sorted(history + stops, key=lambda event: event[2])
    repeats = draw(st.lists(st.sampled_from(events), max_size=4))
    return events, draw(st.permutations(events + repeats))


@given(shuffled_twice())
def test_order_and_repetition_of_reports_do_not_matter(pair) -> None:
    in_order, in_disorder = pair
    assert run(in_disorder).status is run(in_order).status


@pytest.mark.parametrize(
    ("history", "final"),
    [
        ([(Report.ACCEPTED, None)], R.SENT),
        ([(Report.ACCEPTED, None), (Report.DELIVERED, None)], R.DELIVERED),
        ([(Report.REJECTED, "x")], R.FAILED),
        ([(Report.UNKNOWN, None), (Report.REVIEW, None)], R.UNKNOWN),
        ([(Report.UNKNOWN, None), (Report.NOT_FOUND, None)], R.NOT_FOUND),
        ([(Report.NOT_FOUND, None), (Report.ACCEPTED, None)], R.SENT),
        ([(Report.SUPPRESSED, "opted_out")], R.OPTED_OUT),
        ([(Report.SUPPRESSED, "quiet_hours")], R.WAITING),
        ([(Report.SUPPRESSED, "landline")], R.FAILED),
        ([(Report.EXPIRED, None)], R.WAITING),
        ([(Report.CANCELLED, "opted_out")], R.OPTED_OUT),
        ([(Report.CANCELLED, None)], R.CANCELLED),
    ],
)
def test_each_report_has_its_meaning(history, final) -> None:
    assert run([(report, reason, T0) for report, reason in history]).status is final


def test_a_returned_turn_says_so() -> None:
    verdict = judge(REQUESTED, Report.EXPIRED, reason="expired", at=T0)
    assert verdict is not None
    assert verdict.returns_turn


@pytest.mark.parametrize("sent", [R.SENT, R.DELIVERED, R.UNKNOWN, R.NOT_FOUND, R.FAILED])
def test_an_opt_out_leaves_what_was_sent(sent) -> None:
    assert judge_opt_out(Standing(sent, T0), at=T0 + timedelta(minutes=1)) is None


def test_an_opt_out_from_before_the_cancellation_still_counts_as_opt_out() -> None:
    verdict = judge_opt_out(Standing(R.CANCELLED, T0), at=T0 - timedelta(minutes=1))
    assert verdict is not None
    assert verdict.status is R.OPTED_OUT


def test_a_late_repeat_of_a_report_changes_nothing() -> None:
    assert judge(Standing(R.DELIVERED, T0), Report.ACCEPTED, reason=None, at=T0) is None
