import httpx
import pytest
import pytest_asyncio
import svcs
from campaigns.clients.contacts import ContactsClient
from campaigns.clients.messaging import MessagingClient
from campaigns.spec import SPEC
from shared.database import Begin
from shared.main import ServiceSpec
from shared.testing.plugin import FakeClock
from shared.testing.streams import TestBus
from shared.worker import Worker

from .neighbours import Neighbours
from .office import MONDAY_NOON, Office


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture
def neighbours() -> Neighbours:
    return Neighbours()


@pytest.fixture
def registry(registry: svcs.Registry, neighbours: Neighbours) -> svcs.Registry:
    """The service's registry; the other services are replaced at their HTTP boundary."""
    http = httpx.AsyncClient(transport=httpx.ASGITransport(neighbours.app), base_url="http://neighbours")
    registry.register_value(ContactsClient, ContactsClient(http), on_registry_close=http.aclose)
    registry.register_value(MessagingClient, MessagingClient(http))
    return registry


@pytest_asyncio.fixture
async def office(
    client: httpx.AsyncClient,
    worker: Worker,
    bus: TestBus,
    begin: Begin,
    neighbours: Neighbours,
    crm_clock: FakeClock,
) -> Office:
    """The service on a Monday at noon in New York."""
    await crm_clock.set(MONDAY_NOON)
    return Office(client, worker, bus, begin, neighbours)
