"""Runs the jobs beside the HTTP server: the sandbox is one process."""

import asyncio
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
UntilDue = Callable[[], Awaitable[timedelta | None]]


@asynccontextmanager
async def running_jobs(container: svcs.Container) -> AsyncIterator[None]:
    """The jobs run inside; at the end the steps at hand are finished, within reason."""
    stop = asyncio.Event()
    begin, bell = await container.aget(Begin), container.get(Bell)

    async def until_due() -> timedelta | None:
        async with begin() as tx:
            return await queries.until_due(await tx.aget(AsyncSession))

    loops = [JobLoop(job, await container.aget(job.process), bell, until_due) for job in JOBS]
    tasks = [asyncio.create_task(loop.run(stop)) for loop in loops]
    try:
        yield
    finally:
        stop.set()
        _, slow = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in slow:  # What is cut off here is still due, and is done after the next start.
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)


class JobLoop:
    """One job, over and over: under load at its interval, at rest only when something is due or the bell rings."""

    def __init__(self, job: Job, process: Process, bell: Bell, until_due: UntilDue) -> None:
        self._job = job
        self._process = process
        self._bell = bell
        self._heard = bell.listener()
        self._until_due = until_due

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
            done = await self._process.run_once()
            if done:
                telemetry.JOB_UNITS.labels(self._job.name).inc(done)
                self._bell.ring()  # An event leads to a delivery and to a reply.
            if done >= MANY:
                return 0.0
            return await self._until_next(is_at_work=done > 0)
        except Exception:
            telemetry.JOB_ERRORS.labels(self._job.name).inc()
            log.exception("job.failed", job=self._job.name)
            return ERROR_PAUSE_SECONDS

    async def _until_next(self, *, is_at_work: bool) -> float:
        interval = self._job.every.total_seconds()
        if is_at_work or self._job.wake_on != DUE:
            return interval
        left = await self._until_due()
        return (
            LONGEST_SLEEP_SECONDS if left is None else min(max(left.total_seconds(), interval), LONGEST_SLEEP_SECONDS)
        )


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
