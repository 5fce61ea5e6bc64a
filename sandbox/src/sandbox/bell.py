"""Tells the jobs that something may have become due, so that they sleep instead of looking all the time."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REFUSED = range(400, 500)


class Bell:
    """Rung by whatever makes work: a change over HTTP, and a job that leads to work for another."""

    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []
        self.rings = 0

    def listener(self) -> asyncio.Event:
        """An event that is set at each ring; its owner clears it."""
        self._listeners.append(asyncio.Event())
        return self._listeners[-1]

    def ring(self) -> None:
        self.rings += 1
        for listener in self._listeners:
            listener.set()


class RingsAtChanges:
    """Rings once a request that may have changed something was answered: texts that come in, a clock that is moved.

    A refusal makes nothing due.
    """

    def __init__(self, app: ASGIApp, bell: Bell) -> None:
        self._app = app
        self._bell = bell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await self._app(scope, receive, send)
            return
        is_refused = False

        async def noting_send(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start":
                is_refused = message["status"] in REFUSED
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            if not is_refused:
                self._bell.ring()
