"""The worker: relay, consumers and jobs."""

import svcs
from shared.worker import Worker

from billing.jobs import JOBS
from billing.settings import Settings


def create_worker(registry: svcs.Registry, settings: Settings) -> Worker:
    return Worker(registry, settings, name="billing", jobs=JOBS)
