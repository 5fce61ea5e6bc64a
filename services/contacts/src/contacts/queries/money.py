"""What contacts owe and have paid: shown, filtered by, sorted by."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal, TypeGuard
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from contacts.models import Contact, ContactMoney
from contacts.views import MoneyView

MoneySort = Literal["invoiced", "paid", "balance", "overdue", "open_estimates", "last_paid"]

_MONEY = ContactMoney.__table__.c
# Of another name than the one that is sorted by, so that neither is taken for the other.
_FILTERED = aliased(ContactMoney)
_FIGURES: dict[MoneySort, ColumnElement[Any]] = {
    "invoiced": _MONEY.invoiced_cents,
    "paid": _MONEY.paid_cents,
    "balance": _MONEY.balance_cents,
    "overdue": _MONEY.overdue_cents,
    "open_estimates": _MONEY.open_estimate_cents,
    "last_paid": _MONEY.last_paid_on,
}
# The largest, or latest, first.
MONEY_KEYS: dict[str, list[ColumnElement[Any]]] = {
    sort: [figure.desc(), _MONEY.contact_id.desc()] for sort, figure in _FIGURES.items()
}


@dataclass(frozen=True)
class MoneyFilter:
    """None asks nothing. What is not known of a contact, because it is no customer, meets no condition about it."""

    is_customer: bool | None = None
    has_balance: bool | None = None
    is_overdue: bool | None = None
    has_open_estimate: bool | None = None
    invoiced_at_least: int | None = None
    paid_at_least: int | None = None
    balance_at_least: int | None = None
    last_paid_from: date | None = None
    last_paid_until: date | None = None

    @property
    def narrows(self) -> bool:
        return any(value is not None for value in asdict(self).values())

    def apply(self, statement: Select[Any]) -> Select[Any]:
        conditions = self._conditions()
        if self.is_customer or conditions:
            statement = statement.where(Contact.id.in_(select(_FILTERED.contact_id).where(*conditions)))
        if self.is_customer is False:
            statement = statement.where(~exists().where(_FILTERED.contact_id == Contact.id))
        return statement

    def _conditions(self) -> list[ColumnElement[bool]]:
        flags = (
            (self.has_balance, _FILTERED.balance_cents > 0),
            (self.is_overdue, _FILTERED.overdue_cents > 0),
            (self.has_open_estimate, _FILTERED.open_estimates > 0),
        )
        limits = (
            (self.invoiced_at_least, _FILTERED.invoiced_cents.__ge__),
            (self.paid_at_least, _FILTERED.paid_cents.__ge__),
            (self.balance_at_least, _FILTERED.balance_cents.__ge__),
            (self.last_paid_from, _FILTERED.last_paid_on.__ge__),
            (self.last_paid_until, _FILTERED.last_paid_on.__le__),
        )
        met = [condition if wanted else ~condition for wanted, condition in flags if wanted is not None]
        return met + [reaches(value) for value, reaches in limits if value is not None]


def is_money_sort(sort: str) -> TypeGuard[MoneySort]:
    return sort in _FIGURES


def with_figure(statement: Select[Any], sort: MoneySort) -> Select[Any]:
    """Only contacts that have the figure: what is unknown has no place in an order."""
    statement = statement.join(ContactMoney, ContactMoney.contact_id == Contact.id)
    return statement.where(_MONEY.last_paid_on.is_not(None)) if sort == "last_paid" else statement


async def money_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, MoneyView]:
    """By contact; one that is no customer has no figures."""
    # Read again where this transaction has just added them up.
    found = await session.scalars(
        select(ContactMoney).where(ContactMoney.contact_id.in_(ids)).execution_options(populate_existing=True)
    )
    return {row.contact_id: MoneyView.model_validate(row) for row in found}
