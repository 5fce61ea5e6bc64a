"""Runs the jobs beside the HTTP server: the sandbox is one process."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
import svcs
from shared.database import Begin
from shared.jobs import Job, Process
from sqlalchemy.ext.asyncio import AsyncSession

from sandbox import queries
from sandbox.bell import Bell
from sandbox.jobs import DUE, JOBS
from shared import telemetry

log = structlog.get_logger(__name__)

ERROR_PAUSE_SECONDS = 1.0
LONGEST_SLEEP_SECONDS = 1.0
"""A clock that was moved in the database itself rings no bell."""
MANY = 50
STOP_SECONDS = 5.0
UntilDue = Callable[[], Awaitable[dict[str, timedelta | None]]]
"""How long each job, by its name, has nothing to do; None where nothing is planned at all."""


@asynccontextmanager
async def running_jobs(container: svcs.Container) -> AsyncIterator[None]:
    """The jobs run inside; at the end the steps at hand are finished, within reason."""
    stop = asyncio.Event()
    begin, bell = await container.aget(Begin), container.get(Bell)

    async def until_due() -> dict[str, timedelta | None]:
        async with begin() as tx:
            return await queries.until_due(await tx.aget(AsyncSession))

    due = DueTimes(until_due, bell)
    loops = [JobLoop(job, await container.aget(job.process), bell, due) for job in JOBS]
    tasks = [asyncio.create_task(loop.run(stop)) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        _, slow = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in slow:  # What is cut off here is still due, and is done after the next start.
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


class DueTimes:
    """When each job has something to do: asked once for all of them after each ring, instead of each job looking."""

    def __init__(self, until_due: UntilDue, bell: Bell) -> None:
        self._until_due = until_due
        self._bell = bell
        self._asked: asyncio.Task[dict[str, timedelta | None]] | None = None
        self._asked_at = (0, 0.0)

    async def seconds_left(self, job: str) -> float:
        """Until the job has something to do (not positive: it has) or is to ask again. Raises what asking raised."""
        rings, at = self._asked_at
        if self._asked is None or rings != self._bell.rings or time.monotonic() - at >= LONGEST_SLEEP_SECONDS:
            # What rings from here on may not be in the answer.
            self._asked_at = rings, at = self._bell.rings, time.monotonic()
            self._asked = asyncio.ensure_future(self._until_due())
        left = (await self._asked)[job]
        age = time.monotonic() - at
        rest = LONGEST_SLEEP_SECONDS - age
        return rest if left is None else min(left.total_seconds() - age, rest)


class JobLoop:
    """One job, over and over: under load at its interval, at rest only when something is due or the bell rings."""

    def __init__(self, job: Job, process: Process, bell: Bell, due: DueTimes) -> None:
        self._job = job
        self._process = process
        self._bell = bell
        self._heard = bell.listener()
        self._due = due

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._heard.clear()
            pause = await self._step()
            # Never sooner than its interval: the next look gathers a batch, instead of taking up each row on its own.
            interval = min(pause, self._job.every.total_seconds())
            await _first_of(interval, stop)
            if pause > interval:
                await _first_of(pause - interval, stop, self._heard)

    async def _step(self) -> float:
        """Do what is due; returns for how long there is nothing to do."""
        try:
            pause = await self._rest()
            if pause > 0:
                return pause
            done = await self._process.run_once()
            if done:
                telemetry.JOB_UNITS.labels(self._job.name).inc(done)
                self._bell.ring()  # An event leads to a delivery and to a reply.
            return 0.0 if done >= MANY else self._job.every.total_seconds()
        except Exception:
            telemetry.JOB_ERRORS.labels(self._job.name).inc()
            log.exception("job.failed", job=self._job.name)
            return ERROR_PAUSE_SECONDS

    async def _rest(self) -> float:
        """For how long it has nothing to do, as far as that is known."""
        if self._job.wake_on != DUE:
            return 0.0
        left = await self._due.seconds_left(self._job.name)
        return max(left, self._job.every.total_seconds()) if left > 0 else 0.0


async def _first_of(within: float, *events: asyncio.Event) -> None:
    """Wait until one of the events is set, or the time is up."""
    if within <= 0:
        return
    waits = {asyncio.ensure_future(event.wait()) for event in events}
    try:
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
