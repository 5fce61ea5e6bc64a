"""Messaging over real PostgreSQL and NATS, with the sandbox as the provider, each on its own socket and database."""

import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
import svcs
from messaging.services.numbers import NumberSyncProcess
from messaging.services.subscriptions import SubscriptionProcess
from messaging.spec import SPEC
from sandbox.settings import SandboxSettings
from sandbox.spec import SPEC as SANDBOX
from shared.auth import TokenVerifier
from shared.database import Begin
from shared.main import ServiceSpec
from shared.settings import ServiceSettings
from shared.testing.plugin import Databases, FakeClock
from shared.testing.serving import address, listening, served
from shared.testing.streams import TestBus
from shared.testing.tokens import TokenIssuer
from shared.worker import Worker

from .system import CONTROL_KEY, PROVIDER_KEY, System

NOON = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
"""A Tuesday, noon in Boston: every window is open. Later than the machine's clock, as the clock moves forward only."""


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture
def sockets() -> Iterator[dict[str, socket.socket]]:
    found = {"sandbox": listening(), "messaging": listening()}
    yield found
    for listener in found.values():
        listener.close()


@pytest.fixture
def more_settings() -> dict[str, Any]:
    """What one test sets differently."""
    return {}


@pytest.fixture
def settings_overrides(sockets: dict[str, socket.socket], more_settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "openphone_url": address(sockets["sandbox"]),
        "openphone_api_key": PROVIDER_KEY,
        "openphone_webhook_url": f"{address(sockets['messaging'])}/webhooks/openphone",
        "service_secret": "a-secret-of-the-tests",
        "rate_per_second": 0,
        "daily_cap": 10_000,
        "provider_timeout_seconds": 3.0,
        "send_deadline_seconds": 8.0,
        **more_settings,
    }


@pytest.fixture(scope="session")
def sandbox_databases(databases: Databases) -> Databases:
    """Databases, with the sandbox's template among them."""
    databases.template(SANDBOX)
    return databases


@pytest_asyncio.fixture
async def sandbox(
    sandbox_databases: Databases, sockets: dict[str, socket.socket], nats_server: str
) -> AsyncIterator[tuple[httpx.AsyncClient, FakeClock]]:
    """The provider: a client of its controls, and its clock."""
    database = await sandbox_databases.create(SANDBOX)
    settings = SandboxSettings(
        database_url=database.url,
        nats_url=nats_server,
        sandbox_key=CONTROL_KEY,
        openphone_api_key=PROVIDER_KEY,
        quickbooks_client_secret=PROVIDER_KEY,
        openphone_rate_limit=None,
        sandbox_checks_answers=False,
        sandbox_delivery_timeout_seconds=5.0,
    )
    registry = SANDBOX.registry(settings)
    app = SANDBOX.app(registry, settings)
    async with svcs.Container(registry) as container:
        clock = FakeClock(await container.aget(Begin))
    await clock.set(NOON)
    async with (
        app.router.lifespan_context(app),
        served(app, sockets["sandbox"]),
        httpx.AsyncClient(base_url=address(sockets["sandbox"]), headers={"X-Sandbox-Key": CONTROL_KEY}) as control,
    ):
        yield control, clock
    await sandbox_databases.drop(database)


@pytest_asyncio.fixture
async def system(
    registry: svcs.Registry,
    settings: ServiceSettings,
    sockets: dict[str, socket.socket],
    sandbox: tuple[httpx.AsyncClient, FakeClock],
    begin: Begin,
    crm_clock: FakeClock,
    bus: TestBus,
    worker: Worker,
    token_issuer: TokenIssuer,
) -> AsyncIterator[System]:
    """Messaging and the provider, connected: numbers known, webhooks subscribed, noon on a Tuesday."""
    control, provider_clock = sandbox
    await crm_clock.set(NOON)
    api_registry = SPEC.registry(settings)
    api_registry.register_value(TokenVerifier, token_issuer)
    app = SPEC.app(api_registry, settings)
    async with app.router.lifespan_context(app), served(app, sockets["messaging"]):
        async with svcs.Container(registry) as container:
            await (await container.aget(NumberSyncProcess)).run_once()
            await (await container.aget(SubscriptionProcess)).run_once()
        token = token_issuer.token("messaging", ["*"])
        api = httpx.AsyncClient(base_url=address(sockets["messaging"]), headers={"Authorization": f"Bearer {token}"})
        async with api:
            system = System(registry, begin, worker, bus, control, api, (crm_clock, provider_clock))
            await system.at_once()
            yield system
