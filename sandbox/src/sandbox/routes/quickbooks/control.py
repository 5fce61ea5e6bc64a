"""/sandbox/v1/quickbooks: what people do inside QuickBooks, and what an app must survive."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, Conflict, NotFound
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, problems
from sqlalchemy import select
from starlette.requests import Request

from sandbox.models import QbCompany, QbLedgerEntry
from sandbox.quickbooks.entities import KINDS
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.quickbooks.limits import CompanyLimiter
from sandbox.routes.control_key import Controller
from sandbox.services.quickbooks.books import Books
from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.quickbooks.oauth import OAuthService
from sandbox.services.quickbooks.store import Store
from sandbox.settings import CompanySeed
from sandbox.workspace import Workspace

router = ApiRouter(prefix="/sandbox/v1/quickbooks", tags=["quickbooks"])

RealmId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
ObjectId = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$")]
Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]
MOST_ENTRIES = 1000


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


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


class NewPayment(Strict):
    """Somebody types a payment into QuickBooks: for an invoice, or, without one, on account."""

    customer_id: ObjectId
    amount: Amount
    invoice_id: ObjectId | None = None
    reference: Annotated[str, StringConstraints(max_length=21, pattern=r"^[^\x00]*$")] = ""


class Merge(Strict):
    kept_id: ObjectId
    gone_id: ObjectId


class Written(BaseModel):
    kind: str
    id: str
    sync_token: str


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
    await _company(companies, realm_id)
    limiter = request.app.state.container.get(CompanyLimiter)
    items = [GrantOut.model_validate(grant, from_attributes=True) for grant in await oauth.grants(realm_id)]
    return Grants(items=items, calls=limiter.tally(realm_id))


@router.post("/companies/{realm_id}/expire-access", responses=problems(NotFound))
async def expire_access(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    await _company(companies, realm_id)
    return Ended(ended=await oauth.expire_access(realm_id))


@router.post("/companies/{realm_id}/expire-refresh", responses=problems(NotFound))
async def expire_refresh(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    """As after a hundred days without a refresh."""
    await _company(companies, realm_id)
    return Ended(ended=await oauth.expire_refresh(realm_id))


@router.post("/companies/{realm_id}/disconnect", responses=problems(NotFound))
async def disconnect(
    realm_id: RealmId, companies: Needs[CompanyService], oauth: Needs[OAuthService], caller: Controller
) -> Ended:
    """Somebody disconnects the app inside QuickBooks. No webhook tells of it."""
    await _company(companies, realm_id)
    return Ended(ended=await oauth.disconnect(realm_id))


@router.post("/companies/{realm_id}/payments", status_code=201, responses=problems(NotFound, Conflict))
async def post_payment(
    realm_id: RealmId,
    new: NewPayment,
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    uow: Needs[UnitOfWork],
    caller: Controller,
) -> Written:
    books = await _books(companies, realm_id, workspace, uow)
    body: dict[str, Any] = {"CustomerRef": {"value": new.customer_id}, "TotalAmt": new.amount}
    if new.reference:
        body["PaymentRefNum"] = new.reference
    if new.invoice_id:
        body["Line"] = [{"Amount": new.amount, "LinkedTxn": [{"TxnId": new.invoice_id, "TxnType": "Invoice"}]}]
    try:
        row = await books.create(KINDS["Payment"], body)
    except QuickBooksFault as fault:
        raise Conflict(f"{fault.message}. {fault.detail}") from fault
    return Written(kind=row.kind, id=str(row.id), sync_token=str(row.sync_token))


@router.post("/companies/{realm_id}/{kind}/{object_id}/{verb}", responses=problems(NotFound, Conflict))
async def change(
    realm_id: RealmId,
    kind: Literal["invoice", "payment", "estimate", "creditmemo"],
    object_id: ObjectId,
    verb: Literal["void", "delete"],
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    uow: Needs[UnitOfWork],
    caller: Controller,
) -> Written:
    """Somebody voids or deletes a transaction inside QuickBooks, whatever its SyncToken is by now."""
    books = await _books(companies, realm_id, workspace, uow)
    found = next(known for name, known in KINDS.items() if name.lower() == kind)
    try:
        given = await books.newest(found, object_id)
        row = await (books.void if verb == "void" else books.delete)(found, given)
    except QuickBooksFault as fault:
        raise (NotFound if fault.code == "610" else Conflict)(f"{fault.message}. {fault.detail}") from fault
    return Written(kind=row.kind, id=str(row.id), sync_token=str(row.sync_token))


@router.post("/companies/{realm_id}/merge-customers", responses=problems(NotFound, Conflict))
async def merge_customers(
    realm_id: RealmId,
    merge: Merge,
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    uow: Needs[UnitOfWork],
    caller: Controller,
) -> Written:
    """Somebody merges two customers inside QuickBooks."""
    if merge.kept_id == merge.gone_id:
        raise Conflict("A customer is not merged with itself.")
    books = await _books(companies, realm_id, workspace, uow)
    try:
        row = await books.merge_customers(merge.kept_id, merge.gone_id)
    except QuickBooksFault as fault:
        raise NotFound(f"{fault.message}. {fault.detail}") from fault
    return Written(kind=row.kind, id=str(row.id), sync_token=str(row.sync_token))


@router.get("/companies/{realm_id}/ledger", responses=problems(NotFound))
async def get_ledger(
    realm_id: RealmId,
    companies: Needs[CompanyService],
    uow: Needs[UnitOfWork],
    caller: Controller,
    after: Annotated[int, Field(ge=0, le=2**53)] = 0,
) -> Ledger:
    """Every write that took effect after the line `after`, at most a thousand, in their order."""
    await _company(companies, realm_id)
    lines = await uow.session.scalars(
        select(QbLedgerEntry)
        .where(QbLedgerEntry.realm_id == realm_id, QbLedgerEntry.seq > after)
        .order_by(QbLedgerEntry.seq)
        .limit(MOST_ENTRIES)
    )
    return Ledger(items=[LedgerLine.model_validate(line) for line in lines])


async def _company(companies: CompanyService, realm_id: str, *, lock: bool = False) -> QbCompany:
    company = await companies.find(realm_id, lock=lock)
    if company is None:
        raise NotFound("There is no such company.")
    return company


async def _books(companies: CompanyService, realm_id: str, workspace: Workspace, uow: UnitOfWork) -> Books:
    """The company's books as a person sees them."""
    company = await _company(companies, realm_id, lock=True)
    return Books(Store(uow, company, workspace.controls.quickbooks), by="person")
