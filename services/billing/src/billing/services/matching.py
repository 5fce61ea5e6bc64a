"""Matching: customers without a person are looked at; who surely is somebody is linked, a doubt goes to the queue."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.ids import uuid7
from sqlalchemy import and_, func, or_, select

from billing.matching import Match, Profile, choose, compare, profile_of_contact, profile_of_customer
from billing.models import CandidateStatus, ContactCopy, Customer, MatchCandidate
from billing.services.announcing import Announcer
from billing.services.drafted import give_way, is_only_drafted
from billing.services.marks import is_first_reading
from billing.services.merges import MOVED_HERE
from billing.services.people import PeopleService

BATCH = 200
MOST_DOUBTS = 10
"""Of one customer: of a common name in a large city nobody would look at more."""

Matches = dict[UUID, Match]
"""Person → how alike."""


class MatchService:
    """Lives in one transaction. Holds the customers that it looks at, and the persons who are theirs where nobody else
    has them; with both it waits only for customers of these persons whom nothing but drafts names.
    """

    def __init__(self, uow: UnitOfWork, people: PeopleService, announcer: Announcer) -> None:
        self._uow = uow
        self._people = people
        self._announcer = announcer

    async def match_next(self) -> int:
        """Look at the next customers; returns how many are done with.

        Customers of a person about whom somebody else decides at this moment are left for the next time.
        """
        await self._people.hold_erasures()
        rows = (
            await self._uow.session.scalars(
                select(Customer)
                .where(Customer.needs_match, ~is_first_reading(Customer.realm_id))
                .order_by(Customer.id)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            )
        ).all()
        await self._inherit([row for row in rows if _is_open(row)])
        found = await self._matches([row for row in rows if _is_open(row)])
        free = await self._people.try_lock({person for one in found.values() for person in _sure(one)})
        done = [row for row in rows if _sure(found.get(row.id, {})) <= free]
        await self._decide(done, found)
        for row in done:
            row.needs_match = False
        return len(done)

    async def _inherit(self, rows: Sequence[Customer]) -> None:
        """Whoever turned out to be a customer that QuickBooks had already leaves it the person."""
        by_id = {row.id: row for row in rows}
        gone = await self._uow.session.scalars(
            select(Customer)
            .where(Customer.merged_into_id.in_(by_id), Customer.contact_id.is_not(None))
            .order_by(Customer.id)
            .with_for_update(skip_locked=True)
        )
        for one in gone:
            self._announcer.move_link(one, by_id[one.merged_into_id or one.id])

    # --- Who may be whom

    async def _matches(self, rows: Sequence[Customer]) -> dict[UUID, Matches]:
        """By customer. Pairs that somebody refused are left out, also under the ids of merged contacts."""
        profiles = {row.id: profile_of_customer(row) for row in rows}
        contacts = await self._alike(rows, profiles.values())
        refused = await self._refused([row.id for row in rows])
        persons = await self._people.persons({one.contact_id for one in contacts} | {one for _, one in refused})
        barred = {(customer_id, persons[contact_id]) for customer_id, contact_id in refused}
        index = _Index(contacts)
        found: dict[UUID, Matches] = {}
        for row in rows:
            matches = found[row.id] = {}
            for contact_id, profile in index.near(profiles[row.id]):
                match, person = compare(profiles[row.id], profile), persons[contact_id]
                if match is not None and (row.id, person) not in barred:
                    matches[person] = _better(match, matches.get(person))
        return found

    async def _alike(self, rows: Sequence[Customer], profiles: Collection[Profile]) -> Sequence[ContactCopy]:
        phones = sorted({phone for one in profiles for phone in one.phones})
        emails = sorted({email for one in profiles for email in one.emails})
        keys = sorted({key for one in profiles for key in one.names.keys})
        zips = sorted({one.place.zip for one in profiles if one.place.zip})
        cities = sorted({row.city.strip().lower() for row in rows if row.city})
        place = or_(func.left(ContactCopy.postal_code, 5).in_(zips), func.lower(ContactCopy.city).in_(cities))
        found = await self._uow.session.scalars(
            select(ContactCopy).where(
                ContactCopy.is_active,
                or_(
                    ContactCopy.phones.bool_op("&&")(phones),
                    ContactCopy.emails.bool_op("&&")(emails),
                    and_(ContactCopy.name_keys.bool_op("&&")(keys), place),
                ),
            )
        )
        return found.all()

    async def _refused(self, customer_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
        rows = await self._uow.session.execute(
            select(MatchCandidate.customer_id, MatchCandidate.contact_id).where(
                MatchCandidate.customer_id.in_(customer_ids), MatchCandidate.status == CandidateStatus.REFUSED
            )
        )
        return [(customer_id, contact_id) for customer_id, contact_id in rows]

    # --- What follows

    async def _decide(self, rows: Sequence[Customer], found: Mapping[UUID, Matches]) -> None:
        # Read only now: whoever linked one of these persons before we had them to ourselves has committed.
        taken = await self._taken(rows, {person for matches in found.values() for person in matches})
        doubts = await self._doubts([row.id for row in rows])
        for row in rows:
            if not _is_open(row):
                self._settle(doubts[row.id], row.contact_id)
                continue
            matches = {
                person: match.doubted("Is another customer already") if (row.realm_id, person) in taken else match
                for person, match in found[row.id].items()
            }
            person = choose(matches)
            if person is not None:
                match = matches[person]
                self._announcer.link(row, person, reason=match.words, score=match.score, by="matching")
                await give_way(self._uow, self._announcer, row, await self._people.family(person))
                taken.add((row.realm_id, person))
                self._settle(doubts[row.id], person)
            else:
                self._propose(row, matches, doubts[row.id])

    async def _taken(self, rows: Sequence[Customer], persons: Collection[UUID]) -> set[tuple[str, UUID]]:
        """Company and person, where that is an active customer of it already, not only for drafts of ours."""
        family = await self._people.families(persons)
        linked = await self._uow.session.execute(
            select(Customer.realm_id, Customer.contact_id).where(
                Customer.realm_id.in_({row.realm_id for row in rows}),
                Customer.contact_id.in_(family),
                Customer.is_active,
                ~is_only_drafted(),
            )
        )
        return {(realm_id, family[contact_id]) for realm_id, contact_id in linked if contact_id}

    async def _doubts(self, customer_ids: Sequence[UUID]) -> dict[UUID, list[MatchCandidate]]:
        rows = await self._uow.session.scalars(
            select(MatchCandidate).where(MatchCandidate.customer_id.in_(customer_ids)).order_by(MatchCandidate.id)
        )
        found: dict[UUID, list[MatchCandidate]] = defaultdict(list)
        for row in rows:
            found[row.customer_id].append(row)
        return found

    @staticmethod
    def _settle(doubts: Iterable[MatchCandidate], person: UUID | None) -> None:
        """Nothing about this customer is left to decide."""
        for doubt in doubts:
            if doubt.status is CandidateStatus.OPEN:
                is_it = doubt.contact_id == person
                doubt.status = CandidateStatus.LINKED if is_it else CandidateStatus.OBSOLETE
                doubt.decided_by = "matching" if is_it else None

    def _propose(self, row: Customer, matches: Matches, doubts: Sequence[MatchCandidate]) -> None:
        """Bring the queue to what is doubtful now: the likeliest come in, what is no longer so goes. What speaks for a
        merge in QuickBooks stays.
        """
        likeliest = dict(sorted(matches.items(), key=lambda one: (-one[1].score, one[0]))[:MOST_DOUBTS])
        known = {doubt.contact_id: doubt for doubt in doubts if doubt.status is not CandidateStatus.REFUSED}
        for contact_id, doubt in known.items():
            is_open = doubt.status is CandidateStatus.OPEN
            if is_open and contact_id not in likeliest and MOVED_HERE not in doubt.reasons:
                doubt.status = CandidateStatus.OBSOLETE
        for person, match in likeliest.items():
            doubt = known.get(person) or self._new_doubt(row, person)
            kept = [MOVED_HERE] if MOVED_HERE in (doubt.reasons or ()) else []
            doubt.score, doubt.reasons = match.score, [*match.reasons, *kept]
            doubt.status, doubt.decided_by = CandidateStatus.OPEN, None
        if likeliest or known:
            self._uow.hint("customers", row.id, row.version)

    def _new_doubt(self, row: Customer, person: UUID) -> MatchCandidate:
        doubt = MatchCandidate(id=uuid7(), customer_id=row.id, contact_id=person, created_at=self._uow.now)
        self._uow.session.add(doubt)
        return doubt


class _Index:
    """Contacts by everything that they may have in common with a customer."""

    def __init__(self, contacts: Iterable[ContactCopy]) -> None:
        self._profiles = {contact.contact_id: profile_of_contact(contact) for contact in contacts}
        self._by: dict[str, set[UUID]] = defaultdict(set)
        for contact_id, profile in self._profiles.items():
            for key in _keys(profile):
                self._by[key].add(contact_id)

    def near(self, profile: Profile) -> list[tuple[UUID, Profile]]:
        ids = {contact_id for key in _keys(profile) for contact_id in self._by.get(key, ())}
        return [(contact_id, self._profiles[contact_id]) for contact_id in sorted(ids)]


def _keys(profile: Profile) -> list[str]:
    return [*profile.phones, *profile.emails, *(f"name {key}" for key in profile.names.keys)]


def _is_open(row: Customer) -> bool:
    return row.is_active and row.contact_id is None and row.merged_into_id is None


def _sure(matches: Matches) -> set[UUID]:
    return {person for person, match in matches.items() if match.is_sure}


def _better(match: Match, other: Match | None) -> Match:
    """Of a person and its merged aliases, the likest; the reasons decide between equals, so that order never does."""

    def rank(one: Match) -> Any:
        return one.score, one.reasons

    return match if other is None else max(match, other, key=rank)


class MatchProcess:
    """Looks at customers as long as there are some."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(MatchService)).match_next()
