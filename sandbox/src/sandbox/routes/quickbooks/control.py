"""/sandbox/v1/quickbooks: companies, their tokens, what they are filled with, and what was written in them."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, Conflict, NotFound
from shared.events.envelope import Instant
from shared.http import ApiRouter, Day, Needs, problems
from starlette.requests import Request

from sandbox import queries
from sandbox.quickbooks.entities import Subscription
from sandbox.quickbooks.filling import Wanted
from sandbox.quickbooks.limits import CompanyLimiter
from sandbox.routes.control_key import Controller
from sandbox.routes.quickbooks.company import RealmId, Strict, find_company
from sandbox.services.quickbooks.companies import CompanyService, CompanyTerms
from sandbox.services.quickbooks.filling import FillingService
from sandbox.services.quickbooks.oauth import OAuthService
from sandbox.services.quickbooks.store import Store
from sandbox.settings import CompanySeed
from sandbox.workspace import Workspace

router = ApiRouter(prefix="/sandbox/v1/quickbooks", tags=["quickbooks"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
ToldKind = Literal["Customer", "Item", "Term", "Estimate", "Invoice", "Payment", "CreditMemo", "RefundReceipt"]
After = Annotated[int, Field(ge=0, le=2**53)]
MOST_ENTRIES = 1000


class NewCompany(Strict):
    realm_id: RealmId
    name: Name
    zone: Literal["America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"] = "America/New_York"
    tax_percent: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,2}(\.[0-9]{1,3})?$")] = "6.25"


class CompanyOut(BaseModel):
    realm_id: str
    name: str
    zone: str


class Companies(BaseModel):
    items: list[CompanyOut]


class Ended(BaseModel):
    ended: int
    """How many tokens, or consents, that ended."""


class GrantOut(BaseModel):
    refreshes: int
    refreshed_at: Instant
    revoked_at: Instant | None


class Grants(BaseModel):
    items: list[GrantOut]
    calls: dict[str, int]
    """The most calls in any second and minute since the start, and how many were refused."""


class CompanySettings(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    book_close_date: date | None
    subscription: Subscription
    custom_txn_numbers: bool
    using_sales_tax: bool
    online_payments: bool


class ChangedSettings(Strict):
    """What is left out stays."""

    book_close_date: Day | None = None
    """Nothing dated up to this day is written any more; null opens the books again."""
    subscription: Subscription | None = None
    """`read_only`: every write is refused with 6190; `ended`: every call."""
    custom_txn_numbers: StrictBool | None = None
    using_sales_tax: StrictBool | None = None
    online_payments: StrictBool | None = None
    """Invoices with an e-mail address then have a link, for those who ask with `include=invoiceLink`."""


class Fill(Strict):
    """How much is to be in the company on top of what is; the same seed gives the same on the same day."""

    customers: StrictInt = Field(ge=1, le=20_000)
    invoices: StrictInt = Field(0, ge=0, le=50_000)
    payments: StrictInt = Field(0, ge=0, le=50_000)
    months: StrictInt = Field(18, ge=1, le=120)
    """How far back it begins; it ends at the last midnight."""
    seed: StrictInt = Field(1, ge=0, le=2**31)


class FilledOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    customers: int
    invoices: int
    payments: int
    links: int
    """How often a payment gives something to an invoice."""


class AccessToken(BaseModel):
    access_token: str
    expires_in: int
    """Seconds."""


class WantedEvents(Strict):
    kinds: Annotated[list[ToldKind], Field(min_length=1, max_length=20)] = ["Customer", "Invoice", "Payment"]


class ToldOut(BaseModel):
    told: int


class LedgerLine(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    seq: int
    kind: str
    entity_id: str
    operation: str
    by: str
    request_id: str | None
    doc_number: str | None
    total: Decimal | None
    at: Instant


class Ledger(BaseModel):
    items: list[LedgerLine]


class EmailOut(BaseModel):
    """A form that was e-mailed, with its total and balance as they were then."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    kind: str
    entity_id: str
    doc_number: str | None
    address: str
    total: Decimal | None
    balance: Decimal | None
    """Null where a form of the kind has none."""
    sent_at: Instant


class Emails(BaseModel):
    items: list[EmailOut]


@router.get("/companies")
async def list_companies(companies: Needs[CompanyService], caller: Controller) -> Companies:
    found = await companies.all()
    return Companies(items=[CompanyOut.model_validate(company, from_attributes=True) for company in found])


@router.post("/companies", status_code=201, responses=problems(AlreadyExists))
async def post_company(new: NewCompany, companies: Needs[CompanyService], caller: Controller) -> CompanyOut:
    """A further company, with the lists of a new one."""
    if await companies.find(new.realm_id) is not None:
        raise AlreadyExists("There is a company of this id.")
    company = await companies.open(CompanySeed(**new.model_dump()))
    return CompanyOut.model_validate(company, from_attributes=True)


@router.get("/companies/{realm_id}/grants", responses=problems(NotFound))
async def get_grants(
    realm_id: RealmId,
    companies: Needs[CompanyService],
    oauth: Needs[OAuthService],
    request: Request,
    caller: Controller,
) -> Grants:
    """The consents of a company and how often each was refreshed, never its tokens; and how fast it was called."""
    await find_company(companies, realm_id)
    limiter = request.app.state.container.get(CompanyLimiter)
    items = [GrantOut.model_validate(grant, from_attributes=True) for grant in await oauth.grants(realm_id)]
    return Grants(items=items, calls=limiter.tally(realm_id))


@router.post("/companies/{realm_id}/access-token", status_code=201, responses=problems(NotFound))
async def post_access_token(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> AccessToken:
    """Somebody consents to another application; what that one calls the API with, for an hour."""
    await find_company(companies, realm_id)
    return AccessToken.model_validate(await oauth.grant(realm_id), from_attributes=True)


@router.post("/companies/{realm_id}/expire-access", responses=problems(NotFound))
async def expire_access(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    await find_company(companies, realm_id)
    return Ended(ended=await oauth.expire_access(realm_id))


@router.post("/companies/{realm_id}/expire-refresh", responses=problems(NotFound))
async def expire_refresh(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    """As after a hundred days without a refresh."""
    await find_company(companies, realm_id)
    return Ended(ended=await oauth.expire_refresh(realm_id))


@router.post("/companies/{realm_id}/disconnect", responses=problems(NotFound))
async def disconnect(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    """Somebody disconnects the app inside QuickBooks. No webhook tells of it."""
    await find_company(companies, realm_id)
    return Ended(ended=await oauth.disconnect(realm_id))


@router.get("/companies/{realm_id}/settings", responses=problems(NotFound))
async def get_settings(realm_id: RealmId, companies: Needs[CompanyService], caller: Controller) -> CompanySettings:
    return CompanySettings.model_validate(CompanyTerms.of(await find_company(companies, realm_id)))


@router.patch("/companies/{realm_id}/settings", responses=problems(NotFound))
async def patch_settings(
    realm_id: RealmId,
    new: ChangedSettings,
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    caller: Controller,
) -> CompanySettings:
    """Somebody closes the books or changes a preference; or the subscription lapses."""
    company = await find_company(companies, realm_id, lock=True)
    given = new.model_dump(exclude_unset=True)
    changes = {name: value for name, value in given.items() if value is not None or name == "book_close_date"}
    terms = replace(CompanyTerms.of(company), **changes)
    companies.change(company, terms, workspace.controls.quickbooks)
    return CompanySettings.model_validate(terms)


@router.post("/companies/{realm_id}/fill", status_code=201, responses=problems(NotFound, Conflict))
async def fill(
    realm_id: RealmId,
    wanted: Fill,
    companies: Needs[CompanyService],
    filling: Needs[FillingService],
    caller: Controller,
) -> FilledOut:
    """Customers, invoices and payments of past months, all at once: SyncToken 0, no webhooks, no lines of the ledger.

    Phones and e-mail addresses follow from the customer's id: `(617) 200-0042`, `ana.lima.42@example.com`.
    """
    company = await find_company(companies, realm_id, lock=True)
    return FilledOut.model_validate(await filling.fill(company, Wanted(**wanted.model_dump())))


@router.post("/companies/{realm_id}/test-events", responses=problems(NotFound))
async def post_test_events(
    realm_id: RealmId,
    wanted: WantedEvents,
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    uow: Needs[UnitOfWork],
    caller: Controller,
) -> ToldOut:
    """As *Send test events* on the provider's page: one signed webhook about objects that are not in the books.

    No fault strikes them, but they queue like others behind what was not acknowledged.
    """
    store = Store(uow, await find_company(companies, realm_id), workspace.controls.quickbooks)
    for kind in wanted.kinds:
        store.tell_as_test(kind)
    return ToldOut(told=len(wanted.kinds))


@router.get("/companies/{realm_id}/ledger", responses=problems(NotFound))
async def get_ledger(
    realm_id: RealmId,
    companies: Needs[CompanyService],
    uow: Needs[UnitOfWork],
    caller: Controller,
    after: After = 0,
) -> Ledger:
    """Every write that took effect after the line `after`, at most a thousand, in their order."""
    await find_company(companies, realm_id)
    lines = await queries.quickbooks_ledger(uow.session, realm_id, after=after, most=MOST_ENTRIES)
    return Ledger(items=[LedgerLine.model_validate(line) for line in lines])


@router.get("/companies/{realm_id}/emails", responses=problems(NotFound))
async def get_emails(
    realm_id: RealmId,
    companies: Needs[CompanyService],
    uow: Needs[UnitOfWork],
    caller: Controller,
    after: After = 0,
) -> Emails:
    """The outbox: every form that was e-mailed after the line `after`, at most a thousand, in their order."""
    await find_company(companies, realm_id)
    found = await queries.quickbooks_emails(uow.session, realm_id, after=after, most=MOST_ENTRIES)
    return Emails(items=[EmailOut.model_validate(email) for email in found])
