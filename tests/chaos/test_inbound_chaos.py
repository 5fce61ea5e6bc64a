"""Rows 15 to 20: whatever happens to a webhook, the text arrives once and a STOP is honoured."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from harness.counts import count, time_limit
from harness.figures import Figures
from harness.system import System
from sandbox.signing import dated_headers
from shared.clock import wall_now
from shared.testing import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

API, WORKER = "messaging-api", "messaging-worker"


async def inbound_rows(system: System, phone: str) -> int:
    return int(
        await system.value(
            "messaging", "SELECT count(*) FROM message WHERE direction = 'inbound' AND phone = $1", phone
        )
    )


async def is_opted_out(system: System, phone: str) -> bool:
    rows = await system.rows("messaging", "SELECT is_opted_out FROM phone_state WHERE phone = $1", phone)
    return bool(rows and rows[0]["is_opted_out"])


async def test_while_the_database_is_down_the_provider_hears_503_and_comes_back(
    system: System, figures: Figures
) -> None:
    """Row 15: PostgreSQL itself is stopped, under the provider too, so the test delivers in its place meanwhile."""
    (phone,) = system.phones(1)
    await until(
        lambda: system.rows("messaging", "SELECT 1 FROM webhook_subscription"), within=90, what="a subscription"
    )
    late = {"late_seconds": 60.0, "recipients": {phone: {"webhook": {"*": "late"}}}}
    await system.controls(faults=late)
    await system.text_us(phone, "STOP")
    delivery = await pending_delivery(system, phone)
    await system.stop("postgres")
    try:
        for _ in range(count(5, 100)):
            figures.trial()
            with figures.timed("answer"):
                assert await deliver(delivery) == 503
    finally:
        await system.start("postgres")
    with figures.timed("start to serving"):
        await until(lambda: _ready(system), what="the API serves again")
    await system.advance(minutes=2)
    assert await inbound_rows(system, phone) == 1
    assert await is_opted_out(system, phone)
    told = "SELECT state FROM delivery WHERE object_id IN (SELECT id FROM message WHERE sender = $1)"
    assert {row["state"] for row in await system.rows("sandbox", told, phone)} == {"delivered"}


async def pending_delivery(system: System, phone: str) -> dict[str, str]:
    """What the provider is going to deliver about this sender's text."""
    (row,) = await system.rows(
        "sandbox",
        "SELECT d.key, d.body, w.url, w.key AS signing_key FROM delivery d JOIN webhook w ON w.id = d.webhook_id"
        " JOIN message m ON m.id = d.object_id WHERE m.sender = $1 AND d.state = 'pending'",
        phone,
    )
    return dict(row)


async def deliver(delivery: dict[str, str]) -> int:
    """One attempt, signed as the provider signs; returns the status of the answer."""
    body = delivery["body"].encode()
    headers = dated_headers([delivery["signing_key"]], delivery["key"], int(wall_now().timestamp()), body)
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.post(
            delivery["url"], content=body, headers={**headers, "content-type": "application/json"}
        )
    return answer.status_code


async def _ready(system: System) -> bool:
    return (await system.public.get("/api/v1/conversations")).status_code == 200


async def test_an_api_that_dies_between_commit_and_answer_is_told_again_and_acts_once(
    system: System, figures: Figures
) -> None:
    """Row 16."""
    for _ in range(count(1, 50)):
        (phone,) = system.phones(1)
        figures.trial()
        pid = await system.arm(API, "webhook.after_commit=kill")
        await system.text_us(phone, "Is Tuesday fine?")
        await system.wait_restarted(API, pid)
        await system.advance(minutes=6)
        assert await inbound_rows(system, phone) == 1


async def test_a_worker_that_dies_before_processing_finds_the_delivery_again(system: System, figures: Figures) -> None:
    """Row 17."""
    for _ in range(count(1, 50)):
        (phone,) = system.phones(1)
        figures.trial()
        pid = await system.arm(WORKER, "webhook.before_process=kill")
        await system.text_us(phone, "stop texting me please")
        await system.wait_restarted(WORKER, pid)
        await system.settle()
        assert await inbound_rows(system, phone) == 1
        assert await is_opted_out(system, phone)


async def test_a_webhook_that_never_comes_is_made_up_for_by_the_reconciler(system: System, figures: Figures) -> None:
    """Row 18: a STOP is honoured within six minutes all the same."""
    phones = system.phones(count(3, 200))
    figures.trial(len(phones))
    await system.controls(faults={"recipients": {phone: {"webhook": {"*": "missing"}} for phone in phones}})
    for phone in phones:
        await system.text_us(phone, "STOP")
    await system.settle()
    assert [phone for phone in phones if await is_opted_out(system, phone)] == []
    await system.advance(minutes=6)
    assert [phone for phone in phones if not await is_opted_out(system, phone)] == []


async def test_a_message_reported_by_both_schemes_is_one(system: System, figures: Figures) -> None:
    """Row 19: the older scheme beside the newer, with other ids and another key."""
    (phone,) = system.phones(1)
    key = base64.b64encode(b"a legacy key that both sides know").decode()
    figures.trial()
    async with legacy_webhook(system, key):
        await system.text_us(phone, "Yes please")
        await system.advance(seconds=10)
        schemes = await system.value(
            "messaging",
            "SELECT count(DISTINCT scheme) FROM webhook_delivery WHERE event_type = 'message.received'"
            " AND convert_from(body, 'UTF8') LIKE '%' || $1 || '%'",
            phone,
        )
        assert schemes == 2
        assert await inbound_rows(system, phone) == 1


@asynccontextmanager
async def legacy_webhook(system: System, key: str) -> AsyncIterator[None]:
    """A subscription of the older scheme, known to both sides; nothing of it is left behind."""
    await system.restart_with(API, CRM_OPENPHONE_WEBHOOK_KEYS=key)
    url = system.stack.env_for(API)["CRM_MESSAGING_URL"] + "/webhooks/openphone"
    made = await system.sandbox.post("/sandbox/v1/webhooks", json={"url": url, "scheme": "legacy", "key": key})
    assert made.status_code == 201, made.text
    try:
        yield
    finally:
        key_of_ours = {"Authorization": system.stack.env_for(API)["CRM_OPENPHONE_API_KEY"]}
        deleted = await system.sandbox.delete(f"/v1/webhooks/{made.json()['id']}", headers=key_of_ours)
        assert deleted.status_code == 204, deleted.text
        await system.restart_with(API, CRM_OPENPHONE_WEBHOOK_KEYS=None)


async def test_repeated_late_and_reordered_reports_end_in_the_right_state(system: System, figures: Figures) -> None:
    """Row 20."""
    phones = system.phones(count(9, 600))
    figures.trial(len(phones))
    faults = ("duplicate", "late", "reordered")
    chosen = {phone: {"webhook": {"*": faults[n % len(faults)]}} for n, phone in enumerate(phones)}
    await system.controls(faults={"recipients": chosen})
    ids = await system.request_texts(phones)
    await system.settle(within=count(120, 300))
    for phone in phones:
        await system.text_us(phone, "Who is this?")
    await system.advance(hours=2)
    assert set((await system.statuses(ids)).values()) == {"delivered"}
    assert [await inbound_rows(system, phone) for phone in phones] == [1] * len(phones)
