"""What a report about a text makes of its recipient: pure, and the same for any order and repetition of reports."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from campaigns.states import RecipientStatus as R


class Report(StrEnum):
    """The states of an outbound text as messaging reports them."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    REVIEW = "review"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


EVIDENCE_OF_SENDING = frozenset({Report.ACCEPTED, Report.DELIVERED, Report.UNDELIVERED, Report.FAILED})

_STATUS_AFTER = {
    Report.ACCEPTED: R.SENT,
    Report.REJECTED: R.FAILED,
    Report.UNKNOWN: R.UNKNOWN,
    Report.REVIEW: R.UNKNOWN,
    Report.NOT_FOUND: R.NOT_FOUND,
    Report.DELIVERED: R.DELIVERED,
    Report.UNDELIVERED: R.UNDELIVERED,
    Report.FAILED: R.FAILED,
}

# Reports only ever raise this rank, so the highest one decides, in whatever order they arrive.
_RANK = {
    R.WAITING: 0,
    R.REQUESTED: 0,
    R.EXCLUDED: 0,
    R.EXPIRED: 0,
    R.CANCELLED: 0,
    R.OPTED_OUT: 0,
    R.UNKNOWN: 1,
    R.NOT_FOUND: 2,
    R.SENT: 3,
    R.FAILED: 4,
    R.UNDELIVERED: 5,
    R.DELIVERED: 6,
}

# Reasons for which messaging refused a text now that may be gone later: the turn goes back to the plan.
PASSING_REASONS = frozenset({"quiet_hours", "cap", "carrier_cap", "hold", "rate", "expired", "number_inactive"})
OPTED_OUT = "opted_out"


@dataclass(frozen=True, slots=True)
class Standing:
    """As much of a recipient as the decision needs."""

    status: R
    status_at: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """The move to make. `returns_turn`: nothing was sent and the recipient may be planned again."""

    status: R
    reason: str | None = None
    returns_turn: bool = False


def judge(standing: Standing, report: Report, *, reason: str | None, at: datetime) -> Verdict | None:
    """What this report about the recipient's current text changes; None if nothing."""
    if report in _STATUS_AFTER:
        target = _STATUS_AFTER[report]
        if _RANK[target] <= _RANK[standing.status]:
            return None
        return Verdict(target, reason)
    return _judge_unsent(standing, report, reason=reason, at=at)


def _judge_unsent(standing: Standing, report: Report, *, reason: str | None, at: datetime) -> Verdict | None:
    if report is not Report.EXPIRED and reason == OPTED_OUT:
        return judge_opt_out(standing, at=at)
    if report is Report.CANCELLED:
        # Between an opt-out and a cancellation the earlier one ended it, whichever we heard of first.
        overtaken = standing.status is R.OPTED_OUT and at < standing.status_at
        return Verdict(R.CANCELLED, reason) if standing.status is R.REQUESTED or overtaken else None
    if report is Report.EXPIRED or reason in PASSING_REASONS:
        return Verdict(R.WAITING, reason, returns_turn=True) if standing.status is R.REQUESTED else None
    return judge(standing, Report.REJECTED, reason=reason, at=at)


def judge_opt_out(standing: Standing, *, at: datetime) -> Verdict | None:
    """What an opt-out of the phone at `at` changes: everything unsent ends, what was sent stays as it is."""
    ended_later = standing.status in (R.CANCELLED, R.EXPIRED, R.OPTED_OUT) and at < standing.status_at
    tie = standing.status in (R.CANCELLED, R.EXPIRED) and at == standing.status_at
    if standing.status in (R.WAITING, R.REQUESTED) or ended_later or tie:
        return Verdict(R.OPTED_OUT, OPTED_OUT)
    return None
