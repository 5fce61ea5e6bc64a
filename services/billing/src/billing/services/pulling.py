"""Reading whole books: what a company is, the first pull page by page, and what changed since."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

import structlog
from shared.database import Begin, UnitOfWork
from shared.failpoints import failpoint

from billing.provider import ENTITIES, CompanySuspended, QuickBooksRefused, Seen
from billing.services.announcing import Announcer
from billing.services.connections import ConnectionService
from billing.services.leases import Held, Leases
from billing.services.marks import CDC, COMPANY, DIFFERENCES, MarkService, entity_of, is_after
from billing.services.mirror import MirrorService, References, is_about_values, names_any
from billing.services.reading import Reader
from billing.settings import Settings

log = structlog.get_logger(__name__)

PAGE = 1000
PAGES_AHEAD = 2
"""Pages that are read and wait to be stored, beside those that are being fetched."""
AT_ONCE = 2
"""Pages that are asked for at the same time: QuickBooks's answer takes longer than its limits make us wait."""
OVERLAP = 20
"""Rows read twice from page to page: positions shift when something is deleted meanwhile."""
CDC_MOST = 1000
CDC_EVERY = timedelta(hours=1)
CDC_REACH = timedelta(days=29)
"""QuickBooks tells of changes of 30 days; whoever was away longer reads everything again."""
PULL_AGAIN_AFTER = timedelta(days=1)
"""Changes since this long ago that QuickBooks will not tell are no reason to read everything again."""
COMPANY_EVERY = timedelta(days=1)
MOST_LEFT_OUT = 10
"""Rows of a page that may be left out: one that is odd stops nobody, a fault of ours stops the reading, and is said."""


class CompanyProcess:
    """What the company says of itself: its name, zone, currency, closed period."""

    def __init__(self, begin: Begin, reader: Reader, leases: Leases) -> None:
        self._begin = begin
        self._reader = reader
        self._leases = leases

    async def run_once(self) -> int:
        async with self._begin() as tx:
            mark = await (await tx.aget(MarkService)).take(COMPANY)
        if mark is None:
            return 0
        async with self._leases.holding(mark.realm_id, COMPANY) as held:
            company = await self._reader.books(mark.realm_id).company()
            async with self._begin() as tx:
                uow = await tx.aget(UnitOfWork)
                await (await tx.aget(ConnectionService)).describe(mark.realm_id, company)
                await (await tx.aget(MarkService)).give_back(mark.realm_id, COMPANY, due_at=uow.now + COMPANY_EVERY)
            held.done = 1
        return held.done


@dataclass(frozen=True)
class Page:
    rows: list[Seen]
    start: int
    next: int
    """The position to go on from once this is stored."""
    is_last: bool
    again: Collection[str] = ()
    """Ids to be read again later: of what could not be stored, or lacks something that it names."""


class PullProcess:
    """The first pull: every kind in its order, page after page, the next ones fetched while one is stored.

    The position is committed with its page: whoever goes on after a crash reads again only the page that was not
    stored, or not all of it. What changes while we read is told by change data capture, which begins before the first
    page. A few rows that cannot be stored are left out, and read again by themselves.
    """

    def __init__(self, begin: Begin, reader: Reader, leases: Leases) -> None:
        self._begin = begin
        self._reader = reader
        self._leases = leases

    async def run_once(self) -> int:
        async with self._begin() as tx:
            marks = await tx.aget(MarkService)
            mark = await marks.take_pull()
            if mark is None:
                return 0
            left = [(one.name, one.position) for one in await marks.left_to_pull(mark.realm_id)]
            lacking = await marks.to_be_read_again(mark.realm_id)
        async with self._leases.holding(mark.realm_id, mark.name) as held:
            await self._pull(mark.realm_id, left, lacking, held)
        return held.done

    async def _pull(self, realm_id: str, left: Sequence[tuple[str, int]], lacking: References, held: Held) -> None:
        pages = asyncio.Queue[Page | Exception](PAGES_AHEAD)
        fetching = asyncio.create_task(self._fetch(realm_id, left, pages))
        try:
            for name, _ in left:
                held.name, is_last = name, False
                while not is_last:
                    page = await pages.get()
                    if isinstance(page, Exception):
                        raise page
                    if not await self._stored(realm_id, name, page, lacking):
                        return
                    held.done, is_last = held.done + 1, page.is_last
            # In a transaction of its own: whoever lets everything be read again holds the mark of changes first.
            async with self._begin() as tx:
                await (await tx.aget(ConnectionService)).record_sync(realm_id)
                await (await tx.aget(MarkService)).due(realm_id, CDC)
        finally:
            fetching.cancel()
            # Whatever it ends with has room: nobody takes pages out any more.
            while not pages.empty():
                pages.get_nowait()
            await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch(
        self, realm_id: str, left: Sequence[tuple[str, int]], pages: "asyncio.Queue[Page | Exception]"
    ) -> None:
        """Ends with what reading raised, which is raised where its page is waited for."""
        try:
            for name, position in left:
                async with aclosing(self._pages(realm_id, entity_of(name), position)) as found:
                    async for page in found:
                        await pages.put(page)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised by the reader of the queue
            await pages.put(error)

    async def _pages(self, realm_id: str, entity: str, position: int) -> AsyncGenerator[Page]:
        """All pages of a kind, in their order. Where one was full, the next ones are asked for at the same time: at the
        end of a kind, a call or two find nothing.
        """
        books, asked, at_once = self._reader.books(realm_id), deque[asyncio.Task[list[Seen]]](), 1
        try:
            while True:
                while len(asked) < at_once:
                    ahead = position + len(asked) * (PAGE - OVERLAP)
                    asked.append(asyncio.create_task(books.page(entity, ahead, PAGE)))
                rows = await asked[0]
                asked.popleft()
                is_last, at_once = len(rows) < PAGE, AT_ONCE
                start, position = position, position + (len(rows) if is_last else PAGE - OVERLAP)
                yield Page(rows, start, position, is_last=is_last)
                if is_last:
                    return
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _stored(self, realm_id: str, name: str, page: Page, lacking: References) -> bool:
        """As `store`. A few rows that cannot be stored hold nothing else up: they are read again later, and so is what
        names them, as if QuickBooks had told of it.
        """
        entity = entity_of(name)
        again = {row.id for row in page.rows if names_any(entity, row, lacking)} if lacking else set[str]()
        try:
            return await self.store(realm_id, name, replace(page, again=again))
        except Exception as error:
            if not is_about_values(error):
                raise
            log.warning("pull.stored_in_parts", realm_id=realm_id, name=name, error=type(error).__name__)
        left_out = await self._store_parts(realm_id, name, page)
        if left_out is None:
            return False
        lacking[entity] = lacking.get(entity, set()) | left_out
        return await self.store(realm_id, name, replace(page, rows=[], again=again | left_out))

    async def _store_parts(self, realm_id: str, name: str, page: Page) -> set[str] | None:
        """Store a page's rows, halving it until whatever cannot be stored is alone; returns the ids of that, or None
        where the kind does not go on from here.

        Raises what stands against them where those are many: then something is wrong here, not with them.
        """
        left_out, parts = set[str](), deque([page.rows])
        while parts:
            rows = parts.popleft()
            try:
                if not await self.store(realm_id, name, replace(page, rows=rows, next=page.start, is_last=False)):
                    return None
            except Exception as error:
                is_many = len(left_out) >= MOST_LEFT_OUT
                if is_many or not is_about_values(error):
                    raise
                if len(rows) > 1:
                    middle = len(rows) // 2
                    parts.extendleft((rows[middle:], rows[:middle]))
                    continue
                log.error("pull.not_stored", realm_id=realm_id, name=name, qb_id=rows[0].id, exc_info=error)
                left_out.add(rows[0].id)
        return left_out

    async def store(self, realm_id: str, name: str, page: Page) -> bool:
        """Whether the kind goes on from here: not where somebody lets all of it be read again meanwhile."""
        async with self._begin() as tx:
            uow, marks = await tx.aget(UnitOfWork), await tx.aget(MarkService)
            mirror, announcer = await tx.aget(MirrorService), await tx.aget(Announcer)
            announcer.keep_history()
            mark = await marks.keep(realm_id, name)
            if mark.position != page.start:
                await marks.give_back(realm_id, name, due_at=uow.now)
                return False
            await mirror.store(realm_id, entity_of(name), page.rows)
            await mirror.note_tax(realm_id, page.rows)
            await announcer.store_history()
            await marks.read_again(realm_id, entity_of(name), page.again)
            mark.position = page.next
            failpoint("pull.before_commit")
            if page.is_last:
                mark.done_at = uow.now
                await marks.give_back(realm_id, name, due_at=None)
                left = await marks.left_to_pull(realm_id)
                if left and is_after(left[0].name, name):
                    # Ours as well, so that nobody else begins it meanwhile.
                    await marks.keep(realm_id, left[0].name)
                elif left:
                    return False
                else:
                    await marks.finish_history(realm_id)
        return True


class Told(Enum):
    """How much of what changed was told."""

    ALL = "all"
    WHAT_STANDS = "what stands"
    """But not what was deleted: a query knows nothing of it, a comparison does."""
    NOTHING = "nothing"


class ChangeProcess:
    """Change data capture: hourly, and at every reconnect. The backstop of webhooks, which may be lost.

    What it cannot tell any more is found by reading everything again. Nobody knows with which fault it refuses what is
    too old, so that any will do.
    """

    def __init__(self, begin: Begin, reader: Reader, leases: Leases, settings: Settings) -> None:
        self._begin = begin
        self._reader = reader
        self._leases = leases
        self._overlap = timedelta(seconds=settings.cdc_overlap_seconds)

    async def run_once(self) -> int:
        async with self._begin() as tx:
            uow, marks = await tx.aget(UnitOfWork), await tx.aget(MarkService)
            mark = await marks.take(CDC)
            if mark is None:
                return 0
            asked_at, realm_id, since = uow.now, mark.realm_id, mark.reached_at
        async with self._leases.holding(realm_id, CDC) as held:
            told = await self._told(realm_id, asked_at, since) if since is not None else Told.ALL
            async with self._begin() as tx:
                marks = await tx.aget(MarkService)
                kept = await marks.keep(realm_id, CDC)
                if told is Told.NOTHING:
                    await marks.pull_again(realm_id)
                elif told is Told.WHAT_STANDS:
                    await marks.due(realm_id, DIFFERENCES)
                # Not further than the moment at which we asked: what changed since will be told the next time.
                kept.reached_at = asked_at
                await marks.give_back(realm_id, CDC, due_at=asked_at + CDC_EVERY)
                await (await tx.aget(ConnectionService)).record_sync(realm_id)
            held.done = 1
        return held.done

    async def _told(self, realm_id: str, asked_at: datetime, since: datetime) -> Told:
        """Take over what changed since."""
        if asked_at - since > CDC_REACH:
            return Told.NOTHING
        try:
            return await self._read(realm_id, since - self._overlap)
        except QuickBooksRefused as error:
            if isinstance(error, CompanySuspended) or asked_at - since <= PULL_AGAIN_AFTER:
                raise
            log.warning("sync.changes_refused", realm_id=realm_id, code=error.fault_code)
            return Told.NOTHING

    async def _read(self, realm_id: str, since: datetime) -> Told:
        """All kinds in one call; where that is cut short, each on its own; where that is too, by query."""
        books = self._reader.books(realm_id)
        found = await books.changes(ENTITIES, since)
        if sum(map(len, found.values())) < CDC_MOST:
            await self._reader.take_or_note(realm_id, found)
            return Told.ALL
        told = Told.ALL
        for entity in ENTITIES:
            alone = (await books.changes((entity,), since)).get(entity, [])
            await self._reader.take_or_note(realm_id, {entity: alone})
            if len(alone) >= CDC_MOST:
                await self._page(realm_id, entity, since)
                told = Told.WHAT_STANDS
        return told

    async def _page(self, realm_id: str, entity: str, since: datetime) -> None:
        books, position = self._reader.books(realm_id), 1
        while True:
            page = await books.page_changed(entity, since, position, PAGE)
            await self._reader.take_or_note(realm_id, {entity: page})
            if len(page) < PAGE:
                return
            # Whatever changes meanwhile moves to the end, and all behind it up.
            position += len(page) - OVERLAP
