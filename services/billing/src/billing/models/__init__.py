"""Mapped classes of the billing database, with the rules and transitions that belong to one row."""

from billing.models.books import Application, CreditMemo, Customer, Estimate, Form, Invoice, Item, Payment, Term
from billing.models.connection import Connection, ContactAlias, OAuthState, OAuthToken, ProviderRate
from billing.models.people import CandidateStatus, ContactCopy, ErasedContact, MatchCandidate, PropertyCopy
from billing.models.sync import DeliveryState, DifferenceRun, Notice, SyncMark, UntoldFact, WebhookDelivery
from billing.models.tables import Base, among, insert_all, unwatched
from billing.models.work import CalendarFeed, Job, Visit
from billing.models.writes import NumberSeries, Push

__all__ = [
    "Application",
    "Base",
    "CalendarFeed",
    "CandidateStatus",
    "Connection",
    "ContactAlias",
    "ContactCopy",
    "CreditMemo",
    "Customer",
    "DeliveryState",
    "DifferenceRun",
    "ErasedContact",
    "Estimate",
    "Form",
    "Invoice",
    "Item",
    "Job",
    "MatchCandidate",
    "Notice",
    "NumberSeries",
    "OAuthState",
    "OAuthToken",
    "Payment",
    "PropertyCopy",
    "ProviderRate",
    "Push",
    "SyncMark",
    "Term",
    "UntoldFact",
    "Visit",
    "WebhookDelivery",
    "among",
    "insert_all",
    "unwatched",
]
