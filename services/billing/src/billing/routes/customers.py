"""Customers of QuickBooks and the contacts that they are; the doubts about it that a person decides."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Query, Response
from pydantic import AfterValidator, BaseModel, StringConstraints
from pydantic_core import PydanticCustomError
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.events.envelope import Instant
from shared.http import ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams, page
from shared.rules.phones import InvalidPhone, parse_phone
from sqlalchemy import func

from billing import queries
from billing.errors import (
    AlreadyDecided,
    AlreadyLinked,
    ContactGone,
    CustomerGone,
    NotConnected,
    NothingToCallIt,
    OfAnotherCompany,
)
from billing.models import ContactCopy, Customer, MatchCandidate
from billing.routes.forms import CustomerRef, WriteOut
from billing.routes.schemas import Body, Email, MoneyOut, money, person_of
from billing.services.connections import ConnectionService
from billing.services.customers import CustomerService
from billing.services.intents import IntentService
from billing.services.people import PeopleService

router = ApiRouter(prefix="/api/v1/customers", tags=["customers"])

Reader = Annotated[Principal, can("customers:read")]
Writer = Annotated[Principal, can("customers:write")]


def _phone(value: str) -> str:
    try:
        return parse_phone(value)
    except InvalidPhone as error:
        raise PydanticCustomError(error.code, "{sentence}", {"sentence": error.message}) from error


def _line(most: int, pattern: str = r"^[^\t\r\n]*$") -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=most, pattern=pattern)


# QuickBooks's own limits; it takes no colon in a name, as that is how it writes sub-customers.
DisplayName = Annotated[str, _line(450, r"^[^:\t\r\n]*$")]
PersonName = Annotated[str, _line(100, r"^[^:\t\r\n]*$")]
Line = Annotated[str, _line(255)]
Phone = Annotated[str, AfterValidator(_phone)]
LowerEmail = Annotated[Email, AfterValidator(str.lower)]


class ContactIn(Body):
    contact_id: UUID


class CustomerPatch(Body):
    """What is left out stays; null takes away. `display_name` can be changed, not taken away."""

    display_name: DisplayName = ""
    given_name: PersonName | None = None
    family_name: PersonName | None = None
    company_name: PersonName | None = None
    email: LowerEmail | None = None
    phone: Phone | None = None
    street: Line | None = None
    city: Line | None = None
    region: Line | None = None
    postal_code: Annotated[str, _line(30)] | None = None


class AddressOut(BaseModel):
    street: str | None
    city: str | None
    region: str | None
    postal_code: str | None

    @classmethod
    def of(cls, row: Customer | ContactCopy) -> Self:
        return cls(street=row.street, city=row.city, region=row.region, postal_code=row.postal_code)


class LinkOut(BaseModel):
    """Why, and since when, this customer is taken for its contact. `score` is null where a person said so."""

    reason: str | None
    score: int | None
    by: str | None
    at: Instant | None


class CustomerOut(BaseModel):
    """`qb_id` is null until it is written into QuickBooks. `balance` is what is open of its invoices there."""

    id: UUID
    qb_id: str | None
    display_name: str
    given_name: str | None
    family_name: str | None
    company_name: str | None
    email: str | None
    phone: str | None
    address: AddressOut
    is_active: bool
    merged_into_id: UUID | None
    contact_id: UUID | None
    """As it was linked; a merged contact stands for the one that it was merged into."""
    link: LinkOut | None
    balance: MoneyOut
    created_at: Instant
    version: int


class CustomerDetail(CustomerOut):
    writes: list[WriteOut]
    """What of it is still to be written into QuickBooks, or could not be."""


class ContactSeen(BaseModel):
    """What we know of a contact, and which customers it is already."""

    contact_id: UUID
    given_name: str | None
    family_name: str | None
    company_name: str | None
    phones: list[str]
    emails: list[str]
    address: AddressOut
    is_active: bool
    customers: list[CustomerRef]


class MatchOut(BaseModel):
    """A customer that a contact may be. `contact` is null where contacts knows that person no more."""

    id: UUID
    score: int
    reasons: list[str]
    created_at: Instant
    customer: CustomerOut
    contact: ContactSeen | None


Balances = dict[UUID, tuple[int, str]]
_COPIED = (
    "id", "qb_id", "display_name", "given_name", "family_name", "company_name", "email", "phone", "is_active",
    "merged_into_id", "contact_id", "created_at", "version",
)  # fmt: skip


def _members(row: Customer, balances: Balances) -> dict[str, object]:
    link = LinkOut(reason=row.link_reason, score=row.link_score, by=row.linked_by, at=row.linked_at)
    return {name: getattr(row, name) for name in _COPIED} | {
        "address": AddressOut.of(row),
        "link": link if row.contact_id is not None else None,
        "balance": money(*balances.get(row.id, (0, "USD"))),
    }


class Shown:
    """Customers with what else is shown of them."""

    def __init__(self, uow: UnitOfWork, people: PeopleService, intents: IntentService) -> None:
        self._session = uow.session
        self._people = people
        self._intents = intents

    async def many(self, rows: Sequence[Customer]) -> list[CustomerOut]:
        balances = await queries.balances(self._session, [row.id for row in rows])
        return [CustomerOut.model_validate(_members(row, balances)) for row in rows]

    async def one(self, row: Customer, response: Response) -> CustomerDetail:
        balances = await queries.balances(self._session, [row.id])
        writes = [WriteOut.of(push) for push in await self._intents.unsettled(row.id)]
        set_etag(response, row.version)
        return CustomerDetail.model_validate(_members(row, balances) | {"writes": writes})

    async def matches(self, rows: Sequence[tuple[MatchCandidate, Customer]], realm_id: str) -> list[MatchOut]:
        persons = await self._people.persons({match.contact_id for match, _ in rows})
        contacts = await self._contacts(set(persons.values()), realm_id)
        customers = await self.many([customer for _, customer in rows])
        return [
            MatchOut(
                id=match.id,
                score=match.score,
                reasons=match.reasons,
                created_at=match.created_at,
                customer=customer,
                contact=contacts.get(persons[match.contact_id]),
            )
            for (match, _), customer in zip(rows, customers, strict=True)
        ]

    async def _contacts(self, ids: set[UUID], realm_id: str) -> dict[UUID, ContactSeen]:
        copies = await queries.contacts_of(self._session, ids)
        linked: dict[UUID, list[CustomerRef]] = defaultdict(list)
        for row in await queries.linked_to(self._session, realm_id, ids):
            ref = CustomerRef(id=row.id, display_name=row.display_name, contact_id=row.contact_id)
            linked[row.contact_id or row.id].append(ref)
        return {
            contact_id: ContactSeen(
                contact_id=contact_id,
                given_name=copy.given_name,
                family_name=copy.family_name,
                company_name=copy.company_name,
                phones=copy.phones,
                emails=copy.emails,
                address=AddressOut.of(copy),
                is_active=copy.is_active,
                customers=linked[contact_id],
            )
            for contact_id, copy in copies.items()
        }


def _shown(uow: Needs[UnitOfWork], people: Needs[PeopleService], intents: Needs[IntentService]) -> Shown:
    return Shown(uow, people, intents)


ShownCustomer = Annotated[Shown, Depends(_shown, scope="function")]


@router.get("")
async def list_customers(
    params: PageParams,
    connections: Needs[ConnectionService],
    people: Needs[PeopleService],
    uow: Needs[UnitOfWork],
    shown: ShownCustomer,
    user: Reader,
    q: Annotated[
        str | None, Query(max_length=200, description="Part of a name or e-mail, or digits of the phone.")
    ] = None,
    contact_id: UUID | None = None,
    linked: bool | None = None,
    active: bool | None = None,
) -> Page[CustomerOut]:
    """The customers of the connected company, by name. `contact_id` finds a merged contact's too."""
    family = await people.family(await people.person(contact_id)) if contact_id else None
    rows, cursor, total = await page(
        uow.session,
        queries.customer_list(
            await connections.current_realm(), q=q, contact_ids=family, is_linked=linked, is_active=active
        ),
        keys=[func.lower(Customer.display_name), Customer.id.asc()],
        params=params,
        scope={"q": q, "contact_id": contact_id, "linked": linked, "active": active},
    )
    return Page(items=await shown.many(rows), next_cursor=cursor, total=total)


_CANNOT_BE = problems(NotFound, NotConnected, ContactGone, CustomerGone, NothingToCallIt)


@router.post(
    "",
    status_code=201,
    responses={200: {"model": CustomerDetail, "description": "It was one already."}, **_CANNOT_BE},
)
async def ensure_customer(
    wanted: ContactIn, customers: Needs[CustomerService], shown: ShownCustomer, user: Writer, response: Response
) -> CustomerDetail:
    """The customer that a contact is: 200 where there is one, 201 where one is made and written to QuickBooks."""
    row, is_made = await customers.obtain(wanted.contact_id, by=person_of(user))
    response.status_code = 201 if is_made else 200
    response.headers["Location"] = f"/api/v1/customers/{row.id}"
    return await shown.one(row, response)


@router.get("/matches")
async def list_matches(
    params: PageParams,
    connections: Needs[ConnectionService],
    uow: Needs[UnitOfWork],
    shown: ShownCustomer,
    user: Reader,
) -> Page[MatchOut]:
    """Customers that a contact may be, for a person to decide; the likeliest first."""
    realm_id = await connections.current_realm()
    rows, cursor, total = await page(
        uow.session,
        queries.review_queue(realm_id),
        keys=[MatchCandidate.score.desc(), MatchCandidate.id.asc()],
        params=params,
    )
    return Page(items=await shown.matches(rows, realm_id), next_cursor=cursor, total=total)


@router.post(
    "/matches/{match_id}/accept",
    responses=problems(NotFound, AlreadyDecided, AlreadyLinked, ContactGone, CustomerGone, OfAnotherCompany),
)
async def accept_match(
    match_id: UUID, customers: Needs[CustomerService], shown: ShownCustomer, user: Writer, response: Response
) -> CustomerDetail:
    """They are the same: what is the customer's is the contact's from now on."""
    match = await customers.decide(match_id, accept=True, by=person_of(user))
    return await shown.one(await customers.get(match.customer_id), response)


@router.post("/matches/{match_id}/refuse", responses=problems(NotFound, AlreadyDecided, OfAnotherCompany))
async def refuse_match(
    match_id: UUID, customers: Needs[CustomerService], shown: ShownCustomer, user: Writer, response: Response
) -> CustomerDetail:
    """They are not; this pair is not proposed again."""
    match = await customers.decide(match_id, accept=False, by=person_of(user))
    return await shown.one(await customers.get(match.customer_id), response)


@router.get("/{customer_id}", responses=problems(NotFound))
async def get_customer(
    customer_id: UUID, customers: Needs[CustomerService], shown: ShownCustomer, user: Reader, response: Response
) -> CustomerDetail:
    return await shown.one(await customers.get(customer_id), response)


@router.patch(
    "/{customer_id}",
    responses=problems(
        NotFound, NotConnected, OfAnotherCompany, CustomerGone, PreconditionFailed, PreconditionRequired
    ),
)
async def edit_customer(
    customer_id: UUID,
    changes: CustomerPatch,
    expected: IfMatch,
    customers: Needs[CustomerService],
    shown: ShownCustomer,
    user: Writer,
    response: Response,
) -> CustomerDetail:
    """Change it here and in QuickBooks; what is not sent stays as it is there."""
    given = changes.model_dump(exclude_unset=True)
    row = await customers.edit(customer_id, given, expected_version=expected, by=person_of(user))
    return await shown.one(row, response)


@router.post(
    "/{customer_id}/link", responses=problems(NotFound, AlreadyLinked, ContactGone, CustomerGone, OfAnotherCompany)
)
async def link_customer(
    customer_id: UUID,
    wanted: ContactIn,
    customers: Needs[CustomerService],
    shown: ShownCustomer,
    user: Writer,
    response: Response,
) -> CustomerDetail:
    """This customer is that contact: all its estimates, invoices and payments are that person's."""
    row = await customers.link(customer_id, wanted.contact_id, by=person_of(user))
    return await shown.one(row, response)


@router.post("/{customer_id}/unlink", responses=problems(NotFound, OfAnotherCompany))
async def unlink_customer(
    customer_id: UUID, customers: Needs[CustomerService], shown: ShownCustomer, user: Writer, response: Response
) -> CustomerDetail:
    """This customer is not that contact, and is not taken for it again by itself."""
    return await shown.one(await customers.unlink(customer_id, by=person_of(user)), response)
