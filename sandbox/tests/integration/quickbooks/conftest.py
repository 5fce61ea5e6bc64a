"""An app that is connected to the sandbox's company."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from .app import App


@pytest_asyncio.fixture
async def app(client_as: Callable[..., httpx.AsyncClient], turn: Callable[..., Any]) -> AsyncIterator[App]:
    await turn(limits={"per_second": None, "per_minute": None})
    app = App(client_as(None))
    app.http.headers.pop("Authorization", None)
    assert (await app.exchange(await app.code())).status_code == 200
    yield app


@pytest.fixture
def turn(control: httpx.AsyncClient) -> Callable[..., Any]:
    """`await turn(tokens={...})`: change the controls of QuickBooks."""

    async def change(**controls: Any) -> None:
        answer = await control.patch("/sandbox/v1/controls", json={"quickbooks": controls})
        assert answer.status_code == 200, answer.text

    return change
