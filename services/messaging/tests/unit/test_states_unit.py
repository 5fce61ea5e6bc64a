"""The state machine: only its moves happen, evidence always gets through, finals stay."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from messaging.states import (
    COUNTS_AS_SENT,
    EVIDENCE,
    NEVER_LEFT,
    RECEIPTS,
    TRANSITIONS,
    Status,
    check_transition,
    path_to,
)
from shared.errors import InvalidTransition

DOUBTS = (Status.UNKNOWN, Status.NOT_FOUND, Status.REVIEW)


def test_every_state_has_its_line() -> None:
    assert set(TRANSITIONS) == set(Status)


@pytest.mark.parametrize("doubt", DOUBTS)
def test_doubt_never_leads_back_to_the_queue_or_the_wire(doubt: Status) -> None:
    reachable, frontier = set(), {doubt}
    while frontier:
        frontier = {to for state in frontier for to in TRANSITIONS[state]} - reachable
        reachable |= frontier
    assert reachable.isdisjoint({Status.QUEUED, Status.IN_FLIGHT})


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize("receipt", sorted(RECEIPTS))
def test_a_receipt_ends_every_doubt(doubt: Status, receipt: Status) -> None:
    assert path_to(doubt, receipt) == [Status.ACCEPTED, receipt]


@pytest.mark.parametrize("final", sorted(RECEIPTS | NEVER_LEFT))
@pytest.mark.parametrize("report", sorted(EVIDENCE))
def test_what_is_final_stays(final: Status, report: Status) -> None:
    assert path_to(final, report) == []


def test_a_repeated_report_is_no_move() -> None:
    assert path_to(Status.ACCEPTED, Status.ACCEPTED) == []


def test_a_report_never_queues() -> None:
    assert path_to(Status.IN_FLIGHT, Status.QUEUED) == []


def test_nothing_both_left_and_never_left() -> None:
    assert COUNTS_AS_SENT.isdisjoint(NEVER_LEFT)


def test_an_unlisted_move_is_refused_with_both_states() -> None:
    with pytest.raises(InvalidTransition) as refused:
        check_transition(Status.DELIVERED, Status.QUEUED)
    assert refused.value.details == {"current": "delivered", "target": "queued"}


class Life(RuleBasedStateMachine):
    """Any order of what may happen to a text: it is on the wire at most once per claim that ended in no doubt."""

    @initialize()
    def start(self) -> None:
        self.status = Status.QUEUED
        self.was_doubted = self.was_evident = False

    def _move(self, to: Status) -> None:
        try:
            check_transition(self.status, to)
        except InvalidTransition:
            return
        assert not (to is Status.IN_FLIGHT and (self.was_doubted or self.was_evident))
        self.status = to
        self.was_doubted |= to in DOUBTS
        self.was_evident |= to in EVIDENCE

    @rule(to=st.sampled_from(list(Status)))
    def try_any_move(self, to: Status) -> None:
        self._move(to)

    @rule(report=st.sampled_from(sorted(EVIDENCE)))
    def report(self, report: Status) -> None:
        was = self.status
        steps = path_to(self.status, report)
        for step in steps:
            self._move(step)
        assert self.status == (steps[-1] if steps else was)

    @invariant()
    def evidence_is_never_taken_back(self) -> None:
        if self.was_evident:
            assert self.status in EVIDENCE


TestLife = Life.TestCase


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        (["delivered", "accepted"], Status.DELIVERED),
        (["accepted", "delivered"], Status.DELIVERED),
        (["accepted", "failed", "delivered"], Status.FAILED),
        (["undelivered", "accepted", "accepted"], Status.UNDELIVERED),
    ],
)
def test_reports_in_any_order_end_in_the_first_final_word(reports: list[str], end: Status) -> None:
    status = Status.IN_FLIGHT
    for report in reports:
        for step in path_to(status, Status(report)):
            check_transition(status, step)
            status = step
    assert status is end
