"""One real installation for all journeys and crash tests of a run, with short windows where waiting proves nothing."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from harness.figures import Figures, report
from harness.invariants import check_invariants
from harness.system import System

SETTINGS = {
    "CRM_SEND_DEADLINE_SECONDS": "3",
    "CRM_PROVIDER_TIMEOUT_SECONDS": "2",
    "CRM_RETRY_SECONDS": "0.05",
    "CRM_DAILY_CAP": "100000",
    "CRM_CARRIER_DAILY_CAP": "100000",
    # Small, so that a kill finds an import between two chunks.
    "CRM_IMPORT_CHUNK_ROWS": "500",
    "CRM_QUICKBOOKS_TIMEOUT_SECONDS": "3",
    "CRM_PUSH_LEASE_SECONDS": "8",
    "CRM_READING_LEASE_SECONDS": "5",
    "CRM_PUSH_RETRY_SECONDS": "0.1",
    "CRM_QUICKBOOKS_RATE": "0",
    "CRM_QUICKBOOKS_THROTTLE_SECONDS": "1",
    # Some of these tests provoke what the breaker is there to stop.
    "CRM_BREAKER_MIN_TEXTS": "1000000",
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation() -> AsyncIterator[System]:
    async with System.running(SETTINGS, is_watched=True) as system:
        yield system


@pytest_asyncio.fixture(loop_scope="session")
async def system(installation: System) -> AsyncIterator[System]:
    """The installation, healthy and in daytime before each test; what must hold is checked after each."""
    await installation.reset_controls()
    await installation.daytime()
    yield installation
    await installation.settle()
    await check_invariants(installation)


_figures: dict[str, Figures] = {}


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """What this test counts and measures for the summary of the run. A crash test has to say how often it tried."""
    found = _figures[request.node.nodeid] = Figures(request.node.name)
    started = time.monotonic()
    yield found
    found.seconds = time.monotonic() - started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """A test that fails, or after which an invariant is broken, stopped at its first violation."""
    outcome = yield
    if outcome.failed and item.nodeid in _figures:
        _figures[item.nodeid].violations += 1
    return outcome


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures of the crash tests")
        report(list(_figures.values()), terminalreporter.write_line)
