"""The sums of each contact, kept equal to the copies of billing's documents."""

from collections.abc import Collection
from uuid import UUID

from shared.database import UnitOfWork
from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

from contacts.models import CURRENCY

_IDS = bindparam("ids", type_=ARRAY(Uuid))
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('contact_money'))")
_STANDING = text("SELECT DISTINCT coalesce(merged_into_id, id) FROM contact WHERE id = ANY(:ids)").bindparams(_IDS)
_FORGET = text("DELETE FROM contact_money WHERE contact_id = ANY(:ids)").bindparams(_IDS)
_ADD_UP = text(
    """
    WITH customer AS (
        SELECT coalesce(contact.merged_into_id, contact.id) AS contact_id, link.customer_id
        FROM contact JOIN customer_link AS link ON link.contact_id = contact.id AND link.is_linked
        WHERE contact.id = ANY(:ids) OR contact.merged_into_id = ANY(:ids)
    ), person AS (
        SELECT contact_id, count(*) AS customers FROM customer GROUP BY contact_id
    ), invoice AS (
        SELECT contact_id,
            sum(amount_cents) FILTER (WHERE currency = :currency) AS invoiced,
            sum(balance_cents) FILTER (WHERE currency = :currency) AS balance,
            sum(balance_cents) FILTER (WHERE currency = :currency AND due_on <= passed_due_on) AS overdue,
            bool_or(currency <> :currency) AS has_other
        FROM customer JOIN invoice_copy USING (customer_id) GROUP BY contact_id
    ), payment AS (
        SELECT contact_id,
            sum(amount_cents) FILTER (WHERE currency = :currency) AS paid,
            max(received_on) FILTER (WHERE currency = :currency AND amount_cents > 0) AS last_paid_on,
            bool_or(currency <> :currency) AS has_other
        FROM customer JOIN payment_copy USING (customer_id) GROUP BY contact_id
    ), estimate AS (
        SELECT contact_id,
            count(*) FILTER (WHERE currency = :currency AND is_open) AS open,
            sum(amount_cents) FILTER (WHERE currency = :currency AND is_open) AS amount,
            bool_or(currency <> :currency) AS has_other
        FROM customer JOIN estimate_copy USING (customer_id) GROUP BY contact_id
    )
    INSERT INTO contact_money (
        contact_id, customers, invoiced_cents, paid_cents, balance_cents, overdue_cents, last_paid_on,
        open_estimates, open_estimate_cents, has_other_currency
    )
    SELECT contact_id, customers, coalesce(invoiced, 0), coalesce(paid, 0), coalesce(balance, 0), coalesce(overdue, 0),
        last_paid_on, coalesce(open, 0), coalesce(amount, 0),
        coalesce(invoice.has_other, false) OR coalesce(payment.has_other, false) OR coalesce(estimate.has_other, false)
    FROM person
    LEFT JOIN invoice USING (contact_id) LEFT JOIN payment USING (contact_id) LEFT JOIN estimate USING (contact_id)
    """
).bindparams(_IDS, currency=CURRENCY)


class MoneyTotals:
    """Adds up anew, from the copies, what may have changed; never by differences, which repeats would count twice."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._session = uow.session

    async def lock(self) -> None:
        """One at a time, to the end of the transaction: whoever adds up has to see all that was added before.

        Take it before the first look at copies and links. Who also locks contacts takes it after them.
        """
        await self._session.execute(_LOCK)

    async def refresh(self, contact_ids: Collection[UUID]) -> set[UUID]:
        """Bring the sums of these contacts, and of those they stand for, up to date; returns who stands."""
        await self._session.flush()
        standing = set(await self._session.scalars(_STANDING, {"ids": list(contact_ids)}))
        await self._session.execute(_FORGET, {"ids": list(standing | set(contact_ids))})
        await self._session.execute(_ADD_UP, {"ids": list(standing)})
        return standing
