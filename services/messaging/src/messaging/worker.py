"""Messaging's worker process."""

import svcs
from shared.worker import Worker

from messaging.jobs import JOBS
from messaging.settings import MessagingSettings


def create_worker(registry: svcs.Registry, settings: MessagingSettings) -> Worker:
    return Worker(registry, settings, name="messaging", jobs=JOBS)
