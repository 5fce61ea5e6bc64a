"""The steps of an import before and after its rows are stored: start, correct, confirm, cancel."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version
from shared.ids import uuid7

from contacts.errors import ImportNotReady, MappingNeeded
from contacts.importing.columns import Mapping, Preset, check_mapping, guess, names_identity
from contacts.importing.plan import Duplicates
from contacts.models import ContactList, ImportFile, ImportJob, ImportStatus

WAKE_CHANNEL = "imports"


class ImportService:
    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def start(
        self, *, name: str, filename: str, preset: Preset, duplicates: Duplicates, created_by: str
    ) -> ImportJob:
        """A new import that waits for its file."""
        now = self._uow.now
        job = ImportJob(
            id=uuid7(),
            version=1,
            name=name,
            filename=filename,
            preset=preset,
            duplicates=duplicates,
            status=ImportStatus.AWAITING_FILE,
            created_by=created_by,
            created_at=now,
            updated_at=now,
        )
        self._uow.session.add(job)
        await self._uow.session.flush()
        return job

    async def get(self, import_id: UUID, *, for_update: bool = False) -> ImportJob:
        job = await self._uow.session.get(ImportJob, import_id, with_for_update=for_update or None)
        if job is None:
            raise NotFound("There is no such import.")
        return job

    async def correct(
        self,
        import_id: UUID,
        version: int,
        *,
        name: str | None = None,
        preset: Preset | None = None,
        mapping: Mapping | None = None,
        duplicates: Duplicates | None = None,
    ) -> ImportJob:
        """Change what the confirm will do. A new preset guesses the columns anew; a mapping is taken as given."""
        job = await self.get(import_id, for_update=True)
        check_version(job.version, version)
        if job.status not in (ImportStatus.AWAITING_FILE, ImportStatus.READY):
            raise ImportNotReady(f"This import is {job.status} and can no longer be changed.", current=job.status)
        if job.file_id is None:
            if mapping is not None:
                raise ImportNotReady("Upload the file first; its columns are not known yet.", current=job.status)
            job.preset = preset or job.preset
        else:
            await self._correct_columns(job, job.file_id, preset, mapping)
        job.name = name or job.name
        job.duplicates = duplicates or job.duplicates
        job.updated_at = self._uow.now
        job.touch()
        self._uow.hint("import", job.id, job.version)
        return job

    async def _correct_columns(
        self, job: ImportJob, file_id: UUID, preset: Preset | None, mapping: Mapping | None
    ) -> None:
        file = await self._uow.session.get_one(ImportFile, file_id)
        if preset is not None:
            found = guess(file.headers, preset)
            job.preset, job.mapping = found.preset, found.mapping
        if mapping is not None:
            check_mapping(mapping, len(file.headers))
            job.mapping = mapping

    async def confirm(self, import_id: UUID) -> ImportJob:
        """Hand the import to the workers and make its list. From here on contacts change."""
        job = await self.get(import_id, for_update=True)
        if job.status is ImportStatus.AWAITING_FILE:
            raise ImportNotReady("Upload the file first.", current=job.status)
        if job.status is not ImportStatus.READY:
            raise ImportNotReady(f"This import is {job.status} already.", current=job.status)
        if not names_identity(job.mapping or []):
            raise MappingNeeded("No column holds a phone, an APN or an address with ZIP; say which one does.")
        now = self._uow.now
        members = ContactList(id=uuid7(), version=1, name=job.name, import_id=job.id, created_at=now, updated_at=now)
        self._uow.session.add(members)
        await self._uow.session.flush()
        job.list_id = members.id
        job.confirmed_at = now
        job.move(ImportStatus.QUEUED, at=now)
        self._uow.wake(WAKE_CHANNEL)
        self._uow.hint("import", job.id, job.version)
        return job

    async def cancel(self, import_id: UUID) -> ImportJob:
        """Stop after the chunk that is being stored; what was stored stays, and the counts say how much that is.

        Waits for that chunk. Raises InvalidTransition where the import has ended already.
        """
        job = await self.get(import_id, for_update=True)
        job.move(ImportStatus.CANCELLED, at=self._uow.now)
        self._uow.hint("import", job.id, job.version)
        return job
