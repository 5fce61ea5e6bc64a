"""What the HTTP interface takes and gives, of every resource."""

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from shared.auth import Principal
from shared.http import Day

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Memo = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
"""What the customer reads on a form: as much as QuickBooks takes."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+$")
]
Plain = Annotated[Decimal, PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str)]
"""A decimal as text, without zeros that say nothing."""


def _plainly_written(value: object) -> object:
    """Python reads `1_000`, `1E+3` and the digits of every script too; here they are slips, as nobody means them."""
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]*\.?[0-9]*", value):
        raise ValueError("write the number plainly, such as 1234.5")
    return value


def _or_say(sentence: str) -> WrapValidator:
    """What is out of bounds is answered with what to enter instead."""

    def check(value: object, bounds: ValidatorFunctionWrapHandler) -> object:
        try:
            return bounds(value)
        except ValidationError as error:
            raise ValueError(sentence) from error

    return WrapValidator(check)


def _near(day: date) -> date:
    """Nobody means a day centuries away, and not every calendar knows it."""
    if not 2000 <= day.year < 2200:
        raise ValueError("a day between the years 2000 and 2200")
    return day


_PLAINLY = BeforeValidator(_plainly_written)
Quantity = Annotated[
    Decimal,
    Field(gt=0, le=1_000_000, max_digits=14, decimal_places=7),
    _or_say("Enter a quantity above 0, up to a million, with at most seven decimal places."),
    _PLAINLY,
]
UnitPrice = Annotated[
    Decimal,
    Field(ge=0, le=10_000_000, max_digits=15, decimal_places=7),
    _or_say(
        "Enter a price of 0 or more, up to ten millions, with at most seven decimal places. A discount is entered in"
        " QuickBooks."
    ),
    _PLAINLY,
]
Share = Annotated[
    Decimal,
    Field(gt=0, le=1, max_digits=7, decimal_places=6),
    _or_say("Enter a share above 0 and up to 1, with at most six decimal places, such as 0.3 for 30 %."),
    _PLAINLY,
]
DueDay = Annotated[Day, AfterValidator(_near)]


class Body(BaseModel):
    """A field that is not known is refused: a misspelt amount must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class Row(BaseModel):
    """Read off a row."""

    model_config = ConfigDict(from_attributes=True)


class MoneyIn(Body):
    """As it was shown."""

    amount_cents: Annotated[int, Field(strict=True, ge=0, le=10**15)]
    currency: Annotated[str, StringConstraints(pattern="^[A-Z]{3}$")]


class MoneyOut(BaseModel):
    amount_cents: int
    currency: str


def person_of(principal: Principal) -> str:
    """The human, also behind a service."""
    return str(principal.actor_id or principal.id)


def money(cents: int, currency: str) -> MoneyOut:
    return MoneyOut(amount_cents=cents, currency=currency)


def known_money(cents: int | None, currency: str) -> MoneyOut | None:
    return None if cents is None else money(cents, currency)


Anything = dict[str, Any]
