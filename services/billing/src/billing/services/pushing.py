"""Writing into QuickBooks: an intent commits before every request, and an unclear end is looked up, never guessed.

1. claim: the intent gets its request id and its body, and commits with them.
2. the request, outside any transaction.
3. settle: the answer is mirrored, and the intent is done.

Whoever dies in between leaves an intent whose lease runs out. Before every further try the books are searched for what
the last one may have written: nobody says how long QuickBooks remembers a request id. Should the last one still be
under way, the same request id makes it and the next one the same write.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from shared.clock import wall_now
from shared.database import Begin, UnitOfWork
from shared.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable
from shared.failpoints import failpoint
from sqlalchemy import or_, select

from billing import documents
from billing.clashes import CustomerEdit
from billing.models import Connection, Push
from billing.provider import (
    PROVIDER,
    Books,
    CompanySuspended,
    DuplicateName,
    DuplicateNumber,
    FormSeen,
    NotConnected,
    ObjectMissing,
    OpenBooks,
    QuickBooksRefused,
    RepeatedRequest,
    Seen,
    StaleObject,
)
from billing.services.connections import ConnectionService
from billing.services.customers import CustomerService
from billing.services.intents import PUSH_CHANNEL, Intent, IntentService, NotReady, is_held_back
from billing.services.people import hold_erasures
from billing.services.reading import Reader
from billing.settings import Settings
from billing.states import ConnectionStatus, PushKind, PushState

log = structlog.get_logger(__name__)

PUSHES = Counter("crm_quickbooks_pushes_total", "Writes into QuickBooks by how a try ended", ["kind", "outcome"])
GONE = ("610", "2500")
"""Something that a form names is not there any more."""
MOST_CLASHES = 3
"""Times that somebody else may have been faster before a person decides."""
MOST_LOOK_UPS = 50
"""Tries after which a person looks, who finds out otherwise: four hours."""
LONGEST_PAUSE = timedelta(minutes=5)


@dataclass(frozen=True)
class Claim:
    """An intent in the hands of one worker."""

    intent: Intent
    attempt: int

    @property
    def looks_first(self) -> bool:
        """Whether an earlier try may have had its effect."""
        return self.attempt > 1


class PushService:
    """Lives in one transaction."""

    def __init__(self, uow: UnitOfWork, intents: IntentService, settings: Settings) -> None:
        self._uow = uow
        self._intents = intents
        self._lease = timedelta(seconds=settings.push_lease_seconds)
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
        now = wall_now()
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
        return Claim(intent, push.attempts)

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
        push.body = _last_mail(seen)
        return True

    async def begin_anew(self, push_id: UUID, attempt: int, *, pauses: bool = False) -> bool:
        """What was to be written is built again, under a new request id; False once that was done too often."""
        push = await self._held(push_id, attempt)
        if push is None:
            return True
        push.clashes += 1
        if push.clashes > MOST_CLASHES:
            return False
        push.request_id = push.body = push.first_tried_at = push.leased_until = push.next_try_at = None
        if pauses:
            push.next_try_at = wall_now() + timedelta(seconds=self._retry * 2**push.clashes)
        self._uow.wake(PUSH_CHANNEL)
        return True

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


def _last_mail(seen: FormSeen) -> str:
    return documents.text({"last_mail": seen.sent_at.isoformat() if seen.sent_at else None})


def _has_left(intent: Intent, seen: FormSeen) -> bool:
    """Whether an e-mail has left since the first try. Of one that died before it noted anything, none has."""
    if intent.was_unsent:
        return seen.is_sent
    return seen.is_sent and intent.body not in (documents.text({}), _last_mail(seen))


@asynccontextmanager
async def _answered(attempt: int) -> AsyncIterator[None]:
    """Of a look-up before a further try: where QuickBooks will not answer it, nobody knows what came of the one before.
    It is no refusal of the write, which waits until it can be looked up; after hours a person does that.
    """
    try:
        yield
    except (ObjectMissing, CompanySuspended):
        raise
    except QuickBooksRefused as error:
        said = f"Whether it was written before cannot be looked up: {error.message}"
        if attempt < MOST_LOOK_UPS:
            raise ProviderUnavailable(said, provider=PROVIDER, operation="look up", retry_after=2) from error
        advice = "Look for it in QuickBooks. Try again once this is mended; give it up only where it is not there."
        raise QuickBooksRefused(f"{said} {advice}", operation="look up") from error


class PushProcess:
    """One intent after the other; several workers share them."""

    def __init__(self, begin: Begin, open_books: OpenBooks, reader: Reader) -> None:
        self._begin = begin
        self._open_books = open_books
        self._reader = reader

    async def run_once(self) -> int:
        async with self._begin() as tx:
            claim = await (await tx.aget(PushService)).claim(await tx.aget(CustomerService))
        if claim is None:
            return 0
        failpoint("push.before_request")
        outcome = await self._attempt(claim)
        PUSHES.labels(claim.intent.kind.value, outcome).inc()
        return 1

    async def _attempt(self, claim: Claim) -> str:
        intent = claim.intent
        try:
            seen = await self._written(claim, self._open_books(intent.realm_id))
            return "renamed" if seen is None else await self._settle(claim, seen)
        except NotConnected:
            return await self._wait(
                claim, ProviderUnavailable(NotConnected().message, provider=PROVIDER, operation="write")
            )
        except CompanySuspended as error:
            async with self._begin() as tx:
                await (await tx.aget(ConnectionService)).lose(
                    intent.realm_id, ConnectionStatus.SUSPENDED, error.message
                )
            waits = ProviderUnavailable(error.message, provider=PROVIDER, operation="write", retry_after=300)
            return await self._wait(claim, waits)
        except (ProviderUnavailable, ProviderOutcomeUnknown) as error:
            return await self._wait(claim, error)
        except StaleObject as error:
            return await self._clashed(claim, error)
        except QuickBooksRefused as error:
            return await self._refused(claim, error)

    async def _refused(self, claim: Claim, error: QuickBooksRefused) -> str:
        """For good; but a customer who is gone may have become another one a moment ago, of which we will be told."""
        intent = claim.intent
        may_heal = error.fault_code in GONE and intent.kind in (PushKind.CREATE_ESTIMATE, PushKind.CREATE_INVOICE)
        async with self._begin() as tx:
            pushes = await tx.aget(PushService)
            if may_heal and await pushes.begin_anew(intent.push_id, claim.attempt, pauses=True):
                return "reference_gone"
            await pushes.fail(intent.push_id, claim.attempt, error)
        return "refused"

    async def _written(self, claim: Claim, books: Books) -> Seen | None:
        """The object as this try or an earlier one has written it; None where it gets another name first."""
        intent = claim.intent
        if claim.looks_first and (found := await self._looked_up(claim, books)):
            return found
        try:
            if intent.kind in (PushKind.SEND_ESTIMATE, PushKind.SEND_INVOICE):
                return await self._sent(claim, books)
            return await books.write(
                intent.entity, intent.body, request_id=str(intent.request_id), operation=intent.operation
            )
        except (DuplicateNumber, RepeatedRequest, DuplicateName) as error:
            found = await self._looked_up(claim, books)
            if found is None:
                await self._rename(claim, books, error)
            return found

    async def _sent(self, claim: Claim, books: Books) -> Seen:
        """An e-mail cannot be taken back: before a second try it is looked whether the first one left.

        Of a form that was sent before, that shows in the time of its last e-mail: QuickBooks's word before the first
        try against its word before the next one, for equality. Its clock is never compared with ours. Where somebody
        sent the form there meanwhile, it is not sent again: the customer has it.
        """
        intent = claim.intent
        if claim.looks_first or not intent.was_unsent:
            async with _answered(claim.attempt):
                seen = await books.read(intent.entity, intent.qb_id)
            if isinstance(seen, FormSeen):
                if claim.looks_first and _has_left(intent, seen):
                    return seen
                await self._note_last_mail(claim, seen)
        return await books.send_form(intent.entity, intent.qb_id, to=intent.argument, request_id=str(intent.request_id))

    async def _note_last_mail(self, claim: Claim, seen: FormSeen) -> None:
        """Committed before the request, like everything that a further try has to know."""
        async with self._begin() as tx:
            is_ours = await (await tx.aget(PushService)).note_last_mail(claim.intent.push_id, claim.attempt, seen)
        if not is_ours:
            raise ProviderUnavailable("Another worker sends this by now.", provider=PROVIDER, operation="send")

    async def _looked_up(self, claim: Claim, books: Books) -> Seen | None:
        async with _answered(claim.attempt):
            return await self._found(claim.intent, books)

    async def _found(self, intent: Intent, books: Books) -> Seen | None:
        """What an earlier try may have written, known by its number or name and our mark."""
        if intent.kind is PushKind.CREATE_CUSTOMER:
            named = await books.by_name(intent.label)
            return next((one for one in named if intent.mark in one.note), None)
        if intent.kind in (PushKind.CREATE_ESTIMATE, PushKind.CREATE_INVOICE):
            numbered = await books.by_number(intent.entity, intent.label)
            return next((one for one in numbered if isinstance(one, FormSeen) and intent.mark in one.note), None)
        if intent.kind is PushKind.VOID_INVOICE:
            seen = await books.read(intent.entity, intent.qb_id)
            return seen if getattr(seen, "is_voided", False) else None
        if intent.kind is PushKind.UPDATE_CUSTOMER:
            seen = await books.read(intent.entity, intent.qb_id)
            return seen if documents.says(seen, CustomerEdit.of(intent.argument).values) else None
        return None

    async def _rename(self, claim: Claim, books: Books, error: QuickBooksRefused) -> None:
        """The name or number is somebody else's: be that customer, or take another name, and write again."""
        intent = claim.intent
        if intent.kind is PushKind.UPDATE_CUSTOMER and isinstance(error, DuplicateName):
            raise error  # Two customers that are both there never become one because of a name.
        if isinstance(error, RepeatedRequest):
            await self._request_anew(claim, error)
            return
        if intent.kind is PushKind.CREATE_CUSTOMER:
            # Perhaps somebody entered the same person in QuickBooks a moment ago.
            await self._reader.take(intent.realm_id, {"Customer": await books.by_name(intent.label)})
        async with self._begin() as tx:
            pushes, intents = await tx.aget(PushService), await tx.aget(IntentService)
            begins = await pushes.begin_anew(intent.push_id, claim.attempt)
            if begins:
                await intents.rename(intent.push_id)
        if not begins:
            raise error

    async def _request_anew(self, claim: Claim, error: RepeatedRequest) -> None:
        """The request id is spent, and what it wrote is not to be found: under another one, once the last try must be
        over. Numbers, names and SyncTokens keep a second write from being made; an e-mail has nothing of that kind.
        """
        intent = claim.intent
        if intent.kind in (PushKind.SEND_ESTIMATE, PushKind.SEND_INVOICE):
            raise QuickBooksRefused(
                "Nobody knows whether this e-mail was sent. Look it up in QuickBooks; try again only if it was not.",
                operation="send",
                fault_code=error.fault_code,
            ) from error
        async with self._begin() as tx:
            begins = await (await tx.aget(PushService)).begin_anew(intent.push_id, claim.attempt, pauses=True)
        if not begins:
            raise error

    async def _settle(self, claim: Claim, seen: Seen) -> str:
        intent = claim.intent
        failpoint("push.before_settle")
        await self._reader.take(intent.realm_id, {intent.entity: [seen]})
        async with self._begin() as tx:
            pushes = await tx.aget(PushService)
            await pushes.done(intent.push_id, claim.attempt)
            await (await tx.aget(ConnectionService)).restore(intent.realm_id)
        return "done"

    async def _wait(self, claim: Claim, error: ProviderError) -> str:
        async with self._begin() as tx:
            await (await tx.aget(PushService)).put_off(claim.intent.push_id, claim.attempt, error)
        return "unknown" if isinstance(error, ProviderOutcomeUnknown) else "unavailable"

    async def _clashed(self, claim: Claim, error: StaleObject) -> str:
        """Read what it is now, and say the same again on top of that; after several times a person decides."""
        intent = claim.intent
        try:
            await self._reader.take_again(intent.realm_id, {intent.entity: {intent.qb_id}})
        except ProviderError as unread:
            return await self._wait(claim, unread)
        async with self._begin() as tx:
            pushes = await tx.aget(PushService)
            if not await pushes.begin_anew(intent.push_id, claim.attempt):
                await pushes.fail(intent.push_id, claim.attempt, error)
        return "clashed"
