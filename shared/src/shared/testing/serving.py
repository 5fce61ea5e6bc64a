"""Applications of a test on sockets of their own: what another process would see."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import uvicorn


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=512)


def address(of: socket.socket) -> str:
    return f"http://127.0.0.1:{of.getsockname()[1]}"


@contextlib.asynccontextmanager
async def served(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """Serves `app`, whose lifespan the caller has entered."""
    # A test may be kept waiting for longer than uvicorn's five seconds: its next request must not meet a closing one.
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=600))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([listener]))  # noqa: SLF001 - serve() would take the signals of the tests
    try:
        yield
    finally:
        server.should_exit = True
        await task
