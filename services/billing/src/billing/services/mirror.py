"""The mirror: what was read of QuickBooks becomes our rows, and what that changes becomes events."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from shared.database import UnitOfWork
from shared.database_errors import cause_of, refuses_values
from sqlalchemy import select, text, update

from billing.models import Connection, Item, Term, among
from billing.provider import NOBODY, FormSeen, Garbled, InvoiceSeen, ItemSeen, OfCustomer, PaymentSeen, Seen, TermSeen
from billing.services.announcing import Announcer
from billing.services.customer_mirror import CustomerMirror
from billing.services.form_mirror import FormMirror
from billing.services.mirrored import MODELS, PAYMENT_KINDS, is_newer, is_of, locked, note_state, successors
from billing.services.payments import PaymentMirror

MIRROR_LOCK = 7_300_001

References = dict[str, set[str]]
"""Entity → ids in QuickBooks."""

_OF_CUSTOMERS = ("Estimate", "Invoice", "CreditMemo", "Payment", "RefundReceipt")


def references_of(entity: str, seen: Iterable[Seen]) -> References:
    """What these objects name, and what therefore has to be mirrored before them."""
    found: References = defaultdict(set)
    for one in seen:
        if one.is_deleted:
            continue
        if isinstance(one, OfCustomer):
            found["Customer"] |= {one.customer} - {NOBODY}
        if isinstance(one, InvoiceSeen):
            found["Estimate"] |= {one.estimate} if one.estimate else set()
            found["Term"] |= {one.term} if one.term else set()
        if isinstance(one, PaymentSeen):
            for share in one.shares:
                found[share.kind].add(share.id)
    return dict(found)


def names_any(entity: str, one: Seen, wanted: References) -> bool:
    """Whether this object names one of those."""
    return any(wanted.get(other, set()) & ids for other, ids in references_of(entity, [one]).items())


def is_about_values(error: Exception) -> bool:
    """Whether what was to be stored is the reason: it breaks a rule of the database, or something in it is as nobody
    thought of. Not where the database is away, busy, or otherwise than this version expects it.
    """
    unforeseen = ArithmeticError | AttributeError | LookupError | TypeError | ValueError
    return refuses_values(error) or isinstance(cause_of(error), unforeseen)


class MirrorService:
    """Lives in one transaction. Everything of one company."""

    def __init__(
        self,
        uow: UnitOfWork,
        announcer: Announcer,
        customers: CustomerMirror,
        forms: FormMirror,
        payments: PaymentMirror,
    ) -> None:
        self._uow = uow
        self._announcer = announcer
        self._customers = customers
        self._forms = forms
        self._payments = payments

    async def missing(self, realm_id: str, references: References) -> References:
        """Those that are not mirrored."""
        found: References = {}
        for entity, ids in references.items():
            known = set(
                await self._uow.session.scalars(
                    select(MODELS[entity].qb_id).where(is_of(realm_id, entity), among(MODELS[entity].qb_id, ids))
                )
            )
            if ids - known:
                found[entity] = ids - known
        return found

    async def store(self, realm_id: str, entity: str, seen: Sequence[Seen]) -> References:
        """Take over what was read, where it is not older than what we have.

        Whatever it names has to be mirrored already; what cannot be had stands as an inactive stub. Returns the
        invoices and credit memos of which something else may be left now: read them again.
        """
        readable = {one.id: one for one in seen if not isinstance(one, Garbled)}
        await self._serialise(realm_id)
        ordered = sorted(readable.values(), key=lambda one: one.id)
        rows = await locked(self._uow.session, realm_id, entity, [one.id for one in ordered])
        customers = await self._customers.named(realm_id, ordered, rows) if entity in _OF_CUSTOMERS else {}
        if entity in PAYMENT_KINDS:
            return await self._payments.store(realm_id, PAYMENT_KINDS[entity], ordered, rows, customers)
        match entity:
            case "Customer":
                await self._customers.store(realm_id, ordered, rows)
            case "Item" | "Term":
                self._store_list(realm_id, ordered, rows)
            case "Estimate":
                await self._forms.store_estimates(realm_id, ordered, rows, customers)
            case "Invoice":
                await self._forms.store_invoices(realm_id, ordered, rows, customers)
            case "CreditMemo":
                await self._forms.store_credit_memos(realm_id, ordered, rows, customers)
        await self._uow.session.flush()
        return {}

    async def _serialise(self, realm_id: str) -> None:
        """One writer of a company's mirror at a time: notices, changes, pulls and answers to writes all end here."""
        lock = text("SELECT pg_advisory_xact_lock(:kind, hashtext(:realm))")
        await self._uow.session.execute(lock, {"kind": MIRROR_LOCK, "realm": realm_id})

    async def merge_customers(self, realm_id: str, kept_id: str, gone_id: str) -> References:
        """Two customers became one in QuickBooks. Returns the forms and payments that have to be read again."""
        await self._serialise(realm_id)
        rows = await locked(self._uow.session, realm_id, "Customer", sorted((kept_id, gone_id)))
        kept, gone = rows.get(kept_id), rows.get(gone_id)
        if gone is None or kept is None:
            return {}
        if gone in await successors(self._uow.session, kept):
            return {}  # The one is the other by now: what is told of them the other way round is older.
        if gone.merged_into_id != kept.id:
            gone.merged_into_id, gone.is_active = kept.id, False
            gone.touch()
            self._announcer.move_link(gone, kept)
        # Told again, whoever read them the first time may not have come to its end.
        found = {entity: await self._ids_of_customer(realm_id, entity, gone.id) for entity in _OF_CUSTOMERS}
        return {entity: ids for entity, ids in found.items() if ids}

    async def _ids_of_customer(self, realm_id: str, entity: str, customer_id: UUID) -> set[str]:
        model = MODELS[entity]
        theirs = (is_of(realm_id, entity), model.customer_id == customer_id, model.qb_id.is_not(None))
        return set(await self._uow.session.scalars(select(model.qb_id).where(*theirs)))

    def _store_list(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Any]) -> None:
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, ItemSeen | TermSeen):
                if row is not None:
                    row.is_active = False
                continue
            if row is None:
                row = (Item if isinstance(one, ItemSeen) else Term)(realm_id=realm_id, sync_token=-1, qb_updated_at="")
                self._uow.session.add(row)
            elif not is_newer(one, row):
                continue
            for name in ("name", "is_active", *_LIST_FIELDS[type(one)]):
                setattr(row, name, getattr(one, name))
            note_state(row, one)

    async def note_tax(self, realm_id: str, seen: Iterable[Seen]) -> None:
        """Remember the rate that QuickBooks used last, for previews."""
        rates = [one.tax_percent for one in seen if isinstance(one, FormSeen) and one.tax_percent is not None]
        if rates:
            rate = format(rates[-1].normalize(), "f")
            await self._uow.session.execute(
                update(Connection)
                .where(Connection.realm_id == realm_id, Connection.tax_percent.is_distinct_from(rate))
                .values(tax_percent=rate)
            )


_LIST_FIELDS: dict[type[Any], tuple[str, ...]] = {
    ItemSeen: ("kind", "description", "unit_price", "is_taxable"),
    TermSeen: ("due_days", "day_of_month"),
}
