"""Row 69: imports whose worker is killed again and again end with exact counts."""

import asyncio

import pytest
from harness.counts import count, draw, time_limit
from harness.figures import Figures
from harness.imports import COUNTS, completed, confirm, households, upload
from harness.system import System, is_alive
from shared.testing import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

WORKER = "contacts-worker"
FAILPOINTS = ("import.before_chunk_commit", "import.after_chunk_commit")


async def all_completed(system: System, imports: list[str]) -> bool:
    return {(await system.get(f"/api/v1/imports/{one}"))["status"] for one in imports} == {"completed"}


async def test_imports_of_two_people_killed_at_random_count_every_row_once(system: System, figures: Figures) -> None:
    """Row 69: kill points are drawn; the same people stand in both files, which are imported at once."""
    chance = draw("imports")
    rows = count(2_000, 25_000)
    async with system.colleague("second.importer@crm.local") as colleague:
        imports = [
            await upload(system, "Mine", households(rows, seed=69)),
            await upload(colleague, "Hers", households(rows + count(500, 5_000), seed=69)),
        ]
        pid = await system.arm(WORKER, "import.after_chunk_commit=kill")
        await asyncio.gather(confirm(system, imports[0]), confirm(colleague, imports[1]))
    for _ in range(count(3, 200)):
        figures.trial()

        async def died_or_done(pid: int = pid) -> bool:
            return not is_alive(pid) or await all_completed(system, imports)

        await until(died_or_done, within=120, what="the worker dies, or there is nothing left to die over")
        if is_alive(pid):
            break
        pid = await system.arm(WORKER, f"{chance.choice(FAILPOINTS)}=kill@{chance.randint(1, 3)}")
    await system.restart_with(WORKER)
    jobs = [await completed(system, one, within=count(120, 1800)) for one in imports]
    assert [sum(job[name] for name in COUNTS) for job in jobs] == [job["rows"] for job in jobs]
    assert (
        await system.value(
            "contacts",
            "SELECT count(*) FROM (SELECT 1 FROM phone WHERE is_active GROUP BY e164 HAVING count(*) > 1) doubled",
        )
        == 0
    )
    again = await upload(system, "The same file again", households(rows, seed=69))
    await confirm(system, again)
    second = await completed(system, again, within=count(120, 1800))
    assert (second["created"], second["updated"]) == (0, 0)
    assert second["rejected"] == jobs[0]["rejected"]
