"""The life of an outgoing text: queued → sent → delivered, or undelivered, or failed, or sent for ever.

A text is given its whole future when it is accepted; what it is at an instant follows from that, so that a
clock that jumps over days changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, StrictInt

from sandbox.draw import between, draw, pick
from sandbox.faults import Seconds, Share

OPTED_OUT_CODE = "21610"


class MessageStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    RECEIVED = "received"


class Ending(StrEnum):
    """How a text ends; STUCK is the one that stays `sent`: carriers do not always send a receipt."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    FAILED = "failed"
    STUCK = "stuck"


class RecipientEnding(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ending: Ending
    error_code: str | None = None


class LifeProfile(BaseModel):
    """How texts fare. Shares that are left over are delivered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: StrictInt = 1
    undelivered: Share = 0.0
    failed: Share = 0.0
    stuck: Share = 0.0
    error_codes: tuple[str, ...] = ("30003", "30005", "30006", "30007", "30008")
    recipients: dict[str, RecipientEnding] = {}
    sent_after_seconds: Seconds = 1.0
    final_after_seconds: tuple[Seconds, Seconds] = (2.0, 10.0)


@dataclass(frozen=True)
class Life:
    """The future of one text. Without `final_at` it stays `sent`."""

    sent_at: datetime
    final_at: datetime | None
    final_status: MessageStatus | None
    error_code: str | None = None


def plan_life(profile: LifeProfile, recipient: str, attempt: int, accepted_at: datetime) -> Life:
    """The future of the text that was the `attempt`-th request for `recipient`."""
    sent_at = accepted_at + timedelta(seconds=profile.sent_after_seconds)
    chosen = profile.recipients.get(recipient) or _drawn_ending(profile, recipient, attempt)
    if chosen.ending is Ending.STUCK:
        return Life(sent_at, None, None)
    low, high = profile.final_after_seconds
    seconds = between(low, high, draw(profile.seed, "final", recipient, attempt))
    final_at = max(sent_at, accepted_at + timedelta(seconds=seconds))
    return Life(sent_at, final_at, MessageStatus(chosen.ending.value), chosen.error_code)


def refused_by_carrier(accepted_at: datetime, error_code: str) -> Life:
    """A text that was accepted and then failed at once with a carrier's code."""
    sent_at = accepted_at + timedelta(seconds=1)
    return Life(sent_at, sent_at, MessageStatus.FAILED, error_code)


def _drawn_ending(profile: LifeProfile, recipient: str, attempt: int) -> RecipientEnding:
    shares = {
        Ending.UNDELIVERED: profile.undelivered,
        Ending.FAILED: profile.failed,
        Ending.STUCK: profile.stuck,
    }
    ending = pick(shares, draw(profile.seed, "ending", recipient, attempt)) or Ending.DELIVERED
    if ending in (Ending.DELIVERED, Ending.STUCK) or not profile.error_codes:
        return RecipientEnding(ending=ending)
    which = int(draw(profile.seed, "code", recipient, attempt) * len(profile.error_codes))
    return RecipientEnding(ending=ending, error_code=profile.error_codes[which])


def status_at(now: datetime, life: Life) -> MessageStatus:
    """What the text is at `now`."""
    if life.final_at is not None and life.final_status is not None and life.final_at <= now:
        return life.final_status
    return MessageStatus.SENT if life.sent_at <= now else MessageStatus.QUEUED


def updated_at(now: datetime, accepted_at: datetime, life: Life) -> datetime:
    """When the text last changed, as seen at `now`."""
    passed = [at for at in (accepted_at, life.sent_at, life.final_at) if at is not None and at <= now]
    return max(passed, default=accepted_at)
