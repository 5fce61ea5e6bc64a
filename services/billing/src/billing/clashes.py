"""Whether somebody changed in QuickBooks just what a write of ours is about. Then a person decides which of them holds.

What else was changed there stays as it is: writes are sparse, and built on the newest state that is mirrored.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from shared.rules.money import Money

from billing.models import Customer, Estimate, Invoice, Push
from billing.states import PushKind

Values = Mapping[str, str | None]
Target = Customer | Estimate | Invoice


@dataclass(frozen=True)
class CustomerEdit:
    """A change of a customer as its write keeps it: what it is to be, what it was, and in which state of theirs."""

    values: Values
    former: Values
    sync_token: int

    @classmethod
    def on(cls, row: Customer, values: Values) -> "CustomerEdit":
        """`values` instead of what the row says now."""
        return cls(dict(values), {name: getattr(row, name) for name in values}, row.sync_token)

    @classmethod
    def of(cls, argument: str | None) -> "CustomerEdit":
        """Of a write's `argument`."""
        return cls(**orjson.loads(argument or ""))

    def stored(self) -> str:
        return orjson.dumps(self).decode()


def found_clash(push: Push, target: Target) -> str | None:
    """What stands against writing it now, with both sides and what to do; None where nothing does."""
    if push.kind is PushKind.UPDATE_CUSTOMER and isinstance(target, Customer):
        return _of_customer(CustomerEdit.of(push.argument), target)
    if push.kind is PushKind.MARK_ESTIMATE and isinstance(target, Estimate) and push.argument:
        return _of_price(int(push.argument), target)
    return None


def accept_clash(push: Push, target: Target) -> None:
    """Whoever tries again has read what QuickBooks says, and wants ours."""
    if push.kind is PushKind.UPDATE_CUSTOMER and isinstance(target, Customer):
        edit = CustomerEdit.of(push.argument)
        if target.sync_token != edit.sync_token:
            push.argument = CustomerEdit.on(target, edit.values).stored()
    elif push.kind is PushKind.MARK_ESTIMATE and isinstance(target, Estimate) and push.argument:
        push.argument = str(target.total_cents)
        target.accepted_cents = target.total_cents


def _of_customer(edit: CustomerEdit, row: Customer) -> str | None:
    if row.sync_token == edit.sync_token:
        return None  # What the row says is ours, not QuickBooks's.
    for name, value in edit.values.items():
        found = getattr(row, name)
        if found not in (value, edit.former[name]):
            return (
                f"The {name.replace('_', ' ')} was {_said(edit.former[name])} when it was changed here to"
                f" {_said(value)}; in QuickBooks somebody made it {_said(found)}. Try again to write ours over it, or"
                " give this up to keep QuickBooks's."
            )
    return None


def _of_price(accepted_cents: int, row: Estimate) -> str | None:
    if row.total_cents == accepted_cents:
        return None
    accepted, now = Money(accepted_cents, row.currency), Money(row.total_cents, row.currency)
    return (
        f"The customer accepted {row.number} at {accepted}; in QuickBooks it is {now}. Ask the customer: try again to"
        " mark it accepted at that, or give this up."
    )


def _said(value: str | None) -> str:
    return value or "empty"
