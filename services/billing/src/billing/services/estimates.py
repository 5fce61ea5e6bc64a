"""Estimates: drafted here, written into QuickBooks once, sent, answered by the customer, or expired."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from shared.database import Begin, UnitOfWork
from shared.errors import InvalidTransition, NotFound
from shared.etag import check_version
from shared.ids import uuid7
from shared.rules.money import Money
from sqlalchemy import select

from billing.errors import AlreadyAnswered, EmptyForm, LastDayPassed, NoEmailAddress, NotADraft, PriceChanged
from billing.lines import LineKind, read_lines, store_lines
from billing.models import Connection, Customer, Estimate, Job, Push
from billing.services.announcing import Announcer
from billing.services.connections import ConnectionService
from billing.services.customers import CustomerService
from billing.services.forms import FormService, WantedLine
from billing.services.intents import IntentService
from billing.services.marks import is_kept_up
from billing.settings import Settings
from billing.settlement import company_day, company_midnight
from billing.states import EstimateStatus, PushKind, Source

_MOST = 500
ANSWERABLE = (EstimateStatus.OPEN, EstimateStatus.EXPIRED)
_SENDABLE = (EstimateStatus.DRAFT, EstimateStatus.OPEN, EstimateStatus.ACCEPTED, EstimateStatus.EXPIRED)


@dataclass(frozen=True)
class NewEstimate:
    contact_id: UUID
    lines: Sequence[WantedLine]
    job_id: UUID | None = None
    email: str | None = None
    memo: str | None = None
    expires_on: date | None = None


@dataclass(frozen=True)
class EstimateChanges:
    """`columns` are set as they are; `lines` replaces all lines."""

    columns: dict[str, Any] = field(default_factory=dict)
    lines: Sequence[WantedLine] | None = None


class EstimateService:
    """Lives in one transaction."""

    def __init__(
        self,
        uow: UnitOfWork,
        connections: ConnectionService,
        customers: CustomerService,
        forms: FormService,
        intents: IntentService,
        announcer: Announcer,
        settings: Settings,
    ) -> None:
        self._uow = uow
        self._connections = connections
        self._customers = customers
        self._forms = forms
        self._intents = intents
        self._announcer = announcer
        self._valid_for = timedelta(days=settings.estimate_valid_days)

    async def get(self, estimate_id: UUID, *, lock: bool = False) -> Estimate:
        """Raises NotFound."""
        found = await self._uow.session.get(Estimate, estimate_id, with_for_update=lock or None, populate_existing=lock)
        if found is None:
            raise NotFound("There is no such estimate.")
        return found

    async def hold(self, estimate_id: UUID) -> Estimate:
        """Locked, and before it its customer, where that is not in QuickBooks. Raises NotFound."""
        named, held = select(Estimate.customer_id).where(Estimate.id == estimate_id), None
        # While they were waited for, the draft may have become another customer's.
        while (customer_id := await self._uow.session.scalar(named)) not in (None, held):
            await self._customers.hold(customer_id)
            held = customer_id
        return await self.get(estimate_id, lock=True)

    async def draft(self, new: NewEstimate, *, by: str) -> Estimate:
        """A draft is ours alone, and so is a customer that is made for it. Raises NotConnected, NotFound (contact, job)
        or UnknownItem.
        """
        connection = await self._connections.active()
        customer = await self._customers.ensure(new.contact_id, by=by)
        await self._check_job(new.job_id)
        row = Estimate(
            id=uuid7(),
            realm_id=connection.realm_id,
            sync_token=-1,
            qb_updated_at="",
            version=1,
            status=EstimateStatus.DRAFT,
            status_at=self._uow.now,
            customer_id=customer.id,
            job_id=new.job_id,
            currency=connection.currency,
            written_on=self._forms.today(connection),
            expires_on=new.expires_on,
            email=new.email or customer.email,
            memo=new.memo,
            source=Source.CRM,
            created_by=by,
            created_at=self._uow.now,
        )
        await self._fill(row, new.lines, connection)
        self._uow.session.add(row)
        await self._uow.session.flush()
        self._uow.hint("estimates", row.id, row.version)
        return row

    async def _check_job(self, job_id: UUID | None) -> None:
        if job_id is not None and await self._uow.session.get(Job, job_id) is None:
            raise NotFound("There is no such job.")

    async def _fill(self, row: Estimate, wanted: Sequence[WantedLine], connection: Connection) -> None:
        lines = await self._forms.lines(row.realm_id, wanted)
        row.lines = store_lines(lines)
        self._forms.fill_totals(row, self._forms.totals(lines, connection))

    async def edit(self, estimate_id: UUID, changes: EstimateChanges, *, expected_version: int) -> Estimate:
        """Raises NotADraft once it stands in QuickBooks, PreconditionFailed, UnknownItem, OfAnotherCompany."""
        row = await self.get(estimate_id, lock=True)
        check_version(row.version, expected_version)
        self._check_draft(row)
        await self._connections.check_belongs(row.realm_id)
        await self._check_job(changes.columns.get("job_id"))
        for name, value in changes.columns.items():
            setattr(row, name, value)
        if changes.lines is not None:
            await self._fill(row, changes.lines, await self._connections.active())
        row.touch()
        self._uow.hint("estimates", row.id, row.version)
        return row

    async def discard(self, estimate_id: UUID, *, expected_version: int) -> None:
        """With it goes a customer that was made for drafts alone, where this was the last one. Raises NotADraft."""
        row = await self.hold(estimate_id)
        check_version(row.version, expected_version)
        self._check_draft(row)
        await self._uow.session.delete(row)
        await self._uow.session.flush()
        await self._customers.forget_unneeded(row.customer_id)

    @staticmethod
    def _check_draft(row: Estimate) -> None:
        if row.status is not EstimateStatus.DRAFT:
            raise NotADraft("This estimate is in QuickBooks already; only a draft can be changed here.")

    async def push(self, estimate_id: UUID, *, by: str) -> Estimate:
        """Write it into QuickBooks, after a customer who is not there: once, however often this is asked for. Raises
        what would keep it from that.
        """
        row = await self.hold(estimate_id)
        await self._connections.check_belongs(row.realm_id)
        if row.status is EstimateStatus.DRAFT:
            await self._open(row, by=by)
        return row

    async def _open(self, row: Estimate, *, by: str) -> None:
        connection = await self._connections.active()
        customer = await self._customers.for_form(row.customer_id)
        row.customer_id = customer.id
        lines = read_lines(row.lines)
        if not any(line.kind is LineKind.ITEM for line in lines):
            raise EmptyForm("An estimate needs at least one line with an item. Add one and try again.")
        await self._forms.check_sold(row.realm_id, lines)
        row.written_on = self._forms.today(connection)
        row.expires_on = self._last_day(row)
        self._forms.check_writable(connection, customer, row.written_on)
        row.number = row.number or await self._intents.next_number(Estimate)
        row.move(EstimateStatus.OPEN, now=self._uow.now)
        row.touch()
        await self._customers.write(customer, by=by)
        self._intents.queue(PushKind.CREATE_ESTIMATE, row, by=by, after=customer)
        self._uow.hint("estimates", row.id, row.version)

    def _last_day(self, row: Estimate) -> date:
        """What a person said, or else counted from the day on which it is written: a draft may lie for long. Raises
        LastDayPassed.
        """
        if row.expires_on is None:
            return row.written_on + self._valid_for
        if row.expires_on < row.written_on:
            raise LastDayPassed(
                f"The last day on which this price holds, {row.expires_on}, has passed. Give it a later one, or none,"
                " and try again."
            )
        return row.expires_on

    async def send(self, estimate_id: UUID, *, to: str | None, by: str) -> Estimate:
        """E-mail it, after writing it where that is still to be done.

        Raises InvalidTransition where it was declined, invoiced or withdrawn, NotConnected, OfAnotherCompany,
        NoEmailAddress, or what would keep QuickBooks from taking it.
        """
        row = await self.hold(estimate_id)
        if row.status not in _SENDABLE:
            raise InvalidTransition(f"This estimate is {row.status}. Draft another one and send that.")
        await self._connections.active_for(row.realm_id)
        row = await self.push(estimate_id, by=by)
        address = to or row.email
        if not address:
            raise NoEmailAddress("There is no e-mail address to send it to. Enter one and send again.")
        row.email = address
        self._intents.queue(PushKind.SEND_ESTIMATE, row, by=by, argument=address)
        return row

    async def answer(
        self, estimate_id: UUID, *, accepted: bool, name: str, note: str | None, shown: Money | None = None
    ) -> Estimate:
        """What the customer says, on the page or to us; QuickBooks is told. The same answer again changes nothing, but
        for a yes to what it costs by now.

        `shown` is the total that they saw when they answered. Without a connection their word counts all the same, and
        QuickBooks is told later. Raises AlreadyAnswered where it was answered otherwise, or is invoiced or gone,
        PriceChanged where it costs something else than was shown, InvalidTransition where nobody can have seen it, and
        OfAnotherCompany.
        """
        marks = await self._intents.lock_marks(estimate_id)
        row = await self.get(estimate_id, lock=True)
        await self._connections.check_belongs(row.realm_id)
        target = EstimateStatus.ACCEPTED if accepted else EstimateStatus.DECLINED
        if accepted and costs_otherwise(row):
            self._accept_anew(row, marks, name=name, note=note, shown=shown)
            return row
        if row.status is target:
            return row
        self._check_answerable(row)
        total = Money(row.total_cents, row.currency)
        if shown not in (None, total):
            raise PriceChanged(f"The price has changed since you opened this page: it is {total} now.")
        before = self._announcer.standing_of_estimate(row)
        row.move(target, now=self._uow.now)
        row.answered_by, row.answer_note = name, note
        customer = await self._uow.session.get_one(Customer, row.customer_id)
        self._announcer.estimate_moved(row, before, customer)
        # Before QuickBooks has it, nobody was shown a price that could have been changed there.
        row.accepted_cents = row.total_cents if accepted and row.qb_id is not None else None
        price = None if row.accepted_cents is None else str(row.accepted_cents)
        self._intents.queue(PushKind.MARK_ESTIMATE, row, by=name, argument=price)
        return row

    def _accept_anew(
        self, row: Estimate, marks: Sequence[Push], *, name: str, note: str | None, shown: Money | None
    ) -> None:
        """The price was changed in QuickBooks since it was accepted; only a yes to the new one is a yes to that."""
        total = Money(row.total_cents, row.currency)
        if shown != total:
            accepted = Money(row.accepted_cents or 0, row.currency)
            raise PriceChanged(f"It was accepted at {accepted}, and is {total} now. Accept it with that total.")
        row.accepted_cents, row.answered_by, row.answer_note = row.total_cents, name, note
        for mark in marks:
            self._intents.reprice(mark, row.total_cents)
        row.touch()
        self._uow.hint("estimates", row.id, row.version)

    @staticmethod
    def _check_answerable(row: Estimate) -> None:
        if row.status is EstimateStatus.DRAFT:
            raise InvalidTransition("This estimate was not sent yet. Send it first.")
        if row.status not in ANSWERABLE:
            raise AlreadyAnswered(f"This estimate is {row.status} already. Call us if that is not what you want.")

    async def expire(self) -> int:
        """Estimates whose last day has passed without an answer; returns how many."""
        found = await self._uow.session.execute(
            select(Estimate, Customer, Connection.zone)
            .join(Customer, Customer.id == Estimate.customer_id)
            .join(Connection, Connection.realm_id == Estimate.realm_id)
            .where(Estimate.status == EstimateStatus.OPEN, Estimate.expires_on <= self._uow.now.date())
            .where(is_kept_up(Estimate.realm_id, "Estimate", self._uow.now))
            .order_by(Estimate.expires_on, Estimate.id)
            .limit(_MOST)
            .with_for_update(of=Estimate, skip_locked=True)
        )
        done = 0
        for row, customer, zone in found.all():
            # The day has to have passed where the company is.
            if row.expires_on and row.expires_on < company_day(self._uow.now, zone):
                before = self._announcer.standing_of_estimate(row)
                # With its last day, however much later that is noticed.
                row.move(EstimateStatus.EXPIRED, now=company_midnight(row.expires_on + timedelta(days=1), zone))
                self._announcer.estimate_moved(row, before, customer)
                done += 1
        return done


def costs_otherwise(row: Estimate) -> bool:
    """Than the customer agreed to."""
    is_agreed = row.status in (EstimateStatus.ACCEPTED, EstimateStatus.CLOSED)
    return is_agreed and row.accepted_cents not in (None, row.total_cents)


class ExpiryProcess:
    """Lets estimates expire."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(EstimateService)).expire()
