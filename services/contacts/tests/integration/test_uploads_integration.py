"""Files that are large, long or damaged in places: one clear outcome each, and nothing that stays behind."""

import csv
import io
import random
import zipfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from contacts.services import uploads
from contacts.services.uploads import AbandonedUploads
from openpyxl import Workbook
from shared.database import Begin
from shared.testing.plugin import FakeClock
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Upload = Callable[..., Awaitable[dict[str, Any]]]
TABLES = ("import_file", "import_chunk", "import_row")


async def count(begin: Begin, table: str) -> int:
    async with begin() as tx:
        return await (await tx.aget(AsyncSession)).scalar(text(f"SELECT count(*) FROM {table}")) or 0


async def refuse(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    started = (await client.post("/api/v1/imports", json={"name": "A", "filename": "a"})).json()
    return await client.put(f"/api/v1/imports/{started['id']}/file", content=content)


@pytest.fixture
def settings_overrides(settings_overrides: dict[str, Any]) -> dict[str, Any]:
    return settings_overrides | {"max_import_rows": 50_000}


async def test_a_row_that_is_too_long_or_no_text_is_rejected_and_the_others_are_stored(
    client: httpx.AsyncClient, imported: Upload
) -> None:
    lines = [
        b"First Name,Phone,Notes",
        'José,617 555 0100,"two\nlines"'.encode(),
        b"Jo\xe9,617 555 0101,",
        b"Ann,617 555 0102," + b"x" * 140_000,
        b"Bob,617 555 0103,",
        b"Cy,617 555 0104,",
    ]
    job = await imported(b"\n".join(lines))
    assert (job["file"]["encoding"], job["rows"], job["created"], job["rejected"]) == ("utf-8", 5, 3, 2)
    answer = await client.get(f"/api/v1/imports/{job['id']}/rejected.csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0][:3] == ["Import row", "Import line", "Import reason"]
    assert [(row[0], row[1], row[3]) for row in rows[1:]] == [("2", "4", "Jo\ufffd"), ("3", "5", "Ann")]
    assert "no UTF-8" in rows[1][2]
    assert "longer than 65,536 bytes" in rows[2][2]


async def test_the_preview_tells_of_rows_that_will_be_rejected(client: httpx.AsyncClient, upload: Upload) -> None:
    job = await upload("Name,Phone\nJosé,617 555 0100\n".encode() + b"Jo\xe9,617 555 0101\n")
    preview = (await client.get(f"/api/v1/imports/{job['id']}/preview")).json()
    assert preview["problems"] == {"unreadable text": 1}


async def test_a_preview_of_long_rows_looks_at_fewer(client: httpx.AsyncClient, upload: Upload) -> None:
    job = await upload("Name,Phone,Notes\n" + "".join(f"P,617555{n:04d},{'x' * 50_000}\n" for n in range(200)))
    preview = (await client.get(f"/api/v1/imports/{job['id']}/preview")).json()
    assert (preview["checked_rows"], preview["rows"]) == (100, 200)


async def test_what_became_of_each_row_can_be_read(client: httpx.AsyncClient, imported: Upload) -> None:
    bad = "Ann,617 555 0100,no mail\n\nBob,12,\nCy,617 555 0102,\nDi,617 555 0103,x@\n"
    job = await imported("First Name,Phone,Email\n" + bad)
    url = f"/api/v1/imports/{job['id']}/rows"
    whole = (await client.get(url)).json()
    assert whole["total"] == 4
    assert [(row["row_number"], row["line_number"], row["outcome"]) for row in whole["items"]] == [
        (1, 2, "created"),
        (2, 4, "rejected"),
        (3, 5, "created"),
        (4, 6, "created"),
    ]
    warned = (await client.get(url, params={"warned": True, "limit": 1})).json()
    assert (warned["total"], warned["items"][0]["row_number"]) == (2, 1)
    assert "is no e-mail address" in warned["items"][0]["warnings"][0]
    rest = (await client.get(url, params={"warned": True, "limit": 1, "cursor": warned["next_cursor"]})).json()
    assert ([row["row_number"] for row in rest["items"]], rest["next_cursor"]) == ([4], None)
    rejected = (await client.get(url, params={"outcome": "rejected"})).json()
    assert (rejected["total"], rejected["items"][0]["reason"]) == (1, "invalid phone")
    assert (await client.get(url.replace(job["id"], job["list_id"]))).status_code == 404


async def test_a_file_with_too_many_rows_is_refused_in_one_sentence(client: httpx.AsyncClient, begin: Begin) -> None:
    answer = await refuse(client, b"Phone\n" + b"1\n" * 50_001)
    assert (answer.status_code, answer.json()["code"], answer.json()["max_rows"]) == (413, "file_too_large", 50_000)
    assert [await count(begin, table) for table in TABLES] == [0, 0, 0]


async def test_a_large_upload_is_deleted_in_ranges(
    client: httpx.AsyncClient, begin: Begin, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "DELETED_ROWS", 7)
    monkeypatch.setattr(uploads, "DELETED_CHUNKS", 1)
    job = await upload("Phone\n" + "6175550100\n" * 100)
    again = await client.put(f"/api/v1/imports/{job['id']}/file", content=b"Phone\n6175550101\n")
    assert again.json()["rows"] == 1
    assert [await count(begin, table) for table in TABLES] == [1, 1, 1]


async def test_only_the_real_age_makes_an_upload_abandoned(begin: Begin, upload: Upload, crm_clock: FakeClock) -> None:
    await upload("Phone\n6175550100\n")
    async with begin() as tx:
        await (await tx.aget(AsyncSession)).execute(text("UPDATE import_job SET file_id = NULL"))
    await crm_clock.advance(timedelta(days=3))
    assert await AbandonedUploads(begin).run_once() == 0
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        await session.execute(text("UPDATE import_file SET created_at = created_at - interval '25 hours'"))
    assert await AbandonedUploads(begin).run_once() == 1
    assert [await count(begin, table) for table in TABLES] == [0, 0, 0]


def workbook() -> bytes:
    book = Workbook()
    for n in range(200):
        book.active.append([f"Name {n}", f"617555{n:04d}", random.Random(n).random()])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize("seed", range(12))
async def test_a_damaged_workbook_is_refused_or_read_and_never_crashes(client: httpx.AsyncClient, seed: int) -> None:
    damaged = bytearray(workbook())
    chance = random.Random(seed)
    start = chance.randrange(40, len(damaged) - 200)
    damaged[start : start + 60] = chance.randbytes(60)
    answer = await refuse(client, bytes(damaged))
    assert answer.status_code in (200, 422)


async def test_a_workbook_that_is_locked_or_whose_strings_would_fill_the_memory_is_refused(
    client: httpx.AsyncClient,
) -> None:
    locked = bytearray(workbook())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = locked.find(signature)
        while place >= 0:
            locked[place + flags] |= 1
            place = locked.find(signature, place + 1)
    answer = await refuse(client, bytes(locked))
    assert (answer.status_code, answer.json()["code"]) == (422, "file_refused")
    bomb = io.BytesIO(workbook())
    with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/sharedStrings.xml", b" " * 40_000_001)
    answer = await refuse(client, bomb.getvalue())
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


async def test_a_sheet_that_claims_more_columns_than_it_fills_is_as_wide_as_its_header(
    client: httpx.AsyncClient, imported: Upload
) -> None:
    book = Workbook()
    for row in (["First Name", "Phone"], ["Ann", "617 555 0100"], ["Bob", "617 555 0101"]):
        book.active.append(row)
    book.active.cell(row=2, column=900).number_format = "0.00"
    file = io.BytesIO()
    book.save(file)
    job = await imported(file.getvalue(), filename="a.xlsx")
    assert (job["created"], job["warned"]) == (2, 0)
