"""Further processes of a service, beside those that the supervisor keeps."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from shared.embedded import free_port
from shared.testing import until

from harness.system import System


@asynccontextmanager
async def extra_workers(
    system: System, count: int = 1, *, service: str = "messaging", **env: str
) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """So many more workers of `service`, ready; ended with the block."""
    ports = [free_port() for _ in range(count)]
    processes = [await _start(system, service, port, env) for port in ports]
    try:
        for port in ports:
            await until(lambda port=port: _is_ready(port), within=90, what=f"an extra {service} worker is ready")
        yield processes
    finally:
        for process in processes:
            process.terminate()
        await asyncio.wait_for(asyncio.gather(*(process.wait() for process in processes)), 60)


async def _start(system: System, service: str, port: int, env: Mapping[str, str]) -> asyncio.subprocess.Process:
    environment = {**os.environ, **system.stack.env_for(f"{service}-worker")}
    environment.pop("CRM_FAILPOINTS", None)
    log = system.stack.log_of(f"{service}-worker").with_name(f"{service}-worker-extra-{port}.log")
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, "worker", "--port", str(port),
            env={**environment, **env}, stdout=output, stderr=output,
        )  # fmt: skip


async def _is_ready(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
        except httpx.TransportError:
            return False
