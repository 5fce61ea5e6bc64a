"""From a text to the payment that it earned, through the gateway's public API, with every process real."""

import pytest
from harness import billing, campaigns
from harness.counts import time_limit
from harness.imports import import_households
from harness.system import System

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]


async def test_a_payment_is_found_by_the_text_that_earned_it_and_a_void_takes_it_back(system: System) -> None:
    async with billing.connected(system):
        await from_text_to_payment(system)


async def from_text_to_payment(system: System) -> None:
    job = await import_households(system, rows=12, seed=31)
    campaign = await campaigns.draft(system, job["list_id"])
    await campaigns.launch(system, campaign)
    await system.advance(days=1)
    page = await system.get(f"/api/v1/campaigns/{campaign}/recipients", status="delivered", limit=1)
    contact = page["items"][0]["contact_id"]

    estimate = await billing.estimate(system, contact, quantity="2")
    await system.post(f"/api/v1/estimates/{estimate['id']}/push")
    await system.settle()
    await billing.accept_on_its_page(system, estimate["id"], name="Home owner")
    made = await billing.invoice(system, estimate)
    invoice = await billing.wait_written(system, made["id"])
    customer = await billing.customer_there(system, invoice)
    payment = await billing.people_do(
        system, "payments", customer_id=customer, amount="1381.25", invoice_id=invoice["qb_id"]
    )
    await system.settle()

    assert await earned(system, campaign) == 138_125
    known = await system.get(f"/api/v1/contacts/{contact}")
    assert (known["money"]["paid_cents"], known["money"]["balance_cents"]) == (138_125, 0)
    shown = (await system.get(f"/api/v1/contacts/{contact}/timeline", limit=100))["items"]
    told = {(entry["kind"], entry["details"].get("status")) for entry in shown}
    assert {("estimate", "accepted"), ("invoice", "issued"), ("invoice", "paid"), ("payment", "received")} <= told

    await billing.people_do(system, f"payment/{payment['id']}/void")
    await system.settle()
    assert await earned(system, campaign) == 0
    entries = (await system.get("/api/v1/revenue/entries", campaign_id=campaign, model="last_touch"))["items"]
    assert sorted(entry["amount_cents"] for entry in entries) == [-138_125, 138_125]


async def earned(system: System, campaign: str) -> int:
    """Cents, by last touch."""
    found = (await system.get(f"/api/v1/campaigns/{campaign}/revenue"))["revenue"]
    return sum(one["last_touch"]["amount_cents"] for one in found if one["currency"] == "USD")
