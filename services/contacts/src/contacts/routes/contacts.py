"""/api/v1/contacts"""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Query, Response
from pydantic import BaseModel, Field
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Day, Needs, can, problems
from shared.paging import Page, PageParams

from contacts.drafts import E164, ContactDraft, ContactEdit, Name, TagName
from contacts.errors import NotMergeable, PhoneTaken
from contacts.queries import contacts as read
from contacts.queries.money import MoneyFilter
from contacts.queries.timeline import timeline
from contacts.services.contacts import ContactService
from contacts.views import ContactDetail, ContactView, EntryView

router = ApiRouter(prefix="/api/v1/contacts", tags=["contacts"])

Reader = Annotated[Principal, can("contacts:read")]
Writer = Annotated[Principal, can("contacts:write")]
TagPath = Annotated[TagName, Path()]


class MergeRequest(BaseModel):
    secondary_id: UUID = Field(description="The contact that becomes an alias.")
    dry_run: bool = Field(default=False, description="Answer what would happen, and change nothing.")


class MergeResult(BaseModel):
    dry_run: bool
    contact: ContactDetail = Field(description="The primary after the merge.")
    filled: dict[str, Any] = Field(description="Blanks of the primary and what fills them.")
    phones: list[str]
    emails: list[str]
    tags: int
    lists: int
    properties: int
    timeline_entries: int


class NoteDraft(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


class ConsentDraft(BaseModel):
    """What a person said about being texted, and how that can be shown."""

    phone: E164
    is_granted: bool
    purpose: Name = "all"
    source: Name = "desk"
    evidence: Annotated[str, Field(min_length=1, max_length=2_000)]


Cents = Annotated[int | None, Query(ge=0, le=10**15, description="US cents.")]


def _money_filter(
    is_customer: Annotated[
        bool | None,
        Query(description="Linked to a customer of QuickBooks; the other conditions on money only customers meet."),
    ] = None,
    has_balance: Annotated[bool | None, Query(description="Something is left to pay.")] = None,
    is_overdue: Annotated[bool | None, Query(description="Something is left to pay whose day has passed.")] = None,
    has_open_estimate: Annotated[bool | None, Query(description="An estimate waits for an answer.")] = None,
    invoiced_at_least: Cents = None,
    paid_at_least: Cents = None,
    balance_at_least: Cents = None,
    last_paid_from: Annotated[Day | None, Query(description="Paid last on this day or later.")] = None,
    last_paid_until: Annotated[Day | None, Query(description="Paid last on this day or earlier.")] = None,
) -> MoneyFilter:
    return MoneyFilter(
        is_customer=is_customer,
        has_balance=has_balance,
        is_overdue=is_overdue,
        has_open_estimate=has_open_estimate,
        invoiced_at_least=invoiced_at_least,
        paid_at_least=paid_at_least,
        balance_at_least=balance_at_least,
        last_paid_from=last_paid_from,
        last_paid_until=last_paid_until,
    )


@router.get("")
async def list_contacts(
    uow: Needs[UnitOfWork],
    user: Reader,
    params: PageParams,
    money: Annotated[MoneyFilter, Depends(_money_filter)],
    q: Annotated[
        str | None, Query(max_length=200, description="Words of a name, e-mail or address, or part of a phone.")
    ] = None,
    tag: Annotated[str | None, Query(max_length=100)] = None,
    list_id: Annotated[UUID | None, Query(alias="list")] = None,
    active: Annotated[bool, Query(description="false lists the merged ones.")] = True,
    sort: Annotated[
        read.Sort, Query(description="A figure of money, the largest or latest first, lists only those who have it.")
    ] = "newest",
) -> Page[ContactView]:
    """Contacts, newest first. `total` is null where too many match to be counted quickly."""
    wanted = read.ContactFilter(q=q, tag=tag.lower() if tag else None, list_id=list_id, active=active, money=money)
    return await read.list_contacts(uow.session, wanted, sort, params)


@router.post("", status_code=201, responses=problems(PhoneTaken))
async def create_contact(
    draft: ContactDraft, contacts: Needs[ContactService], uow: Needs[UnitOfWork], user: Writer, response: Response
) -> ContactDetail:
    contact = await contacts.create_contact(draft)
    response.headers["Location"] = f"/api/v1/contacts/{contact.id}"
    set_etag(response, contact.version)
    return await read.view_detail(uow.session, contact)


@router.get("/{contact_id}", responses=problems(NotFound))
async def get_contact(
    contact_id: UUID, contacts: Needs[ContactService], uow: Needs[UnitOfWork], user: Reader, response: Response
) -> ContactDetail:
    contact = await contacts.get(contact_id)
    set_etag(response, contact.version)
    return await read.view_detail(uow.session, contact)


@router.patch(
    "/{contact_id}", responses=problems(NotFound, PhoneTaken, Conflict, PreconditionFailed, PreconditionRequired)
)
async def edit_contact(
    contact_id: UUID,
    edit: ContactEdit,
    version: IfMatch,
    contacts: Needs[ContactService],
    uow: Needs[UnitOfWork],
    user: Writer,
    response: Response,
) -> ContactDetail:
    """Change what is given. Needs If-Match with the ETag that was read."""
    contact = await contacts.edit(contact_id, version, edit, author=user.name)
    set_etag(response, contact.version)
    return await read.view_detail(uow.session, contact)


@router.put("/{contact_id}/tags/{tag}", responses=problems(NotFound, Conflict))
async def add_tag(
    contact_id: UUID, tag: TagPath, contacts: Needs[ContactService], uow: Needs[UnitOfWork], user: Writer
) -> ContactDetail:
    return await read.view_detail(uow.session, await contacts.set_tag(contact_id, tag, is_set=True))


@router.delete("/{contact_id}/tags/{tag}", responses=problems(NotFound, Conflict))
async def remove_tag(
    contact_id: UUID, tag: TagPath, contacts: Needs[ContactService], uow: Needs[UnitOfWork], user: Writer
) -> ContactDetail:
    return await read.view_detail(uow.session, await contacts.set_tag(contact_id, tag, is_set=False))


@router.get("/{contact_id}/timeline", responses=problems(NotFound))
async def get_timeline(
    contact_id: UUID,
    contacts: Needs[ContactService],
    uow: Needs[UnitOfWork],
    user: Reader,
    params: PageParams,
) -> Page[EntryView]:
    """Everything that happened with this person, newest first."""
    contact = await contacts.get(contact_id)
    return await timeline(uow.session, contact.merged_into_id or contact.id, params)


@router.post("/{contact_id}/notes", status_code=201, responses=problems(NotFound, Conflict))
async def add_note(contact_id: UUID, note: NoteDraft, contacts: Needs[ContactService], user: Writer) -> EntryView:
    """A note on the timeline; it is never sent to anybody."""
    return EntryView.model_validate(await contacts.add_note(contact_id, note.text, author=user.name))


@router.post("/{contact_id}/consent", status_code=202, responses=problems(NotFound, Conflict))
async def record_consent(
    contact_id: UUID, consent: ConsentDraft, contacts: Needs[ContactService], user: Writer
) -> ConsentDraft:
    """Accepted for the consent ledger; the contact shows it once the ledger has it."""
    await contacts.record_consent(
        contact_id,
        phone=consent.phone,
        is_granted=consent.is_granted,
        purpose=consent.purpose,
        source=f"{consent.source}:{user.name}",
        evidence=consent.evidence,
    )
    return consent


@router.post("/{contact_id}/merge", responses=problems(NotFound, NotMergeable))
async def merge_contacts(
    contact_id: UUID, merge: MergeRequest, contacts: Needs[ContactService], user: Writer
) -> MergeResult:
    """Make the other contact an alias of this one. A dry run answers exactly what the real one would."""
    merged = await contacts.merge_contacts(contact_id, merge.secondary_id, author=user.name, dry_run=merge.dry_run)
    return MergeResult(dry_run=merge.dry_run, **vars(merged))
