"""What one import cannot do to the others, and what it says when it cannot go on."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from shared.database import Begin
from shared.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Upload = Callable[..., Awaitable[dict[str, Any]]]
RADAR = "Type,Address,City,ZIP,APN,Sq Ft,Est Equity %,Primary Name,Primary Mobile Phone1\n"


def numbered(rows: int, first: int = 0) -> str:
    return "First Name,Phone\n" + "".join(f"P{n},617555{n:04d}\n" for n in range(first, first + rows))


async def run(begin: Begin, statement: str, **values: Any) -> Any:
    async with begin() as tx:
        return await (await tx.aget(AsyncSession)).execute(text(statement), values)


async def test_an_import_that_cannot_be_stored_ends_failed_and_the_others_go_on(
    client: httpx.AsyncClient, upload: Upload, worker: Worker, begin: Begin
) -> None:
    damaged, whole = await upload(numbered(700)), await upload(numbered(600, first=1000))
    await run(
        begin,
        "UPDATE import_row SET cells = 'x' WHERE row_number = 600"
        " AND file_id = (SELECT file_id FROM import_job WHERE id = :id)",
        id=damaged["id"],
    )
    for job in (damaged, whole):
        assert (await client.post(f"/api/v1/imports/{job['id']}/confirm")).status_code == 202
    for _ in range(3):
        with pytest.raises(ValueError, match="unexpected character"):
            await worker.run_until_idle()
    await worker.run_until_idle()
    failed = (await client.get(f"/api/v1/imports/{damaged['id']}")).json()
    assert (failed["status"], failed["processed"], failed["created"]) == ("failed", 500, 500)
    assert failed["error"].startswith("The rows from 501 on could not be stored (")
    assert failed["finished_at"]
    done = (await client.get(f"/api/v1/imports/{whole['id']}")).json()
    assert (done["status"], done["processed"], done["error"]) == ("completed", 600, None)


async def test_a_list_that_an_import_fills_cannot_be_deleted_before_its_end(
    client: httpx.AsyncClient, upload: Upload, worker: Worker
) -> None:
    job = await upload(numbered(3))
    confirmed = (await client.post(f"/api/v1/imports/{job['id']}/confirm")).json()
    url = f"/api/v1/lists/{confirmed['list_id']}"
    refused = await client.delete(url)
    assert (refused.status_code, refused.json()["code"]) == (409, "list_in_use")
    await worker.run_until_idle()
    assert (await client.delete(url)).status_code == 204


async def test_numbers_beyond_all_measure_are_left_blank_in_the_preview_and_in_the_import(
    client: httpx.AsyncClient, upload: Upload, worker: Worker
) -> None:
    rows = f"SFR,1 Elm St,Quincy,02169,A-1,{'9' * 5000},99999.99999,Ann,6175550100\n"
    job = await upload(RADAR + rows)
    preview = await client.get(f"/api/v1/imports/{job['id']}/preview")
    assert (preview.status_code, preview.json()["warned_rows"]) == (200, 1)
    await client.post(f"/api/v1/imports/{job['id']}/confirm")
    await worker.run_until_idle()
    done = (await client.get(f"/api/v1/imports/{job['id']}")).json()
    assert (done["status"], done["created"], done["warned"]) == ("completed", 1, 1)
    [house] = (await client.get("/api/v1/properties")).json()["items"]
    assert (house["square_feet"], house["equity_percent"]) == (None, None)


async def test_the_counts_of_records_are_those_of_the_records(
    client: httpx.AsyncClient, imported: Upload, begin: Begin
) -> None:
    await imported("First Name,Phone\nP0,6175550000\n")
    # The known one is seen unchanged in the first chunk, and filled by a row of the second.
    rows = "First Name,Phone,Company\nP0,6175550000,\n" + "".join(f"P{n},617555{n:04d},\n" for n in range(1, 600))
    job = await imported(rows + "P0,6175550000,Acme\n")
    stored = await run(
        begin, "SELECT outcome, count(*) FROM import_record WHERE import_id = :id GROUP BY 1", id=job["id"]
    )
    assert job["contacts"] == {"created": 599, "updated": 1, "unchanged": 0}
    assert dict(stored.all()) == {"created": 599, "updated": 1}
