"""The sender: reserve, claim (T1), wire, settle (T2). The network stands between transactions, never inside one."""

import asyncio
import time
from collections.abc import Sequence

import structlog
from shared.database import Begin
from shared.failpoints import failpoint
from shared.rate import LEAD_SECONDS, RateLimiter

from messaging.provider import OutboundText, TextSender, Unavailable, Unknown
from messaging.services.outbound import ClaimService
from messaging.services.settling import Result, SettleService
from messaging.settings import MessagingSettings

log = structlog.get_logger(__name__)

LAUNCH_SECONDS = 5.0
"""A run launches for this long at most, so that a stopping worker does not have to empty the queue."""
PATIENCE_SECONDS = 2.0
"""A run does not wait longer than this for answers: hanging requests are settled by a later one."""
GATHER_SECONDS = 0.05
"""Answers that come this close together are settled in one transaction."""
SETTLE_TRIES = 5


class SenderProcess:
    """One per worker; any number of workers. Its requests on the wire outlive a run, its claims do not."""

    def __init__(self, begin: Begin, provider: TextSender, rate: RateLimiter, settings: MessagingSettings) -> None:
        self._begin = begin
        self._provider = provider
        self._rate = rate
        # No more than there are connections: waiting for one would let a reserved slot pass.
        self._most_in_flight = settings.send_connections
        # Half a second's allowance: what T1 has checked leaves soon after, or is checked again.
        self._batch = min(settings.send_batch, max(1, (rate.allowance or 2 * settings.send_batch) // 2))
        self._flights: set[asyncio.Task[Result]] = set()

    async def run_once(self) -> int:
        """Send what may be sent now; returns the texts launched and settled, so that 0 means nothing is left."""
        started = time.monotonic()
        done = 0
        while time.monotonic() < started + LAUNCH_SECONDS:
            launched = await self._launch()
            done += launched
            if not self._flights:
                return done
            done += await self._settle_returned(GATHER_SECONDS if launched else 0.2)
            if not launched and not self._flights:
                return done
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._flights and time.monotonic() < deadline:
            done += await self._settle_returned(0.2)
        return max(done, len(self._flights))

    async def _launch(self) -> int:
        """Claim what there is room and a slot for, and put each on its way."""
        room = min(self._most_in_flight - len(self._flights), self._batch)
        if room <= 0 or (self._flights and room < self._batch // 4):
            return 0  # A claim of a few costs as much as one of many.
        slots = await self._slots(room)
        if not slots:
            return 0
        asked = time.monotonic()
        async with self._begin() as tx:
            texts = await (await tx.aget(ClaimService)).claim(len(slots), asked)
        failpoint("send.after_claim")
        for text, slot in zip(texts, slots, strict=False):
            flight = asyncio.create_task(self._fly(text, slot))
            self._flights.add(flight)
        return len(texts)

    async def _slots(self, room: int) -> list[float]:
        """Reserved slots for what can be claimed, awaited so far that the claim is fresh when they come."""
        if self._rate.allowance is None:
            return [0.0] * room
        async with self._begin() as tx:
            waiting = await (await tx.aget(ClaimService)).count_claimable(room)
        if not waiting:
            return []
        slots = await self._rate.reserve(waiting)
        await self._settle_until(slots[0] - LEAD_SECONDS if slots else 0.0)
        return slots

    async def _settle_until(self, instant: float) -> None:
        """Spend the wait for a slot on what comes back meanwhile: an accepted text is not left for its deadline."""
        while self._flights and instant - time.monotonic() > 2 * GATHER_SECONDS:
            await self._settle_returned(instant - time.monotonic() - GATHER_SECONDS)
        await asyncio.sleep(max(0.0, instant - time.monotonic()))

    async def _fly(self, text: OutboundText, slot: float) -> Result:
        if not await self._rate.wait(slot):
            # Waiting for another slot would let it leave on a stale check: it goes back and through T1 again.
            return text, Unavailable("slot_missed", 0.0)
        try:
            outcome = await self._provider.send(text)
        except Exception as error:
            log.exception("send.crashed", message_id=str(text.message_id))
            outcome = Unknown(type(error).__name__)
        return text, outcome

    async def _settle_returned(self, within: float) -> int:
        await asyncio.wait(self._flights, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        if any(flight.done() for flight in self._flights):
            await asyncio.wait(self._flights, timeout=GATHER_SECONDS)
        landed = {flight for flight in self._flights if flight.done()}
        if not landed:
            return 0
        results = [flight.result() for flight in landed]
        await self._settle(results)
        self._flights -= landed
        failpoint("send.after_settle")
        limited = [o.retry_after for _, o in results if isinstance(o, Unavailable) and o.is_limited]
        if limited:
            await self._rate.back_off(max(limited))
        return len(results)

    async def _settle(self, results: Sequence[Result]) -> None:
        """Record outcomes, trying again while the database is away; what stays unrecorded is looked up later."""
        for attempt in range(1, SETTLE_TRIES + 1):
            try:
                async with self._begin() as tx:
                    await (await tx.aget(SettleService)).settle(results)
            except Exception as error:
                if attempt == SETTLE_TRIES:
                    log.error("send.not_settled", texts=len(results), exc_info=error)
                    return
                if len(results) > 1:
                    for result in results:
                        await self._settle([result])
                    return
                await asyncio.sleep(0.2 * attempt)
            else:
                return


class ExpiryProcess:
    """Gives back the turns that were missed."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    async def run_once(self) -> int:
        async with self._begin() as tx:
            return await (await tx.aget(ClaimService)).expire_due()
