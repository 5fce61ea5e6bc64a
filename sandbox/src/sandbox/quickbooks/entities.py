"""The kinds of things in a company's books: their sequences of ids, what they need, and what they name."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

READ_ONLY = frozenset(
    {
        "TotalAmt",
        "Balance",
        "HomeBalance",
        "HomeTotalAmt",
        "UnappliedAmt",
        "RemainingCredit",
        "BalanceWithJobs",
        "FullyQualifiedName",
        "DeliveryInfo",
        "InvoiceLink",
        "Level",
        "V4IDPseudonym",
        "IsProject",
        "ClientEntityId",
        "TxnSource",
        "DiscountAmt",
    }
)
"""Sent in, they are ignored without a word."""


class Subscription(StrEnum):
    """What a company's subscription allows: everything, reading alone as after a lapse, or nothing."""

    ACTIVE = "active"
    READ_ONLY = "read_only"
    ENDED = "ended"


@dataclass(frozen=True)
class Kind:
    """`sequence`: which counter its ids come from. `references`: fields that name another object, by its kind."""

    name: str
    sequence: str
    required: tuple[str, ...] = ()
    references: dict[str, str] = field(default_factory=dict)
    is_transaction: bool = False
    voids_by: Literal["operation", "include"] | None = None
    """How an app voids it: `operation=void`, or `operation=update&include=void`; None: not at all."""


def _transaction(
    name: str,
    required: tuple[str, ...],
    voids_by: Literal["operation", "include"] | None = None,
    **references: str,
) -> Kind:
    return Kind(name, "transactions", required, references, is_transaction=True, voids_by=voids_by)


_FORM = ("CustomerRef", "Line")
_PAID = {"PaymentMethodRef": "PaymentMethod", "DepositToAccountRef": "Account"}
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "Customer",
            "names",
            references={"SalesTermRef": "Term", "ParentRef": "Customer", "PaymentMethodRef": "PaymentMethod"},
        ),
        Kind("Vendor", "names"),
        Kind("Item", "Item", ("Name",), {"IncomeAccountRef": "Account"}),
        Kind("Term", "Term", ("Name",)),
        Kind("Account", "Account", ("Name",)),
        Kind("PaymentMethod", "PaymentMethod", ("Name",)),
        _transaction("Estimate", _FORM, CustomerRef="Customer"),
        _transaction("Invoice", _FORM, "operation", CustomerRef="Customer", SalesTermRef="Term"),
        _transaction("CreditMemo", _FORM, CustomerRef="Customer"),
        _transaction("Payment", ("CustomerRef", "TotalAmt"), "include", CustomerRef="Customer", **_PAID),
        # Who gets the money back need not be told; where it comes from has to be.
        _transaction("RefundReceipt", ("DepositToAccountRef", "Line"), "include", CustomerRef="Customer", **_PAID),
        _transaction("Deposit", ("DepositToAccountRef", "Line"), DepositToAccountRef="Account"),
    )
}
BY_PATH = {name.lower(): kind for name, kind in KINDS.items()}
UNIQUE_NAMES = ("Customer", "Vendor")
"""They share one space of names, with employees, whom nobody keeps here."""
TOLD = frozenset(KINDS) - {"Account", "PaymentMethod"}
"""The kinds of which webhooks tell."""
