"""I6, I12 and I16: what came in is stored, and every count is the sum of its rows."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from harness.system import System

Check = Callable[[System], Awaitable[list[str]]]

OUTCOMES = ("created", "updated", "unchanged", "rejected")


async def every_inbound_text_stored_once(system: System) -> list[str]:
    """I6: each inbound message of the provider has exactly one row in one conversation."""
    theirs = await system.rows("sandbox", "SELECT id FROM message WHERE direction = 'incoming'")
    ours = Counter(
        row["provider_id"]
        for row in await system.rows("messaging", "SELECT provider_id FROM message WHERE direction = 'inbound'")
    )
    return [f"{row['id']}: {ours[row['id']]} rows" for row in theirs if ours[row["id"]] != 1]


async def imports_add_up(system: System) -> list[str]:
    """I12: records = created + updated + unchanged + rejected, row for row, from the bytes that were uploaded."""
    jobs = await system.rows(
        "contacts",
        "SELECT j.*, f.row_count, f.sha256, f.size_bytes FROM import_job j JOIN import_file f ON f.id = j.file_id",
    )
    found = []
    for job in jobs:
        found += await _broken_source(system, job)
        if job["status"] == "completed":
            found += await _broken_counts(system, job)
    return found + await _unexplained_rejections(system)


async def _broken_source(system: System, job: Any) -> list[str]:
    digest, size = hashlib.sha256(), 0
    for chunk in await system.rows(
        "contacts", "SELECT content FROM import_chunk WHERE file_id = $1 ORDER BY seq", job["file_id"]
    ):
        digest.update(chunk["content"])
        size += len(chunk["content"])
    if (digest.hexdigest(), size) == (job["sha256"], job["size_bytes"]):
        return []
    return [f"import {job['id']}: the {size} stored bytes are not those that came"]


async def _broken_counts(system: System, job: Any) -> list[str]:
    outcomes = await system.rows(
        "contacts", "SELECT row_number, outcome FROM import_outcome WHERE import_id = $1 ORDER BY 1", job["id"]
    )
    counted = Counter(row["outcome"] for row in outcomes)
    shown = {name: job[f"{name}_rows"] for name in OUTCOMES}
    found = []
    if {name: counted[name] for name in OUTCOMES} != shown:
        found.append(f"import {job['id']}: shows {shown}, has {dict(counted)}")
    if [row["row_number"] for row in outcomes] != list(range(1, job["row_count"] + 1)):
        found.append(f"import {job['id']}: {len(outcomes)} outcomes are not those of its {job['row_count']} rows")
    return found


async def _unexplained_rejections(system: System) -> list[str]:
    silent = await system.rows(
        "contacts",
        "SELECT o.import_id, o.row_number FROM import_outcome o JOIN import_job j ON j.id = o.import_id"
        " LEFT JOIN import_row r ON r.file_id = j.file_id AND r.row_number = o.row_number"
        # The first line is the header's; a record may stand on several lines, never before its row number.
        " WHERE o.outcome = 'rejected'"
        " AND (coalesce(o.reason, '') = '' OR r.line_number IS NULL OR r.line_number <= o.row_number)",
    )
    return [f"import {row['import_id']}: row {row['row_number']} has no line or reason" for row in silent]


async def audiences_add_up(system: System) -> list[str]:
    """I16: the list's people = those that were read = the recipients = the sum of the results shown."""
    found = []
    for audience in await system.rows(
        "campaigns",
        "SELECT a.*, c.name FROM campaign c JOIN audience a ON a.id = c.audience_id WHERE c.status <> 'draft'",
    ):
        results = await system.get(f"/api/v1/campaigns/{audience['campaign_id']}/results")
        sizes = {
            "expected": audience["expected_count"],
            "read": audience["read_count"],
            "on the lists": await _list_size(system, audience),
            "recipients": await system.value(
                "campaigns", "SELECT count(*) FROM recipient WHERE audience_id = $1", audience["id"]
            ),
            "shown": sum(results["counts"].values()),
            "total": results["total"],
        }
        if len(set(sizes.values())) != 1:
            found.append(f"{audience['name']}: {sizes}")
        found += await _other_states(system, audience, results)
    return found


async def _list_size(system: System, audience: Any) -> int:
    """People on the lists and on none of the excluded ones. Lists of these tests do not change after the snapshot."""
    return int(
        await system.value(
            "contacts",
            "SELECT count(DISTINCT contact_id) FROM list_member WHERE list_id = ANY($1) AND contact_id NOT IN"
            " (SELECT contact_id FROM list_member WHERE list_id = ANY($2))",
            audience["lists"],
            audience["exclude_lists"],
        )
    )


async def _other_states(system: System, audience: Any, results: dict[str, Any]) -> list[str]:
    stored: dict[str, int] = defaultdict(int)
    for row in await system.rows(
        "campaigns", "SELECT status, count(*) AS n FROM recipient WHERE audience_id = $1 GROUP BY 1", audience["id"]
    ):
        stored[row["status"]] = row["n"]
    shown = {state: n for state, n in results["counts"].items() if n}
    return [f"{audience['name']}: shows {shown}, has {dict(stored)}"] if shown != stored else []


RECORDS: dict[str, Check] = {
    "I6 every inbound text once": every_inbound_text_stored_once,
    "I12 imports add up": imports_add_up,
    "I16 audiences add up": audiences_add_up,
}
