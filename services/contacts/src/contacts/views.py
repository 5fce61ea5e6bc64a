"""Contacts, properties, lists and imports as others see them: over HTTP, in the audience, in events."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from shared.events.envelope import Instant

from contacts.importing.columns import Preset
from contacts.importing.plan import Duplicates, Outcome
from contacts.models import Consent, EntryKind, ImportStatus, LineType, PhoneType, Role


class View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PhoneView(View):
    """`line_type` and `consent` are copies of what messaging knows about the number."""

    e164: str
    type: PhoneType
    status: str | None
    is_primary: bool
    line_type: LineType
    consent: Consent


class EmailView(View):
    address: str
    status: str | None
    is_primary: bool


class AddressView(View):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None


class MoneyView(View):
    """What QuickBooks has of all customers that are this person; copies, summed up.

    Documents in another currency are in none of the figures, and on the timeline.
    """

    currency: str
    customers: int = Field(description="Customers of QuickBooks that are this person.")
    invoiced_cents: int = Field(description="All invoices; a voided one is zero.")
    paid_cents: int = Field(description="Money received, less what was given back.")
    balance_cents: int = Field(description="What is left to pay of all invoices.")
    overdue_cents: int = Field(description="Of the balance, what was due on a day that has passed.")
    is_overdue: bool
    last_paid_on: date | None = Field(description="The day of the latest payment; null where there was none.")
    open_estimates: int = Field(description="Estimates that were sent and neither answered nor expired.")
    open_estimate_cents: int
    has_other_currency: bool = Field(description="There is more, in another currency.")


class ContactView(View):
    """`consent` is the strictest of the phones': one opted-out phone opts the person out."""

    id: UUID
    version: int
    first_name: str | None
    last_name: str | None
    company: str | None
    phones: list[PhoneView]
    emails: list[EmailView]
    address: AddressView
    notes: str | None
    tags: list[str]
    custom_fields: dict[str, Any]
    consent: Consent
    money: MoneyView | None = Field(description="Null, unknown, where the contact is no customer of QuickBooks.")
    source: str
    is_active: bool
    merged_into_id: UUID | None
    created_at: Instant
    updated_at: Instant


class ListRef(View):
    id: UUID
    name: str


class LinkView(View):
    property_id: UUID
    role: Role
    share: Decimal | None
    is_primary: bool
    street: str | None
    city: str | None
    zip: str | None
    apn: str | None


class ContactDetail(ContactView):
    lists: list[ListRef]
    properties: list[LinkView]


class OwnerView(View):
    contact_id: UUID
    role: Role
    share: Decimal | None
    is_primary: bool
    first_name: str | None
    last_name: str | None
    company: str | None


class PropertyView(View):
    id: UUID
    version: int
    type: str | None
    street: str | None
    city: str | None
    state: str | None
    zip: str | None
    subdivision: str | None
    longitude: Decimal | None
    latitude: Decimal | None
    apn: str | None
    year_built: int | None
    purchased_on: date | None
    months_since_purchase: int | None
    square_feet: int | None
    beds: int | None
    baths: Decimal | None
    estimated_value_cents: int | None = Field(description="US cents.")
    estimated_equity_cents: int | None = Field(description="US cents.")
    equity_percent: Decimal | None
    owner_name: str | None
    mail_street: str | None
    mail_city: str | None
    mail_state: str | None
    mail_zip: str | None
    is_owner_occupied: bool | None
    is_listed_for_sale: bool | None
    listing_status: str | None
    is_foreclosure: bool | None
    is_high_equity: bool | None
    created_at: Instant
    updated_at: Instant


class PropertyDetail(PropertyView):
    owners: list[OwnerView]


class ListView(View):
    id: UUID
    version: int
    name: str
    import_id: UUID | None
    members: int = Field(description="Active contacts on the list.")
    created_at: Instant
    updated_at: Instant


class TagView(View):
    id: UUID
    name: str
    contacts: int


class EntryView(View):
    """One entry of a timeline. `details` depends on `kind`; texts carry direction, status and text.

    What billing told carries its status, number, amount and ids; a change also what was `before` it.
    """

    id: UUID
    kind: EntryKind
    occurred_at: Instant
    details: dict[str, Any]
    campaign_name: str | None = None


class FileView(View):
    size_bytes: int
    sha256: str | None
    encoding: str | None = Field(description="utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, cp1252, or xlsx.")
    delimiter: str | None


class RecordCounts(BaseModel):
    created: int = 0
    updated: int = 0
    unchanged: int = 0


class ImportView(View):
    """`created + updated + unchanged + rejected = processed`, and at the end `processed = rows`."""

    id: UUID
    version: int
    name: str
    filename: str
    preset: Preset
    duplicates: Duplicates
    status: ImportStatus
    file: FileView | None
    rows: int
    processed: int
    created: int
    updated: int
    unchanged: int
    rejected: int
    warned: int = Field(description="Rows that were stored with a warning.")
    contacts: RecordCounts = Field(description="People, all their rows together.")
    properties: RecordCounts
    error: str | None = Field(description="Why rows could not be stored: of the last try, or of an import that failed.")
    list_id: UUID | None
    created_at: Instant
    updated_at: Instant
    confirmed_at: Instant | None
    finished_at: Instant | None


class ColumnView(BaseModel):
    header: str
    target: str | None = Field(description="What the column means; null where it is left out.")
    examples: list[str]


class PreviewRow(BaseModel):
    row_number: int
    line_number: int
    cells: list[str]
    problem: str | None = Field(description="Why the row would be rejected.")
    warnings: list[str]


class PreviewView(BaseModel):
    """The file as it would be read. Problems are counted over the first `checked_rows` rows."""

    encoding: str | None
    delimiter: str | None
    preset: Preset
    duplicates: Duplicates
    columns: list[ColumnView]
    targets: list[str] = Field(description="Every meaning a column can be given, besides `custom.<name>`.")
    rows: int
    checked_rows: int
    problems: dict[str, int] = Field(description="Rows that would be rejected, by reason.")
    warned_rows: int
    first_rows: list[PreviewRow]
    needs_mapping: bool = Field(description="No column tells records apart yet; the confirm would be refused.")


class RowView(BaseModel):
    """What became of one row of the file."""

    row_number: int
    line_number: int = Field(description="The physical line of the file that the row begins on.")
    outcome: Outcome
    reason: str | None = Field(description="Of a rejected row, a stable word.")
    detail: str | None = Field(description="The reason as a sentence.")
    warnings: list[str] = Field(description="What was left blank of a row that was stored.")


class AudiencePhone(BaseModel):
    """The primary phone stands first. Line type and consent are copies; messaging decides at the send."""

    e164: str
    type: PhoneType
    is_primary: bool
    line_type: LineType
    consent_state: Consent = Field(
        description="The strictest of all phones of the person: one opted-out phone opts the person out."
    )


class AudienceRow(BaseModel):
    """One active contact of the audience, one line of the stream."""

    contact_id: UUID
    version: int
    first_name: str | None
    last_name: str | None
    company: str | None
    phones: list[AudiencePhone]
    emails: list[str]
    address: str | None = Field(description="The street line.")
    city: str | None
    state: str | None
    zip: str | None
    zones: list[str] = Field(description="IANA zones the person may be in, by address, else by the first phone.")
    region: str | None = Field(description="US state code, where it is known.")
    tags: list[str]
    custom_fields: dict[str, Any]
