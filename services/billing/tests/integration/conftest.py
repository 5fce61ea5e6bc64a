"""Billing over real PostgreSQL and NATS, with the sandbox as QuickBooks, each on its own socket and database."""

import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
import svcs
from billing.spec import SPEC
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

from .office import CLIENT_SECRET, CONTROL_KEY, VERIFIER_TOKEN, Office

NOON = datetime(2031, 3, 4, 17, 0, tzinfo=UTC)
"""A Tuesday, noon in Boston. Later than the machine's clock, as the clock moves forward only."""


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture
def sockets() -> Iterator[dict[str, socket.socket]]:
    found = {"sandbox": listening(), "billing": listening()}
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
        "public_url": address(sockets["billing"]),
        "billing_key": "a-key-of-the-tests",
        "quickbooks_client_secret": CLIENT_SECRET,
        "quickbooks_verifier_token": VERIFIER_TOKEN,
        "quickbooks_rate": 0,
        "quickbooks_throttle_seconds": 0.1,
        "quickbooks_timeout_seconds": 30.0,
        "push_retry_seconds": 0.01,
        "push_lease_seconds": 90.0,
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
    """QuickBooks: a client of its controls, and its clock."""
    database = await sandbox_databases.create(SANDBOX)
    settings = SandboxSettings(
        database_url=database.url,
        nats_url=nats_server,
        sandbox_key=CONTROL_KEY,
        openphone_api_key="test-openphone-key",
        quickbooks_client_secret=CLIENT_SECRET,
        quickbooks_webhook_url=f"{address(sockets['billing'])}/webhooks/quickbooks",
        quickbooks_verifier_token=VERIFIER_TOKEN,
        sandbox_checks_answers=False,
    )
    registry = SANDBOX.registry(settings)
    app = SANDBOX.app(registry, settings)
    async with svcs.Container(registry) as container:
        clock = FakeClock(await container.aget(Begin))
    await clock.set(NOON)
    async with (
        app.router.lifespan_context(app),
        served(app, sockets["sandbox"]),
        httpx.AsyncClient(
            base_url=address(sockets["sandbox"]), headers={"X-Sandbox-Key": CONTROL_KEY}, timeout=30
        ) as control,
    ):
        await control.patch(
            "/sandbox/v1/controls", json={"quickbooks": {"limits": {"per_second": None, "per_minute": None}}}
        )
        yield control, clock
    await sandbox_databases.drop(database)


@pytest_asyncio.fixture
async def office(
    registry: svcs.Registry,
    settings: ServiceSettings,
    sockets: dict[str, socket.socket],
    sandbox: tuple[httpx.AsyncClient, FakeClock],
    begin: Begin,
    crm_clock: FakeClock,
    bus: TestBus,
    worker: Worker,
    token_issuer: TokenIssuer,
) -> AsyncIterator[Office]:
    """Billing with its receiver on a socket, at noon on a Tuesday, not connected yet."""
    control, sandbox_clock = sandbox
    await crm_clock.set(NOON)
    api_registry = SPEC.registry(settings)
    api_registry.register_value(TokenVerifier, token_issuer)
    app = SPEC.app(api_registry, settings)
    async with app.router.lifespan_context(app), served(app, sockets["billing"]):
        token = token_issuer.token("billing", ["*"], subject="9a3c8f50-0000-7000-8000-000000000001")
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=address(sockets["billing"]), headers=headers, timeout=30) as api:
            yield Office(registry, begin, worker, bus, control, api, (crm_clock, sandbox_clock))


@pytest_asyncio.fixture
async def connected(office: Office) -> Office:
    """The office with QuickBooks connected and its books read."""
    await office.connect()
    await office.settle()
    return office
