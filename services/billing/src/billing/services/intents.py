"""What is to be written into QuickBooks: intents are queued with the change that they are about, and built when due."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound
from shared.ids import uuid7
from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, text, update
from sqlalchemy.orm import aliased

from billing import documents
from billing.clashes import accept_clash, found_clash
from billing.models import Connection, Customer, Estimate, Invoice, Push
from billing.models.books import Form
from billing.services.building import DocumentBuilder, NotReady
from billing.services.drafted import blank, erase_given_up
from billing.services.marks import MarkService, is_first_reading
from billing.services.mirrored import customer_now
from billing.services.people import hold_erasures
from billing.settings import Settings
from billing.settlement import company_day
from billing.states import UNSETTLED, EstimateStatus, PushKind, PushState

PUSH_CHANNEL = "pushes"
CHANGED = "changed_in_quickbooks"
"""The error code where somebody changed there just what a write is about."""
_NUMBER = text(
    "INSERT INTO number_series (prefix, next_number) VALUES (:prefix, 1002)"
    " ON CONFLICT (prefix) DO UPDATE SET next_number = number_series.next_number + 1 RETURNING next_number - 1"
)
_OWN_SUFFIX = re.compile(r" \([0-9a-f]{8}\)$")
_BEYOND_ANSWERS = (EstimateStatus.CLOSED, EstimateStatus.DELETED)
"""Invoiced or deleted meanwhile, which says more than an answer that is still to be written."""
_ENTITIES: dict[PushKind, str] = {
    PushKind.CREATE_CUSTOMER: "Customer",
    PushKind.UPDATE_CUSTOMER: "Customer",
    PushKind.CREATE_ESTIMATE: "Estimate",
    PushKind.MARK_ESTIMATE: "Estimate",
    PushKind.SEND_ESTIMATE: "Estimate",
    PushKind.CREATE_INVOICE: "Invoice",
    PushKind.SEND_INVOICE: "Invoice",
    PushKind.VOID_INVOICE: "Invoice",
}
_OTHER, _PART = aliased(Push, name="other"), aliased(Invoice, name="part")


def is_held_back() -> ColumnElement[bool]:
    """Of a push: an older one of its target is not settled, or its customer or estimate is still to be written.

    No customer is written while the books are read for the first time: who is meant may stand on a page to come. Parts
    of an estimate are written one after the other: the last one closes it.
    """
    estimate = select(Invoice.estimate_id).where(Invoice.id == Push.target_id).correlate(Push).scalar_subquery()
    parts = select(_PART.id).where(_PART.estimate_id == estimate).correlate(Push)
    waits = exists().where(
        _OTHER.state.in_(UNSETTLED),
        or_(
            and_(_OTHER.target_id == Push.target_id, _OTHER.seq < Push.seq),
            and_(_OTHER.target_id == Push.after_id, _OTHER.kind == PushKind.CREATE_CUSTOMER),
            and_(_OTHER.target_id == estimate, _OTHER.kind == PushKind.CREATE_ESTIMATE),
            and_(
                Push.kind == PushKind.CREATE_INVOICE,
                _OTHER.kind == PushKind.CREATE_INVOICE,
                _OTHER.state == PushState.PENDING,
                _OTHER.seq < Push.seq,
                _OTHER.target_id.in_(parts),
            ),
        ),
    )
    return or_(waits, and_(Push.kind == PushKind.CREATE_CUSTOMER, is_first_reading(Push.realm_id)))


@dataclass(frozen=True)
class Intent:
    """One write, ready to go. `label` is the number or name by which it is found again, `mark` proves it is ours."""

    push_id: UUID
    realm_id: str
    kind: PushKind
    target_id: UUID
    qb_id: str
    label: str
    request_id: UUID
    body: str
    argument: str
    was_unsent: bool

    @property
    def entity(self) -> str:
        return _ENTITIES[self.kind]

    @property
    def operation(self) -> str | None:
        return "void" if self.kind is PushKind.VOID_INVOICE else None

    @property
    def mark(self) -> str:
        return documents.note_of(self.target_id)


class IntentService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, marks: MarkService, builder: DocumentBuilder, settings: Settings) -> None:
        self._uow = uow
        self._marks = marks
        self._builder = builder
        self._prefixes = {Estimate: settings.estimate_prefix, Invoice: settings.invoice_prefix}
        self._valid_for = timedelta(days=settings.estimate_valid_days)

    def queue(
        self,
        kind: PushKind,
        target: Customer | Form,
        *,
        by: str,
        after: Customer | None = None,
        argument: str | None = None,
    ) -> Push:
        """Mean to write this, in the transaction of the change that it is about."""
        push = Push(
            id=uuid7(),
            realm_id=target.realm_id,
            kind=kind,
            target_id=target.id,
            after_id=after.id if after is not None else None,
            argument=argument,
            created_by=by,
            created_at=self._uow.now,
        )
        self._uow.session.add(push)
        self._uow.wake(PUSH_CHANNEL)
        return push

    async def next_number(self, model: type[Estimate] | type[Invoice]) -> str:
        found = await self._uow.session.execute(_NUMBER, {"prefix": self._prefixes[model]})
        return f"{self._prefixes[model]}{found.scalar_one()}"

    async def prepared(self, push: Push) -> Intent | None:
        """The intent with its request id and body, which stay what they are from now on.

        None where it is done already; raises NotReady.
        """
        target = await self._target(push)
        if isinstance(target, Estimate) and push.kind is PushKind.MARK_ESTIMATE and target.status in _BEYOND_ANSWERS:
            return None
        is_create = push.kind in (PushKind.CREATE_CUSTOMER, PushKind.CREATE_ESTIMATE, PushKind.CREATE_INVOICE)
        if is_create and target.qb_id is not None:
            return None  # A webhook told of it before its answer came.
        if is_create and isinstance(target, Customer) and target.merged_into_id is not None:
            return None  # It gave way before it was seen that somebody wants it written; so did its forms.
        if not is_create and target.qb_id is None:
            raise NotReady("It is not in QuickBooks, as writing it there failed before.", code="not_in_quickbooks")
        if push.request_id is None or push.body is None:
            if clash := found_clash(push, target):
                raise NotReady(clash, code=CHANGED)
            push.request_id, push.body = uuid7(), documents.text(await self._builder.document(push, target))
            push.was_unsent = not isinstance(target, Customer) and target.sent_at is None
        return Intent(
            push_id=push.id,
            realm_id=push.realm_id,
            kind=push.kind,
            target_id=target.id,
            qb_id=target.qb_id or "",
            label=target.display_name if isinstance(target, Customer) else target.number or "",
            request_id=push.request_id,
            body=push.body,
            argument=push.argument or "",
            was_unsent=bool(push.was_unsent),
        )

    async def _target(self, push: Push) -> Customer | Estimate | Invoice:
        model: type[Customer] | type[Estimate] | type[Invoice] = {
            "Customer": Customer,
            "Estimate": Estimate,
            "Invoice": Invoice,
        }[_ENTITIES[push.kind]]  # type: ignore[assignment]
        return await self._uow.session.get_one(model, push.target_id)

    async def rename(self, push_id: UUID) -> None:
        """Its name or number is taken: a form gets the next number, a customer is the other one or gets a suffix."""
        push = await self._uow.session.get_one(Push, push_id, with_for_update=True)
        target = await self._target(push)
        if isinstance(target, Estimate | Invoice):
            target.number = await self.next_number(type(target))
            target.touch()
            return
        twin = await self._twin(target)
        if twin is not None:
            await self.become(push, target, twin)
        else:
            target.display_name = f"{_OWN_SUFFIX.sub('', target.display_name)[:450]} ({str(target.id)[-8:]})"

    async def _twin(self, ours: Customer) -> Customer | None:
        """The same person, entered in QuickBooks by somebody else. A name alone proves nothing."""
        reachable = [
            column == value for column, value in ((Customer.email, ours.email), (Customer.phone, ours.phone)) if value
        ]
        if not reachable:
            return None
        found: Customer | None = await self._uow.session.scalar(
            select(Customer)
            .where(
                Customer.realm_id == ours.realm_id,
                Customer.qb_id.is_not(None),
                Customer.is_active,
                Customer.display_name == ours.display_name,
                or_(*reachable),
            )
            .limit(1)
        )
        return found

    async def become(self, push: Push, ours: Customer, twin: Customer) -> None:
        """Ours is one that QuickBooks has already: forms and edits of ours are that one's from now on."""
        push.state, push.settled_at, push.error = (
            PushState.DROPPED,
            self._uow.now,
            "QuickBooks has this customer already.",
        )
        ours.merged_into_id, ours.is_active = twin.id, False
        blank(ours)
        for model in (Estimate, Invoice):
            await self._uow.session.execute(
                update(model).where(model.customer_id == ours.id).values(customer_id=twin.id)
            )
        edits = update(Push).where(
            Push.target_id == ours.id, Push.kind == PushKind.UPDATE_CUSTOMER, Push.state == PushState.PENDING
        )
        await self._uow.session.execute(edits.values(target_id=twin.id))
        if twin.contact_id is None and ours.contact_id is not None:
            twin.needs_match = True
            self._uow.wake("matching")

    async def retry(self, push_id: UUID) -> Push:
        """What failed is mended: try again, built anew. Raises NotFound or InvalidTransition."""
        push = await self._failed(push_id)
        self._begin_anew(push)
        target = await self._target(push)
        accept_clash(push, target)
        if isinstance(target, Form) and target.qb_id is None:
            connection = await self._uow.session.get_one(Connection, target.realm_id)
            self._date_anew(target, company_day(self._uow.now, connection.zone))
            if push.after_id is not None:
                await self._write_customer(push, target)
        return push

    def _date_anew(self, form: Form, day: date) -> None:
        """Another day, as the first one may be what was refused. Its price holds from then on, unless somebody gave the
        last day.
        """
        if isinstance(form, Estimate) and self._has_own_end(form):
            form.expires_on = day + self._valid_for
        form.written_on = day

    def _has_own_end(self, row: Estimate) -> bool:
        """Whether nobody gave its last day: it was counted from the day on which it was to be written."""
        return row.expires_on == row.written_on + self._valid_for

    async def _write_customer(self, push: Push, form: Form) -> None:
        """Of a form whose customer was given up: that, or the one that it became, is written first after all."""
        customer = await customer_now(self._uow.session, form)
        push.after_id = customer.id
        if customer.qb_id is None and not await self.unsettled(customer.id):
            self.queue(PushKind.CREATE_CUSTOMER, customer, by=push.created_by)

    async def drop(self, push_id: UUID) -> Push:
        """Give it up, and with it what waits behind it. Raises NotFound or InvalidTransition."""
        push = await self._failed(push_id)
        push.state, push.settled_at = PushState.DROPPED, self._uow.now
        if push.kind is PushKind.CREATE_CUSTOMER:
            await erase_given_up(self._uow, push.target_id)
        if push.kind in (PushKind.CREATE_ESTIMATE, PushKind.CREATE_INVOICE):
            await self._give_up(push)
        if push.kind in (PushKind.UPDATE_CUSTOMER, PushKind.MARK_ESTIMATE):
            await self._read_again(push)
        self._uow.wake(PUSH_CHANNEL)
        return push

    async def _give_up(self, push: Push) -> None:
        """A form that will not be written: an estimate is a draft again, an invoice never was, and the estimate can be
        invoiced anew. What waited behind it is given up too.
        """
        target = await self._target(push)
        for behind in await self.unsettled(target.id):
            behind.state, behind.settled_at = PushState.DROPPED, self._uow.now
        if target.qb_id is not None:
            return
        target.touch()
        if isinstance(target, Invoice):
            target.is_deleted, target.total_cents, target.balance_cents = True, 0, 0
            target.subtotal_cents = target.tax_cents = 0
        elif isinstance(target, Estimate):
            target.status, target.status_at = EstimateStatus.DRAFT, self._uow.now
            if self._has_own_end(target):
                target.expires_on = None
            unwritten = await self._uow.session.scalars(
                select(Push)
                .join(Invoice, Invoice.id == Push.target_id)
                .where(
                    Invoice.estimate_id == target.id,
                    Push.kind == PushKind.CREATE_INVOICE,
                    Push.state.in_(UNSETTLED),
                )
            )
            for invoice in unwritten.all():
                invoice.state, invoice.settled_at = PushState.DROPPED, self._uow.now
                await self._give_up(invoice)

    async def lock_marks(self, estimate_id: UUID) -> list[Push]:
        """What is unsettled of its answers: locked before it, as writes are."""
        marks = _unsettled(estimate_id).where(Push.kind == PushKind.MARK_ESTIMATE).with_for_update()
        return list(await self._uow.session.scalars(marks))

    def reprice(self, mark: Push, cents: int) -> None:
        """The customer accepts it at that now: where the price stood against writing it, nothing does any more."""
        mark.argument = str(cents)
        if mark.state is PushState.FAILED and mark.error_code == CHANGED:
            self._begin_anew(mark)

    def _begin_anew(self, push: Push) -> None:
        """Its tries go on being counted: whatever was tried before is looked for first."""
        push.state, push.clashes = PushState.PENDING, 0
        push.request_id = push.body = push.first_tried_at = push.next_try_at = push.settled_at = None
        push.error = push.error_code = None
        self._uow.wake(PUSH_CHANNEL)

    async def _read_again(self, push: Push) -> None:
        """What we show of the target was never taken over there: show what it is there."""
        target = await self._target(push)
        if target.qb_id is not None:
            await self._marks.read_again(push.realm_id, _ENTITIES[push.kind], [target.qb_id])

    async def _failed(self, push_id: UUID) -> Push:
        """Locked; nobody is erased meanwhile, which gives writes up too."""
        await hold_erasures(self._uow)
        push = await self._uow.session.get(Push, push_id, with_for_update=True)
        if push is None:
            raise NotFound("There is no such write.")
        if push.state is not PushState.FAILED:
            raise InvalidTransition(f"This write is {push.state}; only one that failed can be tried again or given up.")
        return push

    async def unsettled(self, target_id: UUID) -> list[Push]:
        """What is still to be written of a target, or could not be."""
        return list(await self._uow.session.scalars(_unsettled(target_id)))


def _unsettled(target_id: UUID) -> Select[Push]:
    """Oldest first."""
    return select(Push).where(Push.target_id == target_id, Push.state.in_(UNSETTLED)).order_by(Push.seq)
