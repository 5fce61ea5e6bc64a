"""How far a company's books were read, and what is to be read next: rows that one worker at a time holds."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.clock import wall_now
from shared.database import UnitOfWork
from shared.ids import uuid7
from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select, text, update
from sqlalchemy.orm import aliased

from billing.models import Connection, Notice, SyncMark
from billing.nights import next_night
from billing.provider import ENTITIES
from billing.settings import Settings
from billing.states import ConnectionStatus

SYNC_CHANNEL, NOTICE_CHANNEL = "sync", "notices"
COMPANY, CDC, DIFFERENCES, NOTICES = "company", "cdc", "differences", "notices"
HISTORY = "history"
"""Done once every kind was read to its end, and never undone: reading again is no first reading."""
READABLE = (ConnectionStatus.CONNECTED, ConnectionStatus.SUSPENDED)
"""A company that is suspended can be read, not written."""
_LONGEST_PULL = timedelta(days=1)

# Of the rows that a condition asks for, beside those of the statement that it stands in. Made once: an alias that is
# new finds out about each of its columns anew, and the worker asks all the time.
_COMPANY = aliased(Connection, name="company")
_HISTORY, _CHANGES, _PULL = (aliased(SyncMark, name=name) for name in ("history", "changes", "pull"))

_ADD = text(
    "INSERT INTO sync_mark (realm_id, name, position, due_at, reached_at)"
    " SELECT :realm, name, 1, CAST(:due AS timestamptz), CAST(:due AS timestamptz)"
    " FROM unnest(CAST(:names AS text[])) AS n(name) ON CONFLICT DO NOTHING"
)


def pull_name(entity: str) -> str:
    return f"pull {entity}"


def entity_of(pull: str) -> str:
    return pull.removeprefix("pull ")


PULLS = tuple(pull_name(entity) for entity in ENTITIES)


def is_after(pull: str, other: str) -> bool:
    return PULLS.index(pull) > PULLS.index(other)


def is_first_reading(realm_id: Any) -> ColumnElement[bool]:
    """Whether this company's books are being read for the first time: what is worked out of them waits for it."""
    return exists().where(
        _HISTORY.realm_id == realm_id,
        _HISTORY.name == HISTORY,
        _HISTORY.done_at.is_(None),
        _COMPANY.realm_id == realm_id,
        _COMPANY.status.in_(READABLE),
    )


def _is_caught_up(realm_id: Any) -> ColumnElement[bool]:
    """Whether the company can be read, all of it was read once, and so was what changed before it was connected the
    last time.
    """
    return exists().where(
        _COMPANY.realm_id == realm_id,
        _COMPANY.status.in_(READABLE),
        *(mark.realm_id == realm_id for mark in (_HISTORY, _CHANGES)),
        _HISTORY.name == HISTORY,
        _HISTORY.done_at.is_not(None),
        _CHANGES.name == CDC,
        _CHANGES.reached_at >= _COMPANY.connected_at,
    )


def is_kept_up(realm_id: Any, entity: str, now: datetime) -> ColumnElement[bool]:
    """Whether what nothing but time does to objects of this kind may be said: whatever was to be answered or paid may
    have been, while nobody looked.

    After a long absence that takes reading everything again. A kind that is refused for good holds the later ones up
    for a day.
    """
    is_read = exists().where(
        _COMPANY.realm_id == realm_id,
        _PULL.realm_id == realm_id,
        _PULL.name == pull_name(entity),
        or_(_PULL.done_at.is_not(None), _COMPANY.connected_at < now - _LONGEST_PULL),
    )
    return and_(_is_caught_up(realm_id), is_read)


def is_comparable(realm_id: Any) -> ColumnElement[bool]:
    """Whether what we lack of a company's books is a difference: nothing of them is still to be read."""
    unread = exists().where(_PULL.realm_id == realm_id, _PULL.name.in_(PULLS), _PULL.done_at.is_(None))
    return and_(_is_caught_up(realm_id), ~unread)


_OWN = "own "


def own_notice(
    realm_id: str, entity: str, qb_id: str, operation: str, *, at: datetime, gone_id: str | None = None, name: str = ""
) -> dict[str, Any]:
    """The columns of a Notice that nobody told us. One of a `name` stands there once, however often it is written."""
    return {
        "event_id": f"{_OWN}{name or uuid7()}",
        "realm_id": realm_id,
        "entity": entity,
        "qb_id": qb_id,
        "operation": operation,
        "gone_id": gone_id,
        "occurred_at": at,
        "received_at": wall_now(),
    }


async def put_notices(uow: UnitOfWork, notices: Sequence[dict[str, Any]]) -> None:
    """Write down what `own_notice` made, for the job that reads it."""
    if notices:
        await uow.session.execute(insert(Notice), notices)
        uow.wake(NOTICE_CHANNEL)


class MarkService:
    """Lives in one transaction. Leases are security time."""

    def __init__(self, uow: UnitOfWork, settings: Settings) -> None:
        self._uow = uow
        self._lease = timedelta(seconds=settings.reading_lease_seconds)

    async def begin(self, realm_id: str) -> None:
        """At a consent: what was never read is pulled, and what was is brought up to date at once."""
        await self._add(realm_id, (COMPANY, *PULLS, CDC), self._uow.now)
        # Whether notices wait is asked of the notices; what was never read is not compared.
        await self._add(realm_id, (NOTICES, HISTORY, DIFFERENCES), None)
        for name in (COMPANY, CDC):
            await self.due(realm_id, name)
        # A night that was missed is no reason to compare at whatever hour somebody consents.
        comparison = await self._uow.session.get_one(SyncMark, (realm_id, DIFFERENCES), with_for_update=True)
        if comparison.due_at is not None:
            comparison.due_at = await self.next_night(realm_id)

    async def _add(self, realm_id: str, names: tuple[str, ...], due: datetime | None) -> None:
        await self._uow.session.execute(_ADD, {"realm": realm_id, "names": list(names), "due": due})

    async def next_night(self, realm_id: str) -> datetime:
        """Where the company is, as far as it said; days are counted there, too."""
        zone = await self._uow.session.scalar(select(Connection.zone).where(Connection.realm_id == realm_id))
        return next_night(self._uow.now, zone or "UTC")

    async def due(self, realm_id: str, name: str) -> None:
        """Let this be read as soon as somebody is free."""
        mark = await self._uow.session.get(SyncMark, (realm_id, name), with_for_update=True)
        if mark is not None:
            mark.due_at = self._uow.now
        self._uow.wake(SYNC_CHANNEL)

    async def read_again(self, realm_id: str, entity: str, ids: Iterable[str]) -> None:
        """Have these read soon, as if QuickBooks had told of them: durable with the change that makes it necessary."""
        again = [own_notice(realm_id, entity, qb_id, "updated", at=self._uow.now) for qb_id in sorted(set(ids))]
        await put_notices(self._uow, again)

    async def to_be_read_again(self, realm_id: str) -> dict[str, set[str]]:
        """Entity → ids of what we have still to read by ourselves: what cannot be stored is among that."""
        rows = await self._uow.session.execute(
            select(Notice.entity, Notice.qb_id).where(
                Notice.realm_id == realm_id, Notice.processed_at.is_(None), Notice.event_id.startswith(_OWN)
            )
        )
        found: dict[str, set[str]] = {}
        for entity, qb_id in rows:
            found.setdefault(entity, set()).add(qb_id)
        return found

    async def pull_again(self, realm_id: str) -> None:
        """From the beginning: changes were missed that nobody tells of any more."""
        for name in PULLS:
            mark = await self._uow.session.get(SyncMark, (realm_id, name), with_for_update=True)
            if mark is not None:
                mark.position, mark.done_at, mark.due_at = 1, None, self._uow.now
        self._uow.wake(SYNC_CHANNEL)

    async def take(self, *names: str) -> SyncMark | None:
        """A due mark of a company that is connected, leased to the caller; in the order of `names`.

        Books of which something is still to be read are not compared.
        """
        rows = await self._uow.session.scalars(
            select(SyncMark)
            .join(Connection, Connection.realm_id == SyncMark.realm_id)
            .where(
                SyncMark.name.in_(names),
                SyncMark.due_at <= self._uow.now,
                or_(SyncMark.leased_until.is_(None), SyncMark.leased_until < wall_now()),
                Connection.status.in_(READABLE),
                or_(SyncMark.name != DIFFERENCES, is_comparable(SyncMark.realm_id)),
            )
            .with_for_update(of=SyncMark, skip_locked=True)
        )
        found = sorted(rows, key=lambda mark: names.index(mark.name))
        if not found:
            return None
        found[0].leased_until = wall_now() + self._lease
        return found[0]

    async def take_pull(self) -> SyncMark | None:
        """The first kind that was not read to its end, where it is due and nobody holds it.

        Never a later one: what names an earlier kind would lose what it names.
        """
        undone = await self._uow.session.scalars(
            select(SyncMark)
            .join(Connection, Connection.realm_id == SyncMark.realm_id)
            .where(SyncMark.name.in_(PULLS), SyncMark.done_at.is_(None), Connection.status.in_(READABLE))
        )
        first = min(undone, key=lambda mark: PULLS.index(mark.name), default=None)
        if first is None:
            return None
        free: SyncMark | None = await self._uow.session.scalar(
            select(SyncMark)
            .where(
                SyncMark.realm_id == first.realm_id,
                SyncMark.name == first.name,
                SyncMark.done_at.is_(None),
                SyncMark.due_at <= self._uow.now,
                or_(SyncMark.leased_until.is_(None), SyncMark.leased_until < wall_now()),
            )
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
        if free is not None:
            free.leased_until = wall_now() + self._lease
        return free

    async def take_first(self, realms: Sequence[str], name: str) -> str | None:
        """The first of these companies that can be read and whose mark nobody holds, leased to the caller."""
        mark = await self._uow.session.scalar(
            select(SyncMark)
            .join(Connection, Connection.realm_id == SyncMark.realm_id)
            .where(
                SyncMark.realm_id.in_(realms),
                SyncMark.name == name,
                or_(SyncMark.leased_until.is_(None), SyncMark.leased_until < wall_now()),
                Connection.status.in_(READABLE),
            )
            .order_by(SyncMark.realm_id)
            .limit(1)
            .with_for_update(of=SyncMark, skip_locked=True)
        )
        if mark is None:
            return None
        mark.leased_until = wall_now() + self._lease
        return mark.realm_id

    async def give_back(self, realm_id: str, name: str, *, due_at: datetime | None, error: str | None = None) -> None:
        mark = await self._uow.session.get(SyncMark, (realm_id, name), with_for_update=True)
        if mark is not None:
            mark.leased_until, mark.due_at, mark.error = None, due_at, error

    async def compared(self, realm_id: str, since: datetime) -> None:
        """Give a comparison back that began then: due at night, or at once where it was asked for again meanwhile."""
        mark = await self._uow.session.get_one(SyncMark, (realm_id, DIFFERENCES), with_for_update=True)
        is_asked_for = mark.due_at is not None and mark.due_at > since
        due_at = mark.due_at if is_asked_for else await self.next_night(realm_id)
        await self.give_back(realm_id, DIFFERENCES, due_at=due_at)

    async def pause(self, realm_id: str, name: str, pause: timedelta) -> None:
        """Nobody takes it for a while."""
        mark = await self._uow.session.get(SyncMark, (realm_id, name), with_for_update=True)
        if mark is not None:
            mark.leased_until = wall_now() + pause

    async def renew(self, realm_id: str, name: str) -> None:
        """Of one that was given back meanwhile nothing is renewed.

        Whoever stores a page holds the row for as long: the database counts from the moment at which it is free.
        """
        await self._uow.session.execute(
            update(SyncMark)
            .where(SyncMark.realm_id == realm_id, SyncMark.name == name, SyncMark.leased_until.is_not(None))
            .values(leased_until=func.clock_timestamp() + self._lease)
        )

    async def keep(self, realm_id: str, name: str) -> SyncMark:
        """The mark, still leased to the caller for a while."""
        mark = await self._uow.session.get_one(SyncMark, (realm_id, name), with_for_update=True)
        mark.leased_until = wall_now() + self._lease
        return mark

    async def left_to_pull(self, realm_id: str) -> list[SyncMark]:
        """The kinds that were not read to their end, in their order."""
        undone = await self._uow.session.scalars(
            select(SyncMark).where(SyncMark.realm_id == realm_id, SyncMark.name.in_(PULLS), SyncMark.done_at.is_(None))
        )
        return sorted(undone, key=lambda mark: PULLS.index(mark.name))

    async def finish_history(self, realm_id: str) -> None:
        """All of it was read once: from now on it is compared at night."""
        mark = await self._uow.session.get(SyncMark, (realm_id, HISTORY), with_for_update=True)
        if mark is not None and mark.done_at is None:
            mark.done_at = self._uow.now
            comparison = await self._uow.session.get(SyncMark, (realm_id, DIFFERENCES), with_for_update=True)
            if comparison is not None and comparison.due_at is None:
                comparison.due_at = await self.next_night(realm_id)
        self._uow.wake(SYNC_CHANNEL)
