"""When a job looks: not while nothing is due, and soon when something may be."""

import asyncio
from datetime import timedelta

from sandbox.background import DueTimes, JobLoop
from sandbox.bell import Bell
from sandbox.jobs import DUE
from shared.jobs import Job
from shared.testing import until

LOOK = timedelta(milliseconds=1)


class Counted:
    """A process that finds `work`, one piece a step."""

    def __init__(self, work: int = 0) -> None:
        self.looks = 0
        self.work = work
        self.looked = asyncio.Event()

    async def run_once(self) -> int:
        self.looks += 1
        self.looked.set()
        done, self.work = min(self.work, 1), max(self.work - 1, 0)
        return done

    async def again(self) -> None:
        """Wait for the next look."""
        self.looked.clear()
        async with asyncio.timeout(5):
            await self.looked.wait()


async def passes() -> None:
    """A job that looks at every interval has done so a few times."""

    async def nothing() -> dict[str, timedelta | None]:
        return {}

    steady, bell, stop = Counted(), Bell(), asyncio.Event()
    loop = asyncio.create_task(JobLoop(Job("steady", Counted, LOOK), steady, bell, DueTimes(nothing, bell)).run(stop))
    for _ in range(5):
        await steady.again()
    stop.set()
    await loop


async def test_a_job_sleeps_until_the_bell_or_the_next_due_moment() -> None:
    process, bell, stop = Counted(work=3), Bell(), asyncio.Event()
    later: list[timedelta | None] = [None]

    async def until_due() -> dict[str, timedelta | None]:
        return {"j": timedelta(0) if process.work else later[0]}

    due = DueTimes(until_due, bell)
    loop = asyncio.create_task(JobLoop(Job("j", Counted, LOOK, DUE), process, bell, due).run(stop))
    while process.work:
        await process.again()
    await passes()
    assert process.looks == 3, "nothing was due after the bell that its own last work rang"
    later[0] = timedelta(milliseconds=5)
    bell.ring()
    await process.again()  # by itself, when the moment has come
    stop.set()
    await asyncio.wait_for(loop, 5)


async def test_what_is_due_is_asked_once_a_ring_for_all_jobs() -> None:
    bell, stop, asked = Bell(), asyncio.Event(), 0

    async def until_due() -> dict[str, timedelta | None]:
        nonlocal asked
        asked += 1
        return {"idle": None, "busy": timedelta(0) if busy.work else None}

    idle, busy, due = Counted(), Counted(work=1), DueTimes(until_due, bell)
    loops = [
        asyncio.create_task(JobLoop(Job(name, Counted, LOOK, DUE), process, bell, due).run(stop))
        for name, process in (("idle", idle), ("busy", busy))
    ]
    await busy.again()
    await until(lambda: asked == 2, what="it is asked after the bell that work rang")
    await passes()
    assert asked == 2, "at the start, and after the bell that work rang"
    busy.work = 1
    bell.ring()
    await busy.again()
    assert idle.looks == 0
    stop.set()
    await asyncio.gather(*loops)


async def test_what_rings_while_it_is_asked_is_asked_for_anew() -> None:
    bell, asked, answer = Bell(), 0, asyncio.Event()

    async def until_due() -> dict[str, timedelta | None]:
        nonlocal asked
        asked += 1
        await answer.wait()
        return {"j": None}

    due = DueTimes(until_due, bell)
    first = asyncio.create_task(due.seconds_left("j"))
    await passes()
    bell.ring()
    second = asyncio.create_task(due.seconds_left("j"))
    await passes()
    assert asked == 2
    answer.set()
    assert all(0.9 < left <= 1 for left in await asyncio.gather(first, second)), "nothing is planned"


async def test_a_job_that_cannot_tell_what_is_due_asks_again() -> None:
    process, bell, stop, asked = Counted(), Bell(), asyncio.Event(), asyncio.Event()

    async def away() -> dict[str, timedelta | None]:
        asked.set()
        raise OSError("the database is away")

    loop = asyncio.create_task(JobLoop(Job("j", Counted, LOOK, DUE), process, bell, DueTimes(away, bell)).run(stop))
    await asyncio.wait_for(asked.wait(), 5)
    asked.clear()
    bell.ring()
    await asyncio.wait_for(asked.wait(), 5)
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert process.looks == 0
