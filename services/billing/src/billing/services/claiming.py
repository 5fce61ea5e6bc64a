"""Claims on what is to be written into QuickBooks: one worker at a time has it, and says what came of its try."""

import random
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.errors import ProviderError, ProviderUnavailable
from sqlalchemy import or_, select

from billing import documents
from billing.models import Connection, Push
from billing.provider import FormSeen, QuickBooksRefused
from billing.services.building import NotReady
from billing.services.customers import CustomerService
from billing.services.intents import PUSH_CHANNEL, Intent, IntentService, is_held_back
from billing.services.people import hold_erasures
from billing.settings import Settings
from billing.states import ConnectionStatus, PushKind, PushState

MOST_CLASHES = 3
"""Times that somebody else may have been faster before a person decides."""
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """An intent in the hands of one worker."""

    intent: Intent
    attempt: int
    not_after: float
    """The monotonic instant from which nothing of it leaves any more: another worker may look for it soon."""

    @property
    def looks_first(self) -> bool:
        """Whether an earlier try may have had its effect."""
        return self.attempt > 1


class Anew(Enum):
    """What came of building a write again."""

    BEGUN = "begun"
    SOMEBODY_ELSES = "somebody else's"
    """Another worker has it by now, and it is left alone."""
    TOO_OFTEN = "too often"


class PushService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, intents: IntentService, settings: Settings) -> None:
        self._uow = uow
        self._intents = intents
        self._lease = timedelta(seconds=settings.push_lease_seconds)
        self._leaves_within = settings.push_leaves_within.total_seconds()
        self._retry = settings.push_retry_seconds

    async def claim(self, customers: CustomerService) -> Claim | None:
        """The next intent that may be tried, with its request id and body committed by the caller's transaction.

        A customer is looked for once more before anything of it is written. Nobody is erased meanwhile, which gives up
        what was not begun.
        """
        await hold_erasures(self._uow)
        push = await self._next()
        if push is None:
            return None
        if push.kind is PushKind.CREATE_CUSTOMER and push.request_id is None and await customers.adopt(push):
            self._uow.wake(PUSH_CHANNEL)
            return None
        # In this order: whoever is frozen in between has less time, not more.
        not_after, now = time.monotonic() + self._leaves_within, wall_now()
        try:
            intent = await self._intents.prepared(push)
        except NotReady as error:
            self._fail(push, error.code, error.message)
            return None
        if intent is None:
            _finish(push, self._uow.now)
            return None
        push.attempts += 1
        push.first_tried_at = push.first_tried_at or now
        push.leased_until = now + self._lease
        return Claim(intent, push.attempts, not_after)

    async def _next(self) -> Push | None:
        """The oldest that is due and that nothing holds back."""
        now = wall_now()
        found: Push | None = await self._uow.session.scalar(
            select(Push)
            .join(Connection, Connection.realm_id == Push.realm_id)
            .where(
                Push.state == PushState.PENDING,
                or_(Push.next_try_at.is_(None), Push.next_try_at <= now),
                or_(Push.leased_until.is_(None), Push.leased_until <= now),
                Connection.status.in_((ConnectionStatus.CONNECTED, ConnectionStatus.SUSPENDED)),
                ~is_held_back(),
            )
            .order_by(Push.seq)
            .limit(1)
            .with_for_update(of=Push, skip_locked=True)
        )
        return found

    async def done(self, push_id: UUID, attempt: int) -> bool:
        """Settle it; False where another worker has it by now."""
        push = await self._held(push_id, attempt)
        if push is None:
            return False
        _finish(push, self._uow.now)
        self._uow.wake(PUSH_CHANNEL)
        return True

    async def put_off(self, push_id: UUID, attempt: int, error: ProviderError) -> None:
        """Try again with the same request id, later and later, with some chance in it."""
        push = await self._held(push_id, attempt)
        if push is None:
            return
        pause = min(timedelta(seconds=self._retry * 2 ** min(attempt, 12)), LONGEST_PAUSE)
        if isinstance(error, ProviderUnavailable):
            pause = max(pause, timedelta(seconds=min(error.retry_after, 300)))
        push.next_try_at = wall_now() + pause * random.uniform(0.75, 1.25)
        push.leased_until, push.error, push.error_code = None, error.message, error.code

    async def note_last_mail(self, push_id: UUID, attempt: int, seen: FormSeen) -> bool:
        """Keep when the form was last sent, in the body, which an e-mail has no use for; False where another worker has
        it by now.
        """
        push = await self._held(push_id, attempt)
        if push is None:
            return False
        push.body = last_mail_of(seen)
        return True

    async def begin_anew(self, push_id: UUID, attempt: int, *, pauses: bool = False) -> Anew:
        """What was to be written is built again, under a new request id."""
        push = await self._held(push_id, attempt)
        if push is None:
            return Anew.SOMEBODY_ELSES
        push.clashes += 1
        if push.clashes > MOST_CLASHES:
            return Anew.TOO_OFTEN
        push.request_id = push.body = push.first_tried_at = push.leased_until = push.next_try_at = None
        if pauses:
            push.next_try_at = wall_now() + timedelta(seconds=self._retry * 2**push.clashes)
        self._uow.wake(PUSH_CHANNEL)
        return Anew.BEGUN

    async def fail(self, push_id: UUID, attempt: int, error: QuickBooksRefused) -> None:
        push = await self._held(push_id, attempt)
        if push is not None:
            self._fail(push, error.fault_code or error.code, error.message)

    def _fail(self, push: Push, code: str, message: str) -> None:
        push.state, push.settled_at = PushState.FAILED, self._uow.now
        push.error_code, push.error, push.leased_until = code, message[:1000], None
        self._uow.hint("pushes", push.id, push.attempts)

    async def _held(self, push_id: UUID, attempt: int) -> Push | None:
        push = await self._uow.session.get(Push, push_id, with_for_update=True, populate_existing=True)
        return push if push and push.state is PushState.PENDING and push.attempts == attempt else None


def _finish(push: Push, now: datetime) -> None:
    """It is done. What it said stands in the books; here it would only keep what is said of people."""
    push.state, push.settled_at = PushState.DONE, now
    push.body = push.argument = push.error = push.error_code = push.leased_until = None


def last_mail_of(seen: FormSeen) -> str:
    """When a form was last sent, as its next e-mail keeps it."""
    return documents.text({"last_mail": seen.sent_at.isoformat() if seen.sent_at else None})
