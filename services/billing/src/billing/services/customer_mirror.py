"""The mirror of customers: whoever stands in QuickBooks, and a stub for whom a form names that it does not give."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import func, select

from billing.clashes import CustomerEdit
from billing.matching import names_of_customer
from billing.models import Customer, Notice, Push, among, insert_all, unwatched
from billing.provider import NOBODY, CustomerSeen, OfCustomer, Seen
from billing.services.announcing import Party
from billing.services.merges import note_moves, recognise_merges
from billing.services.mirrored import adopted, is_newer, note_state
from billing.services.people import PeopleService
from billing.states import UNSETTLED, PushKind, Source


class Named(NamedTuple):
    """A customer that a form or a payment names: hundreds of a page, of whom nothing else is read."""

    id: UUID
    contact_id: UUID | None


class CustomerMirror:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, people: PeopleService) -> None:
        self._uow = uow
        self._people = people
        self._new: list[Customer] = []

    async def store(self, realm_id: str, seen: Sequence[Seen], rows: dict[str, Customer]) -> None:
        """Take over what is not older; of whom QuickBooks has no more, find out whom they became."""
        unknown = {one.id: one.note for one in seen if isinstance(one, CustomerSeen) and one.id not in rows}
        rows |= await adopted(self._uow.session, Customer, unknown)
        gone, edits = list[tuple[Customer, Seen]](), await self._waiting_edits([row.id for row in rows.values()])
        merged_at = await self._merged_at(realm_id, rows)
        for one in seen:
            row = rows.get(one.id)
            if not isinstance(one, CustomerSeen):
                if row is not None:
                    self._deactivate(row)
                    gone.append((row, one))
                continue
            if row is None:
                row = self._begin(realm_id)
            elif not is_newer(one, row) or not _may_stand_alone(one, row, merged_at.get(one.id)):
                continue
            elif not one.is_active:
                gone.append((row, one))
            self._fill(row, one, edits.get(row.id, ()))
        await self._insert_new()
        await recognise_merges(self._uow, self._people, realm_id, gone)

    @staticmethod
    def _deactivate(row: Customer) -> None:
        if row.is_active:
            row.is_active = False
            row.touch()

    async def _merged_at(self, realm_id: str, rows: Mapping[str, Customer]) -> dict[str | None, datetime]:
        """When those of these that were merged were, by their ids in QuickBooks, as far as a notice told it."""
        merged = [qb_id for qb_id, row in rows.items() if row.merged_into_id is not None]
        if not merged:
            return {}
        told = await self._uow.session.execute(
            select(Notice.gone_id, func.max(Notice.occurred_at).label("at"))
            .where(Notice.realm_id == realm_id, Notice.entity == "Customer", Notice.operation == "merged")
            .where(among(Notice.gone_id, merged))
            .group_by(Notice.gone_id)
        )
        return {row.gone_id: row.at for row in told}

    async def named(self, realm_id: str, seen: Iterable[Seen], former: Mapping[str, Any]) -> dict[str, Party]:
        """The customers that these name, before they are stored; one that QuickBooks does not give stands as a stub.

        `former`: the rows of those that are mirrored, by their ids in QuickBooks.
        """
        seen = list(seen)
        await note_moves(self._uow, realm_id, seen, former)
        ids = {one.customer for one in seen if isinstance(one, OfCustomer)}
        rows = await self._uow.session.execute(
            select(Customer.qb_id, Customer.id, Customer.contact_id).where(
                Customer.realm_id == realm_id, among(Customer.qb_id, ids)
            )
        )
        found: dict[str, Party] = {str(qb_id): Named(row_id, contact_id) for qb_id, row_id, contact_id in rows}
        for qb_id in sorted(ids - set(found)):
            found[qb_id] = stub = self._begin(realm_id)
            name = "No customer" if qb_id == NOBODY else f"Customer {qb_id}"
            stub.qb_id, stub.display_name, stub.is_active, stub.version = qb_id, name, False, 1
        await self._insert_new()
        return found

    def _begin(self, realm_id: str) -> Customer:
        row = unwatched(
            Customer,
            id=uuid7(),
            realm_id=realm_id,
            sync_token=-1,
            qb_updated_at="",
            source=Source.QUICKBOOKS,
            created_at=self._uow.now,
            version=0,
            link_version=0,
            is_active=True,
            needs_match=False,
        )
        self._new.append(row)
        return row

    async def _waiting_edits(self, ids: Sequence[UUID]) -> dict[UUID, list[Push]]:
        """What is still to be written of these, oldest first."""
        found: dict[UUID, list[Push]] = defaultdict(list)
        pushes = await self._uow.session.scalars(
            select(Push)
            .where(
                among(Push.target_id, ids),
                Push.kind == PushKind.UPDATE_CUSTOMER,
                Push.state.in_(UNSETTLED),
            )
            .order_by(Push.seq)
        )
        for push in pushes:
            found[push.target_id].append(push)
        return found

    def _fill(self, row: Customer, seen: CustomerSeen, edits: Iterable[Push]) -> None:
        fields = (
            "display_name", "given_name", "family_name", "company_name", "email", "phone", "street", "city", "region",
            "postal_code", "address_rest", "is_active",
        )  # fmt: skip
        before = [getattr(row, name) for name in (*fields, "merged_into_id")]
        if seen.is_active and row.merged_into_id is not None:
            row.merged_into_id = None
        for name in fields:
            setattr(row, name, getattr(seen, name))
        for push in edits:
            _keep_edit(row, push, seen)
        row.name_keys = names_of_customer(row).keys
        note_state(row, seen)
        if before != [getattr(row, name) for name in (*fields, "merged_into_id")]:
            row.touch()
            row.needs_match = row.contact_id is None and row.is_active
            if row.needs_match:
                self._uow.wake("matching")

    async def _insert_new(self) -> None:
        new, self._new = self._new, []
        await insert_all(self._uow.session, new)


def _may_stand_alone(seen: CustomerSeen, row: Customer, merged_at: datetime | None) -> bool:
    """Whether one that was merged is shown active because somebody undid that, and not by a page from before.

    A merge itself leaves its customer inactive, or deletes it: no state is stored then that a page could be older than.
    One that no notice told of never stood in QuickBooks, as far as we knew.
    """
    if row.merged_into_id is None or not seen.is_active:
        return True
    if merged_at is None:
        return (seen.sync_token, seen.updated_at) > (row.sync_token, row.qb_updated_at)
    return bool(seen.updated_at) and datetime.fromisoformat(seen.updated_at) > merged_at


def _keep_edit(row: Customer, push: Push, seen: CustomerSeen) -> None:
    """What waits to be written stays on top of what was read, and is built on that from now on.

    Not where somebody made any of it otherwise there: then QuickBooks's values are shown, and a person decides.
    """
    edit = CustomerEdit.of(push.argument)
    if any(getattr(row, name) not in (value, edit.former[name]) for name, value in edit.values.items()):
        return
    for name, value in edit.values.items():
        setattr(row, name, value)
    if edit.sync_token != seen.sync_token:
        push.argument = replace(edit, sync_token=seen.sync_token).stored()
