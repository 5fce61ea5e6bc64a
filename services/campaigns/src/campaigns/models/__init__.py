"""The mapped classes of the campaigns database."""

from campaigns.models.audience import Audience, Place, Recipient
from campaigns.models.campaign import Campaign, PlanRequest, Template, Transition, Variant
from campaigns.models.copies import ContactAlias, Hold, LateChange, LineType, PhoneConsent, PhoneNumber, Reply
from campaigns.models.revenue import (
    AttributionRequest,
    AttributionWindow,
    CustomerLink,
    Payment,
    Reason,
    RevenueEntry,
    Subject,
)
from campaigns.models.tables import Base

__all__ = [
    "AttributionRequest",
    "AttributionWindow",
    "Audience",
    "Base",
    "Campaign",
    "ContactAlias",
    "CustomerLink",
    "Hold",
    "LateChange",
    "LineType",
    "Payment",
    "PhoneConsent",
    "PhoneNumber",
    "Place",
    "PlanRequest",
    "Reason",
    "Recipient",
    "Reply",
    "RevenueEntry",
    "Subject",
    "Template",
    "Transition",
    "Variant",
]
