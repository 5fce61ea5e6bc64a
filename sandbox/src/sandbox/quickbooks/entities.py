"""The kinds of things in a company's books: their sequences of ids, what may be written, and how long it may be."""

from dataclasses import dataclass, field

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
    can_be_voided: bool = False

    def allows(self, name: str) -> bool:
        return name in self.fields or name in COMMON or name in READ_ONLY


def _form(name: str, *more: str, can_be_voided: bool = False) -> Kind:
    """Estimates, invoices and credit memos are one form with other ends."""
    return Kind(
        name,
        "transactions",
        frozenset({*_FORM, *more}),
        required=("CustomerRef", "Line"),
        lengths={"DocNumber": 21, "PrivateNote": 4000},
        references={"CustomerRef": "Customer", "SalesTermRef": "Term"},
        is_transaction=True,
        can_be_voided=can_be_voided,
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
            can_be_voided=True,
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
            can_be_voided=True,
        ),
    )
}
BY_PATH = {name.lower(): kind for name, kind in KINDS.items()}
UNIQUE_NAMES = ("Customer", "Vendor")
"""They share one space of names, with employees, whom nobody keeps here."""
