"""The HTTP application: the provider's surface, the controls, and the jobs beside them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from fastapi import FastAPI
from shared.database import Begin
from shared.http import build_app

from sandbox.background import running_jobs
from sandbox.bell import Bell, RingsAtChanges
from sandbox.routes import control, observe
from sandbox.routes.control_key import document_control_key
from sandbox.routes.provider import install_html_not_found, provider_router, quickbooks_router
from sandbox.routes.quickbooks import control as quickbooks_control
from sandbox.routes.quickbooks import people
from sandbox.routes.wire import RawConnections
from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.workspace import WorkspaceService
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace


@asynccontextmanager
async def _lifespan(app: FastAPI, container: svcs.Container) -> AsyncIterator[None]:
    begin = await container.aget(Begin)
    async with begin() as tx:
        await (await tx.aget(WorkspaceService)).seed()
        await tx.aget(Workspace)
        companies = await tx.aget(CompanyService)
        for seed in container.get(SandboxSettings).quickbooks_companies:
            await companies.open(seed)
    async with running_jobs(container):
        yield


def create_app(registry: svcs.Registry, settings: SandboxSettings) -> FastAPI:
    app = build_app(
        registry,
        settings=settings,
        title="Sandbox",
        audience="sandbox",
        routers=[
            provider_router(),
            quickbooks_router(),
            control.router,
            observe.router,
            quickbooks_control.router,
            people.router,
        ],
        lifespan=_lifespan,
        application=RawConnections,
        amend_document=document_control_key,
        description="Controls of the stand-ins for OpenPhone (Quo) and QuickBooks Online.",
    )
    app.add_middleware(RingsAtChanges, bell=svcs.Container(registry).get(Bell))
    install_html_not_found(app)
    return app
