"""What is measured, each on the real processes through the interfaces that others use."""

import asyncio
import base64
import hashlib
import hmac
import random
import time
from collections.abc import Awaitable, Callable, Container
from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import orjson
import svcs
from harness import campaigns
from harness.imports import confirm, households, import_households, upload
from harness.system import System
from shared.database import Begin, UnitOfWork, create_engine
from shared.events.contacts import ContactChanged, ContactItem, PhoneItem
from shared.ids import uuid7
from shared.testing import until

from benchmarks.books import books
from benchmarks.figures import Figure, milliseconds
from benchmarks.load import paced, request, saturating

WEBHOOK_KEY = base64.b64encode(b"the key of the benchmark's webhooks").decode()
SETTINGS = {
    "CRM_DAILY_CAP": "1000000",
    "CRM_CARRIER_DAILY_CAP": "1000000",
    "CRM_OPENPHONE_WEBHOOK_KEYS": WEBHOOK_KEY,
    "CRM_BREAKER_MIN_TEXTS": "1000000",
    "CRM_REQUESTS_PER_SECOND": "10000",
}
# Whoever watches closely measures the watching.
WATCH_SECONDS = 0.5
Measurement = Callable[[System, int], Awaitable[list[Figure]]]


async def imports(system: System, seed: int) -> list[Figure]:
    """PropertyRadar rows per second from confirm to completed, its growth with size, and the worker's memory."""
    rates, peaks = {}, {}
    for rows in (25_000, 100_000):
        job_id = await upload(system, f"{rows} rows", households(rows, seed + rows))
        started = time.monotonic()
        await confirm(system, job_id)
        peak = 0

        async def is_complete(job_id: str = job_id) -> bool:
            nonlocal peak
            peak = max(peak, _resident_mb(system.stack.pid("contacts-worker")))
            return (await system.get(f"/api/v1/imports/{job_id}"))["status"] == "completed"

        await until(is_complete, within=900, every=WATCH_SECONDS)
        rates[rows] = rows / (time.monotonic() - started)
        peaks[rows] = peak
    small, large = rates[25_000], rates[100_000]
    return [
        Figure("Import of 100,000 PropertyRadar rows", f"{large:,.0f} rows/s", "≥ 3,000 rows/s"),
        Figure("Time per row, 100,000 against 25,000", f"{small / large:.2f} ×", "about 1 (linear)"),
        Figure("Importing worker's memory", f"{peaks[100_000]} MB", "< 300 MB", {"at 25,000 rows": peaks[25_000]}),
    ]


def _resident_mb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0


async def webhooks(system: System, seed: int) -> list[Figure]:
    """Signed deliveries to the receiver, each answered only after its commit: at a steady rate, then all it takes."""
    url = system.stack.env_for("messaging-api")["CRM_MESSAGING_URL"] + "/webhooks/openphone"
    steady = await paced(url, [_delivery(url, seed, number) for number in range(300 * 20)], rate=300)
    await system.settle(within=300, every=WATCH_SECONDS)
    most = await saturating(url, [_delivery(url, seed, number) for number in range(300 * 20, 300 * 40)])
    await system.settle(within=300, every=WATCH_SECONDS)
    stored = await system.value("messaging", "SELECT count(*) FROM webhook_delivery WHERE delivery_id LIKE 'EVbench%'")
    return [
        Figure(
            "Webhook to durable row, 300 a second",
            f"{steady.per_second:,.0f}/s",
            "≥ 300/s, p99 < 100 ms",
            milliseconds(steady.seconds),
            steady.errors,
        ),
        Figure(
            "Webhook to durable row, 16 connections that never wait",
            f"{most.per_second:,.0f}/s",
            "for scale: 155-465/s in a Flask monolith",
            milliseconds(most.seconds) | {"stored in both runs": stored},
            most.errors,
        ),
    ]


def _delivery(url: str, seed: int, number: int) -> bytes:
    phone = f"+1508{2 + number % 7}{seed % 10}{number % 100_000:05d}"
    body = orjson.dumps(
        {
            "id": f"EVbench{seed}{number}",
            "object": "event",
            "apiVersion": "v4",
            "createdAt": "2026-11-24T12:00:00.000Z",
            "type": "message.delivered",
            "data": {"object": {"id": f"ACbench{number}", "object": "message", "from": "+16175550100", "to": phone,
                     "direction": "outgoing", "text": "x", "status": "delivered",
                     "createdAt": "2026-11-24T12:00:00.000Z", "phoneNumberId": "PNbench"}},
        }
    )  # fmt: skip
    stamp = str(int(time.time() * 1000))
    key = base64.b64decode(WEBHOOK_KEY)
    signature = base64.b64encode(hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).digest()).decode()
    headers = {"openphone-signature": f"hmac;1;{stamp};{signature}", "content-type": "application/json"}
    return request("POST", url, headers, body)


async def engine(system: System, seed: int) -> list[Figure]:
    """The campaign engine with the provider's limit lifted: from text.requested committed to accepted applied."""
    await system.daytime()
    await system.restart_with("messaging-worker", CRM_RATE_PER_SECOND="0")
    await system.controls(rate_limit=None)
    job = await import_households(system, 2000, seed)
    campaign = await campaigns.draft(system, job["list_id"], rate_per_second=1000)
    wanted = (await system.get(f"/api/v1/campaigns/{campaign}/audience"))["counts"].get("waiting", 0)
    await campaigns.launch(system, campaign)

    async def all_out() -> bool:
        results = await campaigns.results(system, campaign)
        return not sum(results["counts"].get(state, 0) for state in ("waiting", "requested"))

    await until(all_out, within=600, what="the campaign is out", every=WATCH_SECONDS)
    await system.settle(within=120, every=WATCH_SECONDS)
    requested = await _requested(system, campaign)
    applied = await _applied(system, requested)
    await system.restart_with("messaging-worker", CRM_RATE_PER_SECOND=None)
    seconds = (max(applied.values()) - min(requested.values())).total_seconds()
    durations = [(at - requested[message]).total_seconds() for message, at in applied.items()]
    details = milliseconds(durations) | {"audience": wanted, "seconds": round(seconds, 1)}
    rate = f"{len(applied) / seconds:,.0f} texts/s"
    return [Figure("Campaign engine, limit lifted", rate, "≥ 100/s", details, wanted - len(applied))]


async def _requested(system: System, campaign: str) -> dict[str, datetime]:
    """Message id → when its request was written."""
    rows = await system.rows(
        "campaigns",
        "SELECT envelope::jsonb->'data'->>'message_id' AS message_id, created_at FROM outbox"
        " WHERE type = 'campaigns.text.requested.v1' AND envelope::jsonb->'data'->>'campaign_id' = $1",
        campaign,
    )
    return {row["message_id"]: row["created_at"] for row in rows}


async def _applied(system: System, messages: Container[str]) -> dict[str, datetime]:
    """Message id → when campaigns had committed that the provider accepted it."""
    accepted = await system.rows(
        "messaging",
        "SELECT id, envelope::jsonb->'data'->>'message_id' AS message_id FROM outbox"
        " WHERE type = 'messaging.message.accepted.v1'",
    )
    committed = await _committed(system, "campaigns")
    return {
        row["message_id"]: committed[row["id"]]
        for row in accepted
        if row["message_id"] in messages and row["id"] in committed
    }


async def _committed(system: System, service: str) -> dict[UUID, datetime]:
    """Event id → when this service had committed its effect."""
    rows = await system.rows(service, "SELECT event_id, pg_xact_commit_timestamp(xmin) AS at FROM consumed_event")
    return {row["event_id"]: row["at"] for row in rows}


async def limit(system: System, seed: int) -> list[Figure]:
    """At the provider's real limit: the most requests in any second, as the sandbox counts them."""
    await system.daytime()
    before = await _fullest_second(system)
    phones = system.phones(150)
    await system.request_texts(phones)

    async def all_sent() -> bool:
        return len(await system.ledger(phones)) == len(phones)

    await until(all_sent, within=120, every=WATCH_SECONDS)
    most = await _fullest_second(system)
    details = {"texts": len(phones), "before": before}
    return [Figure("Requests in the fullest second, real limit", str(most), "≤ 10", details)]


async def _fullest_second(system: System) -> int:
    stats = (await system.sandbox.get("/sandbox/v1/stats")).json()
    return max((tally["most_in_any_second"] for tally in stats["requests"]), default=0)


async def search(system: System, seed: int) -> list[Figure]:
    """Contact list and search over 100,000 contacts, through the gateway, one request after the other."""
    while (total := await system.value("contacts", "SELECT count(*) FROM contact WHERE is_active")) < 100_000:
        await import_households(system, 25_000, seed + total)
        await system.settle(within=300, every=WATCH_SECONDS)
    names = await system.rows("contacts", "SELECT last_name FROM contact WHERE last_name IS NOT NULL LIMIT 500")
    phones = await system.rows("contacts", "SELECT e164 FROM phone LIMIT 500")
    draw = random.Random(seed)
    queries: dict[str, Callable[[], dict[str, str]]] = {
        "list": dict,
        "search by name": lambda: {"q": draw.choice(names)["last_name"]},
        "search by part of a phone": lambda: {"q": draw.choice(phones)["e164"][-7:]},
    }
    url = f"{system.public.base_url}/api/v1/contacts".replace("//api", "/api")
    headers = {"authorization": system.public.headers["authorization"]}
    figures = []
    for name, parameters in queries.items():
        requests = [request("GET", f"{url}?{urlencode(parameters())}", headers) for _ in range(200)]
        answers = await saturating(url, requests, connections=1)
        details = milliseconds(answers.seconds) | {"contacts": total, "a second": round(answers.per_second)}
        value = f"p95 {details['p95 ms']} ms"
        figures.append(Figure(f"Contacts: {name}", value, "p95 < 50 ms", details, answers.errors))
    return figures


async def events(system: System, seed: int) -> list[Figure]:
    """From just before an event's commit in contacts to the commit of its effect in messaging, 100 a second."""
    engine = create_engine(system.stack.env_for("contacts-worker")["CRM_DATABASE_URL"], name="benchmark")
    begin, published = Begin(svcs.Registry(), engine, "contacts"), []

    async def publish(phone: str) -> None:
        async with begin() as tx:
            person = ContactItem(contact_id=uuid7(), version=1, phones=[PhoneItem(e164=phone)])
            published.append((await tx.aget(UnitOfWork)).publish(ContactChanged(contacts=[person])))

    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, phone in enumerate(system.phones(100 * 20)):
            await asyncio.sleep(max(0.0, begun + number / 100 - time.monotonic()))
            group.create_task(publish(phone))
    rate = len(published) / (time.monotonic() - begun)
    await engine.dispose()
    await system.settle(within=120, every=WATCH_SECONDS)
    # The relay has rewritten the rows, so their commit is not known any more; the moment before it is.
    written = await system.rows("contacts", "SELECT id, created_at FROM outbox WHERE id = ANY($1)", published)
    written_at = {row["id"]: row["created_at"] for row in written}
    committed = await _committed(system, "messaging")
    lags = [(committed[event] - written_at[event]).total_seconds() for event in published if event in committed]
    details = milliseconds(lags) | {"events a second": round(rate)}
    value = f"p99 {details['p99 ms']} ms"
    return [Figure("Event from commit to effect", value, "p99 < 500 ms at 100/s", details, len(published) - len(lags))]


MEASUREMENTS: dict[str, Measurement] = {
    "webhooks": webhooks,
    "events": events,
    # Before the engine, which lifts the limit.
    "limit": limit,
    "engine": engine,
    "imports": imports,
    "search": search,
    "books": books,
}
