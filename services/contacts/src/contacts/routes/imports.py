"""/api/v1/imports: start, upload, preview, correct, confirm, follow, cancel, fetch the rejected rows."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from shared.auth import Principal
from shared.database import UnitOfWork
from shared.errors import InvalidTransition, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import UPLOAD, ApiRouter, Needs, can, problems
from shared.paging import Page, PageParams

from contacts.drafts import Name
from contacts.errors import FileRefused, FileTooLarge, ImportNotReady, MappingNeeded
from contacts.importing.columns import MAX_COLUMNS, Preset
from contacts.importing.plan import Duplicates, Outcome
from contacts.queries import imports as read
from contacts.routes.contacts import Reader
from contacts.routes.processes import Transactions, Uploads
from contacts.services.imports import ImportService
from contacts.settings import MAX_UPLOAD_BYTES
from contacts.views import ImportView, PreviewView, RowView

router = ApiRouter(prefix="/api/v1/imports", tags=["imports"])

Importer = Annotated[Principal, can("contacts:import")]
TargetName = Annotated[str, StringConstraints(max_length=80)]


class ImportDraft(BaseModel):
    name: Name = Field(description="Also the name of the list that the import makes.")
    filename: Name
    preset: Preset = Field(default=Preset.AUTO, description="`auto` tells a PropertyRadar export by its columns.")
    duplicates: Duplicates = Duplicates.FILL_BLANKS


class ImportEdit(BaseModel):
    """Only what is given changes. `mapping` has one meaning, or null, for each column of the file."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    preset: Preset | None = None
    mapping: Annotated[list[TargetName | None], Field(max_length=MAX_COLUMNS)] | None = None
    duplicates: Duplicates | None = None


@router.get("")
async def list_imports(uow: Needs[UnitOfWork], user: Reader, params: PageParams) -> Page[ImportView]:
    """Imports, newest first."""
    return await read.list_imports(uow.session, params)


@router.post("", status_code=201)
async def start_import(
    draft: ImportDraft, imports: Needs[ImportService], uow: Needs[UnitOfWork], user: Importer, response: Response
) -> ImportView:
    """Step one. The file follows with `PUT /api/v1/imports/{id}/file`; nothing is stored before the confirm."""
    job = await imports.start(
        name=draft.name,
        filename=draft.filename,
        preset=draft.preset,
        duplicates=draft.duplicates,
        created_by=user.name,
    )
    response.headers["Location"] = f"/api/v1/imports/{job.id}"
    set_etag(response, job.version)
    return await read.view_import(uow.session, job.id)


@router.get("/{import_id}", responses=problems(NotFound))
async def get_import(import_id: UUID, uow: Needs[UnitOfWork], user: Reader, response: Response) -> ImportView:
    """True progress: `processed` of `rows`, and what became of them."""
    found = await read.view_import(uow.session, import_id)
    set_etag(response, found.version)
    return found


@router.put(
    "/{import_id}/file",
    openapi_extra=UPLOAD(MAX_UPLOAD_BYTES),
    responses=problems(NotFound, FileRefused, FileTooLarge, ImportNotReady),
)
async def upload_file(
    import_id: UUID,
    request: Request,
    uploads: Uploads,
    begin: Transactions,
    user: Importer,
    response: Response,
) -> ImportView:
    """The raw bytes of a CSV (UTF-8, UTF-16 or Windows-1252) or .xlsx file.

    Checked whole: a file that cannot be read is refused in one sentence and nothing of it stays.
    """
    await uploads.receive(import_id, request.stream())
    async with begin() as tx:
        uow = await tx.aget(UnitOfWork)
        view = await read.view_import(uow.session, import_id)
    set_etag(response, view.version)
    return view


@router.get("/{import_id}/preview", responses=problems(NotFound, ImportNotReady))
async def preview_import(import_id: UUID, uow: Needs[UnitOfWork], user: Reader) -> PreviewView:
    """Columns and what they were taken for, the first rows, and the problems of the first thousand."""
    return await read.preview(uow.session, import_id)


@router.patch(
    "/{import_id}",
    responses=problems(NotFound, ImportNotReady, FileRefused, PreconditionFailed, PreconditionRequired),
)
async def correct_import(
    import_id: UUID,
    edit: ImportEdit,
    version: IfMatch,
    imports: Needs[ImportService],
    uow: Needs[UnitOfWork],
    user: Importer,
    response: Response,
) -> ImportView:
    """Correct columns or options before the confirm."""
    job = await imports.correct(
        import_id,
        version,
        name=edit.name,
        preset=edit.preset,
        mapping=edit.mapping,
        duplicates=edit.duplicates,
    )
    set_etag(response, job.version)
    await uow.session.flush()
    return await read.view_import(uow.session, import_id)


@router.post("/{import_id}/confirm", status_code=202, responses=problems(NotFound, ImportNotReady, MappingNeeded))
async def confirm_import(
    import_id: UUID, imports: Needs[ImportService], uow: Needs[UnitOfWork], user: Importer, response: Response
) -> ImportView:
    """From here on contacts change, in the background."""
    job = await imports.confirm(import_id)
    response.headers["Location"] = f"/api/v1/imports/{job.id}"
    set_etag(response, job.version)
    await uow.session.flush()
    return await read.view_import(uow.session, import_id)


@router.post("/{import_id}/cancel", responses=problems(NotFound, InvalidTransition))
async def cancel_import(
    import_id: UUID, imports: Needs[ImportService], uow: Needs[UnitOfWork], user: Importer, response: Response
) -> ImportView:
    """Stop; what is stored already stays."""
    job = await imports.cancel(import_id)
    set_etag(response, job.version)
    await uow.session.flush()
    return await read.view_import(uow.session, import_id)


@router.get("/{import_id}/rows", responses=problems(NotFound))
async def list_rows(
    import_id: UUID,
    uow: Needs[UnitOfWork],
    user: Reader,
    params: PageParams,
    outcome: Annotated[Outcome | None, Query()] = None,
    warned: Annotated[bool | None, Query(description="true: with warnings only; false: without.")] = None,
) -> Page[RowView]:
    """What became of each row so far, in the order of the file."""
    return await read.list_rows(uow.session, import_id, outcome, warned, params)


@router.get(
    "/{import_id}/rejected.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}}, **problems(NotFound)},
)
async def get_rejected_rows(import_id: UUID, begin: Transactions, user: Reader) -> StreamingResponse:
    """Rejected rows with number and reason, to be corrected and imported again."""
    async with begin() as tx:
        await (await tx.aget(ImportService)).get(import_id)
    return StreamingResponse(
        read.rejected_csv(begin, import_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="rejected-{import_id}.csv"'},
    )
