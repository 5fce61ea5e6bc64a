"""Static lists and their members."""

from collections.abc import Sequence
from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound
from shared.etag import check_version
from shared.ids import uuid7
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from contacts.models import OPEN_STATUSES, Contact, ContactList, ImportJob, ListMember


class ListService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow
        self._session = uow.session

    async def create(self, name: str) -> ContactList:
        now = self._uow.now
        created = ContactList(id=uuid7(), version=1, name=name, created_at=now, updated_at=now)
        self._session.add(created)
        await self._session.flush()
        return created

    async def get(self, list_id: UUID, *, for_update: bool = False) -> ContactList:
        found = await self._session.get(ContactList, list_id, with_for_update=for_update or None)
        if found is None:
            raise NotFound("There is no such list.")
        return found

    async def rename(self, list_id: UUID, version: int, name: str) -> ContactList:
        found = await self.get(list_id, for_update=True)
        check_version(found.version, version)
        found.name = name
        found.updated_at = self._uow.now
        found.touch()
        return found

    async def delete(self, list_id: UUID) -> None:
        """The list goes, the contacts stay. Raises Conflict while an import fills it."""
        found = await self.get(list_id, for_update=True)
        filling = await self._session.scalar(
            select(ImportJob.id).where(ImportJob.list_id == list_id, ImportJob.status.in_(OPEN_STATUSES))
        )
        if filling is not None:
            raise Conflict(
                "An import is filling this list; cancel it or wait for its end.",
                code="list_in_use",
                import_id=str(filling),
            )
        await self._session.delete(found)

    async def add_members(self, list_id: UUID, contact_ids: Sequence[UUID]) -> int:
        """Returns how many were not on the list yet. Raises NotFound or Conflict where one is unknown or merged."""
        await self.get(list_id)
        wanted = sorted(set(contact_ids))
        await self._check_active(wanted)
        added = await self._session.execute(
            insert(ListMember)
            .values([{"list_id": list_id, "contact_id": id, "added_at": self._uow.now} for id in wanted])
            .on_conflict_do_nothing()
            .returning(ListMember.contact_id)
        )
        return len(added.all())

    async def _check_active(self, wanted: Sequence[UUID]) -> None:
        # The lock keeps a merge, which moves memberships, from passing by.
        rows = await self._session.execute(
            select(Contact.id, Contact.is_active)
            .where(Contact.id.in_(wanted))
            .order_by(Contact.id)
            .with_for_update(read=True, key_share=True)
        )
        active = {row.id: row.is_active for row in rows}
        if unknown := [str(contact_id) for contact_id in wanted if contact_id not in active]:
            raise NotFound("Some of these contacts do not exist.", contact_ids=unknown[:20])
        if merged := [str(contact_id) for contact_id in wanted if not active[contact_id]]:
            raise Conflict(
                "Some of these contacts were merged into others; put those on the list.",
                code="contact_merged",
                contact_ids=merged[:20],
            )

    async def remove_members(self, list_id: UUID, contact_ids: Sequence[UUID]) -> int:
        """Returns how many were on the list."""
        await self.get(list_id)
        removed = await self._session.execute(
            delete(ListMember)
            .where(ListMember.list_id == list_id, ListMember.contact_id.in_(contact_ids))
            .returning(ListMember.contact_id)
        )
        return len(removed.all())
