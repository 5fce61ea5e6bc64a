"""Reads: SQL in, rows out. Counts are always counted, never kept, so that they cannot drift from the rows."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns.models import Audience, Campaign, Hold, PhoneNumber, Place, Recipient
from campaigns.states import (
    ON_THEIR_WAY,
    OPEN_STATUSES,
    AudienceStatus,
    CampaignStatus,
    ExclusionReason,
    RecipientStatus,
)

BUILD_LOCK = 7_200_001
"""Held shared by whoever brings news of people, alone by a build that ends: one of the two sees the other."""

LIVE_CAMPAIGNS = (CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED)


async def count_by_status(session: AsyncSession, audience_id: UUID | None) -> dict[str, int]:
    """Recipients per state; all states are named, and together they are the audience."""
    rows = await session.execute(
        select(Recipient.status, func.count()).where(Recipient.audience_id == audience_id).group_by(Recipient.status)
    )
    found: dict[RecipientStatus, int] = dict(rows.all())
    return {status.value: found.get(status, 0) for status in RecipientStatus}


async def count_exclusions(session: AsyncSession, audience_id: UUID) -> dict[str, int]:
    rows = await session.execute(
        select(Recipient.reason, func.count())
        .where(Recipient.audience_id == audience_id, Recipient.status == RecipientStatus.EXCLUDED)
        .group_by(Recipient.reason)
    )
    found: dict[str | None, int] = dict(rows.all())
    return {reason.value: found.get(reason.value, 0) for reason in ExclusionReason}


async def summarise_texts(session: AsyncSession, audience_id: UUID) -> Sequence[Any]:
    """Per variant: recipients that are not excluded, their segments, and the longest text's segments."""
    rows = await session.execute(
        select(
            Recipient.variant,
            func.count().label("recipients"),
            func.coalesce(func.sum(Recipient.segments), 0).label("segments"),
            func.coalesce(func.max(Recipient.segments), 0).label("longest"),
        )
        .where(Recipient.audience_id == audience_id, Recipient.status != RecipientStatus.EXCLUDED)
        .group_by(Recipient.variant)
        .order_by(Recipient.variant)
    )
    return rows.all()


async def results_by_variant(session: AsyncSession, audience_id: UUID | None) -> Sequence[Any]:
    rows = await session.execute(
        select(
            Recipient.variant,
            Recipient.status,
            func.count().label("recipients"),
            func.count(Recipient.sent_at).label("sent"),
            func.count(Recipient.replied_at).label("replied"),
            func.count(Recipient.opted_out_at).label("opted_out"),
            func.coalesce(func.sum(Recipient.billed_segments), 0).label("segments"),
            func.coalesce(func.sum(Recipient.cost_cents), 0).label("cost_cents"),
        )
        .where(Recipient.audience_id == audience_id)
        .group_by(Recipient.variant, Recipient.status)
        .order_by(Recipient.variant, Recipient.status)
    )
    return rows.all()


def recipients_of(audience_id: UUID, *, status: RecipientStatus | None, reason: str | None) -> Select[Any]:
    statement = select(Recipient).where(Recipient.audience_id == audience_id)
    if status is not None:
        statement = statement.where(Recipient.status == status)
    if reason is not None:
        statement = statement.where(Recipient.reason == reason)
    return statement


async def has_open_recipients(session: AsyncSession, audience_id: UUID) -> bool:
    found = await session.execute(
        select(exists().where(Recipient.audience_id == audience_id, Recipient.status.in_(OPEN_STATUSES)))
    )
    return bool(found.scalar_one())


async def count_on_their_way(session: AsyncSession, campaign_id: UUID) -> int:
    found = await session.execute(
        select(func.count()).where(Recipient.campaign_id == campaign_id, Recipient.status == RecipientStatus.REQUESTED)
    )
    return found.scalar_one()


async def waiting_places(session: AsyncSession, audience_id: UUID) -> list[Place]:
    """The places where somebody still waits: one index probe each."""
    someone = exists().where(
        Recipient.audience_id == Place.audience_id,
        Recipient.place_key == Place.key,
        Recipient.status == RecipientStatus.WAITING,
    )
    rows = await session.execute(select(Place).where(Place.audience_id == audience_id, someone))
    return list(rows.scalars())


async def count_waiting_by_place(session: AsyncSession, audience_id: UUID) -> Sequence[Any]:
    rows = await session.execute(
        select(Place.zones, Place.region, func.count().label("recipients"))
        .join(Recipient, and_(Recipient.audience_id == Place.audience_id, Recipient.place_key == Place.key))
        .where(Place.audience_id == audience_id, Recipient.status == RecipientStatus.WAITING)
        .group_by(Place.zones, Place.region)
        .order_by(Place.zones, Place.region)
    )
    return rows.all()


async def count_used(session: AsyncSession, number_id: UUID, day: date) -> int:
    """Texts of a number that count for a day, over all campaigns: those on their way and those that went."""
    found = await session.execute(
        select(func.count()).where(Recipient.number_id == number_id, Recipient.counted_on == day)
    )
    return found.scalar_one()


async def phones_in_other_campaigns(session: AsyncSession, campaign_id: UUID, phones: Sequence[str]) -> set[str]:
    rows = await session.execute(
        select(Recipient.phone)
        .join(Campaign, Campaign.audience_id == Recipient.audience_id)
        .where(
            Recipient.phone.in_(phones),
            Recipient.status.in_(OPEN_STATUSES),
            Campaign.id != campaign_id,
            Campaign.status.in_(LIVE_CAMPAIGNS),
        )
    )
    return {phone for phone in rows.scalars() if phone}


async def last_texted(session: AsyncSession, phones: Sequence[str]) -> dict[str, datetime]:
    """When a campaign last texted, or may have texted, each phone."""
    rows = await session.execute(
        select(Recipient.phone, func.max(func.coalesce(Recipient.sent_at, Recipient.requested_at)))
        .where(Recipient.phone.in_(phones), Recipient.counted_on.is_not(None))
        .group_by(Recipient.phone)
    )
    return {phone: at for phone, at in rows if phone and at}


async def phones_texted_elsewhere(
    session: AsyncSession, campaign_id: UUID, phones: Sequence[str], *, since: datetime
) -> set[str]:
    """Phones that another campaign has texted since then, or is about to."""
    rows = await session.execute(
        select(Recipient.phone).where(
            Recipient.phone.in_(phones),
            Recipient.campaign_id != campaign_id,
            Recipient.counted_on.is_not(None),
            or_(Recipient.requested_at > since, Recipient.status.in_(ON_THEIR_WAY)),
        )
    )
    return {phone for phone in rows.scalars() if phone}


async def own_numbers(session: AsyncSession) -> frozenset[str]:
    return frozenset((await session.execute(select(PhoneNumber.e164))).scalars())


async def held_numbers(session: AsyncSession, campaign_id: UUID) -> tuple[bool, set[UUID]]:
    """Whether a hold stops the whole campaign, and which numbers are held."""
    holds = (await session.execute(select(Hold).where(Hold.is_placed))).scalars().all()
    # A hold on campaigns that names none is one on all of them.
    stops = any(h.scope == "all" or (h.scope == "campaign" and h.campaign_id in (None, campaign_id)) for h in holds)
    return stops, {h.number_id for h in holds if h.scope == "number" and h.number_id}


async def newest_audience(session: AsyncSession, campaign_id: UUID) -> Audience | None:
    found = await session.execute(
        select(Audience).where(Audience.campaign_id == campaign_id).order_by(Audience.number.desc()).limit(1)
    )
    return found.scalar_one_or_none()


async def shown_audience(session: AsyncSession, campaign_id: UUID) -> Audience | None:
    """The audience that was launched; while the campaign is a draft, the newest one."""
    was_launched = and_(Campaign.launched_at.is_not(None), Campaign.audience_id == Audience.id)
    found = await session.execute(
        select(Audience)
        .join(Campaign, Campaign.id == Audience.campaign_id)
        .where(Audience.campaign_id == campaign_id)
        .order_by(was_launched.desc(), Audience.number.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()


async def lock_builds(session: AsyncSession, *, shared: bool) -> None:
    """See BUILD_LOCK. Take it before any row lock where not shared."""
    await session.execute(text(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(:key)"), {"key": BUILD_LOCK})


async def has_builds(session: AsyncSession) -> bool:
    found = await session.execute(select(exists().where(Audience.status == AudienceStatus.BUILDING)))
    return bool(found.scalar_one())


_PERSONS = text("""
    WITH RECURSIVE chain (contact_id, person_id, version) AS (
        SELECT id, id, 0 FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
        UNION
        SELECT chain.contact_id, alias.primary_id, alias.primary_version
        FROM chain JOIN contact_alias AS alias ON alias.secondary_id = chain.person_id AND alias.is_merged
    )
    SELECT contact_id, person_id, version FROM chain
    WHERE NOT EXISTS (SELECT FROM contact_alias AS a WHERE a.secondary_id = chain.person_id AND a.is_merged)
""")

_FAMILIES = text("""
    WITH RECURSIVE family (contact_id, person_id) AS (
        SELECT id, id FROM unnest(CAST(:ids AS uuid[])) AS wanted (id)
        UNION
        SELECT alias.secondary_id, family.person_id
        FROM family JOIN contact_alias AS alias ON alias.primary_id = family.contact_id AND alias.is_merged
    )
    SELECT contact_id, person_id FROM family
""")


async def persons(session: AsyncSession, contact_ids: Iterable[UUID]) -> dict[UUID, tuple[UUID, int]]:
    """Whom each id stands for after all merges, and from which version on that one holds what the alias had."""
    rows = await session.execute(_PERSONS, {"ids": list(contact_ids)})
    return {row.contact_id: (row.person_id, row.version) for row in rows}


async def families(session: AsyncSession, contact_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """Every id that stands for one of these contacts, itself included → that contact."""
    rows = await session.execute(_FAMILIES, {"ids": list(contact_ids)})
    return {row.contact_id: row.person_id for row in rows}


async def preview(session: AsyncSession, audience_id: UUID, limit: int) -> tuple[list[Recipient], list[Recipient]]:
    """Recipients in the order of turns, which is random, and those with the longest texts."""
    textable = select(Recipient).where(
        Recipient.audience_id == audience_id,
        Recipient.status != RecipientStatus.EXCLUDED,
        Recipient.text.is_not(None),
    )
    at_random = await session.execute(textable.order_by(Recipient.position, Recipient.id).limit(limit))
    longest = await session.execute(textable.order_by(func.length(Recipient.text).desc(), Recipient.id).limit(limit))
    return list(at_random.scalars()), list(longest.scalars())
