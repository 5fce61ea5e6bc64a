"""Importing generated home owners as a person would: make the import, send the file, confirm."""

import io
from typing import Any

from demo.households import Households
from shared.testing import until

from harness.system import System

COUNTS = ("created", "updated", "unchanged", "rejected")


def households(rows: int, seed: int) -> bytes:
    """A PropertyRadar export with the dirt of real ones."""
    file = io.StringIO(newline="")
    Households(rows, seed).write(file)
    return file.getvalue().encode()


async def upload(system: System, name: str, content: bytes) -> str:
    """A new import with its file; nothing is stored in contacts yet. Returns its id."""
    job = await system.post("/api/v1/imports", {"name": name, "filename": "list.csv"})
    answer = await system.public.put(
        f"/api/v1/imports/{job['id']}/file",
        content=content,
        headers={"content-type": "application/octet-stream"},
        timeout=300,
    )
    assert answer.is_success, answer.text
    return str(job["id"])


async def confirm(system: System, import_id: str) -> None:
    await system.post(f"/api/v1/imports/{import_id}/confirm")


async def completed(system: System, import_id: str, *, within: float = 120) -> dict[str, Any]:
    """The import once it has come to its end."""

    async def look() -> dict[str, Any] | None:
        job = dict(await system.get(f"/api/v1/imports/{import_id}"))
        return job if job["status"] == "completed" else None

    job = await until(look, within=within, what="the import completes")
    assert job is not None
    return job


async def import_households(system: System, rows: int, seed: int) -> dict[str, Any]:
    """Import a generated list from beginning to end."""
    import_id = await upload(system, f"{rows} households of seed {seed}", households(rows, seed))
    await confirm(system, import_id)
    return await completed(system, import_id, within=60 + rows / 100)
