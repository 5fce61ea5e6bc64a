"""What a person at the desk may write: the checked input of contacts."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from shared.errors import AppError
from shared.rules.phones import parse_phone

from contacts.importing.addresses import address_key
from contacts.importing.cells import BadCell, email_address
from contacts.models import PhoneType, Role

MAX_CUSTOM_FIELDS = 100
# Beyond it readers of JSON do not tell neighbouring whole numbers apart.
MAX_EXACT = 2**53
UNSTORABLE = "The text holds characters that cannot be stored."


def _blank_to_none(value: object) -> object:
    return (value.strip() or None) if isinstance(value, str) else value


def _storable(text: str) -> str:
    # Lone surrogates pass JSON but not UTF-8.
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError(UNSTORABLE)
    return text


def _exact(value: object) -> object:
    # As a float, which would be tried next, it would lose its last digits without a word.
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        raise ValueError("A number lies between -2^53 and 2^53; write a longer one as text.")
    return value


def _phone(text: str) -> str:
    try:
        return parse_phone(text)
    except AppError as error:
        raise ValueError(error.message) from error


def _email(text: str) -> str:
    try:
        return _storable(email_address(text.strip()))
    except BadCell as error:
        raise ValueError(f"This {error}.") from error


def _tag(text: str) -> str:
    name = " ".join(text.split()).lower()
    if not name:
        raise ValueError("A tag needs a name.")
    return _storable(name)


Line = Annotated[
    Annotated[str, StringConstraints(max_length=300), AfterValidator(_storable)] | None,
    BeforeValidator(_blank_to_none),
]
Prose = Annotated[
    Annotated[str, StringConstraints(max_length=10_000), AfterValidator(_storable)] | None,
    BeforeValidator(_blank_to_none),
]
E164 = Annotated[str, StringConstraints(max_length=64), AfterValidator(_phone)]
EmailAddress = Annotated[str, StringConstraints(max_length=254), AfterValidator(_email)]
TagName = Annotated[str, StringConstraints(max_length=100), AfterValidator(_tag)]
FieldKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
WholeNumber = Annotated[int, Field(ge=-MAX_EXACT, le=MAX_EXACT)]
Number = Annotated[float, Field(ge=-MAX_EXACT, le=MAX_EXACT, allow_inf_nan=False)]
FieldValue = Annotated[
    Annotated[str, StringConstraints(max_length=2000), AfterValidator(_storable)] | bool | WholeNumber | Number | None,
    BeforeValidator(_exact),
]
CustomFields = Annotated[dict[FieldKey, FieldValue], Field(max_length=MAX_CUSTOM_FIELDS)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_storable)]


class PhoneDraft(BaseModel):
    phone: E164 = Field(description="As people write it; stored in E.164.", examples=["(617) 555-0100"])
    type: PhoneType = PhoneType.MOBILE


class ContactDraft(BaseModel):
    """A new contact. The first phone and the first e-mail are the primary ones."""

    model_config = ConfigDict(extra="forbid")

    first_name: Line = None
    last_name: Line = None
    company: Line = None
    street: Line = None
    city: Line = None
    state: Line = None
    zip: Line = None
    notes: Prose = None
    phones: list[PhoneDraft] = Field(default=[], max_length=20)
    emails: list[EmailAddress] = Field(default=[], max_length=20)
    tags: list[TagName] = Field(default=[], max_length=50)
    custom_fields: CustomFields = {}

    @model_validator(mode="after")
    def _is_somebody(self) -> "ContactDraft":
        if not (self.phones or self.emails or self.first_name or self.last_name or self.company):
            raise ValueError("Give a phone, an e-mail or a name.")
        return self


class ContactEdit(BaseModel):
    """Only what is given changes; null clears. Lists replace the old ones whole, custom fields one by one."""

    model_config = ConfigDict(extra="forbid")

    first_name: Line = None
    last_name: Line = None
    company: Line = None
    street: Line = None
    city: Line = None
    state: Line = None
    zip: Line = None
    notes: Prose = None
    phones: Annotated[list[PhoneDraft], Field(max_length=20)] | None = None
    emails: Annotated[list[EmailAddress], Field(max_length=20)] | None = None
    tags: Annotated[list[TagName], Field(max_length=50)] | None = None
    custom_fields: CustomFields | None = None

    def texts(self) -> dict[str, Any]:
        """The given plain fields."""
        return self.model_dump(include=self.model_fields_set & TEXT_FIELDS)


Code = Annotated[
    Annotated[str, StringConstraints(max_length=100), AfterValidator(_storable)] | None,
    BeforeValidator(_blank_to_none),
]
Count = Annotated[StrictInt, Field(ge=0, le=2_147_483_647)]
Cents = Annotated[StrictInt, Field(ge=-(10**15), le=10**15)]


class PropertyEdit(BaseModel):
    """Only what is given changes; null clears. Money is in US cents."""

    model_config = ConfigDict(extra="forbid")

    type: Line = None
    street: Line = None
    city: Line = None
    state: Line = None
    zip: Line = None
    apn: Code = None
    subdivision: Line = None
    longitude: Annotated[Decimal, Field(ge=-180, le=180, max_digits=10, decimal_places=7)] | None = None
    latitude: Annotated[Decimal, Field(ge=-90, le=90, max_digits=9, decimal_places=7)] | None = None
    year_built: Annotated[StrictInt, Field(ge=1500, le=2200)] | None = None
    purchased_on: date | None = None
    months_since_purchase: Count | None = None
    square_feet: Count | None = None
    beds: Count | None = None
    baths: Annotated[Decimal, Field(ge=0, max_digits=5, decimal_places=2)] | None = None
    estimated_value_cents: Cents | None = None
    estimated_equity_cents: Cents | None = None
    equity_percent: Annotated[Decimal, Field(max_digits=9, decimal_places=4)] | None = None
    owner_name: Line = None
    mail_street: Line = None
    mail_city: Line = None
    mail_state: Line = None
    mail_zip: Line = None
    is_owner_occupied: StrictBool | None = None
    is_listed_for_sale: StrictBool | None = None
    listing_status: Line = None
    is_foreclosure: StrictBool | None = None
    is_high_equity: StrictBool | None = None

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class PropertyDraft(PropertyEdit):
    """A new property, known by its APN, or by its street and ZIP. Money is in US cents."""

    @model_validator(mode="after")
    def _is_known(self) -> "PropertyDraft":
        if not self.apn and address_key(self.street, self.zip) is None:
            raise ValueError("Give an APN, or a street and a ZIP.")
        return self


class OwnerDraft(BaseModel):
    """A contact's part in a property. A primary one takes the place of the one before it."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Role.OWNER
    share: Annotated[Decimal, Field(gt=0, le=100, max_digits=7, decimal_places=4)] | None = None
    is_primary: StrictBool = False


TEXT_FIELDS = {"first_name", "last_name", "company", "street", "city", "state", "zip", "notes"}
