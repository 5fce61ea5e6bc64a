"""What the control endpoints of QuickBooks share: the company that the path names, and a person's view of its books."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, StringConstraints
from shared.database import UnitOfWork
from shared.errors import Conflict, NotFound
from shared.http import Needs

from sandbox.models import QbCompany
from sandbox.quickbooks.faults import QuickBooksFault
from sandbox.routes.control_key import Controller
from sandbox.services.quickbooks.books import Books
from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.quickbooks.store import Store
from sandbox.workspace import Workspace

RealmId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


async def find_company(companies: CompanyService, realm_id: str, *, lock: bool = False) -> QbCompany:
    company = await companies.find(realm_id, lock=lock)
    if company is None:
        raise NotFound("There is no such company.")
    return company


async def _books(
    realm_id: RealmId,
    caller: Controller,
    companies: Needs[CompanyService],
    workspace: Needs[Workspace],
    uow: Needs[UnitOfWork],
) -> Books:
    company = await find_company(companies, realm_id, lock=True)
    return Books(Store(uow, company, workspace.controls.quickbooks), by="person")


PersonsBooks = Annotated[Books, Depends(_books, scope="function")]


@contextmanager
def faults_as_problems() -> Iterator[None]:
    """What QuickBooks refuses is our 409, and what it does not find our 404."""
    try:
        yield
    except QuickBooksFault as fault:
        raise (NotFound if fault.code == "610" else Conflict)(f"{fault.message}. {fault.detail}") from fault
