"""Payments and refunds, however they were entered: mirrored with what they went to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from shared.database import UnitOfWork
from shared.events.billing import PaymentChanged, PaymentMoved, PaymentReceived, PaymentRefunded, PaymentVoided
from shared.ids import uuid7
from sqlalchemy import delete, select, text

from billing.allocation import money_shares
from billing.models import Application, CreditMemo, Customer, Invoice, Payment, among, insert_all, unwatched
from billing.provider import PaymentSeen, RefundSeen, Seen, Share
from billing.services.announcing import Announcer, Party
from billing.services.mirrored import is_newer
from billing.states import PaymentKind

_PAID_ON = text(
    "UPDATE invoice SET paid_on = last.received_on FROM ("
    " SELECT a.invoice_id, max(p.received_on) AS received_on FROM application a JOIN payment p ON p.id = a.payment_id"
    " WHERE a.invoice_id = ANY(CAST(:ids AS uuid[])) GROUP BY a.invoice_id) AS last"
    " WHERE invoice.id = last.invoice_id AND invoice.paid_at IS NOT NULL"
    " AND invoice.paid_on IS DISTINCT FROM last.received_on"
)
Rows = dict[str, Payment]
Shares = dict[UUID, list[Application]]
Change = tuple[Payment, Sequence[Application], Sequence[Application]]
"""A payment, where it went before, and where it goes now."""


class PaymentMirror:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, announcer: Announcer) -> None:
        self._uow = uow
        self._announcer = announcer

    async def store(
        self, realm_id: str, kind: PaymentKind, seen: Sequence[Seen], rows: Rows, customers: Mapping[str, Party]
    ) -> dict[str, set[str]]:
        """Take over what is not older. Returns the invoices and memos that lost or got a share: entity → ids there."""
        former = await self.applications([row.id for row in rows.values()])
        invoices = await self._ids(Invoice, realm_id, _shared(seen, "Invoice"))
        memos = await self._ids(CreditMemo, realm_id, _shared(seen, "CreditMemo"))
        touched, used = set[UUID](), set[UUID]()
        new: list[Payment] = []
        changed: list[Change] = []
        for one in seen:
            row = rows.get(one.id)
            if row is not None and not one.is_deleted and (row.is_deleted or not is_newer(one, row)):
                continue
            shares = _applications(one, invoices, memos)
            if row is None:
                if one.is_deleted:
                    continue
                row = self._begin(realm_id, kind)
                new.append(row)
            customer = await self._customer(one, row, customers)
            self._apply(row, one, customer, former.get(row.id, []), shares)
            moved = (*former.get(row.id, []), *shares)
            touched |= {share.invoice_id for share in moved if share.invoice_id}
            used |= {share.credit_memo_id for share in moved if share.credit_memo_id}
            changed.append((row, former.get(row.id, []), shares))
        await insert_all(self._uow.session, new)
        await self._replace(changed)
        await self.date_invoices(touched)
        return {"Invoice": await self._qb_ids(Invoice, touched), "CreditMemo": await self._qb_ids(CreditMemo, used)}

    async def _qb_ids(self, model: type[Invoice] | type[CreditMemo], ids: Collection[UUID]) -> set[str]:
        if not ids:
            return set()
        known = select(model.qb_id).where(among(model.id, ids), model.qb_id.is_not(None))
        return {str(qb_id) for qb_id in await self._uow.session.scalars(known)}

    async def date_invoices(self, invoice_ids: Collection[UUID]) -> None:
        """Those that are paid were paid on the day of their last payment, whichever of the two we read first."""
        if invoice_ids:
            await self._uow.session.flush()
            await self._uow.session.execute(_PAID_ON, {"ids": list(invoice_ids)})

    def _begin(self, realm_id: str, kind: PaymentKind) -> Payment:
        return unwatched(
            Payment,
            id=uuid7(),
            realm_id=realm_id,
            kind=kind,
            sync_token=-1,
            qb_updated_at="",
            version=0,
            amount_cents=0,
            unapplied_cents=0,
            created_at=self._uow.now,
            is_voided=False,
            is_deleted=False,
        )

    async def _customer(self, seen: Seen, row: Payment, customers: Mapping[str, Party]) -> Party:
        if isinstance(seen, PaymentSeen | RefundSeen):
            return customers[seen.customer]
        return await self._uow.session.get_one(Customer, row.customer_id)

    def _apply(
        self, row: Payment, seen: Seen, customer: Party, former: Sequence[Application], shares: Sequence[Application]
    ) -> None:
        before = _standing(row, former)
        was_money, is_new = row.amount_cents, row.qb_id is None
        if isinstance(seen, PaymentSeen | RefundSeen):
            sign = -1 if isinstance(seen, RefundSeen) else 1
            row.amount_cents = sign * seen.amount_cents
            row.unapplied_cents = seen.unapplied_cents if isinstance(seen, PaymentSeen) else 0
            row.currency, row.reference, row.is_voided = seen.currency, seen.reference, seen.is_voided
            row.received_on = seen.received_on or self._uow.now.date()
            row.customer_id = customer.id
            row.sync_token, row.qb_updated_at = seen.sync_token, seen.updated_at
        else:
            row.amount_cents = row.unapplied_cents = 0
            row.is_deleted = True
        row.qb_id = seen.id
        if _standing(row, shares) == before:
            return
        row.touch()
        event = _event(row, is_new=is_new, was_money=was_money)
        if event is not None:
            self._announcer.payment_moved(event, row, customer, money_of(row, shares), is_new=is_new)

    async def _replace(self, changed: Iterable[Change]) -> None:
        """All of them at once: a page of payments is a thousand."""
        different = [
            (row, former, shares) for row, former, shares in changed if _signature(former) != _signature(shares)
        ]
        await self._uow.session.flush()
        if outdated := [row.id for row, former, _ in different if former]:
            await self._uow.session.execute(
                delete(Application).where(among(Application.payment_id, outdated)),
                execution_options={"synchronize_session": False},
            )
        for row, former, shares in different:
            for old in former:
                self._uow.session.expunge(old)
            for position, share in enumerate(shares):
                share.payment_id, share.position = row.id, position
        await insert_all(self._uow.session, [share for _, _, shares in different for share in shares])

    async def applications(self, ids: Sequence[UUID]) -> Shares:
        """Where these payments went to, in order."""
        found: Shares = defaultdict(list)
        rows = await self._uow.session.scalars(
            select(Application)
            .where(among(Application.payment_id, ids))
            .order_by(Application.payment_id, Application.position)
        )
        for row in rows:
            found[row.payment_id].append(row)
        return found

    async def _ids(self, model: type[Invoice] | type[CreditMemo], realm_id: str, qb_ids: set[str]) -> dict[str, UUID]:
        if not qb_ids:
            return {}
        rows = await self._uow.session.execute(
            select(model.qb_id, model.id).where(model.realm_id == realm_id, among(model.qb_id, qb_ids))
        )
        return {str(qb_id): row_id for qb_id, row_id in rows}


def _shared(seen: Sequence[Seen], kind: str) -> set[str]:
    return {share.id for one in seen if isinstance(one, PaymentSeen) for share in one.shares if share.kind == kind}


def _applications(seen: Seen, invoices: Mapping[str, UUID], memos: Mapping[str, UUID]) -> list[Application]:
    """The shares that go to what is mirrored; what is gone from QuickBooks has no share any more."""
    if not isinstance(seen, PaymentSeen):
        return []
    return [found for share in seen.shares if (found := _application(share, invoices, memos))]


def _application(share: Share, invoices: Mapping[str, UUID], memos: Mapping[str, UUID]) -> Application | None:
    invoice_id = invoices.get(share.id) if share.kind == "Invoice" else None
    memo_id = memos.get(share.id) if share.kind == "CreditMemo" else None
    if invoice_id is None and memo_id is None:
        return None
    return unwatched(Application, invoice_id=invoice_id, credit_memo_id=memo_id, amount_cents=share.amount_cents)


def money_of(row: Payment, shares: Sequence[Application]) -> list[tuple[UUID, int]]:
    """The cents that went to each invoice as money, not as credit: that of memos, and of whatever else the payment
    brought more with than it is (journal entries, checks).
    """
    memos = sum(share.amount_cents for share in shares if share.credit_memo_id)
    given = sum(share.amount_cents for share in shares if share.invoice_id)
    credit = max(memos, given - (row.amount_cents - row.unapplied_cents))
    taken = [(str(share.invoice_id), share.amount_cents) for share in shares if share.invoice_id]
    return [(UUID(invoice), cents) for invoice, cents in money_shares(taken, credit)]


def _signature(shares: Sequence[Application]) -> list[tuple[UUID | None, UUID | None, int]]:
    return [(share.invoice_id, share.credit_memo_id, share.amount_cents) for share in shares]


def _standing(row: Payment, shares: Sequence[Application]) -> tuple[object, ...]:
    gone = (row.is_voided, row.is_deleted)
    money = (row.amount_cents, row.unapplied_cents, row.currency)
    return (row.customer_id, money, row.received_on, row.reference, gone, _signature(shares))


def _event(row: Payment, *, is_new: bool, was_money: int) -> type[PaymentMoved] | None:
    """None for what moves no money and never did: credit that is applied, a receipt of nothing."""
    if not row.amount_cents and not was_money:
        return None
    if row.is_voided or row.is_deleted:
        return PaymentVoided
    if row.kind is PaymentKind.REFUND:
        return PaymentRefunded
    return PaymentReceived if is_new else PaymentChanged
