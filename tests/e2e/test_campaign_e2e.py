"""A campaign from a file to its replies, through the gateway's public API, with every process real."""

import pytest
from harness import campaigns
from harness.counts import time_limit
from harness.imports import COUNTS, import_households
from harness.system import System

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

OPEN = {"waiting", "requested", "unknown"}


async def test_a_campaign_reaches_its_audience_once_and_completes(system: System) -> None:
    job = await import_households(system, rows=60, seed=11)
    assert sum(job[name] for name in COUNTS) == job["rows"] == 60
    campaign = await campaigns.draft(system, job["list_id"])
    await campaigns.launch(system, campaign)
    await system.advance(days=2)
    results = await campaigns.results(system, campaign)
    assert results["status"] == "completed"
    assert sum(results["counts"].values()) == results["total"]
    assert not OPEN & {state for state, n in results["counts"].items() if n}
    sent = await system.rows(
        "campaigns", "SELECT phone FROM recipient WHERE campaign_id = $1 AND sent_at IS NOT NULL", campaign
    )
    ledger = await system.ledger([row["phone"] for row in sent])
    assert ledger == {row["phone"]: 1 for row in sent}
    assert len(ledger) > 20


async def test_a_pause_stops_the_campaign_at_once_and_a_resume_loses_nobody(system: System) -> None:
    """Row 12: at most what was on the wire leaves after the pause has committed."""
    job = await import_households(system, rows=60, seed=12)
    campaign = await campaigns.draft(system, job["list_id"])
    await campaigns.launch(system, campaign)
    await system.post(f"/api/v1/campaigns/{campaign}/pause")
    await system.settle()
    recipients = await system.rows(
        "campaigns", "SELECT phone FROM recipient WHERE campaign_id = $1 AND phone IS NOT NULL", campaign
    )
    phones = [row["phone"] for row in recipients]
    after_pause = await system.ledger(phones)
    await system.advance(minutes=30)
    assert await system.ledger(phones) == after_pause
    await system.post(f"/api/v1/campaigns/{campaign}/resume")
    await system.advance(days=2)
    results = await campaigns.results(system, campaign)
    assert results["status"] == "completed"
    assert set((await system.ledger(phones)).values()) == {1}


async def test_a_stop_in_free_words_cancels_what_is_still_to_come(system: System) -> None:
    job = await import_households(system, rows=20, seed=13)
    campaign = await campaigns.draft(system, job["list_id"], daily_cap=2)
    await campaigns.launch(system, campaign)
    await system.settle()
    waiting = await system.rows(
        "campaigns", "SELECT phone FROM recipient WHERE campaign_id = $1 AND status = 'waiting' LIMIT 1", campaign
    )
    phone = waiting[0]["phone"]
    await system.text_us(phone, "please take me off your list")
    await system.advance(days=7)
    sent = await system.rows(
        "messaging", "SELECT kind FROM message WHERE phone = $1 AND accepted_at IS NOT NULL", phone
    )
    assert [row["kind"] for row in sent] == ["confirmation"], "one confirmation, and nothing of the campaign"
    assert await system.ledger([phone]) == {phone: 1}
    states = await system.rows(
        "campaigns", "SELECT status FROM recipient WHERE campaign_id = $1 AND phone = $2", campaign, phone
    )
    assert [row["status"] for row in states] == ["opted_out"]
    contact = (await system.get("/api/v1/contacts", q=phone))["items"][0]
    shown = await system.get(f"/api/v1/contacts/{contact['id']}")
    assert "opted_out" in str(shown)


async def test_a_reply_is_answered_in_its_conversation(system: System) -> None:
    (phone,) = system.phones(1)
    await system.text_us(phone, "Do you fix bulkheads?")
    await system.settle()
    thread = (await system.get("/api/v1/conversations", q=phone))["items"][0]
    answer = {"to": phone, "body": "Yes, we do. When may we come?", "number_id": str(await system.number_id())}
    await system.post("/api/v1/messages", answer)
    await system.advance(minutes=1)
    messages = (await system.get(f"/api/v1/conversations/{thread['id']}/messages"))["items"]
    assert [(m["direction"], m["body"]) for m in sorted(messages, key=lambda m: m["created_at"])] == [
        ("inbound", "Do you fix bulkheads?"),
        ("outbound", "Yes, we do. When may we come?"),
    ]
    person = (await system.get("/api/v1/contacts", q=phone))["items"]
    assert len(person) == 1, "an unknown sender becomes a contact"


async def test_a_hold_on_everything_acts_on_the_next_claim(system: System) -> None:
    (phone,) = system.phones(1)
    hold = await system.post("/api/v1/sending-holds", {"scope": "all", "reason": "Wrong list"})
    try:
        ids = await system.request_texts([phone])
        await system.settle()
        assert await system.ledger([phone]) == {}
    finally:
        await system.post(f"/api/v1/sending-holds/{hold['id']}/lift")
    await system.settle()
    assert await system.ledger([phone]) == {phone: 1}
    assert len(await system.statuses(ids)) == 1
