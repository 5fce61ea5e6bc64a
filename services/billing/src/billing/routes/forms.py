"""What estimates and invoices look like on the wire."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, StrictBool
from shared.events.envelope import Instant

from billing.lines import Line, LineKind
from billing.models import Item, Push
from billing.routes.schemas import Body, MoneyOut, Plain, Quantity, Text, UnitPrice, money
from billing.services.forms import WantedLine
from billing.states import PushKind, PushState
from billing.totals import line_amounts


class LineIn(Body):
    """A line of the price book, or a text where `item_id` is left out. What is left out comes from the item."""

    item_id: UUID | None = None
    description: Text | None = None
    quantity: Quantity | None = None
    unit_price: UnitPrice | None = None
    is_taxable: StrictBool | None = None

    def to_service(self) -> WantedLine:
        given = self.model_dump(exclude_none=True)
        return WantedLine(**given)


Lines = Annotated[list[LineIn], Field(max_length=750)]


class LineOut(BaseModel):
    kind: LineKind
    item_id: UUID | None
    """Null where the item is not in the price book we know."""
    description: str
    quantity: Plain | None
    unit_price: Plain | None
    percent: Plain | None
    amount: MoneyOut
    is_taxable: bool

    @classmethod
    def all_of(cls, lines: Sequence[Line], currency: str, items: dict[str, Item]) -> list[Self]:
        """What a discount in percent takes off follows from the others."""
        amounts = line_amounts(lines)
        return [cls._of(line, cents, currency, items) for line, cents in zip(lines, amounts, strict=True)]

    @classmethod
    def _of(cls, line: Line, cents: int, currency: str, items: dict[str, Item]) -> Self:
        item = items.get(line.item or "")
        return cls(
            kind=line.kind,
            item_id=item.id if item else None,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            percent=line.percent,
            amount=money(cents, currency),
            is_taxable=line.is_taxable,
        )


class WriteOut(BaseModel):
    """Something that is still to be written into QuickBooks, or could not be."""

    id: UUID
    kind: PushKind
    state: PushState
    error: str | None
    created_at: Instant

    @classmethod
    def of(cls, push: Push) -> Self:
        return cls(id=push.id, kind=push.kind, state=push.state, error=push.error, created_at=push.created_at)


class CustomerRef(BaseModel):
    id: UUID
    display_name: str
    contact_id: UUID | None
