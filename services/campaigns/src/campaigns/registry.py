"""The composition root: how everything that this service depends on is made."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import svcs
from shared.auth import ServiceAuth, ServiceTokens
from shared.consuming import Consumption
from shared.database import Begin, UnitOfWork
from shared.jobs import Backlog
from shared.registry import Registry, base_registry

from campaigns.clients.contacts import ContactsClient
from campaigns.clients.messaging import MessagingClient
from campaigns.services.attribution import AttributionService, Attributor
from campaigns.services.audiences import AudienceBuilder, AudienceService
from campaigns.services.backlog import CampaignBacklog
from campaigns.services.campaigns import CampaignService
from campaigns.services.copies import CopyService
from campaigns.services.forecasts import ForecastService
from campaigns.services.lifecycle import LifecycleService
from campaigns.services.outcomes import OutcomeService
from campaigns.services.people import PeopleService
from campaigns.services.planning import Planner, PlanningService
from campaigns.services.revenue import RevenueService
from campaigns.services.templates import TemplateService
from campaigns.settings import Settings

TIMEOUT = httpx.Timeout(10, read=60)
"""Generous in reading: contacts opens its snapshot before it sends the first person."""


def build_registry(settings: Settings, consumes: tuple[Consumption, ...] = ()) -> Registry:
    registry = base_registry(settings, name="campaigns", consumes=consumes)
    registry.register_factory(ContactsClient, _contacts_client)
    registry.register_factory(MessagingClient, _messaging_client)
    registry.provide(CampaignService, lambda c: CampaignService(c.get(UnitOfWork), c.get(Settings)))
    registry.provide(
        LifecycleService,
        lambda c: LifecycleService(c.get(UnitOfWork), c.get(CampaignService), c.get(Settings)),
    )
    registry.provide(
        AudienceService,
        lambda c: AudienceService(c.get(UnitOfWork), c.get(CampaignService), c.get(PeopleService)),
    )
    registry.provide(ForecastService, lambda c: ForecastService(c.get(UnitOfWork), c.get(CampaignService)))
    registry.provide(
        PlanningService,
        lambda c: PlanningService(c.get(UnitOfWork), c.get(LifecycleService), c.get(Settings)),
    )
    for service in (OutcomeService, CopyService, PeopleService, RevenueService, TemplateService):
        registry.provide(service, _in_transaction(service))
    registry.provide(AttributionService, lambda c: AttributionService(c.get(UnitOfWork), c.get(Settings)))
    registry.provide(Attributor, lambda c: Attributor(c.get(Begin)))
    registry.provide(Planner, lambda c: Planner(c.get(Begin)))
    registry.register_factory(AudienceBuilder, _audience_builder)
    registry.provide(Backlog, lambda c: CampaignBacklog(c.get(Begin)))
    return registry


def _in_transaction(service: Callable[[UnitOfWork], object]) -> Callable[[svcs.Container], object]:
    return lambda c: service(c.get(UnitOfWork))


@asynccontextmanager
async def _contacts_client(svcs_container: svcs.Container) -> AsyncIterator[ContactsClient]:
    settings, tokens = svcs_container.get(Settings, ServiceTokens)
    async with httpx.AsyncClient(
        base_url=settings.contacts_url, auth=ServiceAuth(tokens, "contacts"), timeout=TIMEOUT
    ) as http:
        yield ContactsClient(http)


@asynccontextmanager
async def _messaging_client(svcs_container: svcs.Container) -> AsyncIterator[MessagingClient]:
    settings, tokens = svcs_container.get(Settings, ServiceTokens)
    async with httpx.AsyncClient(
        base_url=settings.messaging_url, auth=ServiceAuth(tokens, "messaging"), timeout=TIMEOUT
    ) as http:
        yield MessagingClient(http)


async def _audience_builder(svcs_container: svcs.Container) -> AudienceBuilder:
    contacts, messaging = await svcs_container.aget(ContactsClient, MessagingClient)
    return AudienceBuilder(svcs_container.get(Begin), contacts, messaging)
