"""Messaging's HTTP application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import svcs
from fastapi import FastAPI
from shared.http.app import build_app

from messaging.clients.openphone.deliveries import SignedDeliveries
from messaging.routes import consent, conversations, internal, messages, phone_numbers, sending_holds, webhooks
from messaging.settings import MessagingSettings

ROUTERS = (
    conversations.router,
    messages.router,
    phone_numbers.router,
    sending_holds.router,
    consent.router,
    webhooks.router,
    internal.router,
)


@asynccontextmanager
async def _with_receiver(app: FastAPI, container: svcs.Container) -> AsyncIterator[None]:
    # The receiver outlives requests: it commits those that arrive together in one transaction.
    app.state.webhook_receiver = await container.aget(SignedDeliveries)
    yield


def create_app(registry: svcs.Registry, settings: MessagingSettings) -> FastAPI:
    return build_app(
        registry,
        settings=settings,
        title="Messaging",
        audience="messaging",
        routers=ROUTERS,
        lifespan=_with_receiver,
        description="Sends exactly what may be sent, once; receives; keeps consent.",
    )
