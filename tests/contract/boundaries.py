"""The HTTP boundaries of the system, each served on a real socket over a real database of its own."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import svcs
import uvicorn
from billing.spec import SPEC as BILLING
from campaigns.spec import SPEC as CAMPAIGNS
from contacts.spec import SPEC as CONTACTS
from fastapi import FastAPI
from gateway.spec import SPEC as GATEWAY
from messaging.spec import SPEC as MESSAGING
from sandbox.spec import SPEC as SANDBOX
from shared.main import ServiceSpec

ROOT = Path(__file__).resolve().parents[2]
PROVIDER_DESCRIPTION = ROOT / "sandbox" / "src" / "sandbox" / "openphone_openapi.json"
QUICKBOOKS_DESCRIPTION = ROOT / "sandbox" / "src" / "sandbox" / "quickbooks_openapi.json"
DOCUMENTS = {
    "contacts": ROOT / "services" / "contacts" / "openapi.json",
    "campaigns": ROOT / "services" / "campaigns" / "openapi.json",
    "messaging": ROOT / "services" / "messaging" / "openapi.json",
    "billing": ROOT / "services" / "billing" / "openapi.json",
    "gateway": ROOT / "gateway" / "openapi.json",
    "sandbox": ROOT / "sandbox" / "openapi.json",
}
SPECS = {spec.name: spec for spec in (CONTACTS, CAMPAIGNS, MESSAGING, BILLING, GATEWAY, SANDBOX)}
PROVIDER_KEY = "contract-openphone-key"
CONTROL_KEY = "contract-control-key"
LEGACY_KEY = "bGVnYWN5LWtleS1vZi10aGUtY29udHJhY3QtdGVzdHM="
DATED_KEY = "whsec_ZGF0ZWQta2V5LW9mLXRoZS1jb250cmFjdC10ZXN0cyE="
VERIFIER_TOKEN = "contract-verifier-token"
NOBODY = "http://127.0.0.1:9"
METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One operation of a committed document."""

    boundary: str
    method: str
    path: str
    description: dict[str, Any]

    @property
    def is_public(self) -> bool:
        return bool(self.description.get("x-public"))

    @property
    def has_body(self) -> bool:
        return "requestBody" in self.description

    @property
    def permissions(self) -> set[str]:
        return {scope for item in self.description.get("security", []) for scopes in item.values() for scope in scopes}

    def __str__(self) -> str:
        return f"{self.boundary} {self.method.upper()} {self.path}"


def operations_of(boundary: str) -> list[Operation]:
    return _operations(boundary, DOCUMENTS[boundary])


def provider_operations() -> list[Operation]:
    return _operations("openphone", PROVIDER_DESCRIPTION)


def quickbooks_operations() -> list[Operation]:
    return _operations("quickbooks", QUICKBOOKS_DESCRIPTION)


def _operations(boundary: str, document: Path) -> list[Operation]:
    paths = json.loads(document.read_text())["paths"]
    return [
        Operation(boundary, method, path, description)
        for path, methods in paths.items()
        for method, description in methods.items()
        if method in METHODS
    ]


@dataclass
class Boundary:
    """A served application: where it is, what to send so that everything is allowed, ids that exist in it."""

    name: str
    url: str
    credentials: Callable[[], dict[str, str]]
    """Made for each request: tokens live shorter than a slow run."""
    seeds: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Path parameter, or the path that has it → the value of something that exists, or several in different states."""

    @cached_property
    def anonymous(self) -> httpx.Client:
        """For many requests, each with its own headers."""
        return httpx.Client(base_url=self.url, timeout=30)

    def client(self, headers: dict[str, str] | None = None) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.credentials() if headers is None else headers, timeout=30)


@contextmanager
def served(make: Callable[[], FastAPI]) -> Iterator[str]:
    """The address of the application, in a thread with a loop of its own, from its start to its orderly end."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(uvicorn.Config(make(), log_config=None, access_log=False, lifespan="on"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: asyncio.run(server._serve([listening])), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        # The socket listens already: the first answer comes when the application has started.
        httpx.get(f"{url}/livez", timeout=60).raise_for_status()
        yield url
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listening.close()


def application(
    spec: ServiceSpec, settings: dict[str, Any], prepare: Callable[[svcs.Registry], None]
) -> Callable[[], FastAPI]:
    """Makes the service's application; `prepare` registers what stands outside the system."""

    def make() -> FastAPI:
        values = spec.settings(**settings)
        registry = spec.registry(values)
        prepare(registry)
        return spec.app(registry, values)

    return make
