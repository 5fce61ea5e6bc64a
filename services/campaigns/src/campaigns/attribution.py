"""Which texts earned a payment, and what has still to be written down of it: pure, and exact to the cent.

A payment has a day and no hour. A text counts where it was sent on that day of the company or at most the window's
number of days before it. One that was texted later on the very day is given the benefit of the doubt.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Model(StrEnum):
    FIRST_TOUCH = "first_touch"
    LAST_TOUCH = "last_touch"
    ASSISTED = "assisted"


CONSERVED = (Model.FIRST_TOUCH, Model.LAST_TOUCH)
"""Each gives the whole of a payment to one text. Assists are credited over and above, and do not add up to anything."""


class Outcome(StrEnum):
    ATTRIBUTED = "attributed"
    NOT_LINKED = "not_linked"
    NEVER_TEXTED = "never_texted"
    OUTSIDE_WINDOW = "outside_window"


class Earner(NamedTuple):
    """A recipient, with what never changes of it."""

    recipient_id: UUID
    campaign_id: UUID
    variant: str
    contact_id: UUID


@dataclass(frozen=True, slots=True)
class Touch:
    """A text that may have arrived; `on` is the company's day at that instant."""

    earner: Earner
    sent_at: datetime
    on: date


@dataclass(frozen=True, slots=True)
class Payment:
    """Negative where money was given back, zero once it was voided; `applied` names invoices and cents."""

    id: UUID
    amount_cents: int
    currency: str
    received_on: date
    applied: tuple[tuple[UUID, int], ...] = ()


class Line(NamedTuple):
    """What one recipient earned of one payment, under one model, through one invoice (None: not applied yet)."""

    model: Model
    earner: Earner
    invoice_id: UUID | None
    currency: str


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    lines: Mapping[Line, int]
    """Line → cents, none of them zero."""


def attribute(payment: Payment, touches: Iterable[Touch] | None, *, moment: date, window_days: int) -> Verdict:
    """What a payment's entries add up to. `touches`: all texts of the person; None where nobody knows the person."""
    if touches is None:
        return Verdict(Outcome.NOT_LINKED, {})
    known = sorted(touches, key=lambda touch: (touch.sent_at, touch.earner.recipient_id))
    within = [touch.earner for touch in known if 0 <= (moment - touch.on).days <= window_days]
    if not within:
        return Verdict(Outcome.OUTSIDE_WINDOW if known else Outcome.NEVER_TEXTED, {})
    parts = split(payment.amount_cents, payment.applied)
    lines = {
        Line(model, earner, invoice_id, payment.currency): cents
        for model, earner in _credits(within)
        for invoice_id, cents in parts.items()
    }
    return Verdict(Outcome.ATTRIBUTED, lines)


def _credits(earners: Sequence[Earner]) -> list[tuple[Model, Earner]]:
    first, *_, last = (*earners, earners[-1])
    others = dict.fromkeys(earner for earner in earners if earner != last)
    return [
        (Model.FIRST_TOUCH, first),
        (Model.LAST_TOUCH, last),
        *((Model.ASSISTED, earner) for earner in others),
    ]


def split(amount_cents: int, applied: Iterable[tuple[UUID, int]]) -> dict[UUID | None, int]:
    """Invoice → its part of the amount, and None → the rest. The parts add up to it, and have its sign.

    An invoice gets no more than is left: what a credit memo paid of it is no money that came in.
    """
    sign, left = (-1 if amount_cents < 0 else 1), abs(amount_cents)
    parts: Counter[UUID | None] = Counter()
    for invoice_id, cents in applied:
        taken = min(abs(cents), left)
        parts[invoice_id] += sign * taken
        left -= taken
    parts[None] = sign * left
    return {invoice_id: cents for invoice_id, cents in parts.items() if cents}


def moment_of(payment: Payment, siblings: Iterable[Payment]) -> date:
    """The day on which a payment is judged; `siblings` are all payments of its customer.

    Money that is given back follows the money that came in, so that it is taken from those who earned it: the newest
    payment that is not later, if possible one of the same invoice. QuickBooks does not say which it was.
    """
    if payment.amount_cents >= 0:
        return payment.received_on
    invoices = {invoice_id for invoice_id, _ in payment.applied}
    given_back = max(
        (
            (any(invoice_id in invoices for invoice_id, _ in other.applied), other.received_on)
            for other in siblings
            if other.amount_cents > 0
            and other.currency == payment.currency
            and other.received_on <= payment.received_on
        ),
        default=None,
    )
    return given_back[1] if given_back else payment.received_on


def differences(wanted: Mapping[Line, int], written: Mapping[Line, int]) -> dict[Line, int]:
    """What has to be added to what was written so that it adds up to what is wanted; in a fixed order."""
    changed = {line: wanted.get(line, 0) - written.get(line, 0) for line in (*wanted, *written)}
    return {line: cents for line, cents in changed.items() if cents}
