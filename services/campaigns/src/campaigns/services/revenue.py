"""What billing reports of money, kept as copies; and the window within which a text may earn it."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.etag import check_version
from shared.events.billing import (
    CustomerLinked,
    CustomerLinkMoved,
    CustomerUnlinked,
    PaymentChanged,
    PaymentMoved,
    PaymentReceived,
    PaymentRefunded,
    PaymentVoided,
)
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from campaigns.models import AttributionWindow, CustomerLink, Payment, Reason, Subject
from campaigns.services.attribution import REVENUE_CHANNEL, request_attribution

BEFORE_ALL = UUID(int=0)

REASONS: dict[type[PaymentMoved], Reason] = {
    PaymentReceived: Reason.PAYMENT,
    PaymentChanged: Reason.CHANGE,
    PaymentVoided: Reason.VOID,
    PaymentRefunded: Reason.REFUND,
}


class RevenueService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def record_payments(self, events: Sequence[PaymentMoved]) -> None:
        """Keep the newest version of each payment.

        All payments of the customer are attributed anew, not only this one: a refund follows the money it gives back.
        """
        newest: dict[UUID, PaymentMoved] = {}
        for event in events:
            if event.payment_id not in newest or newest[event.payment_id].version < event.version:
                newest[event.payment_id] = event
        # Unknown ones first: this waits for whoever is just adding the same, and the lock below then finds them.
        added = await self._add(newest.values())
        known = await self._uow.session.scalars(
            select(Payment)
            .where(Payment.id.in_(newest.keys() - added))
            .order_by(Payment.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for payment in known:
            if payment.version < newest[payment.id].version:
                self._update(payment, newest[payment.id])

    async def record_link(self, event: CustomerLinkMoved) -> None:
        """The newest link of a customer says whose all its money is, that of long ago too.

        Of somebody who is erased it stays: by ids alone, what their texts have earned is earned.
        """
        if isinstance(event, CustomerUnlinked) and event.reason == CustomerUnlinked.ERASED:
            return
        is_linked = isinstance(event, CustomerLinked)
        statement = insert(CustomerLink).values(
            customer_id=event.customer_id, contact_id=event.contact_id, version=event.version, is_linked=is_linked
        )
        newer = statement.excluded
        applied = await self._uow.session.execute(
            statement.on_conflict_do_update(
                index_elements=[CustomerLink.customer_id],
                set_={"contact_id": newer.contact_id, "version": newer.version, "is_linked": newer.is_linked},
                where=CustomerLink.version < newer.version,
            ).returning(CustomerLink.customer_id)
        )
        if applied.first() is not None:
            self._request(event.customer_id, reason=Reason.LINK if is_linked else Reason.UNLINK)

    async def window(self, *, lock: bool = False) -> AttributionWindow:
        statement = select(AttributionWindow)
        found = await self._uow.session.execute(statement.with_for_update() if lock else statement)
        return found.scalar_one()

    async def change_window(self, days: int, *, expected_version: int, person: str) -> AttributionWindow:
        """Set the window. A job attributes every payment anew, a few at a time; until then, some are as before."""
        window = await self.window(lock=True)
        check_version(window.version, expected_version)
        if window.days != days:
            window.days, window.changed_by, window.changed_at = days, person, self._uow.now
            window.sweep_after = BEFORE_ALL
            window.touch()
            self._uow.wake(REVENUE_CHANNEL)
        return window

    async def _add(self, events: Iterable[PaymentMoved]) -> set[UUID]:
        """Add those that are unknown; returns which these were."""
        rows = [{"id": event.payment_id, **_columns(event)} for event in sorted(events, key=lambda e: e.payment_id)]
        added = await self._uow.session.execute(
            insert(Payment)
            .values(rows)
            .on_conflict_do_nothing()
            .returning(Payment.id, Payment.customer_id, Payment.reason)
        )
        ids = set()
        for payment_id, customer_id, reason in added:
            ids.add(payment_id)
            self._request(customer_id, reason=reason)
        return ids

    def _update(self, payment: Payment, event: PaymentMoved) -> None:
        customers = (payment.customer_id, event.customer_id)
        for name, value in _columns(event).items():
            setattr(payment, name, value)
        self._request(*customers, reason=payment.reason)

    def _request(self, *customer_ids: UUID, reason: Reason) -> None:
        request_attribution(self._uow, Subject.CUSTOMER, customer_ids, reason)


def _columns(event: PaymentMoved) -> dict[str, Any]:
    if any(part.amount.currency != event.amount.currency for part in event.applied):
        raise ValueError(f"payment {event.payment_id} is applied in another currency than its own")
    return {
        "version": event.version,
        "reason": REASONS[type(event)],
        "customer_id": event.customer_id,
        "contact_id": event.contact_id,
        "amount_cents": event.amount.amount_cents,
        "currency": event.amount.currency,
        "received_on": event.received_on,
        "occurred_at": event.occurred_at,
        "applied": [
            {"invoice_id": str(part.invoice_id), "amount_cents": part.amount.amount_cents} for part in event.applied
        ],
    }
