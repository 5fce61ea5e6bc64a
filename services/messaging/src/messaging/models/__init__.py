"""Messaging's mapped classes."""

from messaging.models.conversation import Conversation, ConversationState, conversation_id_of
from messaging.models.holds import CampaignState, Hold, HoldScope, HoldSource
from messaging.models.message import Message, MessageTransition, ProviderReceipt, body_hash
from messaging.models.phones import (
    CapCounter,
    CapScope,
    ConsentAction,
    ConsentEntry,
    ContactAlias,
    ContactPhone,
    ContactVersion,
    LineType,
    PhoneNumber,
    PhoneState,
)
from messaging.models.tables import Base
from messaging.models.webhooks import (
    DeliveryState,
    ProviderRate,
    Scheme,
    SyncMark,
    WebhookDelivery,
    WebhookSubscription,
)

__all__ = [
    "Base",
    "CampaignState",
    "CapCounter",
    "CapScope",
    "ConsentAction",
    "ConsentEntry",
    "ContactAlias",
    "ContactPhone",
    "ContactVersion",
    "Conversation",
    "ConversationState",
    "DeliveryState",
    "Hold",
    "HoldScope",
    "HoldSource",
    "LineType",
    "Message",
    "MessageTransition",
    "PhoneNumber",
    "PhoneState",
    "ProviderRate",
    "ProviderReceipt",
    "Scheme",
    "SyncMark",
    "WebhookDelivery",
    "WebhookSubscription",
    "body_hash",
    "conversation_id_of",
]
