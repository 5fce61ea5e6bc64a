"""Writing into QuickBooks: an intent commits before every request, and an unclear end is looked up, never guessed.

1. claim: the intent gets its request id and its body, and commits with them.
2. the request, outside any transaction.
3. settle: the answer is mirrored, and the intent is done.

Whoever dies in between leaves an intent whose lease runs out. Before every further try the books are searched for what
the last one may have written: nobody says how long QuickBooks remembers a request id. Whoever waits for its turn for
too long writes nothing any more; should the last request still be under way all the same, as where a worker froze on
the way to its socket, the same request id makes it and the next one the same write.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import Counter
from shared.database import Begin
from shared.errors import ProviderError, ProviderOutcomeUnknown, ProviderUnavailable
from shared.failpoints import failpoint

from billing import documents
from billing.clashes import CustomerEdit
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
from billing.services.claiming import Anew, Claim, PushService, last_mail_of
from billing.services.connections import ConnectionService
from billing.services.customers import CustomerService
from billing.services.intents import Intent, IntentService
from billing.services.reading import Reader
from billing.states import ConnectionStatus, PushKind

log = structlog.get_logger(__name__)

PUSHES = Counter("crm_quickbooks_pushes_total", "Writes into QuickBooks by how a try ended", ["kind", "outcome"])
GONE = ("610", "2500")
"""Something that a form names is not there any more."""
MOST_LOOK_UPS = 50
"""Tries after which a person looks, who finds out otherwise: four hours."""


def _has_left(intent: Intent, seen: FormSeen) -> bool:
    """Whether an e-mail has left since the first try. Of one that died before it noted anything, none has."""
    if intent.was_unsent:
        return seen.is_sent
    return seen.is_sent and intent.body not in (documents.text({}), last_mail_of(seen))


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
            if may_heal:
                anew = await pushes.begin_anew(intent.push_id, claim.attempt, pauses=True)
                if anew is not Anew.TOO_OFTEN:
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
                intent.entity,
                intent.body,
                request_id=str(intent.request_id),
                operation=intent.operation,
                not_after=claim.not_after,
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
        return await books.send_form(
            intent.entity,
            intent.qb_id,
            to=intent.argument,
            request_id=str(intent.request_id),
            not_after=claim.not_after,
        )

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
            anew = await pushes.begin_anew(intent.push_id, claim.attempt)
            if anew is Anew.BEGUN:
                await intents.rename(intent.push_id)
        if anew is Anew.TOO_OFTEN:
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
            anew = await (await tx.aget(PushService)).begin_anew(intent.push_id, claim.attempt, pauses=True)
        if anew is Anew.TOO_OFTEN:
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
            if await pushes.begin_anew(intent.push_id, claim.attempt) is Anew.TOO_OFTEN:
                await pushes.fail(intent.push_id, claim.attempt, error)
        return "clashed"
