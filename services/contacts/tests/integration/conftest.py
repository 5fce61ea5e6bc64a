"""The service under test, and the steps that many tests take."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from contacts.spec import SPEC
from shared.consuming import DeadLetterService
from shared.database import Begin
from shared.events.envelope import Event
from shared.main import ServiceSpec
from shared.testing.streams import TestBus
from shared.worker import Worker

from .bookkeeping import Tell, create

Upload = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def service_under_test() -> ServiceSpec:
    return SPEC


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    """Chunks so small that a short file has several."""
    return {"import_chunk_rows": 500}


@pytest.fixture
def upload(client: httpx.AsyncClient) -> Upload:
    """Starts an import and uploads its file; answers the import."""

    async def run(content: bytes | str, **draft: Any) -> dict[str, Any]:
        raw = content.encode() if isinstance(content, str) else content
        started = await client.post("/api/v1/imports", json={"name": "A list", "filename": "a.csv", **draft})
        assert started.status_code == 201, started.text
        answer = await client.put(f"/api/v1/imports/{started.json()['id']}/file", content=raw)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    return run


@pytest.fixture
def imported(client: httpx.AsyncClient, upload: Upload, worker: Worker) -> Upload:
    """Uploads, confirms and runs an import to its end; answers the import."""

    async def run(content: bytes | str, **draft: Any) -> dict[str, Any]:
        job = await upload(content, **draft)
        confirmed = await client.post(f"/api/v1/imports/{job['id']}/confirm")
        assert confirmed.status_code == 202, confirmed.text
        await worker.run_until_idle()
        done = (await client.get(f"/api/v1/imports/{job['id']}")).json()
        assert done["status"] == "completed"
        return done  # type: ignore[no-any-return]

    return run


@pytest.fixture
def tell(bus: TestBus, worker: Worker, begin: Begin) -> Tell:
    """These events happen, in this order, and have had their effects."""

    async def run(*events: Event) -> None:
        for event in events:
            await bus.publish_event(event)
        await worker.run_until_idle()
        async with begin() as tx:
            refused = await (await tx.aget(DeadLetterService)).open_letters()
        assert refused == []

    return run


@pytest.fixture
async def ann(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, "Ann")


@pytest.fixture
async def bob(client: httpx.AsyncClient) -> dict[str, Any]:
    return await create(client, "Bob")
