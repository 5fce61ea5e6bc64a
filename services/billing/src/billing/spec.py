"""The service as the command line, the local run and the tests see it."""

import svcs
from shared.main import ServiceSpec

from billing.app import create_app
from billing.consumers import CONSUMES
from billing.registry import build_registry
from billing.settings import Settings
from billing.worker import create_worker


def _registry(settings: Settings) -> svcs.Registry:
    return build_registry(settings, CONSUMES)


SPEC = ServiceSpec(
    name="billing",
    settings=Settings,
    registry=_registry,
    app=create_app,
    worker=create_worker,
    consumes=CONSUMES,
)
