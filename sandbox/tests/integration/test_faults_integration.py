"""Faults of sending over a real connection: what the caller sees, and what the ledger says really happened."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import svcs
from sandbox.settings import SandboxSettings
from sandbox.spec import SPEC

from . import steps
from .conftest import API_KEY, CONTROL_KEY, served
from .steps import ANA, send, turn


@pytest_asyncio.fixture
async def address(registry: svcs.Registry, settings: SandboxSettings) -> AsyncIterator[str]:
    """The sandbox on a socket: a connection can be reset only where there is one."""
    app = SPEC.app(registry, settings)
    async with app.router.lifespan_context(app), served(app) as url:
        yield url


@pytest_asyncio.fixture
async def provider(address: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": API_KEY}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client:
        yield client


@pytest_asyncio.fixture
async def impatient(address: str) -> AsyncIterator[httpx.AsyncClient]:
    """The same, and it does not wait for an answer that never comes."""
    headers = {"Authorization": API_KEY}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=2) as client:
        yield client


@pytest_asyncio.fixture
async def control(address: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-Sandbox-Key": CONTROL_KEY}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=10) as client:
        yield client


async def struck(control: httpx.AsyncClient, *faults: str | None, **more: Any) -> None:
    await turn(control, faults={"recipients": {ANA: {"send": list(faults)}}, **more})


async def texts(control: httpx.AsyncClient) -> int:
    return len(await steps.ledger(control))


@pytest.mark.parametrize(
    ("fault", "raised", "accepted"),
    [
        ("timeout_after_accept", httpx.ReadTimeout, 1),
        ("hang_before_accept", httpx.ReadTimeout, 0),
        ("reset_after_accept", httpx.TransportError, 1),
        ("reset_before_accept", httpx.TransportError, 0),
    ],
)
async def test_a_text_without_an_answer_may_or_may_not_have_gone_out(
    provider: httpx.AsyncClient,
    impatient: httpx.AsyncClient,
    control: httpx.AsyncClient,
    fault: str,
    raised: type[Exception],
    accepted: int,
) -> None:
    await struck(control, fault)
    with pytest.raises(raised):
        await send(impatient)
    assert await texts(control) == accepted
    assert len((await steps.find_messages(provider))["data"]) == accepted
    assert (await send(provider)).status_code == 202, "the fault was of the first attempt"


async def test_a_reset_is_no_timeout(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await struck(control, "reset_after_accept")
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await send(provider)


@pytest.mark.parametrize(
    ("fault", "status", "accepted"),
    [
        ("error_after_accept", 500, 1),
        ("error_before_accept", 500, 0),
        ("rate_limited", 429, 0),
        ("invalid_number", 400, 0),
        ("unreachable", 400, 0),
    ],
)
async def test_an_answer_may_not_tell_what_happened(
    provider: httpx.AsyncClient, control: httpx.AsyncClient, fault: str, status: int, accepted: int
) -> None:
    await struck(control, fault)
    answer = await send(provider)
    assert answer.status_code == status
    assert await texts(control) == accepted
    if status == 500:
        assert answer.json()["code"] == "0201500"


async def test_an_unreadable_answer_hides_a_text(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await struck(control, "unreadable_after_accept")
    answer = await send(provider)
    assert answer.status_code == 202
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|Invalid"):
        answer.json()
    assert await texts(control) == 1


async def test_a_slow_answer_is_the_true_one(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await struck(control, "slow_after_accept", slow_seconds=0.05)
    answer = await send(provider)
    assert answer.elapsed.total_seconds() >= 0.05
    (row,) = await steps.ledger(control)
    assert (row["message_id"], row["fault"]) == (answer.json()["data"]["id"], "slow_after_accept")


async def test_a_burst_of_429_passes(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    await struck(control, "rate_limited", "rate_limited", None)
    assert [(await send(provider)).status_code for _ in range(3)] == [429, 429, 202]
    (row,) = await steps.ledger(control)
    assert row["attempt"] == 3


async def test_the_same_seed_strikes_the_same_people(provider: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    phones = [f"+1617555{number:04}" for number in range(40)]
    runs = []
    for _ in range(2):
        await turn(control, faults={"seed": 11, "send": {"error_before_accept": 0.3, "rate_limited": 0.2}})
        runs.append([(await send(provider, to=phone)).status_code for phone in phones])
        await control.post("/sandbox/v1/reset")
    assert runs[0] == runs[1]
    assert set(runs[0]) == {202, 429, 500}
