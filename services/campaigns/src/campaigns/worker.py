"""The worker: relay, consumers and jobs."""

import svcs
from shared.worker import Worker

from campaigns.jobs import JOBS
from campaigns.settings import Settings


def create_worker(registry: svcs.Registry, settings: Settings) -> Worker:
    return Worker(registry, settings, name="campaigns", jobs=JOBS)
