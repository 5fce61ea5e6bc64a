"""The HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from fastapi import FastAPI
from shared.http import build_app

from billing.clients.quickbooks.receiver import SignedNotices
from billing.routes import (
    calendars,
    connection,
    customers,
    estimates,
    invoices,
    items,
    jobs,
    payments,
    public,
    terms,
    webhooks,
)
from billing.settings import Settings

ROUTERS = (
    connection.router,
    webhooks.router,
    customers.router,
    items.router,
    terms.router,
    estimates.router,
    invoices.router,
    payments.router,
    public.router,
    jobs.router,
    calendars.router,
)


@asynccontextmanager
async def _with_receiver(app: FastAPI, container: svcs.Container) -> AsyncIterator[None]:
    app.state.webhook_receiver = await container.aget(SignedNotices)
    yield


def create_app(registry: svcs.Registry, settings: Settings) -> FastAPI:
    return build_app(
        registry,
        settings=settings,
        title="Billing",
        audience="billing",
        description="Estimates, invoices, payments: two-way with QuickBooks.",
        routers=ROUTERS,
        lifespan=_with_receiver,
    )
