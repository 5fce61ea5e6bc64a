"""Customers and the people they are: who is whose, made where nobody is, edited here and in QuickBooks."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version
from shared.ids import uuid7
from sqlalchemy import func, or_, select
from sqlalchemy.dialects.postgresql import insert

from billing import documents
from billing.clashes import CustomerEdit
from billing.errors import AlreadyDecided, AlreadyLinked, ContactGone, CustomerGone, NothingToCallIt
from billing.matching import Match, compare, names_of_customer, place_of, profile_of_contact, profile_of_customer
from billing.models import CandidateStatus, ContactCopy, Customer, MatchCandidate, Push
from billing.services.announcing import Announcer
from billing.services.connections import ConnectionService
from billing.services.drafted import forget_unneeded, give_way
from billing.services.intents import IntentService
from billing.services.people import MATCH_CHANNEL, PeopleService
from billing.states import PushKind, Source

MADE_HERE = "Created here"
_AS_MADE = 1
"""The version of a customer that nobody edited since it was made."""


class CustomerService:
    """Lives in one transaction.

    Whoever changes whose customer a row is locks the person first and the row then; matching, which has the rows
    first, only tries to lock persons.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        people: PeopleService,
        connections: ConnectionService,
        intents: IntentService,
        announcer: Announcer,
    ) -> None:
        self._uow = uow
        self._people = people
        self._connections = connections
        self._intents = intents
        self._announcer = announcer

    async def get(self, customer_id: UUID, *, lock: bool = False) -> Customer:
        """Raises NotFound."""
        row = await self._uow.session.get(Customer, customer_id, with_for_update=lock or None, populate_existing=lock)
        if row is None:
            raise NotFound("There is no such customer.")
        return row

    async def _own(self, customer_id: UUID) -> Customer:
        """Locked, for a person to change it. Raises NotFound or OfAnotherCompany."""
        row = await self.get(customer_id, lock=True)
        await self._connections.check_belongs(row.realm_id)
        return row

    async def ensure(self, contact_id: UUID, *, by: str) -> Customer:
        """The customer that this contact is; looked for first, and made only where there is none: for ourselves, until
        a form of theirs is to be written (`write`).

        One person at a time: who asks twice at once gets the same one. Raises NotConnected, NotFound or ContactGone
        (the contact), CustomerGone (its customer was made inactive in QuickBooks), NothingToCallIt.
        """
        customer, _ = await self._found_or_made(contact_id, by=by)
        return customer

    async def obtain(self, contact_id: UUID, *, by: str) -> tuple[Customer, bool]:
        """`ensure` and `write`, with whether the customer was made just now."""
        customer, is_made = await self._found_or_made(contact_id, by=by)
        await self.write(customer, by=by)
        return customer, is_made

    async def _found_or_made(self, contact_id: UUID, *, by: str) -> tuple[Customer, bool]:
        realm_id = (await self._connections.active()).realm_id
        contact = await self._locked_contact(contact_id)
        found = await self._linked(realm_id, contact.contact_id) or await self._matching(realm_id, contact, by=by)
        return (found, False) if found is not None else (self._make(realm_id, contact, by=by), True)

    async def hold(self, customer_id: UUID) -> None:
        """Of a customer that is not in QuickBooks, or not any more, nobody else decides until the transaction ends.

        Their drafts are locked after them, as by whoever makes one customer of two, and may be none of theirs by then.
        """
        session = self._uow.session
        row = await session.get(Customer, customer_id)
        if row is None or (row.qb_id is not None and row.is_active):
            return
        await self._people.hold_erasures()
        if row.contact_id is not None:
            await self._lock_person(row.contact_id)
        await session.get(Customer, customer_id, with_for_update=True, populate_existing=True)

    async def for_form(self, customer_id: UUID) -> Customer:
        """As whom a form is written that was drafted for this customer, which is held: where QuickBooks has them not,
        or not any more, as the one that is the same person now. Raises CustomerGone.
        """
        row = await self._survivor(await self.get(customer_id))
        if row.contact_id is None or (row.is_active and row.qb_id is not None):
            return row
        person = await self._people.person(row.contact_id)
        found = await self._linked(row.realm_id, person) or row
        await self._give_way(found, person)
        return found

    async def write(self, row: Customer, *, by: str) -> None:
        """Somebody needs them in QuickBooks; also one whose writing was given up is written then.

        One that only drafts named is written as the contact is by now, unless somebody edited it, and whose they are is
        told from now on. Raises ContactGone.
        """
        if row.qb_id is not None or await self._intents.unsettled(row.id):
            return
        if row.contact_id is not None and row.link_version == 0:
            contact = await self._people.contact(row.contact_id)
            if row.version == _AS_MADE:
                self._describe(row, contact)
            self._announcer.link(row, row.contact_id, reason=MADE_HERE, score=None, by=by)
        self._intents.queue(PushKind.CREATE_CUSTOMER, row, by=by)

    async def forget_unneeded(self, customer_id: UUID) -> None:
        """Of one that was made for drafts, and which is held, nothing stays once the last of them is gone."""
        await forget_unneeded(self._uow, self._announcer, customer_id)

    async def _give_way(self, kept: Customer, person: UUID) -> None:
        await give_way(self._uow, self._announcer, kept, await self._people.family(person))

    async def _locked_contact(self, contact_id: UUID) -> ContactCopy:
        """The person whom this id stands for, ours alone until the transaction ends."""
        await self._lock_person(contact_id)
        return await self._people.contact(contact_id)

    async def _lock_person(self, contact_id: UUID) -> None:
        await self._people.hold_erasures()
        person, held = await self._people.person(contact_id), None
        # While it was waited for, they may have become somebody else.
        while person != held:
            await self._people.lock(person)
            person, held = await self._people.person(contact_id), person

    async def _linked(self, realm_id: str, person: UUID) -> Customer | None:
        """The customer that is this person's already. Of several the one in QuickBooks, and of those the first."""
        rows = await self._uow.session.scalars(
            select(Customer)
            .where(Customer.realm_id == realm_id, Customer.contact_id.in_(await self._people.family(person)))
            .order_by(Customer.qb_id.is_(None), Customer.id)
        )
        ours = [await self._survivor(row) for row in rows]
        active = next((row for row in ours if row.is_active), None)
        if ours and active is None:
            raise CustomerGone(
                f"The customer {ours[0].display_name} was made inactive in QuickBooks. Make it active again there, or"
                " link the customer that it was merged into, or unlink it from this contact."
            )
        return active

    async def _survivor(self, row: Customer) -> Customer:
        """What a customer became by merges in QuickBooks; the link goes along. Two that became each other end it."""
        passed = set[UUID]()
        while row.merged_into_id is not None and row.id not in passed:
            passed.add(row.id)
            kept = await self.get(row.merged_into_id, lock=True)
            if kept.contact_id is None:
                self._announcer.move_link(row, kept)
            row = kept
        return row

    async def _matching(self, realm_id: str, contact: ContactCopy, *, by: str) -> Customer | None:
        """A customer that is nobody's and surely this contact, linked from now on. Of several the most alike."""
        profile = profile_of_contact(contact)
        refused = await self._refused(contact.contact_id)
        found: list[tuple[int, UUID, Match]] = []
        for row in await self._alike(realm_id, contact):
            match = compare(profile, profile_of_customer(row))
            if match is not None and match.is_sure and row.id not in refused:
                found.append((-match.score, row.id, match))
        for _, customer_id, match in sorted(found, key=lambda one: one[:2]):
            row = await self.get(customer_id, lock=True)
            if row.contact_id is None and row.is_active:
                await self._link(row, contact.contact_id, reason=match.words, score=match.score, by=by)
                return row
        return None

    async def _alike(self, realm_id: str, contact: ContactCopy) -> Iterable[Customer]:
        zip_code = place_of(None, None, contact.postal_code).zip
        return await self._uow.session.scalars(
            select(Customer).where(
                Customer.realm_id == realm_id,
                Customer.is_active,
                Customer.contact_id.is_(None),
                or_(
                    Customer.phone.in_(contact.phones),
                    Customer.email.in_(contact.emails),
                    func.left(Customer.postal_code, 5) == zip_code,
                ),
            )
        )

    async def _refused(self, person: UUID) -> set[UUID]:
        """Customers of which somebody said that this person is not them."""
        rows = await self._uow.session.scalars(
            select(MatchCandidate.customer_id).where(
                MatchCandidate.contact_id.in_(await self._people.family(person)),
                MatchCandidate.status == CandidateStatus.REFUSED,
            )
        )
        return set(rows)

    def _make(self, realm_id: str, contact: ContactCopy, *, by: str) -> Customer:
        row = Customer(
            id=uuid7(),
            realm_id=realm_id,
            sync_token=-1,
            qb_updated_at="",
            version=_AS_MADE,
            is_active=True,
            source=Source.CRM,
            contact_id=contact.contact_id,
            link_version=0,
            link_reason=MADE_HERE,
            linked_by=by,
            linked_at=self._uow.now,
            needs_match=False,
            created_at=self._uow.now,
        )
        self._describe(row, contact)
        self._uow.session.add(row)
        self._uow.hint("customers", row.id, row.version)
        return row

    @staticmethod
    def _describe(row: Customer, contact: ContactCopy) -> None:
        """As the contact is. Raises NothingToCallIt."""
        name = documents.display_name(contact)
        if not name:
            raise NothingToCallIt("This contact has neither name nor phone nor e-mail. Enter one of them first.")
        row.display_name, row.company_name = name, contact.company_name
        row.given_name, row.family_name = contact.given_name, contact.family_name
        row.phone, row.email = next(iter(contact.phones), None), next(iter(contact.emails), None)
        row.street, row.city, row.region = contact.street, contact.city, contact.region
        row.postal_code = contact.postal_code
        row.name_keys = names_of_customer(row).keys

    async def adopt(self, push: Push) -> bool:
        """Whether the customer that is to be made turned out to stand in QuickBooks, by all that was read since it was
        looked for: then it is that one, and nothing is written.
        """
        ours = await self.get(push.target_id)
        if ours.contact_id is None:
            return False
        try:
            contact = await self._locked_contact(ours.contact_id)
        except (NotFound, ContactGone):
            return False  # It was meant when the contact was there, and forms may wait for it.
        ours = await self.get(ours.id, lock=True)
        if ours.contact_id is None or ours.qb_id is not None:
            return False
        found = await self._linked(ours.realm_id, contact.contact_id)
        if found is None or found.qb_id is None:
            found = await self._matching(ours.realm_id, contact, by=push.created_by)
        if found is None or found.qb_id is None:
            return False
        self._announcer.unlink(ours, reason="QuickBooks has this customer already")
        await self._intents.become(push, ours, found)
        return True

    async def link(self, customer_id: UUID, contact_id: UUID, *, by: str) -> Customer:
        """A person says who this customer is. Raises NotFound, ContactGone, AlreadyLinked, CustomerGone (merged) or
        OfAnotherCompany.
        """
        contact = await self._locked_contact(contact_id)
        row = await self._own(customer_id)
        await self._link(row, contact.contact_id, reason="Linked by hand", score=None, by=by)
        return row

    async def _link(self, row: Customer, person: UUID, *, reason: str, score: int | None, by: str) -> None:
        if row.merged_into_id is not None:
            raise CustomerGone("This customer was merged into another one in QuickBooks. Link that one.")
        if row.contact_id in await self._people.family(person):
            return
        if row.contact_id is not None:
            raise AlreadyLinked("This customer is linked to another contact. Unlink it first.")
        self._announcer.link(row, person, reason=reason, score=score, by=by)
        await self._settle_doubts(row.id, person, by=by)
        if row.is_active:
            # For one that is not, nothing can be written: what is drafted stays whose it is.
            await self._give_way(row, person)

    async def _settle_doubts(self, customer_id: UUID, person: UUID, *, by: str) -> None:
        """Who it is, is known: nothing about this customer is left to decide."""
        doubts = await self._uow.session.scalars(
            select(MatchCandidate)
            .where(MatchCandidate.customer_id == customer_id, MatchCandidate.status != CandidateStatus.OBSOLETE)
            .order_by(MatchCandidate.id)
            .with_for_update()
        )
        for doubt in doubts:
            if doubt.contact_id == person:
                doubt.status, doubt.decided_by = CandidateStatus.LINKED, by
            elif doubt.status is CandidateStatus.OPEN:
                doubt.status = CandidateStatus.OBSOLETE

    async def unlink(self, customer_id: UUID, *, by: str) -> Customer:
        """This customer is not that person, and will not be proposed as them again. Raises NotFound or
        OfAnotherCompany.
        """
        row = await self._own(customer_id)
        if row.contact_id is None:
            return row
        refused = insert(MatchCandidate).values(
            id=uuid7(),
            customer_id=row.id,
            contact_id=await self._people.person(row.contact_id),
            score=row.link_score or 0,
            reasons=[row.link_reason or "Linked by hand"],
            status=CandidateStatus.REFUSED,
            decided_by=by,
            created_at=self._uow.now,
        )
        await self._uow.session.execute(
            refused.on_conflict_do_update(
                index_elements=["customer_id", "contact_id"],
                set_={"status": CandidateStatus.REFUSED, "decided_by": by},
            )
        )
        self._announcer.unlink(row, reason="Unlinked by hand")
        self._look_again(row)
        return row

    def _look_again(self, row: Customer) -> None:
        if row.is_active and row.contact_id is None:
            row.needs_match = True
            self._uow.wake(MATCH_CHANNEL)

    async def decide(self, candidate_id: UUID, *, accept: bool, by: str) -> MatchCandidate:
        """A person decides a doubt. Raises NotFound, AlreadyDecided, OfAnotherCompany, and what `link` raises."""
        doubt = await self._doubt(candidate_id)
        person = (await self._locked_contact(doubt.contact_id)).contact_id if accept else doubt.contact_id
        row = await self._own(doubt.customer_id)
        doubt = await self._doubt(candidate_id, lock=True)
        if doubt.status is not CandidateStatus.OPEN:
            raise AlreadyDecided(f"This was decided meanwhile: it is {doubt.status}.")
        if accept:
            reason = Match(doubt.score, tuple(doubt.reasons)).words
            await self._link(row, person, reason=reason, score=doubt.score, by=by)
        doubt.status = CandidateStatus.LINKED if accept else CandidateStatus.REFUSED
        doubt.decided_by = by
        return doubt

    async def _doubt(self, candidate_id: UUID, *, lock: bool = False) -> MatchCandidate:
        found = await self._uow.session.get(
            MatchCandidate, candidate_id, with_for_update=lock or None, populate_existing=lock
        )
        if found is None:
            raise NotFound("There is no such match to decide.")
        return found

    async def edit(
        self, customer_id: UUID, changes: Mapping[str, str | None], *, expected_version: int, by: str
    ) -> Customer:
        """Change it here, and what differs in QuickBooks too, on top of whatever was changed there meanwhile.

        Raises NotFound, PreconditionFailed, NotConnected, OfAnotherCompany, or CustomerGone where it is inactive.
        """
        await self._connections.active()
        row = await self._own(customer_id)
        check_version(row.version, expected_version)
        if not row.is_active:
            raise CustomerGone(
                f"The customer {row.display_name} is inactive in QuickBooks. Make it active there first."
            )
        changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
        if not changed:
            return row
        edit = CustomerEdit.on(row, changed)
        for name, value in changed.items():
            setattr(row, name, value)
        row.name_keys = names_of_customer(row).keys
        row.touch()
        self._look_again(row)
        if row.qb_id is not None or await self._intents.unsettled(row.id):
            self._intents.queue(PushKind.UPDATE_CUSTOMER, row, by=by, argument=edit.stored())
        self._uow.hint("customers", row.id, row.version)
        return row
