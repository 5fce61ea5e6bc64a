"""Building an audience: one snapshot streamed into recipients, chunk by chunk, under a fence; ready only when whole."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import AppError, ProviderRejected
from shared.ids import uuid7
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import selectinload

from campaigns import queries
from campaigns.enrolment import History, Member, PhoneState, Wording, enrol, phone_facts
from campaigns.exclusion import Line, Policy, choose_phone, exclude_repeated
from campaigns.models import Audience, Campaign, LineType, PhoneConsent, Place, Recipient, Transition
from campaigns.services.campaigns import CampaignService
from campaigns.services.people import PeopleService
from campaigns.states import AudienceStatus, CampaignStatus, RecipientStatus

CHUNK = 500
LEASE = timedelta(seconds=60)
RETRY_AFTER = timedelta(seconds=5)
AUDIENCE_CHANNEL = "audience"


class Contacts(Protocol):
    def members(self, lists: Sequence[UUID], exclude_lists: Sequence[UUID]) -> AsyncIterator[Member]:
        """One consistent snapshot; raises when it breaks off."""


class Phones(Protocol):
    async def phone_states(self, phones: Sequence[str]) -> dict[str, PhoneState]:
        """What messaging knows of these phones."""


@dataclass(frozen=True)
class AudienceOptions:
    lists: Sequence[UUID]
    exclude_lists: Sequence[UUID] = ()
    recontact_days: int = 30
    blocks_on_missing: bool = True
    includes_earlier_conversations: bool = False


@dataclass(frozen=True)
class Build:
    """One attempt at building an audience; a later attempt makes this one's writes void."""

    audience_id: UUID
    campaign_id: UUID
    attempt: int
    lists: tuple[UUID, ...]
    exclude_lists: tuple[UUID, ...]
    recontact_days: int
    includes_earlier_conversations: bool
    wordings: tuple[Wording, ...]


class Overtaken(Exception):
    """Another attempt has taken over, or the audience is not wanted any more."""


class AudienceService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, campaigns: CampaignService, people: PeopleService) -> None:
        self._uow = uow
        self._campaigns = campaigns
        self._people = people

    async def request(self, campaign_id: UUID, options: AudienceOptions) -> Audience:
        """Order a new version; one that is still being built is given up."""
        campaign = await self._campaigns.get_draft(campaign_id)
        newest = await queries.newest_audience(self._uow.session, campaign.id)
        if newest is not None and newest.status is AudienceStatus.BUILDING:
            newest.move(AudienceStatus.STALE)
        audience = Audience(
            id=uuid7(),
            campaign_id=campaign.id,
            number=newest.number + 1 if newest else 1,
            status=AudienceStatus.BUILDING,
            lists=list(options.lists),
            exclude_lists=list(options.exclude_lists),
            recontact_days=options.recontact_days,
            blocks_on_missing=options.blocks_on_missing,
            includes_earlier_conversations=options.includes_earlier_conversations,
            read_count=0,
            attempt=0,
            created_at=self._uow.now,
        )
        self._uow.session.add(audience)
        self._uow.wake(AUDIENCE_CHANNEL)
        return audience

    async def claim(self) -> Build | None:
        """Take the oldest audience that nobody builds, and clear away what an attempt that died has left."""
        found = await self._uow.session.execute(
            select(Audience)
            .where(
                Audience.status == AudienceStatus.BUILDING,
                func.coalesce(Audience.leased_until, wall_now()) <= wall_now(),
            )
            .order_by(Audience.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        audience = found.scalar_one_or_none()
        if audience is None:
            return None
        campaign = (
            await self._uow.session.execute(
                select(Campaign).where(Campaign.id == audience.campaign_id).options(selectinload(Campaign.variants))
            )
        ).scalar_one()
        await self._clear([audience.id])
        await self._people.forget_late_changes(audience.id)
        audience.attempt += 1
        audience.read_count = 0
        audience.leased_until = wall_now() + LEASE
        audience.snapshot_at = self._uow.now
        return _build(audience, campaign)

    async def store(self, build: Build, members: Sequence[Member], states: Mapping[str, PhoneState]) -> None:
        """Turn a chunk of the snapshot into recipients, in the transaction that counts them as read."""
        audience = await self._fenced(build)
        phones = sorted({phone.e164 for member in members for phone in member.phones})
        policy = Policy(
            now=self._uow.now,
            recontact_days=build.recontact_days,
            includes_earlier_conversations=build.includes_earlier_conversations,
            own_numbers=await queries.own_numbers(self._uow.session),
        )
        history = await self._history(phones)
        chosen = {
            str(member.contact_id): choose_phone(phone_facts(member, states, history), policy) for member in members
        }
        choices = exclude_repeated(
            chosen,
            in_other_campaigns=await queries.phones_in_other_campaigns(self._uow.session, build.campaign_id, phones),
            already_taken=await self._taken(build.audience_id, phones),
        )
        enrolments = [
            enrol(
                member,
                choices[str(member.contact_id)],
                campaign_id=build.campaign_id,
                wordings=build.wordings,
            )
            for member in members
        ]
        await self._add_places({enrolment.place.key: enrolment.place for enrolment in enrolments}, build)
        await self._uow.session.execute(
            insert(Recipient), [self._row(build, enrolment.columns) for enrolment in enrolments]
        )
        audience.read_count += len(members)
        audience.leased_until = wall_now() + LEASE
        self._uow.hint("audiences", audience.id, audience.read_count)

    async def finish(self, build: Build) -> None:
        """Make the audience the campaign's current one, and apply what was learned while it was read."""
        await queries.lock_builds(self._uow.session, shared=False)
        campaign = await self._campaigns.get(build.campaign_id, lock=True)
        audience = await self._fenced(build)
        if campaign.status is not CampaignStatus.DRAFT:
            audience.move(AudienceStatus.STALE)
            await self._clear([audience.id])
            await self._people.forget_late_changes(audience.id)
            return
        await self._people.catch_up(build.audience_id)
        await self._people.forget_late_changes(build.audience_id)
        await self._apply_late_opt_outs(build)
        await self._retire_others(build)
        audience.move(AudienceStatus.READY)
        audience.ready_at, audience.leased_until, audience.error = self._uow.now, None, None
        audience.expected_count = audience.read_count
        campaign.audience_id = audience.id
        self._uow.hint("campaigns", campaign.id, campaign.version)

    async def fail(self, build: Build, error: AppError) -> None:
        """Give up for good where the lists were refused; else leave it to be tried again in a moment."""
        audience = await self._fenced(build)
        audience.error = error.message
        audience.leased_until = wall_now() + RETRY_AFTER
        if isinstance(error, ProviderRejected):
            audience.move(AudienceStatus.FAILED)
            await self._clear([audience.id])
            await self._people.forget_late_changes(audience.id)
            audience.read_count = 0

    async def _fenced(self, build: Build) -> Audience:
        found = await self._uow.session.execute(
            select(Audience)
            .where(
                Audience.id == build.audience_id,
                Audience.attempt == build.attempt,
                Audience.status == AudienceStatus.BUILDING,
            )
            .with_for_update()
        )
        audience = found.scalar_one_or_none()
        if audience is None:
            raise Overtaken
        return audience

    async def _history(self, phones: Sequence[str]) -> History:
        opted_out = await self._uow.session.execute(
            select(PhoneConsent.phone).where(PhoneConsent.phone.in_(phones), PhoneConsent.is_opted_out)
        )
        lines = await self._uow.session.execute(
            select(LineType.phone, LineType.line_type).where(LineType.phone.in_(phones))
        )
        return History(
            opted_out=frozenset(opted_out.scalars()),
            lines={phone: Line(kind) for phone, kind in lines},
            texted_at=await queries.last_texted(self._uow.session, phones),
        )

    async def _taken(self, audience_id: UUID, phones: Sequence[str]) -> set[str]:
        found = await self._uow.session.execute(
            select(Recipient.phone).where(
                Recipient.audience_id == audience_id,
                Recipient.phone.in_(phones),
                Recipient.status != RecipientStatus.EXCLUDED,
            )
        )
        return {phone for phone in found.scalars() if phone}

    async def _add_places(self, places: Mapping[str, Any], build: Build) -> None:
        await self._uow.session.execute(
            upsert(Place)
            .values(
                [
                    {
                        "audience_id": build.audience_id,
                        "key": key,
                        "zones": list(place.zones),
                        "region": place.region,
                    }
                    for key, place in sorted(places.items())
                ]
            )
            .on_conflict_do_nothing()
        )

    def _row(self, build: Build, columns: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": uuid7(),
            "campaign_id": build.campaign_id,
            "audience_id": build.audience_id,
            "status_at": self._uow.now,
            "step": 1,
            "turn": 0,
            **columns,
        }

    async def _apply_late_opt_outs(self, build: Build) -> None:
        """An opt-out that was consumed between the reading of a chunk's states and its commit found no row to end."""
        found = await self._uow.session.execute(
            select(Recipient, PhoneConsent.changed_at)
            .join(PhoneConsent, PhoneConsent.phone == Recipient.phone)
            .where(
                Recipient.audience_id == build.audience_id,
                Recipient.status == RecipientStatus.WAITING,
                PhoneConsent.is_opted_out,
            )
            .with_for_update(of=Recipient)
        )
        for recipient, changed_at in found:
            line: Transition = recipient.move(RecipientStatus.OPTED_OUT, at=changed_at, reason="opted_out")
            self._uow.session.add(line)

    async def _retire_others(self, build: Build) -> None:
        """Older versions were never launched: nobody needs their rows."""
        others = await self._uow.session.execute(
            update(Audience)
            .where(Audience.campaign_id == build.campaign_id, Audience.id != build.audience_id)
            .values(status=AudienceStatus.STALE)
            .returning(Audience.id)
        )
        await self._clear(list(others.scalars()))

    async def _clear(self, audience_ids: Sequence[UUID]) -> None:
        await self._uow.session.execute(delete(Recipient).where(Recipient.audience_id.in_(audience_ids)))
        await self._uow.session.execute(delete(Place).where(Place.audience_id.in_(audience_ids)))


def _build(audience: Audience, campaign: Campaign) -> Build:
    return Build(
        audience_id=audience.id,
        campaign_id=campaign.id,
        attempt=audience.attempt,
        lists=tuple(audience.lists),
        exclude_lists=tuple(audience.exclude_lists),
        recontact_days=audience.recontact_days,
        includes_earlier_conversations=audience.includes_earlier_conversations,
        wordings=tuple(Wording.of(v.label, v.weight, v.message) for v in campaign.variants),
    )


class AudienceBuilder:
    """The job: reads from contacts and messaging between transactions, stores in short ones."""

    def __init__(self, begin: Begin, contacts: Contacts, phones: Phones, *, chunk: int = CHUNK) -> None:
        self._begin = begin
        self._contacts = contacts
        self._phones = phones
        self._chunk = chunk

    async def run_once(self) -> int:
        async with self._begin() as tx:
            build = await (await tx.aget(AudienceService)).claim()
        if build is None:
            return 0
        try:
            await self._read(build)
        except Overtaken:
            pass  # Another builder has taken the build over; what is theirs is not ours to finish.
        except AppError as error:
            await self._fail(build, error)
        return 1

    async def _read(self, build: Build) -> None:
        chunk: list[Member] = []
        async for member in self._contacts.members(build.lists, build.exclude_lists):
            chunk.append(member)
            if len(chunk) == self._chunk:
                await self._store(build, chunk)
                chunk = []
        if chunk:
            await self._store(build, chunk)
        async with self._begin() as tx:
            await (await tx.aget(AudienceService)).finish(build)

    async def _store(self, build: Build, members: list[Member]) -> None:
        phones = sorted({phone.e164 for member in members for phone in member.phones})
        states = await self._phones.phone_states(phones)
        async with self._begin() as tx:
            await (await tx.aget(AudienceService)).store(build, members, states)

    async def _fail(self, build: Build, error: AppError) -> None:
        try:
            async with self._begin() as tx:
                await (await tx.aget(AudienceService)).fail(build, error)
        except Overtaken:
            return
