"""The one timeline of a person: what is entered for the contact, and what billing told about its customers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.paging import Page, PageRequest, page
from sqlalchemy import CompoundSelect, Select, case, func, literal, null, or_, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from contacts.billing import COMPARED, changed_details
from contacts.models import (
    BillingEntry,
    CampaignCopy,
    Contact,
    CustomerLink,
    EntryKind,
    EstimateCopy,
    InvoiceCopy,
    JobCopy,
    PaymentCopy,
    TimelineEntry,
)
from contacts.views import EntryView


class Entry(NamedTuple):
    """A row of any of the sources. `place` orders what happened in one instant; `before` is what a change changed."""

    id: UUID
    kind: EntryKind
    occurred_at: datetime
    details: dict[str, Any]
    place: int
    before: dict[str, Any] | None


async def timeline(session: AsyncSession, contact_id: UUID, params: PageRequest) -> Page[EntryView]:
    """Newest first; of one instant, the later version of a document before the earlier one."""
    entries = union_all(_own_entries(contact_id), _money_entries(contact_id), _link_entries(contact_id)).subquery()
    rows, cursor, total = await page(
        session,
        select(entries),
        keys=[entries.c.occurred_at.desc(), entries.c.place.desc(), entries.c.id.desc()],
        params=params,
        scope={"list": "timeline", "contact": str(contact_id)},
    )
    found = [Entry(*row) for row in rows]
    names = await _campaign_names(session, found)
    return Page(
        items=[
            EntryView(
                id=entry.id,
                kind=entry.kind,
                occurred_at=entry.occurred_at,
                details=changed_details(entry.details, entry.before) if entry.before else entry.details,
                campaign_name=names.get(str(entry.details.get("campaign_id"))),
            )
            for entry in found
        ],
        next_cursor=cursor,
        total=total,
    )


def _own_entries(contact_id: UUID) -> Select[Any]:
    place, before = literal(0).label("place"), null().cast(JSONB).label("before")
    return select(
        TimelineEntry.id, TimelineEntry.kind, TimelineEntry.occurred_at, TimelineEntry.details, place, before
    ).where(TimelineEntry.contact_id == contact_id)


def _link_entries(contact_id: UUID) -> Select[Any]:
    return select(
        BillingEntry.id,
        BillingEntry.kind,
        BillingEntry.occurred_at,
        BillingEntry.details,
        BillingEntry.version.label("place"),
        null().cast(JSONB).label("before"),
    ).where(BillingEntry.contact_id.in_(_family(contact_id)))


def _money_entries(contact_id: UUID) -> Select[Any]:
    """What was told about the person's documents and jobs. Of changes only those that a person would see."""
    # The newest of the versions before it: reports of one version say the same.
    former = (
        func.last_value(BillingEntry.details, type_=JSONB)
        .over(partition_by=BillingEntry.about_id, order_by=BillingEntry.version, range_=(None, -1))
        .label("former")
    )
    told = select(BillingEntry, former).where(BillingEntry.about_id.in_(_documents(contact_id))).subquery()
    is_change = told.c.details["status"].astext == "changed"
    is_seen = or_(*(told.c.details[name].is_distinct_from(told.c.former[name]) for name in COMPARED))
    place, before = told.c.version.label("place"), case((is_change, told.c.former)).label("before")
    return select(told.c.id, told.c.kind, told.c.occurred_at, told.c.details, place, before).where(
        or_(~is_change, told.c.former.is_not(None) & is_seen)
    )


def _documents(contact_id: UUID) -> CompoundSelect[Any]:
    """Whose a document is can change with each of its versions, and with the links of its customer."""
    family = _family(contact_id)
    customers = select(CustomerLink.customer_id).where(CustomerLink.contact_id.in_(family), CustomerLink.is_linked)
    return union_all(
        select(EstimateCopy.estimate_id).where(EstimateCopy.customer_id.in_(customers)),
        select(InvoiceCopy.invoice_id).where(InvoiceCopy.customer_id.in_(customers)),
        select(PaymentCopy.payment_id).where(PaymentCopy.customer_id.in_(customers)),
        select(JobCopy.job_id).where(JobCopy.contact_id.in_(family)),
    )


def _family(contact_id: UUID) -> CompoundSelect[Any]:
    """The contact, and those that were merged into it."""
    return union_all(select(literal(contact_id)), select(Contact.id).where(Contact.merged_into_id == contact_id))


async def _campaign_names(session: AsyncSession, entries: Sequence[Entry]) -> dict[str, str]:
    ids = {UUID(campaign) for entry in entries if (campaign := entry.details.get("campaign_id"))}
    if not ids:
        return {}
    rows = await session.execute(
        select(CampaignCopy.campaign_id, CampaignCopy.name).where(CampaignCopy.campaign_id.in_(ids))
    )
    return {str(row.campaign_id): row.name for row in rows}
