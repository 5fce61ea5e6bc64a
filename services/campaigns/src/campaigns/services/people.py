"""What happens to people while they are recipients: edits, merges, erasures. What was sent stays as it is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.contacts import (
    ContactChanged,
    ContactErased,
    ContactItem,
    ContactMerged,
    ContactUnmerged,
)
from sqlalchemy import ColumnElement, and_, case, delete, exists, null, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from campaigns import queries
from campaigns.enrolment import Wording, place_of, render_text, template_values
from campaigns.models import (
    Audience,
    ContactAlias,
    LateChange,
    Place,
    PlanRequest,
    Reason,
    Recipient,
    Subject,
    Variant,
)
from campaigns.services.attribution import request_attribution
from campaigns.services.lifecycle import PLAN_CHANNEL
from campaigns.states import (
    REACHED_STATUSES,
    UNSENT_STATUSES,
    AudienceStatus,
    ExclusionReason,
    RecipientStatus,
)

LAST_VERSION = 2_147_483_647
"""Of an erasure: nothing that is told of the contact later counts."""
LATE_AT_ONCE = 500
_KNOWN_NOT_SENT = (RecipientStatus.FAILED, RecipientStatus.NOT_FOUND)
"""Unless `sent_at` says otherwise: the provider refused the text, or has none."""


class PeopleService:
    """Lives in one transaction. Works on lists of contacts: one query for the recipients of all of them.

    Recipients keep the contact's id under which they were read; what became of it is looked up in contact_alias.
    """

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def record_changes(self, event: ContactChanged) -> None:
        """Bring the snapshots of unsent recipients up to date, and render their texts again."""
        await self._keep([(item.contact_id, item.version, item) for item in event.contacts])
        versions = {item.contact_id: item.version for item in event.contacts}
        for item in event.contacts:
            # A merge tells of itself by this too: which of the two events comes first must not matter.
            if not item.is_active and item.merged_into_id is not None:
                primary = item.merged_into_id
                await self._merge(item.contact_id, primary, item.version, versions.get(primary, 0))
        await self._apply(event.contacts)

    async def record_merge(self, event: ContactMerged) -> None:
        """Where both are recipients of one audience, the primary stays and the secondary is excluded."""
        await queries.lock_builds(self._uow.session, shared=True)
        await self._merge(event.secondary_id, event.primary_id, event.version, event.primary_version)

    async def record_unmerge(self, event: ContactUnmerged) -> None:
        """From now on the secondary's recipients follow the secondary again."""
        # Also one that a later merge has overtaken: the primary may hold what is no longer its own.
        both = [event.secondary_id, event.primary_id]
        request_attribution(self._uow, Subject.CONTACT, both, Reason.UNMERGE)
        if not await self._alias(event.secondary_id, event.primary_id, event.version, is_merged=False):
            return
        family = await queries.families(self._uow.session, [event.secondary_id])
        for recipient in await self._unsent(family):
            recipient.contact_version = max(event.version - 1, 0)

    async def record_erasure(self, event: ContactErased) -> None:
        """Nobody texts them any more, and nothing personal stays but the phone of a text that was sent, or may still
        turn out to have been.
        """
        await self._keep([(event.contact_id, LAST_VERSION, None)])
        await self._erase([event.contact_id])

    async def catch_up(self, audience_id: UUID) -> None:
        """Apply to an audience, which is whole now, what was learned of its people while it was read.

        To this one only: the others have it, and their rows may be locked by who waits for this to end.
        """
        found = await self._uow.session.execute(
            select(Recipient.contact_id)
            .join(ContactAlias, ContactAlias.secondary_id == Recipient.contact_id)
            .where(Recipient.audience_id == audience_id, ContactAlias.is_merged)
        )
        await self._join(found.scalars().all(), audience_id)
        last: UUID | None = None
        while changes := await self._late_changes(last):
            last = changes[-1].contact_id
            known = [ContactItem.model_validate(change.item) for change in changes if change.item]
            await self._apply(known, audience_id)
            await self._erase([change.contact_id for change in changes if change.item is None], audience_id)

    async def forget_late_changes(self, audience_id: UUID) -> None:
        """Only an audience that is being built needs what was kept; whether another one is, this asks."""
        others = exists().where(Audience.status == AudienceStatus.BUILDING, Audience.id != audience_id)
        await self._uow.session.execute(delete(LateChange).where(~others))

    async def _keep(self, changes: Sequence[tuple[UUID, int, ContactItem | None]]) -> None:
        """While an audience is built, rows that are not stored yet will be older than this."""
        await queries.lock_builds(self._uow.session, shared=True)
        if not changes or not await queries.has_builds(self._uow.session):
            return
        newest = {contact_id: (version, item) for contact_id, version, item in sorted(changes, key=lambda c: c[:2])}
        statement = insert(LateChange).values(
            [
                {
                    "contact_id": contact_id,
                    "version": version,
                    "item": item.model_dump(mode="json") if item else null(),
                }
                for contact_id, (version, item) in newest.items()
            ]
        )
        newer = statement.excluded
        await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[LateChange.contact_id],
                set_={"version": newer.version, "item": newer.item},
                where=LateChange.version < newer.version,
            )
        )

    async def _late_changes(self, after: UUID | None) -> Sequence[LateChange]:
        statement = select(LateChange).order_by(LateChange.contact_id).limit(LATE_AT_ONCE)
        if after is not None:
            statement = statement.where(LateChange.contact_id > after)
        return (await self._uow.session.execute(statement)).scalars().all()

    async def _apply(self, items: Sequence[ContactItem], audience_id: UUID | None = None) -> None:
        merged = await self._merged([item.contact_id for item in items])
        # An alias goes on as its primary: what is still told of it by itself is over.
        current = {item.contact_id: item for item in items if item.contact_id not in merged}
        family = await queries.families(self._uow.session, current)
        recipients = await self._unsent(family, audience_id)
        wordings = await self._wordings({recipient.campaign_id for recipient in recipients})
        for recipient in recipients:
            item = current[family[recipient.contact_id]]
            if item.version > recipient.contact_version:
                await self._update(recipient, item, wordings[recipient.campaign_id])

    async def _merge(self, secondary_id: UUID, primary_id: UUID, version: int, primary_version: int) -> None:
        if await self._alias(secondary_id, primary_id, version, primary_version, is_merged=True):
            request_attribution(self._uow, Subject.CONTACT, [secondary_id], Reason.MERGE)
            await self._join([secondary_id])

    async def _join(self, secondary_ids: Sequence[UUID], audience_id: UUID | None = None) -> None:
        """These follow their primary's changes from now on, and of several who became one person one is texted."""
        if not secondary_ids:
            return
        session = self._uow.session
        persons = await queries.persons(session, await queries.families(session, secondary_ids))
        family = await queries.families(session, {person_id for person_id, _ in persons.values()})
        groups: defaultdict[tuple[UUID, UUID], list[Recipient]] = defaultdict(list)
        for recipient in await self._recipients(family, REACHED_STATUSES, audience_id):
            if recipient.contact_id in persons:
                recipient.contact_version = max(persons[recipient.contact_id][1] - 1, 0)
            groups[recipient.audience_id, family[recipient.contact_id]].append(recipient)
        for (_, person_id), group in groups.items():
            self._bar_all_but_one(group, person_id)

    def _bar_all_but_one(self, group: Sequence[Recipient], person_id: UUID) -> None:
        """Who was texted, or is about to be, stays; else the primary does."""
        stays = min(
            group,
            key=lambda r: (
                r.status is RecipientStatus.WAITING,
                r.status is RecipientStatus.REQUESTED,
                r.contact_id != person_id,
                r.id,
            ),
        )
        for recipient in group:
            if recipient is not stays and recipient.status in UNSENT_STATUSES:
                self._bar(recipient, ExclusionReason.MERGED)

    async def _erase(self, contact_ids: Sequence[UUID], audience_id: UUID | None = None) -> None:
        if not contact_ids:
            return
        family = await queries.families(self._uow.session, contact_ids)
        for recipient in await self._unsent(family, audience_id):
            self._bar(recipient, ExclusionReason.CONTACT_GONE)
        await self._uow.session.flush()
        await self._uow.session.execute(
            update(Recipient)
            .where(Recipient.contact_id.in_(family), _within(audience_id))
            .values(
                values={},
                phone=case((_may_have_been_sent(), Recipient.phone), else_=None),
                text=None,
                next_text=None,
                next_segments=None,
                contact_version=LAST_VERSION,
            )
        )

    async def _unsent(self, contact_ids: Iterable[UUID], audience_id: UUID | None = None) -> Sequence[Recipient]:
        return await self._recipients(contact_ids, UNSENT_STATUSES, audience_id)

    async def _recipients(
        self, contact_ids: Iterable[UUID], statuses: frozenset[RecipientStatus], audience_id: UUID | None
    ) -> Sequence[Recipient]:
        found = await self._uow.session.execute(
            select(Recipient)
            .where(Recipient.contact_id.in_(list(contact_ids)), Recipient.status.in_(statuses), _within(audience_id))
            .order_by(Recipient.id)
            .with_for_update()
        )
        return found.scalars().all()

    async def _merged(self, contact_ids: Sequence[UUID]) -> set[UUID]:
        found = await self._uow.session.execute(
            select(ContactAlias.secondary_id).where(ContactAlias.secondary_id.in_(contact_ids), ContactAlias.is_merged)
        )
        return set(found.scalars())

    async def _wordings(self, campaign_ids: set[UUID]) -> dict[UUID, dict[str, Wording]]:
        found = await self._uow.session.execute(select(Variant).where(Variant.campaign_id.in_(campaign_ids)))
        wordings: defaultdict[UUID, dict[str, Wording]] = defaultdict(dict)
        for variant in found.scalars():
            wordings[variant.campaign_id][variant.label] = Wording.of(variant.label, variant.weight, variant.message)
        return wordings

    async def _update(self, recipient: Recipient, item: ContactItem, wordings: dict[str, Wording]) -> None:
        recipient.contact_version = item.version
        if not item.is_active:
            self._bar(recipient, ExclusionReason.CONTACT_GONE)
            return
        if recipient.phone not in {phone.e164 for phone in item.phones}:
            self._bar(recipient, ExclusionReason.PHONE_CHANGED)
            return
        recipient.values = _values(item)
        rendering = render_text(wordings[recipient.variant].template, recipient.values)
        if rendering.text is None:
            self._bar(recipient, ExclusionReason.MISSING_VALUE)
            return
        recipient.reword(rendering.text, rendering.segments)
        await self._relocate(recipient, item)

    async def _relocate(self, recipient: Recipient, item: ContactItem) -> None:
        address = item.address
        place = place_of(
            state=address.state if address else None,
            zip_code=address.zip if address else None,
            phone=recipient.phone,
        )
        if place.key == recipient.place_key:
            return
        await self._uow.session.execute(
            insert(Place)
            .values(
                audience_id=recipient.audience_id,
                key=place.key,
                zones=list(place.zones),
                region=place.region,
            )
            .on_conflict_do_nothing()
        )
        recipient.place_key = place.key

    def _bar(self, recipient: Recipient, reason: ExclusionReason) -> None:
        line = recipient.bar(reason, at=self._uow.now)
        if line is not None:
            self._uow.session.add(line)
        self._uow.session.add(PlanRequest(campaign_id=recipient.campaign_id))
        self._uow.wake(PLAN_CHANNEL)

    async def _alias(
        self, secondary_id: UUID, primary_id: UUID, version: int, primary_version: int = 0, *, is_merged: bool
    ) -> bool:
        """Returns whether this was news."""
        statement = insert(ContactAlias).values(
            secondary_id=secondary_id,
            primary_id=primary_id,
            version=version,
            primary_version=primary_version,
            is_merged=is_merged,
        )
        newer = statement.excluded
        applied = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[ContactAlias.secondary_id],
                set_={
                    "primary_id": newer.primary_id,
                    "version": newer.version,
                    "primary_version": newer.primary_version,
                    "is_merged": newer.is_merged,
                },
                where=ContactAlias.version < newer.version,
            ).returning(ContactAlias.secondary_id)
        )
        return applied.first() is not None


def _within(audience_id: UUID | None) -> ColumnElement[bool]:
    return true() if audience_id is None else Recipient.audience_id == audience_id


def _may_have_been_sent() -> ColumnElement[bool]:
    """Of a recipient: a text left, or nobody said yet of the last one that was asked for that it did not.

    An opt-out or a cancellation ends a text that is on its way as well: as long as it counts for the day, it may leave.
    """
    may_leave = and_(Recipient.counted_on.is_not(None), Recipient.status.not_in(_KNOWN_NOT_SENT))
    return or_(Recipient.sent_at.is_not(None), may_leave)


def _values(item: ContactItem) -> dict[str, Any]:
    address = item.address
    return template_values(
        first_name=item.first_name,
        last_name=item.last_name,
        company=item.company,
        address=address.street if address else None,
        city=address.city if address else None,
        state=address.state if address else None,
        zip_code=address.zip if address else None,
    )
