"""The worker of contacts: relay, consumers, imports."""

import svcs
from shared.worker import Worker

from contacts.jobs import JOBS
from contacts.settings import ContactsSettings


def create_worker(registry: svcs.Registry, settings: ContactsSettings) -> Worker:
    return Worker(registry, settings, name="contacts", jobs=JOBS)
