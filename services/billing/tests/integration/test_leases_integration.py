"""Whoever reads a company's books holds what it reads for as long as it lives, and hardly longer."""

from datetime import datetime
from typing import Any

import pytest
import svcs
from billing.models import SyncMark
from billing.services.leases import Held, Leases
from billing.services.marks import CDC, DIFFERENCES, MarkService
from shared.clock import wall_now
from shared.testing import until
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .office import REALM, Office


@pytest.fixture
def more_settings() -> dict[str, Any]:
    return {"reading_lease_seconds": 4.0}


async def leases(office: Office) -> Leases:
    async with svcs.Container(office.registry) as container:
        return await container.aget(Leases)


async def is_taken(office: Office, name: str) -> bool:
    """By a worker that dies at once."""
    async with office.begin() as tx:
        return await (await tx.aget(MarkService)).take(name) is not None


async def due(office: Office, name: str) -> None:
    async with office.begin() as tx:
        await (await tx.aget(MarkService)).due(REALM, name)


async def leased_until(office: Office, name: str) -> datetime | None:
    return (await office.one(SyncMark, SyncMark.name == name)).leased_until


async def test_a_reading_that_takes_long_is_nobody_elses(connected: Office) -> None:
    await due(connected, CDC)
    assert await is_taken(connected, CDC)
    at_first = wall_now()
    async with (await leases(connected)).holding(REALM, CDC):

        async def is_held_for_longer_than_a_lease() -> bool:
            assert not await is_taken(connected, CDC)
            return (wall_now() - at_first).total_seconds() > 5

        await until(is_held_for_longer_than_a_lease)


async def test_a_lease_ends_with_the_work(connected: Office) -> None:
    await due(connected, CDC)
    assert await is_taken(connected, CDC)
    async with (await leases(connected)).kept(Held(REALM, CDC)):
        pass
    await until(lambda: is_taken(connected, CDC))


async def test_a_page_that_takes_longer_than_a_lease_to_store_costs_it_nothing(connected: Office) -> None:
    await due(connected, CDC)
    assert await is_taken(connected, CDC)
    async with (await leases(connected)).kept(Held(REALM, CDC)):
        async with connected.begin() as tx:
            mark = await (await tx.aget(MarkService)).keep(REALM, CDC)
            # As after a long while.
            over = mark.leased_until = wall_now()

            async def is_renewal_waiting() -> bool:
                waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
                return bool(await (await tx.aget(AsyncSession)).scalar(waiting))

            await until(is_renewal_waiting)
            began = wall_now()
            await until(lambda: (wall_now() - began).total_seconds() > 4.1)

        async def renewed() -> datetime | None:
            found = await leased_until(connected, CDC)
            return found if found != over else None

        renewed_until = await until(renewed)
        assert renewed_until is not None
        assert renewed_until > wall_now()


async def test_what_a_dead_worker_held_is_soon_taken_by_the_next_one(connected: Office) -> None:
    await due(connected, DIFFERENCES)
    assert await is_taken(connected, DIFFERENCES)
    assert not await is_taken(connected, DIFFERENCES)
    await until(lambda: is_taken(connected, DIFFERENCES))


async def test_what_was_given_back_is_not_renewed(connected: Office) -> None:
    await due(connected, CDC)
    assert await is_taken(connected, CDC)
    other = "pull Customer"
    async with connected.begin() as tx:
        await (await tx.aget(MarkService)).keep(REALM, other)
    async with (await leases(connected)).kept(held := Held(REALM, CDC)):
        async with connected.begin() as tx:
            await (await tx.aget(MarkService)).give_back(REALM, CDC, due_at=None)
        held.name = other
        before = await leased_until(connected, other)

        async def is_renewed() -> bool:
            return await leased_until(connected, other) != before

        await until(is_renewed)
        held.name = CDC
        async with connected.begin() as tx:
            await (await tx.aget(MarkService)).renew(REALM, CDC)
        assert await leased_until(connected, CDC) is None
