"""Under QuickBooks's own limits, 10 calls a second and 500 a minute, the workers of a company are never refused."""

import asyncio
from typing import Any

import pytest
import svcs
from billing.registry import OpenedBooks
from billing.settings import Settings
from shared.errors import ProviderUnavailable

from .office import REALM, Office

LIMITS = {"per_second": 10, "per_minute": 500}
DEFAULT_RATE = Settings.model_fields["quickbooks_rate"].default


@pytest.fixture
def more_settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"quickbooks_rate": request.param}


async def burst(office: Office, workers: int, calls: int) -> list[BaseException]:
    """As many calls at once as each of the workers wants to make; returns what they raised."""
    containers = [svcs.Container(office.registry) for _ in range(workers)]
    # A container makes its own: what the workers share is the database.
    books = [(await container.aget(OpenedBooks))(REALM) for container in containers]
    asked = [one.page("Term", 1, 1) for one in books for _ in range(calls)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    for container in containers:
        await container.aclose()
    return [one for one in found if isinstance(one, BaseException)]


async def refused(office: Office) -> int:
    return int((await office.grants())["calls"]["refused"])


@pytest.mark.parametrize("more_settings", [DEFAULT_RATE], indirect=True)
async def test_a_burst_of_several_workers_is_spread_so_that_none_is_refused(office: Office) -> None:
    await office.turn(limits=LIMITS)
    await office.connect()
    bursts: list[list[BaseException]] = []
    # A machine that stands still for a moment lets calls gather that left apart: one burst of three may meet that.
    while len([errors for errors in bursts if not errors]) < 2:
        bursts.append(await burst(office, workers=3, calls=20))
        assert len([errors for errors in bursts if errors]) < 2, bursts
    tally = (await office.grants())["calls"]
    assert tally["refused"] == sum(map(len, bursts))
    assert 5 <= tally["most_in_a_second"] <= 10
    assert tally["most_in_a_minute"] >= 120


@pytest.mark.parametrize("more_settings", [0], indirect=True)
async def test_whoever_keeps_no_pace_is_refused_and_may_come_again(office: Office) -> None:
    await office.connect()
    await office.turn(limits=LIMITS)
    errors = await burst(office, workers=3, calls=20)
    assert errors
    assert all(isinstance(error, ProviderUnavailable) and error.retry_after > 0 for error in errors)
    assert await refused(office) == len(errors)
