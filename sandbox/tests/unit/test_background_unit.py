"""When a job looks: not while nothing is due, and soon when something may be."""

import asyncio
from datetime import timedelta

from sandbox.background import JobLoop
from sandbox.bell import Bell
from sandbox.jobs import DUE
from shared.jobs import Job

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
    """Everything that is ready to run has run, many times over."""
    for _ in range(200):
        await asyncio.sleep(0)


async def test_a_job_sleeps_until_the_bell_or_the_next_due_moment() -> None:
    process, bell, stop = Counted(work=3), Bell(), asyncio.Event()
    left: list[timedelta | None] = [None]

    async def until_due() -> timedelta | None:
        return left[0]

    loop = asyncio.create_task(JobLoop(Job("j", Counted, LOOK, DUE), process, bell, until_due).run(stop))
    while process.work:
        await process.again()
    await process.again()  # the bell that its own last work rang
    asleep = process.looks
    await passes()
    assert process.looks == asleep
    left[0] = timedelta(milliseconds=5)
    bell.ring()
    await process.again()
    await process.again()  # by itself, when the moment has come
    stop.set()
    await asyncio.wait_for(loop, 5)


async def test_a_job_that_cannot_tell_what_is_due_looks_again() -> None:
    process, stop, asked = Counted(), asyncio.Event(), asyncio.Event()

    async def away() -> timedelta | None:
        asked.set()
        raise OSError("the database is away")

    loop = asyncio.create_task(JobLoop(Job("j", Counted, LOOK, DUE), process, Bell(), away).run(stop))
    await asyncio.wait_for(asked.wait(), 5)
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert process.looks == 1
