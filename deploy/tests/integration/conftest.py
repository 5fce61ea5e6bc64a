"""A PostgreSQL, a NATS with the real permissions, and a whole stack of one small service."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import nats
import pytest
from deploy.services import Service
from deploy.stack import Stack
from nats.aio.client import Client
from shared.bootstrap import STREAMS
from shared.embedded import NatsServer, PostgresServer, base_of_free_ports, deploy_user, free_port, service_user

PACKAGES = Path(__file__).parent / "packages"
PASSWORD = "only for tests"
ECHO = Service("echo", 70)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def own_postgres(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder / "postgres", free_port(), password=PASSWORD, fsync=False)
    try:
        with server:
            yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def own_nats(folder: Path) -> Iterator[NatsServer]:
    users = [
        deploy_user(PASSWORD),
        *(service_user(name, PASSWORD, streams=STREAMS) for name in ("contacts", "campaigns", "messaging")),
        service_user("gateway", PASSWORD, streams=STREAMS, listens=("live.>",)),
    ]
    with NatsServer(folder / "nats", free_port(), free_port(), users=users) as server:
        yield server


Connect = Callable[[str], Awaitable["Session"]]


class Session:
    """One user's connection, with what the server refused it."""

    def __init__(self, client: Client, refusals: list[str]) -> None:
        self.client = client
        self.refusals = refusals

    async def is_refused(self) -> bool:
        """Whether the server refused something since the last look."""
        await self.client.flush()
        await self.client.flush()  # a refusal is sent before the answer to the second ping
        found = bool(self.refusals)
        self.refusals.clear()
        return found


@pytest.fixture
async def connect(own_nats: NatsServer) -> AsyncIterator[Connect]:
    sessions: list[Session] = []

    async def open_session(user: str) -> Session:
        refusals: list[str] = []

        async def note(error: Exception) -> None:
            refusals.append(str(error))

        client = await nats.connect(
            own_nats.url, user=user, password=PASSWORD, inbox_prefix=f"_INBOX_{user}", error_cb=note
        )
        sessions.append(Session(client, refusals))
        return sessions[-1]

    yield open_session
    for session in sessions:
        await session.client.close()


@pytest.fixture
def new_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Stack]]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(str(PACKAGES))
    with base_of_free_ports((0, 1, 2, 69, 70, 71)) as base:

        def build(**settings: str) -> Stack:
            return Stack(tmp_path / "state", base + 69, base, table=(ECHO,), settings=settings, fsync=False)

        yield build
        build().reset()
