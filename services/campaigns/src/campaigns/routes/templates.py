"""The library of wordings, and what a text costs before anybody gets it."""

from uuid import UUID

from fastapi import Response
from shared.database import UnitOfWork
from shared.errors import AlreadyExists, NotFound, PreconditionFailed, PreconditionRequired
from shared.etag import IfMatch, set_etag
from shared.http import ApiRouter, Needs, problems
from shared.paging import Page, PageParams, page
from shared.rules.segments import count_segments, normalise
from shared.rules.templates import InvalidTemplate, lint, parse_template
from sqlalchemy import select

from campaigns.enrolment import template_values
from campaigns.models import Template
from campaigns.routes.campaigns import Reader, Writer
from campaigns.routes.schemas import (
    LintOut,
    TemplateIn,
    TemplateOut,
    TemplatePatch,
    TemplatePreview,
    TemplatePreviewIn,
)
from campaigns.services.templates import TemplateService
from campaigns.settings import Settings

router = ApiRouter(prefix="/api/v1/templates", tags=["templates"])


@router.post("", status_code=201, responses=problems(AlreadyExists, InvalidTemplate))
async def create_template(
    new: TemplateIn, templates: Needs[TemplateService], user: Writer, response: Response
) -> TemplateOut:
    template = await templates.create(name=new.name, message=new.message)
    response.headers["Location"] = f"/api/v1/templates/{template.id}"
    set_etag(response, template.version)
    return TemplateOut.of(template)


@router.get("")
async def list_templates(params: PageParams, uow: Needs[UnitOfWork], user: Reader) -> Page[TemplateOut]:
    """Newest first."""
    rows, next_cursor, total = await page(
        uow.session, select(Template), keys=[Template.created_at.desc(), Template.id.desc()], params=params
    )
    return Page(items=[TemplateOut.of(row) for row in rows], next_cursor=next_cursor, total=total)


@router.post("/preview", responses=problems(InvalidTemplate))
async def preview_template(wanted: TemplatePreviewIn, settings: Needs[Settings], user: Reader) -> TemplatePreview:
    """Render for a made-up person; says segments, encoding and what a person should know before sending it."""
    template = parse_template(normalise(wanted.message))
    values = template_values(
        first_name=wanted.first_name,
        last_name=wanted.last_name,
        company=None,
        address=None,
        city=wanted.city,
        state=None,
        zip_code=None,
    )
    missing = sorted(template.missing(values))
    text = None if missing else normalise(template.render(values))
    counted = count_segments(text or "", billing=True)
    return TemplatePreview(
        text=text,
        missing=missing,
        segments=counted.segments,
        encoding=counted.encoding,
        warnings=[
            LintOut(code=warning.code, message=warning.message)
            for warning in lint(wanted.message, settings.business_name)
        ],
    )


@router.get("/{template_id}", responses=problems(NotFound))
async def get_template(
    template_id: UUID, templates: Needs[TemplateService], user: Reader, response: Response
) -> TemplateOut:
    template = await templates.get(template_id)
    set_etag(response, template.version)
    return TemplateOut.of(template)


@router.patch(
    "/{template_id}",
    responses=problems(NotFound, AlreadyExists, PreconditionFailed, PreconditionRequired, InvalidTemplate),
)
async def edit_template(
    template_id: UUID,
    changes: TemplatePatch,
    expected: IfMatch,
    templates: Needs[TemplateService],
    user: Writer,
    response: Response,
) -> TemplateOut:
    template = await templates.edit(template_id, name=changes.name, message=changes.message, expected_version=expected)
    set_etag(response, template.version)
    return TemplateOut.of(template)


@router.delete(
    "/{template_id}", status_code=204, responses=problems(NotFound, PreconditionFailed, PreconditionRequired)
)
async def delete_template(
    template_id: UUID, expected: IfMatch, templates: Needs[TemplateService], user: Writer
) -> None:
    await templates.delete(template_id, expected_version=expected)
