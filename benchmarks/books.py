"""How fast QuickBooks's books are read, how soon a change there stands here, how fast receivables are worked out."""

import asyncio
import os
import time
from pathlib import Path
from typing import Any

from harness import billing
from harness.system import System
from shared.testing import until

from benchmarks.figures import Figure, milliseconds

CUSTOMERS, INVOICES, PAYMENTS = 8_000, 20_000, 15_000
PAGE, OVERLAP = 1000, 20
RATE = 7.5
"""Calls a second that billing allows itself: 450 a minute."""
READ_AT = (
    "SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM sync_mark"
    " WHERE name = 'history' AND done_at IS NOT NULL"
)
"""When the last page was committed."""
CHANGES, CHANGES_A_SECOND = 100, 4
LOOKS = 60


def _pages(rows: int) -> int:
    return max(1, -(-(rows - OVERLAP) // (PAGE - OVERLAP)))


async def books(system: System, seed: int) -> list[Figure]:
    """The first pull under the sandbox's real limits, then changes, then receivables over all of it."""
    fill = {"customers": CUSTOMERS, "invoices": INVOICES, "payments": PAYMENTS, "months": 18, "seed": seed}
    answer = await system.sandbox.post(f"{billing.COMPANY}/fill", json=fill, timeout=300)
    answer.raise_for_status()
    # What PostgreSQL does of itself after so many new rows would fall into the measurement at some runs.
    await system.rows("sandbox", "VACUUM ANALYZE")
    return [*await _pull(system), *await _changes(system), *await _receivables(system)]


async def _pull(system: System) -> list[Figure]:
    memory, worker = list[int](), system.stack.pid("billing-worker")
    worked = _processor_seconds(worker)
    started = await _consent(system)

    async def read_at() -> float | None:
        memory.append(_resident_mb(worker))
        found = await system.rows("billing", READ_AT)
        return found[0]["at"] if found else None

    # Looked at in the database: asking the API oftener would slow what is measured.
    read = await until(read_at, within=600, every=0.25)
    took, worked = read - started, _processor_seconds(worker) - worked
    await system.settle(within=900, every=0.5)
    told = time.time() - started
    # Five small lists take a page each; the company is two calls, what changed meanwhile one.
    calls = _pages(CUSTOMERS) + _pages(INVOICES) + _pages(PAYMENTS) + 5 + 2 + 1
    counts = {
        table: await system.value("billing", f"SELECT count(*) FROM {table}")
        for table in ("customer", "invoice", "payment")
    }
    tally = (await billing.grants(system))["calls"]
    wanted = (CUSTOMERS, INVOICES, PAYMENTS)
    missing = sum(abs(count - want) for count, want in zip(counts.values(), wanted, strict=True))
    return [
        Figure(
            f"First pull of {INVOICES:,} invoices, {CUSTOMERS:,} customers, {PAYMENTS:,} payments",
            f"{took:.1f} s",
            f"within 10 % of what the limits allow: {calls} calls at {RATE}/s are {calls / RATE:.1f} s",
            {
                **counts,
                **tally,
                "objects a second": round(sum(counts.values()) / took),
                "worker's processor s": round(worked, 1),
                "told to others after s": round(told, 1),
            },
            missing,
        ),
        Figure(
            "Pulling worker's memory",
            f"{max(memory)} MB",
            "flat",
            {f"after {part}/4 of the time": memory[(len(memory) - 1) * part // 4] for part in (1, 2, 3, 4)},
        ),
    ]


async def _consent(system: System) -> float:
    """When the browser brought it back (Unix seconds). Nobody waits for rest, as billing.connect() would."""
    begun = await system.post("/api/v1/quickbooks/connect")
    given = billing.brought_back(await system.sandbox.get(begun["authorize_url"]))
    at = time.time()
    await system.post("/api/v1/quickbooks/callback", given)
    return at


def _processor_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


async def _changes(system: System) -> list[Figure]:
    """From the answer to whoever typed a payment into QuickBooks to the commit of its mirror."""
    owed = await system.rows(
        "billing",
        "SELECT i.qb_id, c.qb_id AS customer FROM invoice i JOIN customer c ON c.id = i.customer_id"
        " WHERE i.balance_cents > 100 ORDER BY i.id LIMIT $1",
        CHANGES,
    )
    typed: dict[str, float] = {}
    for row in owed:
        began = time.monotonic()
        made = await billing.people_do(
            system, "payments", customer_id=row["customer"], amount="1.00", invoice_id=row["qb_id"]
        )
        typed[made["id"]] = time.time()
        await asyncio.sleep(max(0.0, 1 / CHANGES_A_SECOND - (time.monotonic() - began)))
    await system.settle(within=300, every=0.5)
    rows = await system.rows(
        "billing",
        "SELECT qb_id, extract(epoch FROM pg_xact_commit_timestamp(xmin))::float8 AS at FROM payment"
        " WHERE qb_id = ANY($1)",
        list(typed),
    )
    seconds = [row["at"] - typed[row["qb_id"]] for row in rows]
    return [
        Figure(
            f"A payment typed in QuickBooks to its mirror, {CHANGES_A_SECOND} a second",
            f"{milliseconds(seconds)['p99 ms']} ms at p99",
            "p99 < 3 s",
            milliseconds(seconds),
            len(typed) - len(seconds),
        )
    ]


async def _receivables(system: System) -> list[Figure]:
    found: dict[str, list[float]] = {"/api/v1/receivables": [], "/api/v1/receivables/customers": []}
    totals: Any = None
    for _ in range(LOOKS):
        for path, seconds in found.items():
            began = time.monotonic()
            answer = await system.get(path)
            seconds.append(time.monotonic() - began)
            totals = totals or answer.get("totals")
    return [
        Figure(
            f"{name} over {INVOICES:,} invoices",
            f"{milliseconds(seconds)['p95 ms']} ms at p95",
            "p95 < 100 ms",
            milliseconds(seconds) | {"owed invoices": totals["USD"]["invoices"]},
        )
        for name, seconds in found.items()
    ]
