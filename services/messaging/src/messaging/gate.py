"""May this text go out now? The rules of sending, without a database. Each runs again right before every send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from messaging.models.phones import LineType
from messaging.states import Kind

CONFIRMATION_WINDOW = timedelta(minutes=5)
CONVERSATION_WINDOW = timedelta(hours=24)


class Decision(StrEnum):
    SEND = "send"
    WAIT = "wait"
    SUPPRESS = "suppress"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class Verdict:
    decision: Decision
    reason: str = ""
    until: datetime | None = None


SEND = Verdict(Decision.SEND)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text whose turn may have come, with what is known of its recipient under the lock."""

    kind: Kind
    phone: str
    is_opted_out: bool
    line_type: LineType
    zones: Sequence[str]
    region: str | None
    expires_at: datetime | None
    last_inbound_at: datetime | None
    evidence_at: datetime | None
    """For a confirmation: when its opt-out arrived."""
    repeats_recent_text: bool
    is_number_active: bool


class OpenHours(Protocol):
    def __call__(self, now: datetime, zones: Sequence[str], region: str | None) -> datetime:
        """`now` where texting is allowed there now, else the next instant at which it is."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`allowed_phones` is None where anybody may be texted."""

    open_hours: OpenHours
    replies_pass_quiet_hours: bool
    allowed_phones: frozenset[str] | None

    def check(self, text: Candidate, now: datetime) -> Verdict:
        """What is to become of this text, caps and holds aside."""
        if text.expires_at is not None and now >= text.expires_at:
            return Verdict(Decision.EXPIRE, "expired")
        refusal = self._refusal(text, now)
        if refusal:
            return Verdict(Decision.SUPPRESS, refusal)
        if self._passes_quiet_hours(text, now):
            return SEND
        opens = self.open_hours(now, text.zones, text.region)
        return SEND if opens <= now else wait_or_expire(text.expires_at, opens, "quiet_hours")

    def _refusal(self, text: Candidate, now: datetime) -> str:
        if text.kind is Kind.CONFIRMATION:
            # It passes the opt-out it confirms, but only while it still is an answer to it.
            if text.evidence_at is None or now > text.evidence_at + CONFIRMATION_WINDOW:
                return "confirmation_late"
        elif text.is_opted_out:
            return "opted_out"
        if self.allowed_phones is not None and text.phone not in self.allowed_phones:
            return "stranger_in_trial"
        if not text.is_number_active:
            return "number_inactive"
        if text.kind is Kind.CAMPAIGN and text.line_type is LineType.LANDLINE:
            return "landline"
        return "same_text" if text.repeats_recent_text else ""

    def _passes_quiet_hours(self, text: Candidate, now: datetime) -> bool:
        if text.kind in (Kind.CONFIRMATION, Kind.AUTO):
            return True  # An answer within minutes of the message it answers.
        if text.kind is not Kind.REPLY or not self.replies_pass_quiet_hours:
            return False
        return text.last_inbound_at is not None and now <= text.last_inbound_at + CONVERSATION_WINDOW


def wait_or_expire(expires_at: datetime | None, until: datetime, reason: str) -> Verdict:
    """Waiting past its expiry would be dying unheard: the planner learns at once that this turn is lost."""
    if expires_at is not None and until >= expires_at:
        return Verdict(Decision.EXPIRE, reason)
    return Verdict(Decision.WAIT, reason, until)
