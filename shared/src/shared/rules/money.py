"""Amounts of money: integer cents and a currency. No floats, ever."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Self

from shared.errors import Invalid

_AMOUNT = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})(?:\.[0-9]{1,2})?|\.[0-9]{1,2}")
_CURRENCY = re.compile(r"[A-Z]{3}")


class InvalidAmount(Invalid):
    code = "invalid_amount"


@dataclass(frozen=True, slots=True)
class Money:
    amount_cents: int
    currency: str = "USD"

    def __post_init__(self) -> None:
        if type(self.amount_cents) is not int:
            raise TypeError("an amount is whole cents")
        if _CURRENCY.fullmatch(self.currency) is None:
            raise ValueError(f"not an ISO 4217 code: {self.currency!r}")

    @classmethod
    def of(cls, amount: Decimal, currency: str = "USD") -> Self:
        """From a decimal amount such as Decimal("12.345"), rounded half up to the cent."""
        return cls(to_cents(amount), currency)

    @property
    def amount(self) -> Decimal:
        return Decimal(self.amount_cents).scaleb(-2)

    def __add__(self, other: Self) -> Self:
        self._check_same_currency(other)
        return type(self)(self.amount_cents + other.amount_cents, self.currency)

    def __sub__(self, other: Self) -> Self:
        self._check_same_currency(other)
        return type(self)(self.amount_cents - other.amount_cents, self.currency)

    def __neg__(self) -> Self:
        return type(self)(-self.amount_cents, self.currency)

    def __str__(self) -> str:
        sign = "-" if self.amount_cents < 0 else ""
        symbol = "$" if self.currency == "USD" else f"{self.currency} "
        return f"{sign}{symbol}{abs(self.amount):,.2f}"

    def _check_same_currency(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not add up")


def parse_money(text: str, currency: str = "USD") -> Money:
    """Read `$1,500.00`, `1,500`, `-12.5`, `($3.00)`; anything ambiguous (`1.500,00`, `12.345`) is refused."""
    plain = text.strip()
    negative = plain.startswith("(") and plain.endswith(")") and len(plain) > 2
    plain = plain[1:-1].strip() if negative else plain
    if plain.startswith(("-", "−")) and not negative:
        negative, plain = True, plain[1:].strip()
    plain = plain.removeprefix("$").strip()
    if not negative and plain.startswith("-"):
        negative, plain = True, plain[1:].strip()
    if _AMOUNT.fullmatch(plain) is None:
        raise InvalidAmount(f"Not an amount of money: {text[:40]!r}.")
    cents = to_cents(Decimal(plain.replace(",", "")))
    return Money(-cents if negative else cents, currency)


def to_cents(amount: Decimal) -> int:
    """Round half up (away from zero), as QuickBooks rounds a line."""
    try:
        return int(amount.scaleb(2).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    except InvalidOperation as exc:
        raise InvalidAmount(f"Not an amount of money: {amount}.") from exc


def line_cents(quantity: Decimal, unit_price: Decimal) -> int:
    """One line's amount; both factors may have up to seven decimal places, only the product is rounded."""
    return to_cents(quantity * unit_price)


def percentage_of(amount_cents: int, percent: Decimal) -> int:
    return to_cents(Decimal(amount_cents).scaleb(-4) * percent)
