"""The periodic work."""

from datetime import timedelta

from shared.jobs import Job

from gateway.services.cleanup import Cleanup
from gateway.services.signing_keys import KeyRotation

JOBS = (
    Job("rotate signing keys", KeyRotation, every=timedelta(minutes=10)),
    Job("forget what is over", Cleanup, every=timedelta(hours=1)),
)
