"""The command line of a service: api, worker, migrate, openapi, consumers, republish. Used by every __main__.py."""

import argparse
import asyncio
import gc
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import svcs
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from shared.consuming import Consumption, Consumptions
from shared.database import Begin, read_clock_offset
from shared.log import configure_logging
from shared.relay import republish
from shared.settings import Mode, ServiceSettings, load
from shared.telemetry import configure_tracing
from shared.worker import Worker


@dataclass(frozen=True)
class ServiceSpec:
    """A service as the command line, the local run and the tests see it."""

    name: str
    settings: type[ServiceSettings]
    registry: Callable[[Any], svcs.Registry]
    app: Callable[[svcs.Registry, Any], FastAPI]
    worker: Callable[[svcs.Registry, Any], Worker] | None
    consumes: tuple[Consumption, ...] = ()


def run(spec: ServiceSpec, arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog=spec.name)
    commands = parser.add_subparsers(dest="command", required=True)
    for process in ("api", "worker"):
        command = commands.add_parser(process)
        command.add_argument("--port", type=int, required=True)
        command.add_argument("--host", default="127.0.0.1")
    commands.add_parser("migrate", help="bring the database to the newest version (as its owner)")
    commands.add_parser("openapi", help="print the OpenAPI document")
    commands.add_parser("consumers", help="print the durable consumers that this service binds")
    again = commands.add_parser("republish", help="publish again what the outbox keeps: 30 days of events")
    again.add_argument("--since", type=_instant, required=True, help="for instance 2026-03-01T00:00:00Z")
    again.add_argument("--type", help="of this event type only")
    parsed = parser.parse_args(arguments)
    match parsed.command:
        case "api":
            asyncio.run(_refuse_moved_clock(load(spec.settings)))
            _serve_api(spec, parsed.host, parsed.port)
        case "worker":
            asyncio.run(_refuse_moved_clock(load(spec.settings)))
            _serve_worker(spec, parsed.host, parsed.port)
        case "migrate":
            from shared.migrations import migrate  # Alembic is of use to this command only.

            migrate(spec.name, load(spec.settings).database_url.get_secret_value())
        case "openapi":
            print(render_openapi(spec))
        case "consumers":
            print(json.dumps(durables(spec)))
        case "republish":
            print(f"{asyncio.run(_republish(spec, parsed.since, parsed.type))} events are published again.")


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


async def _republish(spec: ServiceSpec, since: datetime, event_type: str | None) -> int:
    registry = spec.registry(load(spec.settings))
    try:
        async with svcs.Container(registry) as container:
            return await republish(await container.aget(Begin), since=since, event_type=event_type)
    finally:
        await registry.aclose()


def durables(spec: ServiceSpec) -> list[dict[str, Any]]:
    """The durable consumers of a service: one per stream, filtered to what it consumes."""
    streams = Consumptions(spec.consumes).subjects()
    return [{"stream": stream, "durable": spec.name, "subjects": subjects} for stream, subjects in streams.items()]


def render_openapi(spec: ServiceSpec) -> str:
    """The service's OpenAPI document as it is committed: stable order, one trailing newline from print."""
    # The document depends on no setting: placeholders are enough to build the application.
    required = [name for name, field in spec.settings.model_fields.items() if field.is_required()]
    secrets: dict[str, Any] = dict.fromkeys(required, SecretStr("none"))
    address = SecretStr("postgresql+asyncpg://nobody@127.0.0.1/none")
    settings = spec.settings.model_construct(**{**secrets, "database_url": address})
    registry = spec.registry(settings)
    try:
        return json.dumps(spec.app(registry, settings).openapi(), indent=2, sort_keys=True, ensure_ascii=False)
    finally:
        asyncio.run(registry.aclose())


async def _refuse_moved_clock(settings: ServiceSettings) -> None:
    """Stop where real people would be texted by a clock that was moved in sandbox mode: at night, for instance."""
    if settings.mode is Mode.SANDBOX:
        return
    if offset := await read_clock_offset(settings.database_url.get_secret_value()):
        sys.exit(
            f"CRM_MODE is {settings.mode}, but the clock of this database was moved ahead by {offset} in sandbox mode;"
            " what was rehearsed and what is real do not share a database: start with a new one."
        )


def _prepare(spec: ServiceSpec) -> tuple[Any, svcs.Registry]:
    settings = load(spec.settings)
    configure_logging(spec.name, settings.log_level)
    configure_tracing(spec.name, settings.otlp_endpoint)
    _calm_the_collector()
    return settings, spec.registry(settings)


def _calm_the_collector() -> None:
    """Look for cyclic garbage less often, and never in what was loaded at the start.

    A batch makes thousands of objects that reference counting frees: looking through them after every 700 is wasted.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _uvicorn(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=10,
        )
    )


def _serve_api(spec: ServiceSpec, host: str, port: int) -> None:
    settings, registry = _prepare(spec)
    app = spec.app(registry, settings)
    app.openapi()  # An operation without a permission stops the process here, before it serves anything.
    _uvicorn(app, host, port).run()


def _serve_worker(spec: ServiceSpec, host: str, port: int) -> None:
    if spec.worker is None:
        sys.exit(f"{spec.name} has no worker.")
    settings, registry = _prepare(spec)
    worker = spec.worker(registry, settings)
    server = _uvicorn(worker.app(), host, port)
    # The loop that uvicorn would choose for itself: on Linux it costs half as much as the one of the library.
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(_work(worker, server, registry))


async def _work(worker: Worker, server: uvicorn.Server, registry: svcs.Registry) -> None:
    stop = asyncio.Event()
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    serving = asyncio.create_task(server._serve())  # noqa: SLF001 - serve() would take the signals from us
    try:
        await worker.run(stop)
    finally:
        server.should_exit = True
        await serving
        await registry.aclose()
