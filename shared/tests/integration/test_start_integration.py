"""What a process refuses to start with."""

import asyncio
from datetime import timedelta

import pytest
from shared.embedded import free_port
from shared.main import ServiceSpec, run
from shared.testing.plugin import Database, FakeClock


@pytest.mark.parametrize("mode", ["trial", "live"])
@pytest.mark.parametrize("process", ["api", "worker"])
async def test_a_clock_that_was_moved_in_sandbox_mode_stops_a_real_start(
    service_under_test: ServiceSpec,
    database: Database,
    crm_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    process: str,
    mode: str,
) -> None:
    await crm_clock.advance(timedelta(hours=9))
    monkeypatch.setenv("CRM_MODE", mode)
    monkeypatch.setenv("CRM_DATABASE_URL", database.url)
    with pytest.raises(SystemExit, match=f"CRM_MODE is {mode}, but the clock of this database was moved ahead by 9:00"):
        await asyncio.to_thread(run, service_under_test, [process, "--port", str(free_port())])
