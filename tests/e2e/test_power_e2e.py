"""The machine goes off in the middle of a campaign and comes back."""

import asyncio
import signal

import pytest
from harness import campaigns
from harness.counts import time_limit
from harness.imports import import_households
from harness.system import System

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]


async def test_after_everything_was_killed_at_once_the_campaign_ends_as_if_nothing_had_been(system: System) -> None:
    job = await import_households(system, rows=60, seed=21)
    campaign = await campaigns.draft(system, job["list_id"])
    await campaigns.launch(system, campaign)
    victims = [name for name in system.stack.processes if name not in {"caddy"}]
    for name in victims:
        await system.kill(name, signal.SIGKILL)
    await asyncio.to_thread(system.stack.up)
    await system.settle(within=180)
    await system.advance(days=2)
    results = await campaigns.results(system, campaign)
    assert results["status"] == "completed"
    assert sum(results["counts"].values()) == results["total"]
    recipients = await system.rows(
        "campaigns", "SELECT phone FROM recipient WHERE campaign_id = $1 AND phone IS NOT NULL", campaign
    )
    ledger = await system.ledger([row["phone"] for row in recipients])
    assert set(ledger.values()) == {1}
