"""What billing knows of QuickBooks: its objects as plain values, its refusals by meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import inf
from typing import Protocol

from shared.errors import Conflict, ProviderRejected

from billing.lines import Line
from billing.states import EstimateStatus

PROVIDER = "quickbooks"

NOBODY = "none"
"""The customer of a refund that names none."""


class NotConnected(Conflict):
    code = "quickbooks_not_connected"

    def __init__(
        self, message: str = "QuickBooks is not connected. An administrator connects it under Settings."
    ) -> None:
        super().__init__(message)


class QuickBooksRefused(ProviderRejected):
    """It will not do this, however often it is asked. `fault_code` is QuickBooks's own."""

    code = "quickbooks_refused"

    def __init__(self, message: str, *, operation: str, fault_code: str = "", detail: str = "") -> None:
        super().__init__(message, provider=PROVIDER, operation=operation, fault_code=fault_code)
        self.fault_code = fault_code
        self.detail = detail


class ObjectMissing(QuickBooksRefused):
    """610: not there, deleted, or made inactive."""


class StaleObject(QuickBooksRefused):
    """5010: somebody changed it meanwhile. Read again, apply again, with another request id."""


class DuplicateName(QuickBooksRefused):
    """6240: a customer, vendor or employee has this name."""


class DuplicateNumber(QuickBooksRefused):
    """6140. `other_id` is the transaction that has the number: perhaps our own write, whose answer was lost."""

    other_id: str | None = None


class RepeatedRequest(QuickBooksRefused):
    """600: the request id was used, and its answer is not told again."""


class CompanySuspended(QuickBooksRefused):
    """Nothing is written for now. 6190: the subscription has ended, or the company is read-only; 3100: it does not let
    our application in.
    """


@dataclass(frozen=True)
class Seen:
    """What every object has: its id, which of its states this is, and whether it is still there."""

    id: str
    sync_token: int
    updated_at: str
    """UTC, as text that sorts."""
    is_deleted: bool = False


@dataclass(frozen=True)
class Garbled(Seen):
    """One of several that were read, and cannot be understood: the others are taken over without it."""

    error: str = ""


@dataclass(frozen=True)
class CustomerSeen(Seen):
    display_name: str = ""
    given_name: str | None = None
    family_name: str | None = None
    company_name: str | None = None
    email: str | None = None
    phone: str | None = None
    street: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    address_rest: Mapping[str, str] = field(default_factory=dict)
    """What else the address has, by QuickBooks's names."""
    is_active: bool = True
    note: str = ""


@dataclass(frozen=True)
class ItemSeen(Seen):
    name: str = ""
    kind: str = ""
    description: str | None = None
    unit_price: Decimal | None = None
    is_taxable: bool = False
    is_active: bool = True


@dataclass(frozen=True)
class TermSeen(Seen):
    name: str = ""
    due_days: int | None = None
    day_of_month: int | None = None
    is_active: bool = True


@dataclass(frozen=True)
class FormSeen(Seen):
    """An estimate, an invoice or a credit memo."""

    number: str | None = None
    customer: str = ""
    written_on: date | None = None
    currency: str = "USD"
    lines: tuple[Line, ...] = ()
    subtotal_cents: int = 0
    tax_cents: int = 0
    tax_percent: Decimal | None = None
    total_cents: int = 0
    email: str | None = None
    memo: str | None = None
    note: str = ""
    is_sent: bool = False
    sent_at: datetime | None = None


@dataclass(frozen=True)
class EstimateSeen(FormSeen):
    status: EstimateStatus = EstimateStatus.OPEN
    expires_on: date | None = None
    accepted_by: str | None = None
    accepted_on: date | None = None


@dataclass(frozen=True)
class InvoiceSeen(FormSeen):
    balance_cents: int = 0
    due_on: date | None = None
    term: str | None = None
    estimate: str | None = None
    is_voided: bool = False


@dataclass(frozen=True)
class CreditMemoSeen(FormSeen):
    remaining_cents: int = 0


@dataclass(frozen=True)
class Share:
    """The part of a payment that an invoice took, or that a credit memo gave."""

    kind: str
    id: str
    amount_cents: int


@dataclass(frozen=True)
class PaymentSeen(Seen):
    customer: str = ""
    amount_cents: int = 0
    unapplied_cents: int = 0
    currency: str = "USD"
    received_on: date | None = None
    reference: str | None = None
    shares: tuple[Share, ...] = ()
    is_voided: bool = False


@dataclass(frozen=True)
class RefundSeen(Seen):
    """A refund receipt: money given back."""

    customer: str = ""
    amount_cents: int = 0
    currency: str = "USD"
    received_on: date | None = None
    reference: str | None = None
    is_voided: bool = False


OfCustomer = FormSeen | PaymentSeen | RefundSeen
"""What names a customer."""


@dataclass(frozen=True)
class CompanySeen:
    name: str
    zone: str | None
    currency: str
    has_own_numbers: bool
    """CustomTxnNumbers: whether we may number estimates and invoices."""
    closed_until: date | None
    uses_sales_tax: bool
    takes_payments: bool
    """Invoices can be paid online."""


@dataclass(frozen=True)
class Tokens:
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    access_seconds: int
    refresh_seconds: int
    consent_seconds: int | None = None
    """Until a person has to consent again, however often these are refreshed; None where that is not told."""


ENTITIES = ("Term", "Item", "Customer", "Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt")
"""What is mirrored, in an order in which none names one that comes later."""


class GrantRefused(Exception):
    """invalid_grant: the refresh token, or the code, is worth nothing any more."""


class Books(Protocol):
    """Reading and writing in one company. Raises NotConnected, QuickBooksRefused, ProviderUnavailable, or
    ProviderOutcomeUnknown where a write may have had its effect.
    """

    async def company(self) -> CompanySeen: ...

    async def read(self, entity: str, qb_id: str) -> Seen:
        """Raises ObjectMissing."""

    async def find(self, entity: str, ids: Sequence[str]) -> list[Seen]:
        """Those of the ids that exist, at most 100 ids a call; inactive ones too."""

    async def page(self, entity: str, start: int, size: int) -> list[Seen]:
        """From the position `start` (from 1) in the order of ids, inactive ones too; fewer than `size` at the end."""

    async def page_changed(self, entity: str, since: datetime, start: int, size: int) -> list[Seen]: ...

    async def changes(self, entities: Sequence[str], since: datetime) -> dict[str, list[Seen]]:
        """Everything that changed since then, tombstones too. A kind with as many as the provider gives at most may
        have more.
        """

    async def by_number(self, entity: str, number: str) -> list[Seen]: ...

    async def by_name(self, display_name: str) -> list[CustomerSeen]: ...

    async def owed(self, on: date) -> dict[str, int]:
        """Cents by the customer's id, by QuickBooks's own reckoning: a parent without its jobs. It may lag behind its
        books. Metered.
        """

    async def write(
        self, entity: str, body: str, *, request_id: str, operation: str | None = None, not_after: float = inf
    ) -> Seen:
        """`not_after`: the monotonic instant from which it does not leave any more, however long it waited for its
        turn: ProviderUnavailable.
        """

    async def send_form(self, entity: str, qb_id: str, *, to: str, request_id: str, not_after: float = inf) -> Seen: ...

    async def pdf(self, entity: str, qb_id: str) -> bytes: ...

    async def pay_link(self, invoice_id: str, *, gives_way: bool) -> str | None:
        """Where the customer pays it online, if anywhere. With `gives_way` nothing is asked while others wait for their
        turn: ProviderUnavailable.
        """


class Grants(Protocol):
    """Intuit's OAuth endpoints. Raises GrantRefused, ProviderUnavailable or ProviderRejected (our own credentials)."""

    def authorize_address(self, state: str) -> str: ...

    async def exchange(self, code: str) -> Tokens: ...

    async def refresh(self, refresh_token: str) -> Tokens: ...

    async def revoke(self, token: str) -> None: ...


class OpenBooks(Protocol):
    """The books of a company."""

    def __call__(self, realm_id: str) -> Books: ...
