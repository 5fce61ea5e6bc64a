"""Instants and days as callers write them."""

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field


def _written_out(value: object) -> object:
    """Numbers would be read as seconds since 1970, which nobody who sends one need have meant."""
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("write an instant out, such as 2026-11-24T12:00:00Z")


def _within_reach(at: datetime) -> datetime:
    """Calendars end: an instant centuries away cannot be planned for, and nobody means one."""
    if not 2000 <= at.year < 2200:
        raise ValueError("an instant between the years 2000 and 2200")
    return at


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_written_out),
    AfterValidator(_within_reach),
    Field(description="RFC 3339 with an offset."),
]


def _day_written_out(value: object) -> object:
    """As with instants: `0` is nobody's way to write a day."""
    if isinstance(value, date) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise ValueError("write a day out, such as 2026-11-24")


Day = Annotated[date, BeforeValidator(_day_written_out)]
