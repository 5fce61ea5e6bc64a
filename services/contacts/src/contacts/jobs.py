"""The work that the worker does besides consuming."""

from datetime import timedelta

from shared.jobs import Job

from contacts.services.import_engine import ImportEngine
from contacts.services.imports import WAKE_CHANNEL
from contacts.services.uploads import AbandonedUploads

JOBS = (
    Job("importer", ImportEngine, every=timedelta(seconds=5), wake_on=WAKE_CHANNEL),
    Job("abandoned-uploads", AbandonedUploads, every=timedelta(hours=1)),
)
