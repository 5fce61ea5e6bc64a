"""A worker process: the relay, the consumers and the jobs of one service, and a small port that tells how it is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import structlog
import svcs
from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from shared import telemetry
from shared.bus import Bus
from shared.consuming import Consumer, Consumptions
from shared.database import Begin
from shared.events.envelope import Instant
from shared.housekeeping import HOUSEKEEPING
from shared.jobs import Backlog, Job, Process
from shared.relay import Relay
from shared.settings import ServiceSettings

log = structlog.get_logger(__name__)

RELAY_POLL_SECONDS = 1.0
ERROR_PAUSE_SECONDS = 1.0
MAX_IDLE_PASSES = 2000


class ConsumerBacklog(BaseModel):
    pending: int
    unacknowledged: int


class IdleReport(BaseModel):
    """Whether a service has nothing left to do at this instant of domain time."""

    service: str
    idle: bool
    now: Instant
    outbox: int
    outbox_failed: int
    dead_letters: int
    consumers: dict[str, ConsumerBacklog]
    busy: dict[str, int]
    running: int
    next_due_at: Instant | None


class Worker:
    def __init__(
        self,
        registry: svcs.Registry,
        settings: ServiceSettings,
        *,
        name: str,
        jobs: Sequence[Job],
        bus: Bus | None = None,
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._name = name
        self._jobs = (*jobs, HOUSEKEEPING)
        self._bus = bus
        self._running = 0
        self._wakes: dict[str, asyncio.Event] = {}
        self._started = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["Worker"]:
        """Connected and bound to its consumers, but running nothing yet."""
        owns_bus = self._bus is None
        async with svcs.Container(self._registry) as container:
            self._container = container
            self._begin = await container.aget(Begin)
            self._engine = await container.aget(AsyncEngine)
            self._consumptions = await container.aget(Consumptions)
            self._backlog = await container.aget(Backlog)
            if self._bus is None:
                self._bus = await Bus.connect(self._settings, self._name)
            self._relay = Relay(self._engine, self._bus)
            self._pullers = [await self._bus.puller(stream, self._name) for stream in self._consumptions.subjects()]
            self._consumers = [
                Consumer(self._begin, puller, self._consumptions, retry_seconds=self._settings.retry_seconds)
                for puller in self._pullers
            ]
            self._processes = [(job, await container.aget(job.process)) for job in self._jobs]
            self._started = True
            try:
                yield self
            finally:
                self._started = False
                if owns_bus:
                    await self._bus.close()
                    self._bus = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is in progress is finished."""
        async with self.opened(), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(stop))
            tasks.create_task(self._loop("relay", self._relay.run_once, RELAY_POLL_SECONDS, "outbox", stop))
            for consumer in self._consumers:
                tasks.create_task(self._loop("consumer", consumer.run_once, 0, None, stop))
            for job, process in self._processes:
                every = job.every.total_seconds()
                tasks.create_task(self._loop(job.name, process.run_once, every, job.wake_on, stop))

    async def run_until_idle(self) -> int:
        """Do all work that is there, step by step, until a whole round finds none; returns the units done.

        For tests: the same code as run(), in a fixed order.
        """
        total = 0
        for _ in range(MAX_IDLE_PASSES):
            done, waiting = await self._relay.run_once(), False
            for consumer, puller in zip(self._consumers, self._pullers, strict=True):
                if any(await puller.backlog()):
                    waiting = True  # Perhaps only for the delay of a message that was put off.
                    done += await consumer.run_once(wait=0.05)
            for job, process in self._processes:
                if job.when_idle:
                    done += await self._exhaust(process)
            total += done
            if done == 0 and not waiting:
                return total
        raise RuntimeError(f"{self._name} never came to rest")

    async def _exhaust(self, process: Process) -> int:
        """Step it until it finds nothing."""
        total = 0
        for _ in range(MAX_IDLE_PASSES):
            done = await process.run_once()
            if done == 0:
                return total
            total += done
        raise RuntimeError(f"{self._name} never came to rest: {type(process).__name__}")

    async def _loop(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        every: float,
        wake_on: str | None,
        stop: asyncio.Event,
    ) -> None:
        wake = self._wakes.setdefault(wake_on or name, asyncio.Event())
        while not stop.is_set():
            wake.clear()
            done = await self._step(name, step)
            if done == 0 and every:
                await _first(wake, stop, every)
            elif done < 0:
                await _first(stop, stop, ERROR_PAUSE_SECONDS)

    async def _step(self, name: str, step: Callable[[], Awaitable[int]]) -> int:
        """One step; -1 where it raised. A failing job is logged, counted and tried again; it never ends the worker."""
        is_pull = name == "consumer"  # A pull mostly waits for messages, which is not work.
        self._running += not is_pull
        try:
            done = await step()
            if done:
                telemetry.JOB_UNITS.labels(name).inc(done)
            return done
        except Exception:
            telemetry.JOB_ERRORS.labels(name).inc()
            log.exception("job.failed", job=name)
            return -1
        finally:
            self._running -= not is_pull

    async def _listen(self, stop: asyncio.Event) -> None:
        """Hear the notifications of committed transactions: wake jobs, pass live hints on."""
        dsn = self._settings.database_url.get_secret_value().replace("+asyncpg", "")
        while not stop.is_set():
            connection = None
            try:
                connection = await asyncpg.connect(dsn, timeout=5)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.add_listener("wake", self._on_wake)
                await connection.add_listener("live", self._on_live)
                self._wake_all()  # What was notified while nobody listened is found by looking.
                await _first(lost, stop, None)
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                log.warning("worker.listen_failed", error=repr(error))
                await _first(stop, stop, ERROR_PAUSE_SECONDS)
            finally:
                if connection is not None and not connection.is_closed():
                    with contextlib.suppress(OSError, asyncpg.PostgresError, TimeoutError):
                        await connection.close(timeout=2)

    def _on_wake(self, *notification: Any) -> None:
        channel = notification[-1]
        if channel.startswith("clock"):
            self._wake_all()
        elif channel in self._wakes:
            self._wakes[channel].set()

    def _wake_all(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def _on_live(self, *notification: Any) -> None:
        hint = orjson.loads(notification[-1])
        subject = f"live.{self._name}.{hint['resource']}"
        if self._bus is not None:
            self._live_task = asyncio.get_running_loop().create_task(
                self._bus.publish_live(subject, notification[-1].encode())
            )

    async def idle(self) -> IdleReport:
        """What is left to do now, everywhere in this service."""
        consumers = {}
        for puller in self._pullers:
            pending, unacknowledged = await puller.backlog()
            consumers[puller.stream] = ConsumerBacklog(pending=pending, unacknowledged=unacknowledged)
        outbox, failed, letters, now = await self._stored_backlog()
        busy = await self._backlog.counts()
        at_rest = not (outbox or self._running or any(busy.values()))
        next_due: datetime | None = await self._backlog.next_due_at()
        return IdleReport(
            service=self._name,
            idle=at_rest and not any(c.pending or c.unacknowledged for c in consumers.values()),
            now=now,
            outbox=outbox,
            outbox_failed=failed,
            dead_letters=letters,
            consumers=consumers,
            busy=busy,
            running=self._running,
            next_due_at=next_due,
        )

    async def _stored_backlog(self) -> tuple[int, int, int, datetime]:
        async with self._begin() as tx:
            row = (
                await (await tx.aget(AsyncSession)).execute(
                    text(
                        "SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL AND failed_at IS NULL),"
                        " (SELECT count(*) FROM outbox WHERE failed_at IS NOT NULL),"
                        " (SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL), crm_now()"
                    )
                )
            ).one()
            telemetry.OUTBOX_SIZE.set(row[0])
            return row[0], row[1], row[2], row[3]

    def app(self) -> FastAPI:
        """The worker's own small port, inside only."""
        app = FastAPI(title=f"{self._name} worker", docs_url=None, redoc_url=None, openapi_url=None)

        @app.get("/livez")
        async def livez() -> dict[str, str]:
            return {"status": "alive"}

        @app.get("/readyz")
        async def readyz(response: Response) -> dict[str, str]:
            ready = self._started and self._bus is not None and self._bus.client.is_connected
            response.status_code = 200 if ready else 503
            return {"status": "ready" if ready else "starting"}

        @app.get("/metrics", response_class=Response)
        async def metrics() -> Response:
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

        @app.get("/internal/v1/idle")
        async def idle() -> IdleReport:
            return await self.idle()

        return app


async def _first(one: asyncio.Event, other: asyncio.Event, within: float | None) -> None:
    """Wait until one of two events is set, or the time is up."""
    waits = {asyncio.ensure_future(one.wait()), asyncio.ensure_future(other.wait())}
    try:
        await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
