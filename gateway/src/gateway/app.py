"""The gateway app."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from fastapi import FastAPI
from shared.http import build_app
from starlette.routing import Route

from gateway.registry import NAME
from gateway.routes import api_keys, audit, internal, invites, pages, session, stream, system, users
from gateway.services.authorizer import Authorizer
from gateway.services.live import Hub, ended, feed
from gateway.settings import GatewaySettings

ROUTERS = (
    session.router,
    users.router,
    invites.router,
    invites.public_router,
    api_keys.router,
    audit.router,
    stream.router,
    system.router,
    internal.router,
    pages.router,
)


def create_app(registry: svcs.Registry, settings: GatewaySettings) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI, container: svcs.Container) -> AsyncIterator[None]:
        # One for the process: made before the first requests could each make their own.
        await container.aget(Authorizer)
        hints = asyncio.create_task(feed(await container.aget(Hub), settings))
        try:
            yield
        finally:
            await ended(hints)

    app = build_app(registry, settings=settings, title="Gateway", audience=NAME, routers=ROUTERS, lifespan=lifespan)
    # First: every request of the system asks here, and matching all the other routes costs more than the answer.
    app.router.routes.insert(0, Route("/internal/v1/authorize", internal.authorize, include_in_schema=False))
    return app
