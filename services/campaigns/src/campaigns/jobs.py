"""The periodic work of the worker."""

from datetime import timedelta

from shared.jobs import Job

from campaigns.services.attribution import REVENUE_CHANNEL, Attributor
from campaigns.services.audiences import AUDIENCE_CHANNEL, AudienceBuilder
from campaigns.services.lifecycle import PLAN_CHANNEL
from campaigns.services.planning import Planner

JOBS = (
    Job("planner", Planner, every=timedelta(seconds=1), wake_on=PLAN_CHANNEL),
    Job("audience-builder", AudienceBuilder, every=timedelta(seconds=5), wake_on=AUDIENCE_CHANNEL),
    Job("attributor", Attributor, every=timedelta(seconds=5), wake_on=REVENUE_CHANNEL),
)
