"""What may go wrong on the wire after the work is done: answers that come late, broken or not at all."""

import asyncio
import socket
import struct
from enum import StrEnum

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

ABORT = "sandbox.abort"


class WireFault(StrEnum):
    HANG = "hang"
    RESET = "reset"
    SLOW = "slow"


class ConnectionAborted(Exception):
    """Stands for the reset where there is no connection to reset: a caller in the same process."""


class RawConnections(FastAPI):
    """Keeps the way to the transport, which everything further in hides: the framework itself wraps `receive`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ABORT] = getattr(getattr(receive, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


class FaultyResponse(Response):
    """Wraps a finished answer. The transaction has been committed when this runs: its scope is the function."""

    def __init__(self, answer: Response, fault: WireFault, seconds: float) -> None:
        super().__init__(status_code=answer.status_code)
        self._answer = answer
        self._fault = fault
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fault is not WireFault.RESET and await _caller_left_within(receive, self._seconds):
            return
        if self._fault is WireFault.SLOW:
            await self._answer(scope, receive, send)
            return
        _reset(scope)


async def _caller_left_within(receive: Receive, seconds: float) -> bool:
    async def until_disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(until_disconnect(), seconds)
    except TimeoutError:
        return False
    return True


def _reset(scope: Scope) -> None:
    transport = scope.get(ABORT)
    if transport is None:
        raise ConnectionAborted("The sandbox reset the connection.")
    # Without lingering the kernel sends RST instead of an orderly FIN.
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
