"""The work that messaging does by itself."""

from datetime import timedelta

from shared.jobs import Job

from messaging.services.breaker import BreakerProcess
from messaging.services.keeping import KeepingProcess
from messaging.services.numbers import NumberSyncProcess
from messaging.services.reconciler import ReconcilerProcess
from messaging.services.resolver import ResolverProcess
from messaging.services.sender import ExpiryProcess, SenderProcess
from messaging.services.subscriptions import SubscriptionProcess
from messaging.services.webhooks import OrphanProcess, WebhookProcess

JOBS = (
    Job("numbers", NumberSyncProcess, timedelta(hours=1), when_idle=False),
    Job("subscription", SubscriptionProcess, timedelta(seconds=10), when_idle=False),
    Job("webhooks", WebhookProcess, timedelta(seconds=1), wake_on="webhooks"),
    Job("sender", SenderProcess, timedelta(seconds=1), wake_on="sender"),
    Job("expiry", ExpiryProcess, timedelta(seconds=1)),
    Job("resolver", ResolverProcess, timedelta(seconds=1)),
    Job("orphans", OrphanProcess, timedelta(seconds=2)),
    Job("reconciler", ReconcilerProcess, timedelta(seconds=5), when_idle=False),
    Job("keeping", KeepingProcess, timedelta(hours=1), when_idle=False),
    Job("breaker", BreakerProcess, timedelta(seconds=10), when_idle=False),
)
