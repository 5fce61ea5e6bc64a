"""One limit for all calls to a provider, by all workers together: a row that says when the next call may leave.

A service that uses it has the table `provider_rate (key TEXT PRIMARY KEY, next_at TIMESTAMPTZ NOT NULL)`.
"""

import asyncio
import time
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import Begin
from shared.log import said_of

LEAD_SECONDS = 0.3
"""A slot lies at least this far ahead, so that the intent can commit before it."""
NEAR_SECONDS = 1.0
"""Nobody reserves further ahead than this: who holds a far slot would wait for it with stale checks."""
LATE_SECONDS = 0.06
"""A slot missed by more is forfeited: catching up would put two slots' calls into one second."""
READ_PATIENCE_SECONDS = 5.0
GIVE_BACK_SECONDS = 1.0

log = structlog.get_logger(__name__)

_RESERVE = text(
    "INSERT INTO provider_rate AS r (key, next_at)"
    " VALUES (:key, clock_timestamp() + make_interval(secs => CAST(:lead AS float8) + CAST(:width AS float8)))"
    " ON CONFLICT (key) DO UPDATE SET next_at ="
    " greatest(r.next_at, clock_timestamp() + make_interval(secs => CAST(:lead AS float8)))"
    " + make_interval(secs => CAST(:width AS float8))"
    " WHERE r.next_at <= clock_timestamp() + make_interval(secs => CAST(:near AS float8))"
    " RETURNING extract(epoch FROM r.next_at - clock_timestamp()) - CAST(:width AS float8), r.next_at"
)
_GIVE_BACK = text(
    "UPDATE provider_rate SET next_at = next_at - make_interval(secs => CAST(:width AS float8))"
    " WHERE key = :key AND next_at = :reserved_to RETURNING 1"
)
_TAKE_IF_FREE = text(
    "INSERT INTO provider_rate AS r (key, next_at)"
    " VALUES (:key, clock_timestamp() + make_interval(secs => CAST(:width AS float8)))"
    " ON CONFLICT (key) DO UPDATE SET next_at = clock_timestamp() + make_interval(secs => CAST(:width AS float8))"
    " WHERE r.next_at <= clock_timestamp() RETURNING 1"
)
_BACK_OFF = text(
    "UPDATE provider_rate"
    " SET next_at = greatest(next_at, clock_timestamp() + make_interval(secs => CAST(:seconds AS float8)))"
    " WHERE key = :key RETURNING 1"
)


class RateLimiter:
    """Hands out slots: monotonic instants at which one call may leave.

    `key` names whom the provider counts; `rate` is calls a second, and 0 lifts the limit.
    """

    def __init__(self, begin: Begin, key: str, rate: float) -> None:
        self._begin = begin
        self._key = key
        self._rate = rate

    @property
    def allowance(self) -> int | None:
        """Slots of one second; None where nothing limits."""
        return max(1, int(self._rate)) if self._rate else None

    async def reserve(self, count: int) -> list[float]:
        """The next `count` slots, evenly spaced; none while the next free one is not near."""
        if not self._rate:
            return [0.0] * count
        interval = 1 / self._rate
        found = await self._reserved(count * interval, lead=LEAD_SECONDS)
        if found is None:
            return []
        first, _ = found
        return [first + i * interval for i in range(count)]

    async def _reserved(self, width: float, *, lead: float) -> tuple[float, datetime] | None:
        """From when that many seconds are ours, and to when in the database's time; None while that is not near."""
        row, asked_at = await self._execute(_RESERVE, lead=lead, near=NEAR_SECONDS, width=width)
        return (asked_at + float(row[0]), row[1]) if row else None

    async def wait(self, slot: float) -> bool:
        """Sleep until the slot; False where it was missed, and with it the right to call."""
        if not self._rate:
            return True
        await asyncio.sleep(max(0.0, slot - time.monotonic()))
        return time.monotonic() <= slot + LATE_SECONDS

    async def take_if_free(self) -> bool:
        """Whether this moment is nobody's; then it is the caller's."""
        if not self._rate:
            return True
        taken, _ = await self._execute(_TAKE_IF_FREE, width=1 / self._rate)
        return taken is not None

    async def for_read(self) -> None:
        """Wait for a moment that no send has reserved; after some patience take a slot like a send."""
        if not self._rate:
            return
        patient_until = time.monotonic() + READ_PATIENCE_SECONDS
        while True:
            if await self.take_if_free() or (time.monotonic() > patient_until and await self._waited_for_a_slot()):
                return
            await asyncio.sleep(0.5 / self._rate)

    async def _waited_for_a_slot(self) -> bool:
        slots = await self.reserve(1)
        return bool(slots) and await self.wait(slots[0])

    async def turn(self) -> None:
        """Wait for the next slot that nobody has, however long that takes: evenly spaced, first come, first served.

        Whoever is cancelled while it lies ahead leaves the slot to others, where nobody reserved a later one.
        """
        if not self._rate:
            return
        while True:
            found = await self._reserved(1 / self._rate, lead=0.0)
            if found is None:
                await asyncio.sleep(NEAR_SECONDS / 4)
                continue
            slot, reserved_to = found
            try:
                if await self.wait(slot):
                    return
            except asyncio.CancelledError:
                await self._give_back(reserved_to)
                raise

    async def _give_back(self, reserved_to: datetime) -> None:
        """Only the last one that was reserved: others keep what they have.

        Whoever is cancelled has no time, and may be so because the database is away: a slot is no reason to fail.
        """
        try:
            async with asyncio.timeout(GIVE_BACK_SECONDS):
                await self._execute(_GIVE_BACK, width=1 / self._rate, reserved_to=reserved_to)
        except (SQLAlchemyError, OSError) as error:
            log.info("rate.slot_lost", key=self._key, error=said_of(error))

    async def back_off(self, seconds: float) -> None:
        """The provider counts too many: nobody calls for a while."""
        if self._rate:
            await self._execute(_BACK_OFF, seconds=seconds)

    async def _execute(self, statement: TextClause, **values: float | datetime) -> tuple[Any, float]:
        """The statement's row, and the monotonic instant at which it came: commits take a varying while."""
        async with self._begin() as tx:
            session = await tx.aget(AsyncSession)
            result = await session.execute(statement, {"key": self._key, **values})
            at = time.monotonic()
            return result.one_or_none(), at
