"""The kinds of things in a company's books: their sequences of ids, what may be written, and how long it may be."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

_ADDRESS = ("BillAddr", "ShipAddr")
_FORM = (
    "CustomerRef",
    "DocNumber",
    "TxnDate",
    "Line",
    "TxnTaxDetail",
    "CurrencyRef",
    "PrivateNote",
    "CustomerMemo",
    "BillEmail",
    "BillEmailCc",
    "BillEmailBcc",
    "EmailStatus",
    "PrintStatus",
    "CustomField",
    "ApplyTaxAfterDiscount",
    "GlobalTaxCalculation",
    "ClassRef",
    "DepartmentRef",
    "ExchangeRate",
    "TrackingNum",
    "ShipDate",
    "ShipMethodRef",
    "FreeFormAddress",
    *_ADDRESS,
)
COMMON = frozenset({"Id", "SyncToken", "sparse", "domain", "MetaData", "LinkedTxn", "Active"})
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
    fields: frozenset[str]
    required: tuple[str, ...] = ()
    lengths: dict[str, int] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    is_transaction: bool = False
    voids_by: Literal["operation", "include"] | None = None
    """How an app voids it: `operation=void`, or `operation=update&include=void`; None: not at all."""

    def allows(self, name: str) -> bool:
        return name in self.fields or name in COMMON or name in READ_ONLY


def _form(name: str, *more: str, voids_by: Literal["operation", "include"] | None = None) -> Kind:
    """Estimates, invoices and credit memos are one form with other ends."""
    return Kind(
        name,
        "transactions",
        frozenset({*_FORM, *more}),
        required=("CustomerRef", "Line"),
        lengths={"DocNumber": 21, "PrivateNote": 4000},
        references={"CustomerRef": "Customer", "SalesTermRef": "Term"},
        is_transaction=True,
        voids_by=voids_by,
    )


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "Customer",
            "names",
            frozenset(
                {
                    "DisplayName",
                    "Title",
                    "GivenName",
                    "MiddleName",
                    "FamilyName",
                    "Suffix",
                    "CompanyName",
                    "PrintOnCheckName",
                    "PrimaryEmailAddr",
                    "PrimaryPhone",
                    "AlternatePhone",
                    "Mobile",
                    "Fax",
                    "WebAddr",
                    "Notes",
                    "Taxable",
                    "DefaultTaxCodeRef",
                    "SalesTermRef",
                    "PaymentMethodRef",
                    "PreferredDeliveryMethod",
                    "CurrencyRef",
                    "ParentRef",
                    "Job",
                    "BillWithParent",
                    "OpenBalanceDate",
                    "PrimaryTaxIdentifier",
                    "ResaleNum",
                    *_ADDRESS,
                }
            ),
            lengths={
                "DisplayName": 500,
                "GivenName": 100,
                "MiddleName": 100,
                "FamilyName": 100,
                "Title": 16,
                "Suffix": 16,
                "CompanyName": 100,
                "PrintOnCheckName": 110,
            },
            references={"SalesTermRef": "Term", "ParentRef": "Customer", "PaymentMethodRef": "PaymentMethod"},
        ),
        Kind("Vendor", "names", frozenset({"DisplayName", "CompanyName", "PrimaryEmailAddr", "PrimaryPhone"})),
        Kind(
            "Item",
            "Item",
            frozenset(
                {
                    "Name",
                    "Type",
                    "UnitPrice",
                    "Sku",
                    "Description",
                    "Taxable",
                    "SalesTaxCodeRef",
                    "IncomeAccountRef",
                    "ExpenseAccountRef",
                    "AssetAccountRef",
                    "TrackQtyOnHand",
                    "QtyOnHand",
                    "InvStartDate",
                    "PurchaseCost",
                    "SubItem",
                }
            ),
            required=("Name",),
            lengths={"Name": 100, "Sku": 100, "Description": 4000},
            references={"IncomeAccountRef": "Account"},
        ),
        Kind(
            "Term",
            "Term",
            frozenset({"Name", "Type", "DueDays", "DayOfMonthDue", "DiscountDays", "DiscountPercent"}),
            required=("Name",),
            lengths={"Name": 31},
        ),
        Kind("Account", "Account", frozenset({"Name", "AccountType", "AccountSubType", "Classification"}), ("Name",)),
        Kind("PaymentMethod", "PaymentMethod", frozenset({"Name", "Type"}), ("Name",), {"Name": 31}),
        _form("Estimate", "TxnStatus", "AcceptedBy", "AcceptedDate", "ExpirationDate"),
        _form(
            "Invoice",
            "DueDate",
            "SalesTermRef",
            "Deposit",
            "DepositToAccountRef",
            "AllowOnlineACHPayment",
            "AllowOnlineCreditCardPayment",
            "AllowIPNPayment",
            "AllowOnlinePayment",
            voids_by="operation",
        ),
        _form("CreditMemo", "PaymentMethodRef"),
        Kind(
            "Payment",
            "transactions",
            frozenset(
                {
                    "CustomerRef",
                    "TxnDate",
                    "Line",
                    "PaymentRefNum",
                    "PaymentMethodRef",
                    "DepositToAccountRef",
                    "PrivateNote",
                    "CurrencyRef",
                    "ExchangeRate",
                    "ProcessPayment",
                    "ARAccountRef",
                }
            ),
            required=("CustomerRef", "TotalAmt"),
            lengths={"PaymentRefNum": 21, "PrivateNote": 4000},
            references={
                "CustomerRef": "Customer",
                "PaymentMethodRef": "PaymentMethod",
                "DepositToAccountRef": "Account",
            },
            is_transaction=True,
            voids_by="include",
        ),
        # Who gets the money back need not be told; where it comes from has to be.
        Kind(
            "RefundReceipt",
            "transactions",
            frozenset(
                {
                    *_FORM,
                    "DepositToAccountRef",
                    "PaymentMethodRef",
                    "PaymentRefNum",
                    "PaymentType",
                    "CheckPayment",
                    "CreditCardPayment",
                }
            ),
            required=("DepositToAccountRef", "Line"),
            lengths={"DocNumber": 21, "PrivateNote": 4000, "PaymentRefNum": 21},
            references={
                "CustomerRef": "Customer",
                "PaymentMethodRef": "PaymentMethod",
                "DepositToAccountRef": "Account",
            },
            is_transaction=True,
            voids_by="include",
        ),
        Kind(
            "Deposit",
            "transactions",
            frozenset(
                {
                    "DepositToAccountRef",
                    "DocNumber",
                    "TxnDate",
                    "TxnStatus",
                    "Line",
                    "PrivateNote",
                    "CurrencyRef",
                    "ExchangeRate",
                    "DepartmentRef",
                    "GlobalTaxCalculation",
                }
            ),
            required=("DepositToAccountRef", "Line"),
            lengths={"DocNumber": 21, "PrivateNote": 4000},
            references={"DepositToAccountRef": "Account"},
            is_transaction=True,
        ),
    )
}
BY_PATH = {name.lower(): kind for name, kind in KINDS.items()}
UNIQUE_NAMES = ("Customer", "Vendor")
"""They share one space of names, with employees, whom nobody keeps here."""
TOLD = frozenset(KINDS) - {"Account", "PaymentMethod"}
"""The kinds of which webhooks tell."""
