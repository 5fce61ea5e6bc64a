"""Imports through the API, with a real database, bus and worker."""

import csv
import hashlib
import io
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from openpyxl import Workbook
from shared.database import Begin
from shared.failpoints import FailpointError, configure
from shared.testing.streams import TestBus
from shared.worker import Worker
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Upload = Callable[..., Awaitable[dict[str, Any]]]

RADAR = (
    "Type,Address,City,ZIP,APN,Sq Ft,Est Value,Owner Occ?,Primary Name,Primary Mobile Phone1,Primary Email1,"
    "Secondary Name,Secondary Mobile Phone1,Secondary Email1\n"
)
# A couple; the same house again; a bad phone; a bad size; blank; nothing to store.
HOUSES = RADAR + (
    'SFR,1 Elm Street,Quincy,02169,A-1,"1,500","$450,000",1,Ann Lee,617 555 0100,both@example.com,'
    "Bob Lee,617 555 0101,both@example.com\n"
    'SFR,1 ELM ST,Quincy,02169,A-1,"1,500","$450,000",1,Ann Lee,617 555 0100,both@example.com,,,\n'
    "SFR,2 Oak Ave,Quincy,02169,A-2,900,,1,Cy Day,555-0100,,,,\n"
    'SFR,3 Oak Ave,Quincy,02169,A-3,"1,5",,1,Di Fox,617 555 0103,,,,\n'
    ",,,,,,,,,,,,,\n"
    "SFR,,Quincy,,,,,,Ed Gray,12,,,,\n"
)
ACCOUNT = ("rows", "processed", "created", "updated", "unchanged", "rejected")
TABLES = ["import_file", "import_chunk", "import_row", "contact", "property", "contact_list"]


@pytest.fixture(autouse=True)
def _no_failpoints() -> Any:
    yield
    configure("")


async def count(begin: Begin, table: str) -> int:
    async with begin() as tx:
        return await (await tx.aget(AsyncSession)).scalar(text(f"SELECT count(*) FROM {table}")) or 0


async def row_outcomes(begin: Begin, import_id: str) -> list[tuple[int, str, str | None]]:
    async with begin() as tx:
        rows = await (await tx.aget(AsyncSession)).execute(
            text("SELECT row_number, outcome, reason FROM import_outcome WHERE import_id = :id ORDER BY 1"),
            {"id": import_id},
        )
        return [tuple(row) for row in rows]


def numbered(rows: int) -> str:
    return "First Name,Phone\n" + "".join(f"P{n},617555{n:04d}\n" for n in range(rows))


async def test_a_property_radar_row_makes_a_house_and_its_people(
    client: httpx.AsyncClient, imported: Upload, begin: Begin
) -> None:
    job = await imported(HOUSES, name="Quincy")
    assert job["preset"] == "property_radar"
    assert [job[key] for key in ACCOUNT] == [6, 6, 3, 0, 1, 2]
    assert job["warned"] == 2
    assert job["contacts"] == {"created": 3, "updated": 0, "unchanged": 0}
    assert job["properties"] == {"created": 3, "updated": 0, "unchanged": 0}
    assert (await count(begin, "contact"), await count(begin, "property")) == (3, 3)
    assert await row_outcomes(begin, job["id"]) == [
        (1, "created", None),
        (2, "unchanged", None),
        (3, "created", None),
        (4, "created", None),
        (5, "rejected", "blank"),
        (6, "rejected", "invalid phone"),
    ]
    [house] = (await client.get("/api/v1/properties", params={"q": "1 elm"})).json()["items"]
    assert (house["square_feet"], house["estimated_value_cents"]) == (1500, 45_000_000)
    detail = (await client.get(f"/api/v1/properties/{house['id']}")).json()
    assert [(owner["first_name"], owner["is_primary"]) for owner in detail["owners"]] == [("Ann", True), ("Bob", False)]
    members = (await client.get(f"/api/v1/lists/{job['list_id']}/members")).json()
    assert {item["first_name"] for item in members["items"]} == {"Ann", "Bob", "Di"}


@pytest.mark.parametrize("duplicates", ["skip", "fill_blanks", "overwrite"])
async def test_the_same_file_again_changes_nothing(
    client: httpx.AsyncClient, imported: Upload, begin: Begin, duplicates: str
) -> None:
    await imported(HOUSES, duplicates=duplicates)
    before = (await client.get("/api/v1/contacts")).json()["items"]
    again = await imported(HOUSES, duplicates=duplicates)
    assert [again[key] for key in ACCOUNT] == [6, 6, 0, 0, 4, 2]
    assert (await client.get("/api/v1/contacts")).json()["items"] == before


@pytest.mark.parametrize("place", ["import.before_chunk_commit", "import.after_chunk_commit"])
@pytest.mark.parametrize("pass_number", [1, 2])
async def test_an_import_that_broke_off_goes_on_at_the_next_row(
    client: httpx.AsyncClient, upload: Upload, worker: Worker, begin: Begin, place: str, pass_number: int
) -> None:
    job = await upload(numbered(1200))
    await client.post(f"/api/v1/imports/{job['id']}/confirm")
    configure(f"{place}=raise@{pass_number}")
    with pytest.raises(FailpointError):
        await worker.run_until_idle()
    stored = 500 * (pass_number if place.endswith("after_chunk_commit") else pass_number - 1)
    broken = (await client.get(f"/api/v1/imports/{job['id']}")).json()
    assert [broken[key] for key in ACCOUNT] == [1200, stored, stored, 0, 0, 0]
    assert await count(begin, "contact") == stored
    await worker.run_until_idle()
    done = (await client.get(f"/api/v1/imports/{job['id']}")).json()
    assert (done["status"], [done[key] for key in ACCOUNT]) == ("completed", [1200, 1200, 1200, 0, 0, 0])
    assert await count(begin, "contact") == await count(begin, "phone") == 1200
    assert await count(begin, "import_outcome") == 1200


async def test_contacts_travel_in_events_of_at_most_500(
    client: httpx.AsyncClient, imported: Upload, bus: TestBus, begin: Begin
) -> None:
    job = await imported(numbered(1200))
    async with begin() as tx:
        rows = await (await tx.aget(AsyncSession)).execute(
            text("SELECT type, CAST(envelope AS jsonb) AS e, length(envelope) AS size FROM outbox ORDER BY seq")
        )
        events = list(rows)
    changed = [row for row in events if row.type == "contacts.contact.changed.v1"]
    assert [len(row.e["data"]["contacts"]) for row in changed] == [500, 500, 200]
    assert max(row.size for row in changed) < 256 * 1024
    [completed] = [row.e["data"] for row in events if row.type == "contacts.import.completed.v1"]
    assert completed == {
        "import_id": job["id"],
        "list_id": job["list_id"],
        "rows": 1200,
        "created": 1200,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
    }


async def test_a_cancelled_import_keeps_what_is_stored_and_stores_no_more(
    client: httpx.AsyncClient, upload: Upload, worker: Worker, begin: Begin
) -> None:
    job = await upload(numbered(1200))
    await client.post(f"/api/v1/imports/{job['id']}/confirm")
    configure("import.after_chunk_commit=raise@1")
    with pytest.raises(FailpointError):
        await worker.run_until_idle()
    cancelled = (await client.post(f"/api/v1/imports/{job['id']}/cancel")).json()
    await worker.run_until_idle()
    assert (cancelled["status"], cancelled["processed"]) == ("cancelled", 500)
    assert await count(begin, "contact") == 500
    again = await client.post(f"/api/v1/imports/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")


async def test_nothing_is_stored_before_the_confirm(upload: Upload, worker: Worker, begin: Begin) -> None:
    job = await upload(HOUSES)
    await worker.run_until_idle()
    assert (job["status"], job["processed"]) == ("ready", 0)
    assert [await count(begin, table) for table in ("contact", "property", "contact_list")] == [0, 0, 0]


async def test_the_bytes_are_kept_as_they_came(upload: Upload, begin: Begin) -> None:
    content = numbered(100_000).encode()
    job = await upload(content)
    assert job["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (job["file"]["size_bytes"], job["rows"]) == (len(content), 100_000)
    async with begin() as tx:
        chunks = await (await tx.aget(AsyncSession)).scalars(text("SELECT content FROM import_chunk ORDER BY seq"))
        assert b"".join(chunks) == content


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "file_refused", "The file is empty."),
        (b"First Name,Phone\n", "file_refused", "has no rows"),
        (b"MZ\x90\x00" + bytes(4000), "file_refused", "Windows program"),
        (b"PK\x03\x04" + bytes(400), "file_refused", "damaged"),
        (b"Name,Phone\nJos\xe9,1\nX\x81,2\n", "file_refused", "could not be read as UTF-8"),
        (b'Name,Phone\nAnn,1\n"Bob,2\nCy,3\n', "file_refused", "line 3 has a quote that is never closed"),
        (b'Name,Phone\nAnn,1\n"Bob" x,2\n', "file_refused", "line 3 has text right after a closing quote"),
        (b",,\n1,2,3\n", "file_refused", "must name the columns"),
        (b"Name,Phone\n" + b"Ann,6175550100\n" * 200_000, "file_too_large", "at most 2,000,000 bytes"),
    ],
)
async def test_a_file_that_cannot_be_used_is_refused_whole(
    client: httpx.AsyncClient, begin: Begin, content: bytes, code: str, words: str
) -> None:
    started = (await client.post("/api/v1/imports", json={"name": "A", "filename": "a.csv"})).json()
    answer = await client.put(f"/api/v1/imports/{started['id']}/file", content=content)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (413 if code == "file_too_large" else 422, code)
    assert words in problem["detail"]
    assert problem["detail"].endswith(".")
    assert [await count(begin, table) for table in TABLES] == [0] * len(TABLES)
    assert (await client.get(f"/api/v1/imports/{started['id']}")).json()["status"] == "awaiting_file"


@pytest.fixture
def settings_overrides(settings_overrides: dict[str, Any]) -> dict[str, Any]:
    return settings_overrides | {"max_upload_bytes": 2_000_000}


async def test_wrong_columns_are_named(client: httpx.AsyncClient, begin: Begin) -> None:
    draft = {"name": "A", "filename": "a.csv", "preset": "property_radar"}
    started = (await client.post("/api/v1/imports", json=draft)).json()
    answer = await client.put(f"/api/v1/imports/{started['id']}/file", content=b"Type,Address\nSFR,1 Elm St\n")
    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_columns")
    assert "City, ZIP, Primary Name, Primary Mobile Phone1 are missing" in answer.json()["detail"]
    assert await count(begin, "import_row") == 0


async def test_a_refused_file_leaves_the_good_one_before_it(client: httpx.AsyncClient, upload: Upload) -> None:
    job = await upload(numbered(3))
    refused = await client.put(f"/api/v1/imports/{job['id']}/file", content=b"MZ")
    assert refused.status_code == 422
    assert (await client.get(f"/api/v1/imports/{job['id']}")).json()["rows"] == 3


async def test_a_second_file_replaces_the_first(client: httpx.AsyncClient, upload: Upload, begin: Begin) -> None:
    job = await upload(numbered(3))
    await client.put(f"/api/v1/imports/{job['id']}/file", content=numbered(5).encode())
    assert (await client.get(f"/api/v1/imports/{job['id']}")).json()["rows"] == 5
    assert (await count(begin, "import_file"), await count(begin, "import_row")) == (1, 5)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
async def test_names_survive_every_encoding(client: httpx.AsyncClient, imported: Upload, codec: str) -> None:
    job = await imported("First Name;Phone\nJosé;617 555 0100\nZoë;617 555 0101\n".encode(codec))
    assert (job["file"]["encoding"], job["file"]["delimiter"]) == (codec, ";")
    found = (await client.get("/api/v1/contacts", params={"q": "jose"})).json()["items"]
    assert [item["first_name"] for item in found] == ["José"]


async def test_a_workbook_is_read(client: httpx.AsyncClient, imported: Upload) -> None:
    book = Workbook()
    for row in (["First Name", "Phone", "ZIP"], ["Ann", 6175550100, "02169"], [None], ["Bob", "617 555 0101", 2169.0]):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    job = await imported(file.getvalue(), filename="a.xlsx")
    assert (job["file"]["encoding"], job["created"]) == ("xlsx", 2)
    found = (await client.get("/api/v1/contacts", params={"sort": "name"})).json()["items"]
    assert [(item["first_name"], item["address"]["zip"]) for item in found] == [("Ann", "02169"), ("Bob", "2169")]


async def test_the_preview_shows_what_would_happen(client: httpx.AsyncClient, upload: Upload) -> None:
    job = await upload("Name,Tel,Colour\nAnn Lee,617 555 0100,red\nBob,12,blue\nX\x00,617 555 0102,\n")
    preview = (await client.get(f"/api/v1/imports/{job['id']}/preview")).json()
    assert [(c["header"], c["target"]) for c in preview["columns"]] == [
        ("Name", "name"),
        ("Tel", "phone"),
        ("Colour", None),
    ]
    assert preview["columns"][2]["examples"] == ["red", "blue"]
    assert preview["problems"] == {"invalid phone": 1, "control characters": 1}
    assert (preview["checked_rows"], preview["needs_mapping"]) == (3, False)
    assert preview["first_rows"][1]["problem"].startswith("Tel '12'")


async def test_columns_can_be_corrected_before_the_confirm(
    client: httpx.AsyncClient, upload: Upload, worker: Worker
) -> None:
    job = await upload("Who,Number to call,Colour\nAnn,617 555 0100,red\n")
    url = f"/api/v1/imports/{job['id']}"
    refused = await client.post(f"{url}/confirm")
    assert (refused.status_code, refused.json()["code"]) == (409, "mapping_needed")
    assert (await client.patch(url, json={"name": "B"})).status_code == 428
    stale = await client.patch(url, json={"name": "B"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    match = {"If-Match": f'"{job["version"]}"'}
    wrong = await client.patch(url, json={"mapping": ["first_name"]}, headers=match)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_columns")
    mapping = ["first_name", "phone", "custom.colour"]
    corrected = await client.patch(url, json={"mapping": mapping}, headers=match)
    assert corrected.status_code == 200
    await client.post(f"{url}/confirm")
    await worker.run_until_idle()
    [contact] = (await client.get("/api/v1/contacts")).json()["items"]
    assert (contact["first_name"], contact["custom_fields"]) == ("Ann", {"colour": "red"})


async def test_rejected_rows_come_back_as_a_file_that_can_be_corrected(
    client: httpx.AsyncClient, imported: Upload
) -> None:
    job = await imported("First Name,Phone,Notes\nAnn,12,=1+1\nBob,617 555 0101,x\nCy,+1617555,\n")
    answer = await client.get(f"/api/v1/imports/{job['id']}/rejected.csv")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert rows[0] == ["Import row", "Import line", "Import reason", "First Name", "Phone", "Notes"]
    assert [(row[0], row[3:]) for row in rows[1:]] == [("1", ["Ann", "12", "'=1+1"]), ("3", ["Cy", "'+1617555", ""])]
    assert all(row[2] for row in rows[1:])
    corrected = answer.content.replace(b",12,", b",617 555 0100,").replace(b"'+1617555", b"'+16175550102")
    again = await imported(corrected)
    assert (again["created"], again["rejected"]) == (2, 0)
    [ann] = (await client.get("/api/v1/contacts", params={"q": "ann"})).json()["items"]
    assert ann["notes"] == "=1+1"


async def test_an_import_that_is_confirmed_takes_no_other_file_and_no_second_confirm(
    client: httpx.AsyncClient, imported: Upload
) -> None:
    job = await imported(numbered(2))
    url = f"/api/v1/imports/{job['id']}"
    for answer in (
        await client.put(f"{url}/file", content=b"Phone\n1\n"),
        await client.post(f"{url}/confirm"),
        await client.patch(url, json={"name": "B"}, headers={"If-Match": f'"{job["version"]}"'}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "import_not_ready")


async def test_an_import_without_a_file_can_neither_be_seen_nor_confirmed(client: httpx.AsyncClient) -> None:
    started = (await client.post("/api/v1/imports", json={"name": "A", "filename": "a.csv"})).json()
    for answer in (
        await client.get(f"/api/v1/imports/{started['id']}/preview"),
        await client.post(f"/api/v1/imports/{started['id']}/confirm"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "import_not_ready")


async def test_a_person_texts_while_the_import_runs_and_stays_one_person(
    client: httpx.AsyncClient, upload: Upload, worker: Worker, begin: Begin
) -> None:
    job = await upload(numbered(600))
    await client.post(f"/api/v1/imports/{job['id']}/confirm")
    configure("import.after_chunk_commit=raise@1")
    with pytest.raises(FailpointError):
        await worker.run_until_idle()
    draft = {"phones": [{"phone": "617 555 0550"}], "company": "Acme"}
    assert (await client.post("/api/v1/contacts", json=draft)).status_code == 201
    await worker.run_until_idle()
    done = (await client.get(f"/api/v1/imports/{job['id']}")).json()
    assert [done[key] for key in ACCOUNT] == [600, 600, 599, 1, 0, 0]
    [person] = (await client.get("/api/v1/contacts", params={"q": "6175550550"})).json()["items"]
    assert (person["first_name"], person["company"], person["version"]) == ("P550", "Acme", 2)


async def test_the_database_itself_holds_the_counts_to_the_rows(begin: Begin, imported: Upload) -> None:
    await imported(numbered(3))
    async with begin() as tx:
        session = await tx.aget(AsyncSession)
        with pytest.raises(Exception, match="counts_add_up"):
            await session.execute(text("UPDATE import_job SET created_rows = created_rows + 1"))
        await session.rollback()
