"""What a column of a file may mean, how that is guessed from its header, and what each preset demands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from contacts.errors import WrongColumns

IMPORT_ROW_HEADER = "Import row"
IMPORT_LINE_HEADER = "Import line"
IMPORT_REASON_HEADER = "Import reason"
MAX_COLUMNS = 500
CUSTOM_PREFIX = "custom."
CUSTOM_TARGET = re.compile(r"custom\.[a-z][a-z0-9_]{0,59}")


class Preset(StrEnum):
    AUTO = "auto"
    STANDARD = "standard"
    PROPERTY_RADAR = "property_radar"
    OPENPHONE = "openphone"


class Target(StrEnum):
    """The meaning of a column. Several columns may mean a phone or an e-mail; else the first that is filled counts."""

    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    NAME = "name"
    COMPANY = "company"
    PHONE = "phone"
    PHONE_MOBILE = "phone.mobile"
    PHONE_HOME = "phone.home"
    PHONE_WORK = "phone.work"
    PHONE_STATUS = "phone.status"
    EMAIL = "email"
    EMAIL_STATUS = "email.status"
    STREET = "street"
    CITY = "city"
    STATE = "state"
    ZIP = "zip"
    TAGS = "tags"
    NOTES = "notes"
    SECONDARY_NAME = "secondary.name"
    SECONDARY_PHONE = "secondary.phone.mobile"
    SECONDARY_PHONE_STATUS = "secondary.phone.status"
    SECONDARY_EMAIL = "secondary.email"
    SECONDARY_EMAIL_STATUS = "secondary.email.status"
    PROPERTY_TYPE = "property.type"
    PROPERTY_STREET = "property.street"
    PROPERTY_CITY = "property.city"
    PROPERTY_STATE = "property.state"
    PROPERTY_ZIP = "property.zip"
    PROPERTY_SUBDIVISION = "property.subdivision"
    PROPERTY_LONGITUDE = "property.longitude"
    PROPERTY_LATITUDE = "property.latitude"
    PROPERTY_APN = "property.apn"
    PROPERTY_YEAR_BUILT = "property.year_built"
    PROPERTY_PURCHASED_ON = "property.purchased_on"
    PROPERTY_PURCHASE_MONTHS = "property.months_since_purchase"
    PROPERTY_SQUARE_FEET = "property.square_feet"
    PROPERTY_BEDS = "property.beds"
    PROPERTY_BATHS = "property.baths"
    PROPERTY_VALUE = "property.estimated_value_cents"
    PROPERTY_EQUITY = "property.estimated_equity_cents"
    PROPERTY_EQUITY_PERCENT = "property.equity_percent"
    PROPERTY_OWNER = "property.owner_name"
    PROPERTY_MAIL_STREET = "property.mail_street"
    PROPERTY_MAIL_CITY = "property.mail_city"
    PROPERTY_MAIL_STATE = "property.mail_state"
    PROPERTY_MAIL_ZIP = "property.mail_zip"
    PROPERTY_OWNER_OCCUPIED = "property.is_owner_occupied"
    PROPERTY_LISTED = "property.is_listed_for_sale"
    PROPERTY_LISTING_STATUS = "property.listing_status"
    PROPERTY_FORECLOSURE = "property.is_foreclosure"
    PROPERTY_HIGH_EQUITY = "property.is_high_equity"


PHONE_TARGETS = frozenset(
    {Target.PHONE, Target.PHONE_MOBILE, Target.PHONE_HOME, Target.PHONE_WORK, Target.SECONDARY_PHONE}
)
MANY_ALLOWED = PHONE_TARGETS | {
    Target.EMAIL,
    Target.SECONDARY_EMAIL,
    Target.PHONE_STATUS,
    Target.EMAIL_STATUS,
    Target.SECONDARY_PHONE_STATUS,
    Target.SECONDARY_EMAIL_STATUS,
    Target.TAGS,
}

PROPERTY_RADAR: dict[str, str] = {
    "type": Target.PROPERTY_TYPE,
    "address": Target.PROPERTY_STREET,
    "city": Target.PROPERTY_CITY,
    "state": Target.PROPERTY_STATE,
    "zip": Target.PROPERTY_ZIP,
    "subdivision": Target.PROPERTY_SUBDIVISION,
    "longitude": Target.PROPERTY_LONGITUDE,
    "latitude": Target.PROPERTY_LATITUDE,
    "apn": Target.PROPERTY_APN,
    "yr built": Target.PROPERTY_YEAR_BUILT,
    "purchase date": Target.PROPERTY_PURCHASED_ON,
    "purchase mos since": Target.PROPERTY_PURCHASE_MONTHS,
    "sq ft": Target.PROPERTY_SQUARE_FEET,
    "beds": Target.PROPERTY_BEDS,
    "baths": Target.PROPERTY_BATHS,
    "est value": Target.PROPERTY_VALUE,
    "est equity $": Target.PROPERTY_EQUITY,
    "est equity %": Target.PROPERTY_EQUITY_PERCENT,
    "owner": Target.PROPERTY_OWNER,
    "mail address": Target.PROPERTY_MAIL_STREET,
    "mail city": Target.PROPERTY_MAIL_CITY,
    "mail state": Target.PROPERTY_MAIL_STATE,
    "mail zip": Target.PROPERTY_MAIL_ZIP,
    "owner occ": Target.PROPERTY_OWNER_OCCUPIED,
    "listed for sale": Target.PROPERTY_LISTED,
    "listing status": Target.PROPERTY_LISTING_STATUS,
    "foreclosure": Target.PROPERTY_FORECLOSURE,
    "high equity": Target.PROPERTY_HIGH_EQUITY,
    "primary name": Target.NAME,
    "primary mobile phone1": Target.PHONE_MOBILE,
    "primary mobile 1 status": Target.PHONE_STATUS,
    "primary email1": Target.EMAIL,
    "primary email 1 status": Target.EMAIL_STATUS,
    "secondary name": Target.SECONDARY_NAME,
    "secondary mobile phone1": Target.SECONDARY_PHONE,
    "secondary mobile 1 status": Target.SECONDARY_PHONE_STATUS,
    "secondary email1": Target.SECONDARY_EMAIL,
    "secondary email 1 status": Target.SECONDARY_EMAIL_STATUS,
}
PROPERTY_RADAR_REQUIRED = ("Type", "Address", "City", "ZIP", "Primary Name", "Primary Mobile Phone1")

OPENPHONE: dict[str, str] = {
    "first name": Target.FIRST_NAME,
    "last name": Target.LAST_NAME,
    "company": Target.COMPANY,
    "role": "custom.role",
    "address": Target.STREET,
    "phone": Target.PHONE,
    "phone number": Target.PHONE,
    "email": Target.EMAIL,
    "notes": Target.NOTES,
}

STANDARD: dict[str, str] = {
    header: target
    for target, headers in {
        Target.FIRST_NAME: "first name|firstname|first|fname|given name",
        Target.LAST_NAME: "last name|lastname|last|lname|surname|family name",
        Target.NAME: "name|full name|fullname|contact name|contact|owner name|customer name|display name",
        Target.COMPANY: "company|company name|organization|organisation|business|business name|agency",
        Target.PHONE: "phone|phone number|phone no|telephone|tel|contact number|phone 1|phone1|primary phone|number",
        Target.PHONE_MOBILE: "mobile|mobile phone|mobile number|cell|cell phone|cellphone|cell number|mobile phone1",
        Target.PHONE_HOME: "home phone|home|landline|home number",
        Target.PHONE_WORK: "work phone|work|office|office phone|business phone|work number",
        Target.EMAIL: "email|e mail|email address|e mail address|mail|email 1|email1|primary email",
        Target.STREET: "address|street|street address|address 1|address line 1|mailing address",
        Target.CITY: "city|town",
        Target.STATE: "state|province|region|st",
        Target.ZIP: "zip|zip code|zipcode|postal code|postcode|postal",
        Target.TAGS: "tags|tag|labels|groups",
        Target.NOTES: "notes|note|comments|comment|remarks",
    }.items()
    for header in headers.split("|")
}
NUMBERED = re.compile(r"^(phone|phone number|mobile|mobile phone|cell|email|email address)? ?[2-9]$")
KNOWN = {Preset.STANDARD: STANDARD, Preset.OPENPHONE: OPENPHONE, Preset.PROPERTY_RADAR: PROPERTY_RADAR}

Mapping = list[str | None]
"""One target for each column of the file, None where the column is left out."""


@dataclass(frozen=True)
class Guess:
    preset: Preset
    mapping: Mapping


def header_key(header: str) -> str:
    """Headers are compared without case, punctuation and double blanks; `$` and `%` tell columns apart."""
    return " ".join(re.sub(r"[^\w$%]+|_", " ", header.lower()).split())


def guess(headers: Sequence[str], preset: Preset = Preset.AUTO) -> Guess:
    """The preset and the meaning of every column. Raises WrongColumns where the chosen preset misses a column."""
    keys = [header_key(header) for header in headers]
    if len(keys) > MAX_COLUMNS:
        raise WrongColumns(f"The file has {len(keys):,} columns; at most {MAX_COLUMNS} are read.")
    missing = [name for name in PROPERTY_RADAR_REQUIRED if header_key(name) not in keys]
    if preset is Preset.AUTO:
        preset = Preset.STANDARD if missing else Preset.PROPERTY_RADAR
    if preset is Preset.PROPERTY_RADAR and missing:
        raise WrongColumns(
            f"This is no PropertyRadar export: the columns {', '.join(missing)} are missing.", missing=missing
        )
    return Guess(preset, _meanings(keys, KNOWN[preset]))


def _meanings(keys: list[str], known: dict[str, str]) -> Mapping:
    taken: set[str] = set()
    mapping: Mapping = []
    for key in keys:
        target = known.get(key) or _numbered(key, known)
        if target in taken and target not in MANY_ALLOWED:
            target = None
        if target:
            taken.add(target)
        mapping.append(str(target) if target else None)
    return mapping


def _numbered(key: str, known: dict[str, str]) -> str | None:
    match = NUMBERED.match(key)
    return known.get(match.group(1)) if match and match.group(1) else None


def check_mapping(mapping: Mapping, columns: int) -> None:
    """Raise WrongColumns where a corrected mapping does not fit the file or names an unknown meaning."""
    if len(mapping) != columns:
        raise WrongColumns(
            f"The mapping names {len(mapping)} columns, the file has {columns}.", request_field="body.mapping"
        )
    taken: set[str] = set()
    for target in filter(None, mapping):
        if target not in set(Target) and not CUSTOM_TARGET.fullmatch(target):
            raise WrongColumns(f"A column cannot mean {target[:80]!r}.", request_field="body.mapping")
        if target in taken and target not in MANY_ALLOWED:
            raise WrongColumns(f"Two columns cannot both mean {target!r}.", request_field="body.mapping")
        taken.add(target)


def names_identity(mapping: Mapping) -> bool:
    """Whether some column can tell one record from another: a phone, an APN, or an address with its ZIP."""
    targets = set(filter(None, mapping))
    has_address = {Target.PROPERTY_STREET, Target.PROPERTY_ZIP} <= targets
    return bool(targets & PHONE_TARGETS) or Target.PROPERTY_APN in targets or has_address
