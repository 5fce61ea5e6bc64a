"""The mapped classes of contacts."""

from contacts.models.contact import (
    Consent,
    Contact,
    ContactMerge,
    ContactTag,
    Email,
    LineType,
    Phone,
    PhoneFact,
    PhoneType,
    Tag,
    strictest,
)
from contacts.models.imports import (
    OPEN_STATUSES,
    ImportChunk,
    ImportFile,
    ImportJob,
    ImportOutcome,
    ImportRecord,
    ImportRow,
    ImportStatus,
    RecordKind,
)
from contacts.models.lists import ContactList, ListMember
from contacts.models.metadata import Base
from contacts.models.property import PROPERTY_FIELDS, ContactProperty, Property, Role
from contacts.models.timeline import CampaignCopy, EntryKind, TimelineEntry

__all__ = [
    "OPEN_STATUSES",
    "PROPERTY_FIELDS",
    "Base",
    "CampaignCopy",
    "Consent",
    "Contact",
    "ContactList",
    "ContactMerge",
    "ContactProperty",
    "ContactTag",
    "Email",
    "EntryKind",
    "ImportChunk",
    "ImportFile",
    "ImportJob",
    "ImportOutcome",
    "ImportRecord",
    "ImportRow",
    "ImportStatus",
    "LineType",
    "ListMember",
    "Phone",
    "PhoneFact",
    "PhoneType",
    "Property",
    "RecordKind",
    "Role",
    "Tag",
    "TimelineEntry",
    "strictest",
]
