"""Events of the campaigns service (stream CAMPAIGNS)."""

from typing import ClassVar, Literal
from uuid import UUID

from shared.events.envelope import Event, Instant, Money


class CampaignMoved(Event):
    """A campaign changed its state. `version` orders the moves of one campaign."""

    about: ClassVar[str] = "campaign_id"

    campaign_id: UUID
    version: int
    name: str
    number_ids: list[UUID] = []
    counts: dict[str, int] = {}
    occurred_at: Instant


class CampaignLaunched(CampaignMoved):
    """A campaign started to run."""

    type: ClassVar[str] = "campaigns.campaign.launched.v1"


class CampaignPaused(CampaignMoved):
    """A campaign was paused; what it has asked for waits or expires."""

    type: ClassVar[str] = "campaigns.campaign.paused.v1"


class CampaignResumed(CampaignMoved):
    """A paused campaign goes on."""

    type: ClassVar[str] = "campaigns.campaign.resumed.v1"


class CampaignCompleted(CampaignMoved):
    """No recipient is left waiting, requested or unknown."""

    type: ClassVar[str] = "campaigns.campaign.completed.v1"


class CampaignCancelled(CampaignMoved):
    """A campaign was ended before its time; nothing more of it goes out."""

    type: ClassVar[str] = "campaigns.campaign.cancelled.v1"


class TextRequested(Event):
    """A recipient's turn has come. `message_id` is the version 5 UUID of (recipient, step, turn): repeats are one text.

    The text goes out between `not_before` and `expires_at` (at most 15 minutes later) or returns its turn as
    messaging.message.expired. `zones` are the IANA zones the recipient may be in; `region` is a US state code.
    """

    type: ClassVar[str] = "campaigns.text.requested.v1"
    about: ClassVar[str] = "recipient_id"

    message_id: UUID
    kind: Literal["campaign"] = "campaign"
    campaign_id: UUID
    variant: str
    recipient_id: UUID
    contact_id: UUID
    step: int
    turn: int
    to: str
    number_id: UUID
    zones: list[str]
    region: str | None = None
    text: str
    not_before: Instant
    expires_at: Instant


class RevenueAttributed(Event):
    """A payment, or its reversal as a negative amount, was attributed to a recipient under a model."""

    type: ClassVar[str] = "campaigns.revenue.attributed.v1"
    about: ClassVar[str] = "recipient_id"

    campaign_id: UUID
    recipient_id: UUID
    invoice_id: UUID
    amount: Money
    model: str
