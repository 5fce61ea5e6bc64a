"""Companies: opened with the lists that a new company of this business has."""

from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from shared.database import UnitOfWork
from sqlalchemy import select

from sandbox.models import QbCompany
from sandbox.quickbooks.controls import QuickBooksControls
from sandbox.quickbooks.entities import KINDS, Subscription
from sandbox.quickbooks.forms import Document
from sandbox.services.quickbooks.store import Store
from sandbox.settings import CompanySeed

ACCOUNTS: tuple[Document, ...] = (
    {"Name": "Services", "AccountType": "Income", "AccountSubType": "ServiceFeeIncome", "Classification": "Revenue"},
    {"Name": "Checking", "AccountType": "Bank", "AccountSubType": "Checking", "Classification": "Asset"},
    {
        "Name": "Undeposited Funds",
        "AccountType": "Other Current Asset",
        "AccountSubType": "UndepositedFunds",
        "Classification": "Asset",
    },
)
TERMS: tuple[Document, ...] = (
    {"Name": "Due on receipt", "Type": "STANDARD", "DueDays": 0},
    {"Name": "Net 15", "Type": "STANDARD", "DueDays": 15},
    {"Name": "Net 30", "Type": "STANDARD", "DueDays": 30},
)
METHODS: tuple[Document, ...] = (
    {"Name": "Cash", "Type": "NON_CREDIT_CARD"},
    {"Name": "Check", "Type": "NON_CREDIT_CARD"},
    {"Name": "Credit Card", "Type": "CREDIT_CARD"},
)
PRICE_BOOK = (
    ("Assessment visit", "0.00"),
    ("Crack injection, per foot", "85.00"),
    ("Carbon fiber strap", "650.00"),
    ("Wall anchor", "925.00"),
    ("Sump pump installation", "1850.00"),
)


def preferences() -> dict[str, Any]:
    """Of a company that chooses its own numbers, charges tax and keeps one currency."""
    return {
        "SalesFormsPrefs": {
            "CustomTxnNumbers": True,
            "AllowDeposit": True,
            "AllowDiscount": True,
            "AllowShipping": False,
            "AllowEstimates": True,
            "ETransactionPaymentEnabled": False,
            "UsingProgressInvoicing": False,
            "AutoApplyCredit": False,
        },
        "TaxPrefs": {"UsingSalesTax": True, "PartnerTaxEnabled": False},
        "CurrencyPrefs": {"MultiCurrencyEnabled": False, "HomeCurrency": {"value": "USD"}},
        "AccountingInfoPrefs": {"FirstMonthOfFiscalYear": "January"},
    }


@dataclass(frozen=True)
class CompanyTerms:
    """What somebody has set in a company's settings, and what its subscription allows."""

    book_close_date: date | None
    subscription: Subscription
    custom_txn_numbers: bool
    using_sales_tax: bool
    online_payments: bool

    @classmethod
    def of(cls, company: QbCompany) -> "CompanyTerms":
        preferences = company.preferences
        closed = preferences["AccountingInfoPrefs"].get("BookCloseDate")
        return cls(
            book_close_date=date.fromisoformat(closed) if closed else None,
            subscription=company.subscription,
            custom_txn_numbers=preferences["SalesFormsPrefs"]["CustomTxnNumbers"],
            using_sales_tax=preferences["TaxPrefs"]["UsingSalesTax"],
            online_payments=company.takes_online_payments,
        )


class CompanyService:
    """Lives for one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def open(self, seed: CompanySeed) -> QbCompany:
        """The company with its lists; one that is there already stays as it is."""
        known = await self._uow.session.get(QbCompany, seed.realm_id)
        if known is not None:
            return known
        company = QbCompany(
            realm_id=seed.realm_id,
            name=seed.name,
            zone=seed.zone,
            preferences=preferences(),
            next_ids={},
            tax_percent=seed.tax_percent,
            created_at=self._uow.now,
        )
        self._uow.session.add(company)
        await self._uow.session.flush()
        await self._fill(Store(self._uow, company, QuickBooksControls()))
        return company

    async def find(self, realm_id: str, *, lock: bool = False) -> QbCompany | None:
        found: QbCompany | None = await self._uow.session.get(QbCompany, realm_id, with_for_update=lock or None)
        return found

    def change(self, company: QbCompany, terms: CompanyTerms, controls: QuickBooksControls) -> None:
        """Set these; the company's apps hear of changed preferences, and of a lapse they do not."""
        company.subscription = terms.subscription
        changed = deepcopy(company.preferences)
        changed["SalesFormsPrefs"]["CustomTxnNumbers"] = terms.custom_txn_numbers
        changed["SalesFormsPrefs"]["ETransactionPaymentEnabled"] = terms.online_payments
        changed["TaxPrefs"]["UsingSalesTax"] = terms.using_sales_tax
        changed["AccountingInfoPrefs"].pop("BookCloseDate", None)
        if terms.book_close_date is not None:
            changed["AccountingInfoPrefs"]["BookCloseDate"] = terms.book_close_date.isoformat()
        if changed != company.preferences:
            company.preferences = changed
            Store(self._uow, company, controls).tell("Preferences", 1, "updated")

    async def all(self) -> list[QbCompany]:
        return list(await self._uow.session.scalars(select(QbCompany).order_by(QbCompany.realm_id)))

    async def _fill(self, store: Store) -> None:
        for kind, bodies in (("Account", ACCOUNTS), ("Term", TERMS), ("PaymentMethod", METHODS)):
            for body in bodies:
                await store.add(KINDS[kind], {"Active": True, **body})
        for name, price in PRICE_BOOK:
            item = {
                "Name": name,
                "FullyQualifiedName": name,
                "Type": "Service",
                "Active": True,
                "UnitPrice": Decimal(price),
                "Taxable": True,
                "IncomeAccountRef": {"value": "1", "name": "Services"},
            }
            await store.add(KINDS["Item"], item)
