"""The service as the command line, the local run and the tests see it."""

import svcs
from shared.main import ServiceSpec

from campaigns.app import create_app
from campaigns.consumers import CONSUMES
from campaigns.registry import build_registry
from campaigns.settings import Settings
from campaigns.worker import create_worker


def _registry(settings: Settings) -> svcs.Registry:
    return build_registry(settings, CONSUMES)


SPEC = ServiceSpec(
    name="campaigns",
    settings=Settings,
    registry=_registry,
    app=create_app,
    worker=create_worker,
    consumes=CONSUMES,
)
