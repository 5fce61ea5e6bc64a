"""The worker: key rotation and clean-up. Everything a person waits for is in the app."""

import svcs
from shared.worker import Worker

from gateway.jobs import JOBS
from gateway.registry import NAME
from gateway.settings import GatewaySettings


def create_worker(registry: svcs.Registry, settings: GatewaySettings) -> Worker:
    return Worker(registry, settings, name=NAME, jobs=JOBS)
