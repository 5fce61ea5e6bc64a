"""The life of an outbound text: its states, the moves between them, and which states mean what."""

from enum import StrEnum

from shared.errors import InvalidTransition


class Status(StrEnum):
    QUEUED = "queued"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"
    REVIEW = "review"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RECEIVED = "received"


class Kind(StrEnum):
    CAMPAIGN = "campaign"
    REPLY = "reply"
    SCHEDULED = "scheduled"
    AUTO = "auto"
    CONFIRMATION = "confirmation"


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


S = Status
RECEIPTS = frozenset({S.DELIVERED, S.UNDELIVERED, S.FAILED})
"""What a carrier may say in the end. The first of them stands: carriers repeat and contradict themselves."""

EVIDENCE = frozenset({S.ACCEPTED}) | RECEIPTS
"""States that mean that the provider had the text; late evidence leads here from every doubt."""

TRANSITIONS: dict[Status, frozenset[Status]] = {
    S.QUEUED: frozenset({S.IN_FLIGHT, S.SUPPRESSED, S.EXPIRED, S.CANCELLED}),
    # Back to queued only by the sender's own settling of a definite no-send, never by a rescuer.
    S.IN_FLIGHT: frozenset({S.ACCEPTED, S.REJECTED, S.UNKNOWN, S.QUEUED}),
    S.UNKNOWN: EVIDENCE | {S.NOT_FOUND, S.REVIEW},
    S.NOT_FOUND: EVIDENCE,
    S.REVIEW: EVIDENCE | {S.NOT_FOUND},
    S.ACCEPTED: RECEIPTS,
    S.DELIVERED: frozenset(),
    S.UNDELIVERED: frozenset(),
    S.FAILED: frozenset(),
    S.REJECTED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
    S.RECEIVED: frozenset(),
}

NEVER_LEFT = frozenset({S.EXPIRED, S.CANCELLED, S.SUPPRESSED, S.REJECTED})
"""States in which nothing can have reached the recipient: their business key may be used again."""

COUNTS_AS_SENT = frozenset({S.IN_FLIGHT, S.UNKNOWN, S.NOT_FOUND, S.REVIEW}) | EVIDENCE
"""For "the same text within 24 hours" and "texted already": doubt counts as sent."""

RESENDABLE = frozenset({S.NOT_FOUND, S.REVIEW, S.UNDELIVERED, S.FAILED, S.REJECTED})
"""States from which a person may start a new, linked send."""


def check_transition(current: Status, to: Status) -> None:
    """Raise InvalidTransition unless the machine has this move."""
    if to not in TRANSITIONS[current]:
        raise InvalidTransition(
            f"A text that is {current.value} can't become {to.value}.", current=current.value, target=to.value
        )


def path_to(current: Status, evidence: Status) -> list[Status]:
    """The moves that bring `current` to what the provider reports; empty where the report is old or repeated.

    A receipt for a text that nobody knew to be accepted proves that it was: whoever listens hears of both.
    """
    if evidence in RECEIPTS and S.ACCEPTED in TRANSITIONS[current]:
        return [S.ACCEPTED, evidence]
    return [evidence] if evidence in TRANSITIONS[current] and evidence in EVIDENCE else []
