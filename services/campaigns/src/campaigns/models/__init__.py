"""The mapped classes of the campaigns database."""

from campaigns.models.audience import Audience, Place, Recipient
from campaigns.models.campaign import Campaign, PlanRequest, Template, Transition, Variant
from campaigns.models.copies import ContactAlias, Hold, LateChange, LineType, PhoneConsent, PhoneNumber, Reply
from campaigns.models.tables import Base

__all__ = [
    "Audience",
    "Base",
    "Campaign",
    "ContactAlias",
    "Hold",
    "LateChange",
    "LineType",
    "PhoneConsent",
    "PhoneNumber",
    "Place",
    "PlanRequest",
    "Recipient",
    "Reply",
    "Template",
    "Transition",
    "Variant",
]
