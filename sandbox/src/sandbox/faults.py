"""Faults on demand. Which one strikes is a function of (seed, recipient, attempt), so that runs repeat."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from sandbox.draw import draw, pick


class SendFault(StrEnum):
    """What may go wrong with a request to send. Those named `after_accept` do send the text."""

    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"
    RESET_AFTER_ACCEPT = "reset_after_accept"
    ERROR_AFTER_ACCEPT = "error_after_accept"
    UNREADABLE_AFTER_ACCEPT = "unreadable_after_accept"
    SLOW_AFTER_ACCEPT = "slow_after_accept"
    ERROR_BEFORE_ACCEPT = "error_before_accept"
    RESET_BEFORE_ACCEPT = "reset_before_accept"
    HANG_BEFORE_ACCEPT = "hang_before_accept"
    RATE_LIMITED = "rate_limited"
    INVALID_NUMBER = "invalid_number"
    UNREACHABLE = "unreachable"

    @property
    def is_accepted(self) -> bool:
        return self.value.endswith("after_accept")


class WebhookFault(StrEnum):
    """What may go wrong with the delivery of an event."""

    MISSING = "missing"
    DUPLICATE = "duplicate"
    LATE = "late"
    REORDERED = "reordered"
    BAD_SIGNATURE = "bad_signature"
    OLD_TIMESTAMP = "old_timestamp"


Share = Annotated[StrictFloat, Field(ge=0, le=1)]
Seconds = Annotated[StrictFloat, Field(ge=0, le=315_360_000)]
"""At most ten years: further ahead there may be no instant to name."""


class RecipientFaults(BaseModel):
    """Chosen faults of one recipient; they go before the shares. Past the end of a list nothing strikes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    send: tuple[SendFault | None, ...] = ()
    """One per attempt, the first first."""
    webhook: dict[str, WebhookFault] = {}
    """By event type, or `*` for all."""


class FaultProfile(BaseModel):
    """All faults of the sandbox. The empty profile has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: StrictInt = 1
    send: dict[SendFault, Share] = {}
    webhook: dict[WebhookFault, Share] = {}
    recipients: dict[str, RecipientFaults] = {}
    rate_limited_burst: StrictInt = Field(1, ge=1, le=100)
    """How many attempts in a row a 429 that was drawn lasts."""
    hang_seconds: StrictFloat = Field(60, ge=0, le=600)
    slow_seconds: StrictFloat = Field(3, ge=0, le=600)
    late_seconds: Seconds = 3600.0
    reorder_seconds: Seconds = 30.0
    is_list_paged_by_offset: StrictBool = False
    """Page tokens count rows instead of naming the last one: rows that arrive meanwhile shift the pages."""
    page_token_requests: StrictInt | None = Field(None, ge=0)
    """After how many uses of page tokens they expire (400); None is never."""


def send_fault(profile: FaultProfile, recipient: str, attempt: int) -> SendFault | None:
    """The fault of the `attempt`-th request (from 1) to send to `recipient`."""
    chosen = profile.recipients.get(recipient)
    if chosen is not None and chosen.send:
        return chosen.send[attempt - 1] if attempt <= len(chosen.send) else None
    drawn = _drawn_send(profile, recipient, attempt)
    if drawn is not None or SendFault.RATE_LIMITED not in profile.send:
        return drawn
    earlier = range(max(1, attempt - profile.rate_limited_burst + 1), attempt)
    in_burst = any(_drawn_send(profile, recipient, before) is SendFault.RATE_LIMITED for before in earlier)
    return SendFault.RATE_LIMITED if in_burst else None


def _drawn_send(profile: FaultProfile, recipient: str, attempt: int) -> SendFault | None:
    return pick(profile.send, draw(profile.seed, "send", recipient, attempt)) if profile.send else None


def webhook_fault(profile: FaultProfile, event_type: str, recipient: str, attempt: int) -> WebhookFault | None:
    """The fault of delivering the event of `recipient`'s `attempt`-th text or call of this kind."""
    chosen = profile.recipients.get(recipient)
    if chosen is not None and chosen.webhook:
        return chosen.webhook.get(event_type, chosen.webhook.get("*"))
    if not profile.webhook:
        return None
    return pick(profile.webhook, draw(profile.seed, "webhook", event_type, recipient, attempt))
