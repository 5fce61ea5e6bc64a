"""The library of wordings."""

from uuid import UUID

from shared.database import UnitOfWork
from shared.errors import NotFound
from shared.etag import check_version
from shared.ids import uuid7
from sqlalchemy import select

from campaigns.enrolment import Wording
from campaigns.models import Template


class TemplateService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    async def create(self, *, name: str, message: str) -> Template:
        Wording.of("", 1, message)
        template = Template(id=uuid7(), version=1, name=name, message=message, created_at=self._uow.now)
        self._uow.session.add(template)
        await self._uow.session.flush()
        return template

    async def get(self, template_id: UUID, *, lock: bool = False) -> Template:
        statement = select(Template).where(Template.id == template_id)
        found = await self._uow.session.execute(statement.with_for_update() if lock else statement)
        template = found.scalar_one_or_none()
        if template is None:
            raise NotFound("There is no such template.")
        return template

    async def edit(
        self, template_id: UUID, *, name: str | None, message: str | None, expected_version: int
    ) -> Template:
        template = await self.get(template_id, lock=True)
        check_version(template.version, expected_version)
        if message is not None:
            Wording.of("", 1, message)
            template.message = message
        template.name = name or template.name
        template.touch()
        await self._uow.session.flush()
        return template

    async def delete(self, template_id: UUID, *, expected_version: int) -> None:
        template = await self.get(template_id, lock=True)
        check_version(template.version, expected_version)
        await self._uow.session.delete(template)
