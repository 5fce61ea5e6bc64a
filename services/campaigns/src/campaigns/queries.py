"""Reads: SQL in, rows out. Counts are always counted, never kept, so that they cannot drift from the rows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from campaigns.attribution import CONSERVED, Earner, Line
from campaigns.models import Audience, Campaign, Hold, Payment, PhoneNumber, Place, Recipient, RevenueEntry
from campaigns.states import (
    NEVER_ARRIVED,
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


async def payments_of_customers(session: AsyncSession, customer_ids: Collection[UUID]) -> set[UUID]:
    return set(await session.scalars(select(Payment.id).where(Payment.customer_id.in_(customer_ids))))


_PAYMENTS_OF_CONTACTS = text("""
    SELECT id FROM payment WHERE contact_id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT id FROM customer_link JOIN payment USING (customer_id)
    WHERE customer_link.contact_id = ANY(CAST(:ids AS uuid[]))
    UNION
    SELECT payment_id FROM revenue_entry WHERE contact_id = ANY(CAST(:ids AS uuid[]))
""")


async def payments_of_contacts(session: AsyncSession, contact_ids: Collection[UUID]) -> set[UUID]:
    """What may belong to these people, or to whoever is one person with them, or was when it was attributed."""
    roots = {person_id for person_id, _ in (await persons(session, contact_ids)).values()}
    family = await families(session, roots | set(contact_ids))
    return set(await session.scalars(_PAYMENTS_OF_CONTACTS, {"ids": list(family)}))


async def texts_that_may_have_arrived(
    session: AsyncSession, contact_ids: Collection[UUID]
) -> list[tuple[Earner, datetime]]:
    """Texts that have left and that no carrier gave back (`Recipient.touched_at`), with their instants."""
    rows = await session.execute(
        select(Recipient.sent_at, Recipient.id, Recipient.campaign_id, Recipient.variant, Recipient.contact_id).where(
            Recipient.contact_id.in_(list(contact_ids)),
            Recipient.sent_at.is_not(None),
            Recipient.status.not_in(NEVER_ARRIVED),
        )
    )
    return [(Earner(row.id, row.campaign_id, row.variant, row.contact_id), row.sent_at) for row in rows]


async def written_lines(session: AsyncSession, payment_ids: Collection[UUID]) -> dict[UUID, dict[Line, int]]:
    """What the entries of each payment add up to, line by line."""
    columns = (
        RevenueEntry.payment_id,
        RevenueEntry.model,
        RevenueEntry.invoice_id,
        RevenueEntry.currency,
        *(getattr(RevenueEntry, name) for name in Earner._fields),
    )
    cents = func.sum(RevenueEntry.amount_cents)
    rows = await session.execute(
        select(cents, *columns).where(RevenueEntry.payment_id.in_(payment_ids)).group_by(*columns).having(cents != 0)
    )
    found: defaultdict[UUID, dict[Line, int]] = defaultdict(dict)
    for total, payment_id, model, invoice_id, currency, *earner in rows:
        found[payment_id][Line(model, Earner(*earner), invoice_id, currency)] = int(total)
    return found


# The persons behind `net`, after all merges.
_PERSON = """
    chain (contact_id, person_id) AS (
        SELECT contact_id, contact_id FROM net
        UNION
        SELECT chain.contact_id, alias.primary_id
        FROM chain JOIN contact_alias AS alias ON alias.secondary_id = chain.person_id AND alias.is_merged
    ), person AS (
        SELECT contact_id, person_id FROM chain
        WHERE NOT EXISTS (SELECT FROM contact_alias AS a WHERE a.secondary_id = chain.person_id AND a.is_merged)
    )
"""
_EARNED = """
    count(DISTINCT payment_id) FILTER (WHERE cents > 0) AS payments,
    count(DISTINCT coalesce(person_id, contact_id)) FILTER (WHERE cents > 0) AS people
"""

_REVENUE = text(f"""
    WITH RECURSIVE chosen AS (
        SELECT id, currency, amount_cents,
            CASE WHEN attributed_version = version THEN outcome ELSE 'pending' END AS outcome
        FROM payment
        WHERE received_on >= coalesce(CAST(:received_from AS date), '-infinity')
            AND received_on <= coalesce(CAST(:received_until AS date), 'infinity')
    ), net AS (
        SELECT entry.payment_id, chosen.outcome, entry.currency, entry.model, entry.campaign_id, entry.contact_id,
            sum(entry.amount_cents) AS cents
        FROM revenue_entry AS entry JOIN chosen ON chosen.id = entry.payment_id
        GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(entry.amount_cents) <> 0
    ), {_PERSON}, line AS (
        SELECT currency, model, outcome, CAST(NULL AS uuid) AS campaign_id, id AS payment_id,
            CAST(NULL AS uuid) AS contact_id, CAST(NULL AS uuid) AS person_id, amount_cents AS received, 0 AS cents
        FROM chosen CROSS JOIN unnest(CAST(:conserved AS text[])) AS conserved (model)
        UNION ALL
        SELECT currency, model, outcome, campaign_id, payment_id, contact_id, person_id, 0, cents
        FROM net LEFT JOIN person USING (contact_id)
    )
    SELECT currency, model, outcome, campaign_id, GROUPING(outcome, campaign_id) AS level,
        CAST(sum(received) AS bigint) AS received_cents, CAST(sum(cents) AS bigint) AS earned_cents,
        count(*) FILTER (WHERE received > 0) AS received_payments,
        count(*) FILTER (WHERE received < 0) AS refunds, {_EARNED}
    FROM line
    GROUP BY GROUPING SETS ((currency, model), (currency, model, outcome), (currency, model, campaign_id))
    ORDER BY currency, model, earned_cents DESC, campaign_id, outcome
""")

WHOLE, BY_CAMPAIGN, BY_OUTCOME = 3, 2, 1
"""The levels of `revenue`: bits of GROUPING, set for what a row is the sum over."""


async def revenue(session: AsyncSession, received_from: date | None, received_until: date | None) -> Sequence[Any]:
    """Money received in these days and what was earned of it, by currency and model: whole, by outcome, by campaign.

    One statement, so that all its sums are of one instant. A payment whose news is not worked off is "pending".
    """
    rows = await session.execute(
        _REVENUE, {"received_from": received_from, "received_until": received_until, "conserved": list(CONSERVED)}
    )
    return rows.all()


_REVENUE_OF_CAMPAIGN = text(f"""
    WITH RECURSIVE net AS (
        SELECT payment_id, currency, model, variant, contact_id, sum(amount_cents) AS cents
        FROM revenue_entry WHERE campaign_id = :campaign_id
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount_cents) <> 0
    ), {_PERSON}
    SELECT currency, model, variant, CAST(sum(cents) AS bigint) AS earned_cents, {_EARNED}
    FROM net LEFT JOIN person USING (contact_id)
    GROUP BY GROUPING SETS ((currency, model), (currency, model, variant))
    ORDER BY currency, variant, model
""")


async def revenue_of_campaign(session: AsyncSession, campaign_id: UUID) -> Sequence[Any]:
    """What its texts earned, by currency and model: whole (variant None) and by variant."""
    return (await session.execute(_REVENUE_OF_CAMPAIGN, {"campaign_id": campaign_id})).all()


async def campaign_names(session: AsyncSession, campaign_ids: Collection[UUID]) -> dict[UUID, str]:
    rows = await session.execute(select(Campaign.id, Campaign.name).where(Campaign.id.in_(campaign_ids)))
    return dict(rows.all())
