"""Messaging as the command line, the local run and the tests see it."""

import svcs
from shared.main import ServiceSpec

from messaging.app import create_app
from messaging.consumers import CONSUMES
from messaging.registry import create_registry
from messaging.settings import MessagingSettings
from messaging.worker import create_worker


def _registry(settings: MessagingSettings) -> svcs.Registry:
    return create_registry(settings, CONSUMES)


SPEC = ServiceSpec(
    name="messaging",
    settings=MessagingSettings,
    registry=_registry,
    app=create_app,
    worker=create_worker,
    consumes=CONSUMES,
)
