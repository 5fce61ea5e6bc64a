"""The work that billing does by itself."""

from datetime import timedelta

from shared.jobs import Job

from billing.services.intents import PUSH_CHANNEL
from billing.services.marks import SYNC_CHANNEL
from billing.services.notices import NOTICE_CHANNEL, NoticeProcess
from billing.services.pulling import ChangeProcess, CompanyProcess, PullProcess
from billing.services.pushing import PushProcess

JOBS = (
    Job("company", CompanyProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("pull", PullProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("notices", NoticeProcess, timedelta(seconds=1), wake_on=NOTICE_CHANNEL),
    Job("changes", ChangeProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("pushes", PushProcess, timedelta(seconds=1), wake_on=PUSH_CHANNEL),
)
