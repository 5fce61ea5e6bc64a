"""The pytest plugin: real servers once a run, a fresh database per test, the service under test in-process."""

import functools
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import pytest
import pytest_asyncio
import svcs
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.auth import TokenVerifier
from shared.database import Begin, read_clock
from shared.log import configure_logging
from shared.main import ServiceSpec, durables
from shared.migrations import migrate
from shared.settings import ServiceSettings
from shared.telemetry import configure_tracing
from shared.testing.infrastructure import ROLE_PASSWORD, Postgres, running_nats, running_postgres
from shared.testing.streams import TestBus, make_streams
from shared.testing.tokens import TokenIssuer
from shared.worker import Worker


def pytest_configure() -> None:
    configure_logging("test", "CRITICAL")
    configure_tracing("test", "")
    # Examples are repeatable, and a slow machine is no failure.
    hypothesis.settings.register_profile("crm", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("crm")
    # Every HTTP client reads the certificates of all authorities; a test makes half a dozen, and none speaks TLS.
    ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def nats_server() -> Iterator[str]:
    with running_nats() as url:
        yield url


@pytest.fixture(scope="session")
def token_issuer() -> TokenIssuer:
    return TokenIssuer()


@dataclass(frozen=True)
class Database:
    """A database of one test: `url` as the service's role, `owner_url` as its owner."""

    name: str
    url: str
    owner_url: str


class Databases:
    """Templates, migrated once a run, and their copies."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._templates: dict[str, str] = {}

    def template(self, spec: ServiceSpec) -> str:
        if spec.name not in self._templates:
            name = f"template_{spec.name}"
            self._server.create_service_database(name, spec.name)
            migrate(spec.name, self._server.url(name, f"{spec.name}_owner", ROLE_PASSWORD))
            self._templates[spec.name] = name
        return self._templates[spec.name]

    async def create(self, spec: ServiceSpec) -> Database:
        """A copy of the template of `spec`, which must have been made before."""
        name = f"t_{spec.name}_{uuid4().hex[:12]}"
        await self._server.copy_database(name, self._templates[spec.name], spec.name)
        url = self._server.url
        return Database(name, url(name, spec.name, ROLE_PASSWORD), url(name, f"{spec.name}_owner", ROLE_PASSWORD))

    async def drop(self, database: Database) -> None:
        await self._server.aexecute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases(postgres_server: Postgres) -> Databases:
    return Databases(postgres_server)


@pytest.fixture
def migrated(service_under_test: ServiceSpec, databases: Databases) -> ServiceSpec:
    """The service under test, its template database migrated.

    Not of the session's scope: a run over several services would keep the first one's.
    """
    databases.template(service_under_test)
    return service_under_test


@pytest_asyncio.fixture
async def database(migrated: ServiceSpec, databases: Databases) -> AsyncIterator[Database]:
    database = await databases.create(migrated)
    yield database
    await databases.drop(database)


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Settings of this test that differ from the defaults; override the fixture to set some."""
    return {}


@pytest.fixture
def settings(
    service_under_test: ServiceSpec, database: Database, nats_server: str, settings_overrides: dict[str, Any]
) -> ServiceSettings:
    values = {
        "database_url": database.url,
        "nats_url": nats_server,
        "mode": "sandbox",
        "retry_seconds": 0.02,
        **settings_overrides,
    }
    return service_under_test.settings(**values)


@pytest_asyncio.fixture
async def registry(
    service_under_test: ServiceSpec, settings: ServiceSettings, token_issuer: TokenIssuer
) -> AsyncIterator[svcs.Registry]:
    """The service's own registry; a test registers another value for what stands outside the system."""
    registry = service_under_test.registry(settings)
    registry.register_value(TokenVerifier, token_issuer)
    yield registry
    await registry.aclose()


@pytest_asyncio.fixture
async def begin(registry: svcs.Registry) -> AsyncIterator[Begin]:
    async with svcs.Container(registry) as container:
        yield await container.aget(Begin)


ClientAs = Callable[..., httpx.AsyncClient]


@pytest_asyncio.fixture
async def client_as(
    service_under_test: ServiceSpec, registry: svcs.Registry, settings: ServiceSettings, token_issuer: TokenIssuer
) -> AsyncIterator[ClientAs]:
    """Makes clients of the service's HTTP API: `client_as(["contacts:read"], subject=user_id)`; None is anonymous."""
    app = service_under_test.app(registry, settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        clients: list[httpx.AsyncClient] = []

        def make(permissions: list[str] | None, **claims: Any) -> httpx.AsyncClient:
            headers = {}
            if permissions is not None:
                headers["Authorization"] = (
                    f"Bearer {token_issuer.token(service_under_test.name, permissions, **claims)}"
                )
            clients.append(httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers))
            return clients[-1]

        yield make
        for client in clients:
            await client.aclose()


@pytest.fixture
def client(client_as: ClientAs) -> httpx.AsyncClient:
    """A client that may do everything."""
    return client_as(["*"])


@pytest.fixture
def anonymous(client_as: ClientAs) -> httpx.AsyncClient:
    return client_as(None)


@pytest_asyncio.fixture
async def bus(service_under_test: ServiceSpec, settings: ServiceSettings) -> AsyncIterator[TestBus]:
    """NATS with empty streams, and the durables of the service under test."""
    bus = await TestBus.connect(settings, "test", exit_when_closed=False)
    assert isinstance(bus, TestBus)
    await make_streams(bus, service_under_test.name, durables(service_under_test))
    yield bus
    await bus.close()


@pytest_asyncio.fixture
async def worker(
    service_under_test: ServiceSpec, registry: svcs.Registry, settings: ServiceSettings, bus: TestBus
) -> AsyncIterator[Worker]:
    """The service's worker, stepped by `await worker.run_until_idle()`."""
    assert service_under_test.worker is not None
    async with service_under_test.worker(registry, settings).opened() as worker:
        yield worker


class FakeClock:
    """Moves `crm_now()` of the test's database."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def now(self) -> datetime:
        async with self._begin() as tx:
            return await read_clock(await tx.aget(AsyncSession))

    async def set(self, at: datetime) -> None:
        """Any instant, the past included."""
        await self._move("CAST(:value AS timestamptz) - clock_timestamp()", at)

    async def advance(self, by: timedelta) -> None:
        await self._move("offset_by + CAST(:value AS interval)", by)

    async def _move(self, offset: str, value: datetime | timedelta) -> None:
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            await session.execute(text(f"UPDATE crm_clock SET offset_by = {offset}"), {"value": value})


@pytest.fixture
def crm_clock(begin: Begin) -> FakeClock:
    return FakeClock(begin)
