"""What drafting estimates and invoices has in common: lines from the price book, and what may be written at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Invalid
from sqlalchemy import select

from billing.errors import CustomerGone, NumbersNotOurs, PeriodClosed, UnknownItem
from billing.lines import Line, LineKind, item_line, read_lines
from billing.models import Connection, Customer, Form, Item
from billing.settlement import company_day
from billing.totals import Totals, compute_totals


@dataclass(frozen=True)
class WantedLine:
    """A line as a person drafts it. Without an item it is a text; what is left out comes from the price book."""

    item_id: UUID | None = None
    description: str | None = None
    quantity: Decimal = Decimal(1)
    unit_price: Decimal | None = None
    is_taxable: bool | None = None


class FormService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def lines(self, realm_id: str, wanted: Sequence[WantedLine]) -> list[Line]:
        """Out of this company's price book. Raises UnknownItem, or Invalid for a line that says nothing or has no
        price.
        """
        ids = {line.item_id for line in wanted if line.item_id}
        found = await self._uow.session.scalars(select(Item).where(Item.realm_id == realm_id, Item.id.in_(ids)))
        items = {item.id: item for item in found}
        return [_line(line, items, place) for place, line in enumerate(wanted)]

    async def check_sold(self, realm_id: str, lines: Sequence[Line]) -> None:
        """Raises UnknownItem where one of them was taken out of the price book since it was drafted."""
        retired = await self._uow.session.scalar(
            select(Item.name)
            .where(Item.realm_id == realm_id, Item.qb_id.in_({line.item for line in lines}), ~Item.is_active)
            .order_by(Item.name)
            .limit(1)
        )
        if retired is not None:
            raise UnknownItem(
                f"{retired} is not in the price book any more. Take it out of the lines, or make it active again in"
                " QuickBooks."
            )

    def totals(self, lines: Sequence[Line], connection: Connection) -> Totals:
        """What QuickBooks will make of them, as far as its tax rate is known."""
        return compute_totals(lines, tax_percent(connection))

    async def shown_totals(self, form: Form) -> Totals:
        """As QuickBooks has said them; of a form that it has not got yet, by the tax rate that is known now."""
        if form.qb_id is not None or form.is_deleted:
            return Totals(form.subtotal_cents, form.tax_cents)
        return self.totals(read_lines(form.lines), await self._uow.session.get_one(Connection, form.realm_id))

    @staticmethod
    def fill_totals(form: Form, totals: Totals) -> None:
        """Until QuickBooks says them. An unknown tax is none here; `shown_totals` tells it from none."""
        form.subtotal_cents, form.tax_cents = totals.subtotal, totals.tax or 0
        form.total_cents = form.subtotal_cents + form.tax_cents

    def today(self, connection: Connection) -> date:
        return company_day(self._uow.now, connection.zone)

    def check_writable(self, connection: Connection, customer: Customer, written_on: date) -> None:
        """Raises what would keep QuickBooks from taking it, as far as we can know before."""
        if connection.preferences.get("has_own_numbers") is False:
            raise NumbersNotOurs(
                "QuickBooks numbers estimates and invoices itself. Switch on custom transaction numbers there, under"
                " Account and settings, Sales."
            )
        if not customer.is_active and customer.merged_into_id is None:
            raise CustomerGone(
                f"The customer {customer.display_name} was deleted, merged or made inactive in QuickBooks. Make it"
                " active again there, link the customer that it was merged into, or discard this and begin anew."
            )
        if connection.closed_until and written_on <= connection.closed_until:
            raise PeriodClosed(
                f"The books are closed up to {connection.closed_until}. Reopen the period in QuickBooks and try again."
            )


def tax_percent(connection: Connection) -> Decimal | None:
    """None until it was seen on a form: QuickBooks tells it nowhere else."""
    if connection.preferences.get("uses_sales_tax") is False:
        return Decimal(0)
    return None if connection.tax_percent is None else Decimal(connection.tax_percent)


def _line(wanted: WantedLine, items: dict[UUID, Item], place: int) -> Line:
    field = f"body.lines.{place}"
    if wanted.item_id is None:
        if not wanted.description:
            raise Invalid("A line needs an item or a description.", request_field=field)
        return Line(LineKind.TEXT, description=wanted.description)
    item = items.get(wanted.item_id)
    if item is None or not item.is_active:
        raise UnknownItem(
            "This item is not in the price book any more. Choose another one.", item_id=str(wanted.item_id)
        )
    price = wanted.unit_price if wanted.unit_price is not None else item.unit_price
    if price is None:
        raise Invalid(f"{item.name} has no price in QuickBooks; enter one.", request_field=f"{field}.unit_price")
    taxable = item.is_taxable if wanted.is_taxable is None else wanted.is_taxable
    description = wanted.description or item.description or item.name
    return item_line(str(item.qb_id), description, wanted.quantity, price, is_taxable=taxable)
