"""What the HTTP interface takes and gives, of every resource."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints
from shared.auth import Principal

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+$")
]
Plain = Annotated[Decimal, PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str)]
"""A decimal as text, without zeros that say nothing."""
Quantity = Annotated[Decimal, Field(gt=0, le=1_000_000, max_digits=14, decimal_places=7)]
UnitPrice = Annotated[Decimal, Field(ge=0, le=10_000_000, max_digits=15, decimal_places=7)]
Day = date


class Body(BaseModel):
    """A field that is not known is refused: a misspelt amount must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class Row(BaseModel):
    """Read off a row."""

    model_config = ConfigDict(from_attributes=True)


class MoneyOut(BaseModel):
    amount_cents: int
    currency: str


def person_of(principal: Principal) -> str:
    """The human, also behind a service."""
    return str(principal.actor_id or principal.id)


def money(cents: int, currency: str) -> MoneyOut:
    return MoneyOut(amount_cents=cents, currency=currency)


Anything = dict[str, Any]
