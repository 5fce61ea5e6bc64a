"""The work that billing does by itself."""

from datetime import timedelta

from shared.jobs import Job

from billing.services.differences import DifferenceProcess
from billing.services.estimates import ExpiryProcess
from billing.services.intents import PUSH_CHANNEL
from billing.services.invoices import OverdueProcess
from billing.services.marks import NOTICE_CHANNEL, SYNC_CHANNEL
from billing.services.matching import MatchProcess
from billing.services.notices import NoticeProcess
from billing.services.people import MATCH_CHANNEL
from billing.services.pulling import ChangeProcess, CompanyProcess, PullProcess
from billing.services.pushing import PushProcess
from billing.services.telling import TellingProcess

JOBS = (
    Job("company", CompanyProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("pull", PullProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("telling", TellingProcess, timedelta(seconds=1), wake_on=SYNC_CHANNEL),
    Job("notices", NoticeProcess, timedelta(seconds=1), wake_on=NOTICE_CHANNEL),
    Job("changes", ChangeProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
    Job("pushes", PushProcess, timedelta(seconds=1), wake_on=PUSH_CHANNEL),
    Job("matching", MatchProcess, timedelta(seconds=1), wake_on=MATCH_CHANNEL),
    Job("expiry", ExpiryProcess, timedelta(seconds=10)),
    Job("overdue", OverdueProcess, timedelta(seconds=10)),
    Job("differences", DifferenceProcess, timedelta(seconds=5), wake_on=SYNC_CHANNEL),
)
