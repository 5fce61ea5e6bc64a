"""The sandbox in-process over a real database, a client of each surface, and a receiver of webhooks."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
import svcs
import uvicorn
from sandbox.bell import Bell
from sandbox.spec import SPEC
from shared.database import Begin
from shared.main import ServiceSpec
from shared.testing.plugin import FakeClock

API_KEY = "test-openphone-key"
CONTROL_KEY = "test-control-key"
APP_SECRET = "test-app-secret"
VERIFIER_TOKEN = "test-verifier-token"
NUMBER = "+18575550110"
NUMBER_ID = "PN4e2b9d10"
DATED = {"Quo-Api-Version": "2026-03-30"}


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {
        "sandbox_key": CONTROL_KEY,
        "openphone_api_key": API_KEY,
        "openphone_rate_limit": None,
        "quickbooks_client_secret": APP_SECRET,
        "quickbooks_verifier_token": VERIFIER_TOKEN,
    }


class RingingClock(FakeClock):
    """Moves the clock as the sandbox's own endpoint does: its jobs hear of it."""

    def __init__(self, begin: Begin, bell: Bell) -> None:
        super().__init__(begin)
        self._bell = bell

    async def advance(self, by: timedelta) -> None:
        await super().advance(by)
        self._bell.ring()


@pytest.fixture
def crm_clock(begin: Begin, registry: svcs.Registry) -> FakeClock:
    return RingingClock(begin, svcs.Container(registry).get(Bell))


@pytest.fixture
def provider(client_as: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the provider's surface."""
    client = client_as(None)
    client.headers["Authorization"] = API_KEY
    return client


@pytest.fixture
def control(client_as: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """A client of the control endpoints."""
    client = client_as(None)
    client.headers["X-Sandbox-Key"] = CONTROL_KEY
    return client


@dataclass
class Received:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return orjson.loads(self.raw)


@dataclass
class Receiver:
    """A server that keeps what it was sent, and answers with `status`."""

    url: str = ""
    status: int = 200
    received: list[Received] = field(default_factory=list)

    def of(self, event_type: str) -> list[Received]:
        return [received for received in self.received if received.body["type"] == event_type]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        chunks, more = [], True
        while more:
            message = await receive()
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.received.append(Received(headers, b"".join(chunks)))
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})


@contextlib.asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """The address of `app` on a real socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@pytest.fixture
def serve() -> Callable[[Any], Any]:
    """`async with serve(app) as url:`, for tests in folders below."""
    return served


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with served(receiver) as url:
        receiver.url = f"{url}/webhooks/openphone"
        yield receiver
