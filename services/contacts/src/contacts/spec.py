"""The service as the command line, the local run and the tests see it."""

from shared.main import ServiceSpec

from contacts.app import create_app
from contacts.consumers import CONSUMES
from contacts.registry import create_registry
from contacts.settings import ContactsSettings
from contacts.worker import create_worker

SPEC = ServiceSpec(
    name="contacts",
    settings=ContactsSettings,
    registry=lambda settings: create_registry(settings, CONSUMES),
    app=create_app,
    worker=create_worker,
    consumes=CONSUMES,
)
