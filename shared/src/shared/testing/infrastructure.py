"""Real PostgreSQL and NATS for a test run: containers where a Docker engine answers, else the embedded servers.

CRM_TEST_INFRA=docker|embedded forces one.
"""

import asyncio
import gc
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from shared.bootstrap import RolePasswords, create_database, secure_database
from shared.embedded.nats import NatsServer, deploy_user
from shared.embedded.ports import free_port
from shared.embedded.postgres import PostgresServer

ROLE_PASSWORD = "test"
MEMORY = Path("/dev/shm")
"""Where Linux keeps files in memory."""
ROOM_BYTES = 4 * 2**30
"""More than the servers of a few workers fill."""


def uses_docker() -> bool:
    forced = os.environ.get("CRM_TEST_INFRA")
    if forced:
        return forced == "docker"
    docker = shutil.which("docker")
    return docker is not None and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


@dataclass(frozen=True)
class Postgres:
    """A running server and its superuser."""

    host: str
    port: int
    user: str
    password: str

    def url(self, database: str, user: str | None = None, password: str | None = None) -> str:
        return (
            f"postgresql+asyncpg://{user or self.user}:{password or self.password}@{self.host}:{self.port}/{database}"
        )

    def execute(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the superuser, each outside a transaction."""
        asyncio.run(self.aexecute(*statements, database=database))

    async def aexecute(self, *statements: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.url(database).replace("+asyncpg", ""))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def create_service_database(self, name: str, service: str) -> None:
        """An empty database owned by `<service>_owner`, in which `<service>` gets what migrations grant."""
        admin = self.url("postgres").replace("+asyncpg", "")
        asyncio.run(create_database(admin, name, RolePasswords(ROLE_PASSWORD, ROLE_PASSWORD), service=service))

    async def copy_database(self, name: str, template: str, service: str) -> None:
        """A copy, closed to everybody else as its template is."""
        connection = await asyncpg.connect(self.url("postgres").replace("+asyncpg", ""))
        try:
            # Whole files: in memory, page by page through the log, the default, takes ten times as long.
            await connection.execute(
                f"CREATE DATABASE {name} TEMPLATE {template} OWNER {service}_owner STRATEGY FILE_COPY"
            )
            await secure_database(connection, name, service)
        finally:
            await connection.close()


@contextmanager
def _started(container: Any) -> Iterator[Any]:
    """A container of testcontainers while it runs.

    Its Docker client leaves sockets behind, unclosed. They are collected here, where they are known to be its own:
    found at the end of the run, they would be an error of nobody's test.
    """
    with container:
        _collect_sockets()
        yield container
    _collect_sockets()


def _collect_sockets() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    password = secrets.token_hex(8)
    if uses_docker():
        from testcontainers.community.postgres import PostgresContainer

        image = PostgresContainer("postgres:18", username="postgres", password=password)
        with _started(image.with_command("postgres -c fsync=off -c max_connections=300")) as container:
            host, port = container.get_container_host_ip(), int(container.get_exposed_port(5432))
            yield Postgres(host, port, "postgres", password)
        return
    with (
        _scratch_folder("crm-pg-") as folder,
        PostgresServer(folder / "data", free_port(), password=password, fsync=False) as server,
    ):
        yield Postgres("127.0.0.1", server.port, "postgres", password)


@contextmanager
def _scratch_folder(prefix: str) -> Iterator[Path]:
    """In memory where there is room: each test has databases of its own, and copying one is what it waits for."""
    parent = MEMORY if _memory_left() >= ROOM_BYTES else None
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as folder:
        # PostgreSQL refuses to be root: its user must be able to pass through.
        Path(folder).chmod(0o711)
        yield Path(folder)


def _memory_left() -> int:
    """Bytes for files in memory: what is allowed, which in a container often is nothing, and what there is."""
    if not MEMORY.is_dir():
        return 0
    free = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return min(shutil.disk_usage(MEMORY).free, int(free[1]) * 1024 if free else 0)


@contextmanager
def running_nats() -> Iterator[str]:
    """The address of a NATS server with JetStream, its user included; that user may do anything."""
    if uses_docker():
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        image = DockerContainer("nats:2.15.1-alpine").with_command("-js").with_exposed_ports(4222)
        with _started(image.waiting_for(LogMessageWaitStrategy("Server is ready"))) as container:
            yield f"nats://{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"
        return
    users = [deploy_user(ROLE_PASSWORD)]
    with (
        _scratch_folder("crm-nats-") as folder,
        NatsServer(folder, free_port(), free_port(), users=users) as server,
    ):
        yield f"nats://{users[0].name}:{ROLE_PASSWORD}@127.0.0.1:{server.port}"
