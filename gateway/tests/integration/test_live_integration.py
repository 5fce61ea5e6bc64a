"""The live stream from a service's commit to an open browser, over a real NATS server."""

from typing import Any

import pytest
from gateway.settings import GatewaySettings
from shared.bus import Bus
from shared.testing.waiting import until

from .conftest import Gateway


async def test_a_hint_reaches_an_open_stream(edge: Gateway, settings: GatewaySettings) -> None:
    bus = await Bus.connect(settings, "test", exit_when_closed=False)
    try:
        async with edge.http.stream("GET", "/api/v1/stream", headers=await edge.bearer()) as answer:
            lines = answer.aiter_lines()
            assert await anext(lines) == "event: ready"

            async def heard() -> str | None:
                await bus.publish_live(
                    "live.contacts.contacts", b'{"resource": "contacts", "id": "1", "version": 4, "name": "no"}'
                )
                line = await anext(lines)
                return line if line.startswith('data: {"') else None

            data = await until(heard)
            assert data == 'data: {"service":"contacts","resource":"contacts","id":"1","version":4}'
    finally:
        await bus.close()


class TestWithoutNats:
    """Signing in, and everything else, goes on while NATS is away."""

    @pytest.fixture
    def settings_overrides(self, settings_overrides: dict[str, Any]) -> dict[str, Any]:
        return {**settings_overrides, "nats_url": "nats://127.0.0.1:9"}

    async def test_the_app_is_ready_and_streams_open(self, edge: Gateway) -> None:
        assert (await edge.http.get(f"{edge.app_url}/readyz")).status_code == 200
        async with edge.http.stream("GET", "/api/v1/stream", headers=await edge.bearer()) as answer:
            assert await anext(answer.aiter_lines()) == "event: ready"
