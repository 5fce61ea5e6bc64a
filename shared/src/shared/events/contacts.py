"""Events of the contacts service (stream CONTACTS)."""

from typing import Any, ClassVar
from uuid import UUID

from shared.events.envelope import Event, Instant, Payload


class PhoneItem(Payload):
    e164: str
    type: str = "mobile"
    is_primary: bool = False


class AddressItem(Payload):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class ContactItem(Payload):
    """One contact as it stands after the change; a copy applies it if `version` is newer than its own."""

    contact_id: UUID
    version: int
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    phones: list[PhoneItem] = []
    emails: list[str] = []
    address: AddressItem | None = None
    zones: list[str] = []
    region: str | None = None
    tags: list[str] = []
    custom_fields: dict[str, Any] = {}
    is_active: bool = True
    merged_into_id: UUID | None = None
    """An inactive contact that is an alias; without it, an inactive one is gone."""


class ContactChanged(Event):
    """Contacts were created, edited, imported or restored; at most 500 of them and 256 KiB."""

    type: ClassVar[str] = "contacts.contact.changed.v1"
    about: ClassVar[str] = ""

    contacts: list[ContactItem]


class ContactMerged(Event):
    """`secondary_id` is from now on an alias of `primary_id`; foreign ids are resolved at read.

    `version` is the secondary's; `primary_version` is the primary's first one that holds what the secondary had.
    """

    type: ClassVar[str] = "contacts.contact.merged.v1"
    about: ClassVar[str] = "primary_id"

    primary_id: UUID
    secondary_id: UUID
    version: int
    primary_version: int = 0


class ContactUnmerged(Event):
    """A merge was undone: both contacts stand for themselves again."""

    type: ClassVar[str] = "contacts.contact.unmerged.v1"
    about: ClassVar[str] = "primary_id"

    primary_id: UUID
    secondary_id: UUID
    version: int


class ContactErased(Event):
    """A person's data is gone here; the keyed hashes of the phones stay so that they are never texted again."""

    type: ClassVar[str] = "contacts.contact.erased.v1"
    about: ClassVar[str] = "contact_id"

    contact_id: UUID
    phone_hashes: list[str]


class ConsentRecorded(Event):
    """A form, a list or a person at the desk granted or withdrew consent for a phone."""

    type: ClassVar[str] = "contacts.consent.recorded.v1"
    about: ClassVar[str] = "phone"

    phone: str
    contact_id: UUID | None = None
    is_granted: bool
    purpose: str = "all"
    source: str
    evidence: str
    recorded_at: Instant


class OwnerItem(Payload):
    contact_id: UUID
    role: str
    is_primary: bool = False


class PropertyItem(Payload):
    property_id: UUID
    version: int
    address: AddressItem
    apn: str | None = None
    owners: list[OwnerItem] = []


class PropertyChanged(Event):
    """Properties were created or changed; at most 500 of them and 256 KiB."""

    type: ClassVar[str] = "contacts.property.changed.v1"
    about: ClassVar[str] = ""

    properties: list[PropertyItem]


class ImportCompleted(Event):
    """Every row of the file ended as exactly one of the four counts, which add up to `rows`."""

    type: ClassVar[str] = "contacts.import.completed.v1"
    about: ClassVar[str] = "import_id"

    import_id: UUID
    list_id: UUID | None
    rows: int
    created: int
    updated: int
    unchanged: int
    rejected: int
