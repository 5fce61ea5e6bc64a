"""The states of campaigns, recipients and audiences, and the only moves between them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from shared.errors import InvalidTransition


class CampaignStatus(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class RecipientStatus(StrEnum):
    EXCLUDED = "excluded"
    WAITING = "waiting"
    REQUESTED = "requested"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    OPTED_OUT = "opted_out"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class ExclusionReason(StrEnum):
    OPTED_OUT = "opted_out"
    NO_MOBILE = "no_mobile"
    INVALID_PHONE = "invalid_phone"
    OFFICE_NUMBER = "office_number"
    TEXTED_RECENTLY = "texted_recently"
    OTHER_CAMPAIGN = "other_campaign"
    EARLIER_CONVERSATION = "earlier_conversation"
    DUPLICATE_PHONE = "duplicate_phone"
    MISSING_VALUE = "missing_value"
    MERGED = "merged"
    CONTACT_GONE = "contact_gone"
    PHONE_CHANGED = "phone_changed"


class AudienceStatus(StrEnum):
    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    STALE = "stale"


_C, _R, _A = CampaignStatus, RecipientStatus, AudienceStatus

CAMPAIGN_MOVES: Mapping[CampaignStatus, frozenset[CampaignStatus]] = {
    _C.DRAFT: frozenset({_C.SCHEDULED, _C.RUNNING, _C.CANCELLED}),
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.PAUSED, _C.CANCELLED}),
    _C.RUNNING: frozenset({_C.PAUSED, _C.COMPLETED, _C.CANCELLED}),
    _C.PAUSED: frozenset({_C.SCHEDULED, _C.RUNNING, _C.CANCELLED}),
    _C.COMPLETED: frozenset(),
    _C.CANCELLED: frozenset(),
}

# What a text that has left us may become. Late evidence wins over "not found" and over an opt-out or a
# cancellation that overtook the report of the text; nothing goes back from evidence to supposition.
_EVIDENCE = frozenset({_R.SENT, _R.DELIVERED, _R.UNDELIVERED, _R.FAILED})
_REPORTS = _EVIDENCE | {_R.UNKNOWN, _R.NOT_FOUND}

RECIPIENT_MOVES: Mapping[RecipientStatus, frozenset[RecipientStatus]] = {
    # Straight to a report only if a text whose turn had been returned turns out to have left after all.
    _R.WAITING: _REPORTS | {_R.REQUESTED, _R.EXCLUDED, _R.OPTED_OUT, _R.EXPIRED, _R.CANCELLED},
    # Back to waiting (or out of the plan) only when messaging returned the turn unsent.
    _R.REQUESTED: _REPORTS | {_R.WAITING, _R.EXCLUDED, _R.OPTED_OUT, _R.EXPIRED, _R.CANCELLED},
    _R.UNKNOWN: _EVIDENCE | {_R.NOT_FOUND},
    _R.NOT_FOUND: _EVIDENCE,
    _R.SENT: frozenset({_R.DELIVERED, _R.UNDELIVERED, _R.FAILED}),
    _R.OPTED_OUT: _REPORTS | {_R.CANCELLED},
    _R.CANCELLED: _REPORTS | {_R.OPTED_OUT},
    _R.EXCLUDED: frozenset(),
    _R.EXPIRED: _REPORTS | {_R.OPTED_OUT},
    # The carrier's verdicts rank: an order of arrival must not decide between contradicting ones.
    _R.FAILED: frozenset({_R.UNDELIVERED, _R.DELIVERED}),
    _R.UNDELIVERED: frozenset({_R.DELIVERED}),
    _R.DELIVERED: frozenset(),
}

AUDIENCE_MOVES: Mapping[AudienceStatus, frozenset[AudienceStatus]] = {
    _A.BUILDING: frozenset({_A.READY, _A.FAILED, _A.STALE}),
    _A.READY: frozenset({_A.STALE}),
    _A.FAILED: frozenset({_A.STALE}),
    _A.STALE: frozenset(),
}

OPEN_STATUSES = frozenset({_R.WAITING, _R.REQUESTED, _R.UNKNOWN})
"""A campaign is complete when none of its recipients is in one of these."""

ON_THEIR_WAY = frozenset({_R.REQUESTED, _R.UNKNOWN})

ACTIVE = (_C.SCHEDULED, _C.RUNNING)
"""Campaigns that the planner plans."""

UNSENT_STATUSES = frozenset({_R.WAITING, _R.REQUESTED})
"""News about the person still matters: nothing is known to have left."""

REACHED_STATUSES = UNSENT_STATUSES | {_R.UNKNOWN, _R.SENT, _R.DELIVERED, _R.OPTED_OUT}
"""Whoever is in one of these has had the campaign's text, will get it, or said that they want none."""

NEVER_ARRIVED = frozenset({_R.UNDELIVERED, _R.FAILED})
"""The carrier's word that a text which had left us reached nobody."""

S = TypeVar("S", bound=StrEnum)


def check_move(moves: Mapping[S, frozenset[S]], current: S, target: S, *, what: str) -> None:
    """Raise InvalidTransition unless the table lists the move."""
    if target not in moves[current]:
        raise InvalidTransition(f"A {what} that is {current} cannot become {target}.", current=current, target=target)
