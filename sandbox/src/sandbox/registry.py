"""The composition root of the sandbox."""

import httpx
import svcs
from shared.database import Begin, UnitOfWork
from shared.registry import Registry, base_registry
from sqlalchemy.ext.asyncio import AsyncSession

from sandbox.bell import Bell
from sandbox.description import Description, load_description
from sandbox.quickbooks.calls import CallCounter
from sandbox.quickbooks.limits import CompanyLimiter
from sandbox.rate_limit import RateLimiter
from sandbox.services.delivery import DeliveryProcess, delivery_client
from sandbox.services.events import EventService
from sandbox.services.inbound import InboundService
from sandbox.services.processes import AnnounceProcess, ReplyProcess, TallyProcess
from sandbox.services.quickbooks.companies import CompanyService
from sandbox.services.quickbooks.filling import FillingService
from sandbox.services.quickbooks.notices import NoticeProcess
from sandbox.services.quickbooks.oauth import OAuthService
from sandbox.services.sending import SendingService
from sandbox.services.webhooks import WebhookService
from sandbox.services.workspace import WorkspaceCache, WorkspaceService
from sandbox.settings import SandboxSettings
from sandbox.workspace import Workspace


def build_registry(settings: SandboxSettings) -> Registry:
    registry = base_registry(settings, name="sandbox")
    registry.register_value(Description, load_description())
    registry.register_value(Bell, Bell())
    registry.register_value(RateLimiter, RateLimiter())
    registry.register_value(CompanyLimiter, CompanyLimiter())
    registry.register_value(CallCounter, CallCounter())
    registry.register_value(WorkspaceCache, WorkspaceCache())
    _register_transactional(registry)
    _register_processes(registry, settings)
    return registry


def _register_transactional(registry: Registry) -> None:
    async def workspace(c: svcs.Container) -> Workspace:
        return await c.get(WorkspaceCache).current(await c.aget(AsyncSession))

    async def events(c: svcs.Container) -> EventService:
        return EventService(c.get(UnitOfWork), await c.aget(Workspace))

    async def sending(c: svcs.Container) -> SendingService:
        return SendingService(c.get(UnitOfWork), await c.aget(Workspace))

    async def inbound(c: svcs.Container) -> InboundService:
        return InboundService(
            c.get(UnitOfWork),
            await c.aget(Workspace),
            await c.aget(EventService),
            await c.aget(SendingService),
        )

    async def webhooks(c: svcs.Container) -> WebhookService:
        return WebhookService(c.get(UnitOfWork), await c.aget(Workspace), await c.aget(EventService))

    async def oauth(c: svcs.Container) -> OAuthService:
        return OAuthService(c.get(UnitOfWork), (await c.aget(Workspace)).controls.quickbooks.tokens)

    registry.register_factory(Workspace, workspace)
    registry.register_factory(OAuthService, oauth)
    registry.provide(CompanyService, lambda c: CompanyService(c.get(UnitOfWork)))
    registry.provide(FillingService, lambda c: FillingService(c.get(UnitOfWork)))
    registry.register_factory(EventService, events)
    registry.register_factory(SendingService, sending)
    registry.register_factory(InboundService, inbound)
    registry.register_factory(WebhookService, webhooks)
    registry.provide(
        WorkspaceService,
        lambda c: WorkspaceService(c.get(UnitOfWork), c.get(SandboxSettings)),
    )


def _register_processes(registry: Registry, settings: SandboxSettings) -> None:
    http = delivery_client(settings)
    registry.register_value(httpx.AsyncClient, http, on_registry_close=http.aclose)
    registry.provide(AnnounceProcess, lambda c: AnnounceProcess(c.get(Begin)))
    registry.provide(ReplyProcess, lambda c: ReplyProcess(c.get(Begin)))
    registry.provide(TallyProcess, lambda c: TallyProcess(c.get(Begin), c.get(RateLimiter)))
    registry.provide(NoticeProcess, lambda c: NoticeProcess(c.get(Begin), http, settings))
    registry.provide(DeliveryProcess, lambda c: DeliveryProcess(c.get(Begin), http, settings))
