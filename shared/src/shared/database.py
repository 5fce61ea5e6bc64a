"""The database: engine, column types, the one opener of transactions, and the unit of work it hands out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal
from uuid import UUID

import asyncpg
import orjson
import svcs
from sqlalchemy import DateTime, Enum, MetaData, Text, column, insert, table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.event import listen
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from shared.clock import rfc3339, wall_now
from shared.events.envelope import Envelope, Event
from shared.ids import uuid7
from shared.telemetry import current_traceparent

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

MOST_HINTS = 50
"""Of one resource in one transaction: a browser reads a page of a list again sooner than that many rows."""

OUTBOX = table(
    "outbox",
    *map(column, ("seq", "id", "type", "envelope", "created_at", "published_at", "failed_at", "error")),
)


def service_metadata() -> MetaData:
    """The metadata of one service's own tables, with names for every constraint."""
    return MetaData(naming_convention=NAMING_CONVENTION)


class TypedColumns:
    """Column types by annotation. A service's base: `class Base(TypedColumns, DeclarativeBase)`."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text(),
        dict[str, Any]: JSONB(),
        list[str]: JSONB(),
    }


class Identified:
    """A row with a time-ordered id."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)


class Versioned:
    """An aggregate whose `version` is the integer of its ETag and of its events."""

    version: Mapped[int] = mapped_column(default=1)

    def touch(self) -> int:
        """Count a change; returns the new version."""
        self.version = (self.version or 0) + 1
        return self.version


def str_enum(values: type[StrEnum]) -> Enum:
    """A text column held to the values of a StrEnum by a CHECK constraint."""
    return Enum(
        values,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=values.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def create_engine(url: str, *, name: str, pool_size: int = 10) -> AsyncEngine:
    """An engine whose every statement has a client-side deadline: a frozen backend must not freeze us."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_recycle=3600,
        pool_timeout=10,
        # What a statement that fails was given is people's data, and its error is logged.
        hide_parameters=True,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": 5,
            "command_timeout": 60,
            "server_settings": {"application_name": name, "jit": "off"},
        },
    )
    # Instead of pool_pre_ping, which is three round trips per transaction: the driver knows when the server hung up.
    listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, *_: Any) -> None:
    """Make the pool replace a connection that has died since its last use."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


@dataclass
class UnitOfWork:
    """One transaction: its session, its instant, and the facts that become known when it commits."""

    session: AsyncSession
    now: datetime
    """`crm_now()` of this transaction, read once."""
    source: str
    _outbox: list[dict[str, Any]] = field(default_factory=list)
    _hints: dict[str, dict[str, int]] = field(default_factory=dict)
    _notices: dict[tuple[str, str], None] = field(default_factory=dict)

    def publish(self, event: Event, *, causation_id: UUID | None = None) -> UUID:
        """Write the event to the outbox in this transaction; it reaches the stream after the commit.

        Returns the event's id. `causation_id` is the id of the event that led to this one.
        """
        event_id = uuid7()
        head = Envelope(
            id=event_id,
            type=event.type,
            source=f"/crm/{self.source}",
            subject=event.subject_id,
            time=self.now,
            dataschema=f"/schemas/{event.type}.json",
            data={},
            traceparent=current_traceparent(),
            causationid=str(causation_id) if causation_id else None,
            aggregateversion=event.aggregate_version,
        ).model_dump_json(exclude_none=True, exclude={"data"})
        # The event is written once, and set into the envelope's last member: bulk events are large.
        envelope = f'{head[:-1]},"data":{event.model_dump_json()}}}'
        self._outbox.append({"id": event_id, "type": event.type, "envelope": envelope, "created_at": wall_now()})
        return event_id

    def hint(self, resource: str, id: UUID | str, version: int) -> None:
        """Tell open browsers, after the commit, that this changed. Carries no data.

        Of more than MOST_HINTS of a resource it says `*`, version 0, once: read what you show of it again.
        """
        self._hints.setdefault(resource, {})[str(id)] = version

    def wake(self, channel: str) -> None:
        """Wake the jobs that wait on `channel` once this transaction has committed."""
        self._notices["wake", channel] = None

    async def flush(self) -> None:
        """Bring the state, its events and its notices into the transaction."""
        await self.session.flush()
        if self._outbox:
            await self.session.execute(insert(OUTBOX), self._outbox)
            self._notices["wake", "outbox"] = None
            self._outbox = []
        for resource, changed in self._hints.items():
            named = changed if len(changed) <= MOST_HINTS else {"*": 0}
            for id, version in named.items():
                payload = orjson.dumps({"resource": resource, "id": id, "version": version}).decode()
                self._notices["live", payload] = None
        self._hints = {}
        if self._notices:
            await self.session.execute(
                text("SELECT pg_notify(c, p) FROM unnest(CAST(:c AS text[]), CAST(:p AS text[])) AS n(c, p)"),
                {"c": [c for c, _ in self._notices], "p": [p for _, p in self._notices]},
            )
            self._notices = {}


IsolationLevel = Literal["READ COMMITTED", "REPEATABLE READ"]


class Begin:
    """Opens transactions; nothing else does. `async with begin() as tx: service = await tx.aget(Service)`.

    The container holds this transaction's UnitOfWork and AsyncSession. A clean exit commits, an exception rolls
    back. A guard of an outside action relies on the commit being durable: synchronous_commit stays on.
    """

    def __init__(self, registry: svcs.Registry, engine: AsyncEngine, source: str) -> None:
        self._registry = registry
        self._engines = {
            "READ COMMITTED": engine,
            "REPEATABLE READ": engine.execution_options(isolation_level="REPEATABLE READ"),
        }
        self._source = source

    @asynccontextmanager
    async def __call__(self, isolation: IsolationLevel = "READ COMMITTED") -> AsyncIterator[svcs.Container]:
        engine = self._engines[isolation]
        async with (
            AsyncSession(engine, expire_on_commit=False) as session,
            svcs.Container(self._registry) as container,
        ):
            now = (await session.execute(text("SELECT crm_now()"))).scalar_one()
            uow = UnitOfWork(session, now, self._source)
            container.register_local_value(UnitOfWork, uow)
            container.register_local_value(AsyncSession, session)
            yield container
            await uow.flush()
            await session.commit()


async def read_clock(session: AsyncSession) -> datetime:
    """Domain time."""
    return (await session.execute(text("SELECT crm_now()"))).scalar_one()  # type: ignore[no-any-return]


async def read_clock_offset(url: str) -> timedelta:
    """How far domain time is ahead. Before anything else runs, so it waits for a database that is still away."""
    while True:
        try:
            connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)
            break
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError):
            await asyncio.sleep(1)
    try:
        offset: timedelta = await connection.fetchval("SELECT offset_by FROM crm_clock")
        return offset
    finally:
        await connection.close()


async def move_clock(session: AsyncSession, to: datetime) -> datetime:
    """Move domain time forward to `to`; an instant that has passed changes nothing. Returns the new time."""
    await session.execute(
        text("UPDATE crm_clock SET offset_by = greatest(offset_by, CAST(:to AS timestamptz) - clock_timestamp())"),
        {"to": to},
    )
    # Everything that waits for a moment has to look again.
    await session.execute(select_notify("wake", f"clock {rfc3339(to)}"))
    return await read_clock(session)


def select_notify(channel: str, payload: str) -> Any:
    """The statement that notifies `channel` when the transaction commits."""
    return text("SELECT pg_notify(:channel, :payload)").bindparams(channel=channel, payload=payload)
