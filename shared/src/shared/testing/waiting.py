"""Waiting without sleeping blindly: poll a condition until it holds or the time is up."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:  # Whoever waits for something else needs none.
    from shared.worker import Worker

T = TypeVar("T")

POLL_SECONDS = 0.02


async def until(
    condition: Callable[[], T | Awaitable[T]], *, within: float = 60.0, what: str = "", every: float = POLL_SECONDS
) -> T:
    """The first truthy value of `condition`, asked `every` so often; raises AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value: Any = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value  # type: ignore[no-any-return]
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or condition}; last value {value!r}")
        await asyncio.sleep(every)


async def settle_beside(worker: "Worker", sandbox: httpx.AsyncClient, *, within: float = 90.0) -> None:
    """Step a service's worker until neither it nor the sandbox has anything left to do at this instant.

    In this order: whatever the sandbox brings after the worker came to rest is in the report, which is asked for last.
    """
    deadline = time.monotonic() + within
    while True:
        await worker.run_until_idle()
        queue = (await sandbox.get("/sandbox/v1/queue")).json()
        report = await worker.idle()
        if queue["idle"] and report.idle:
            return
        assert time.monotonic() < deadline, (queue, report)
        await asyncio.sleep(POLL_SECONDS)


async def settle(
    reports: Callable[[], Awaitable[list[dict[str, Any]]]], *, within: float = 60.0, every: float = POLL_SECONDS
) -> list[dict[str, Any]]:
    """Wait until every service reports idle in two answers in a row; returns the last reports.

    `reports` asks each service's /internal/v1/idle and the sandbox's queue.
    """
    previous: list[bool] = []
    deadline = time.monotonic() + within
    latest: list[dict[str, Any]] = []
    unanswered: httpx.HTTPError | None = None
    while time.monotonic() < deadline:
        try:
            latest, unanswered = await reports(), None
        except httpx.HTTPError as error:
            latest, unanswered = [], error
        previous = [*previous[-1:], bool(latest) and all(report["idle"] for report in latest)]
        if previous == [True, True]:
            return latest
        await asyncio.sleep(every)
    busy = [report for report in latest if not report["idle"]]
    raise AssertionError(f"the system did not settle within {within} s: {busy or unanswered!r}")
