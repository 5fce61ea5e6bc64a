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
from sandbox.routes.provider import install_html_not_found, provider_router
from sandbox.routes.wire import RawConnections
from sandbox.services.workspace import WorkspaceService
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace


@asynccontextmanager
async def _lifespan(app: FastAPI, container: svcs.Container) -> AsyncIterator[None]:
    begin = await container.aget(Begin)
    async with begin() as tx:
        await (await tx.aget(WorkspaceService)).seed()
        await tx.aget(Workspace)
    async with running_jobs(container):
        yield


def create_app(registry: svcs.Registry, settings: SandboxSettings) -> FastAPI:
    app = build_app(
        registry,
        settings=settings,
        title="Sandbox",
        audience="sandbox",
        routers=[provider_router(), control.router, observe.router],
        lifespan=_lifespan,
        application=RawConnections,
        amend_document=document_control_key,
        description="Controls of the stand-in for OpenPhone (Quo). Its surface is in openphone_openapi.json.",
    )
    app.add_middleware(RingsAtChanges, bell=svcs.Container(registry).get(Bell))
    install_html_not_found(app)
    return app
