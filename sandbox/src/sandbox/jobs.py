"""The work that runs inside the api process: when something is due, at most ten times a second."""

from datetime import timedelta

from shared.jobs import Job

from sandbox.services.delivery import DeliveryProcess
from sandbox.services.processes import AnnounceProcess, ReplyProcess, TallyProcess
from sandbox.services.quickbooks.notices import NoticeProcess

LOOK = timedelta(milliseconds=100)
DUE = "due"
"""Such a job sleeps until the next due moment or the bell; the others run at their interval."""

JOBS = (
    Job("announce", AnnounceProcess, every=LOOK, wake_on=DUE),
    Job("reply", ReplyProcess, every=LOOK, wake_on=DUE),
    Job("deliver", DeliveryProcess, every=LOOK, wake_on=DUE),
    Job("notices", NoticeProcess, every=LOOK, wake_on=DUE),
    Job("tally", TallyProcess, every=timedelta(seconds=1)),
)
