"""The one way an HTTP application of the system is put together."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import svcs
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import telemetry
from shared.http.internal import internal_router, probes_router
from shared.http.openapi import install_openapi
from shared.http.problems import install_problem_handlers
from shared.settings import ServiceSettings

Lifespan = Callable[[FastAPI, svcs.Container], AbstractAsyncContextManager[None]]


def build_app(
    registry: svcs.Registry,
    *,
    settings: ServiceSettings,
    title: str,
    audience: str,
    routers: Sequence[APIRouter],
    lifespan: Lifespan | None = None,
    description: str = "",
    application: type[FastAPI] = FastAPI,
    amend_document: Callable[[dict[str, Any]], None] | None = None,
) -> FastAPI:
    """An application with the shared habits. `audience` is the service's name in access tokens.

    `application` is the class to make: one of its own sees the server's raw channels before any middleware.
    `amend_document` has the last word on the OpenAPI document.
    """

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with svcs.Container(registry) as container:
                app.state.container = container
                if lifespan is None:
                    yield
                else:
                    async with lifespan(app, container):
                        yield
        finally:
            await registry.aclose()

    app = application(
        title=title,
        version="1",
        description=description,
        lifespan=run,
        docs_url=None,
        redoc_url=None,
        # One span a request, which continues the caller's trace; the figures are Prometheus's, below.
        telemetry={"operation_spans": False, "metrics": False, "logs": False},
    )
    app.state.audience = audience
    app.state.max_json_bytes = settings.max_json_bytes
    install_problem_handlers(app)
    for router in (*routers, internal_router(), probes_router()):
        # As they are: including a router makes each of its routes once more for every application, at its first call.
        app.router.routes.extend(router.routes)
    install_openapi(app, amend_document)
    app.add_middleware(Observed)
    return app


class Observed:
    """Measures each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            telemetry.HTTP_SECONDS.labels(scope["method"], route, status).observe(time.perf_counter() - started)
