"""The checks themselves: what they are there to find is put into the databases, and found."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from harness import billing, campaigns
from harness.counts import time_limit
from harness.imports import import_households
from harness.invariants.books import no_id_leads_nowhere
from harness.system import System
from shared.clock import rfc3339

pytestmark = [pytest.mark.asyncio(loop_scope="session"), time_limit()]

# Where a row that leads nowhere is put: service, table, the column that says so, the key of the table.
ORPHANS = (
    ("contacts", "customer_link", "customer_id", "customer_id"),
    ("contacts", "customer_link", "contact_id", "customer_id"),
    ("contacts", "estimate_copy", "estimate_id", "estimate_id"),
    ("contacts", "estimate_copy", "customer_id", "estimate_id"),
    ("contacts", "invoice_copy", "invoice_id", "invoice_id"),
    ("contacts", "payment_copy", "payment_id", "payment_id"),
    ("contacts", "job_copy", "job_id", "job_id"),
    ("contacts", "job_copy", "contact_id", "job_id"),
    ("contacts", "contact_money", "contact_id", "contact_id"),
    ("contacts", "campaign_copy", "campaign_id", "campaign_id"),
    ("billing", "contact_copy", "contact_id", "contact_id"),
    ("billing", "property_copy", "property_id", "property_id"),
    ("messaging", "campaign_state", "campaign_id", "campaign_id"),
    ("messaging", "message", "campaign_id", "id"),
    ("messaging", "message", "contact_id", "id"),
    ("campaigns", "customer_link", "customer_id", "customer_id"),
    ("campaigns", "customer_link", "contact_id", "customer_id"),
    ("campaigns", "payment", "contact_id", "id"),
    ("campaigns", "recipient", "contact_id", "id"),
)


async def test_every_id_that_leads_nowhere_is_found(system: System) -> None:
    async with billing.connected(system):
        await work_and_money(system)
    assert await no_id_leads_nowhere(system) == []
    for service, table, column, key in ORPHANS:
        async with planted(system, service, table, column, key) as orphan:
            found = await no_id_leads_nowhere(system)
            assert any(f"{service}.{table}" in line and str(orphan) in line for line in found), (table, column, found)
    assert await no_id_leads_nowhere(system) == []


async def work_and_money(system: System) -> None:
    """A row of each kind: a recipient, a text, a customer, an estimate, an invoice, a payment, a job."""
    job = await import_households(system, rows=3, seed=57)
    await campaigns.launch(system, await campaigns.draft(system, job["list_id"]))
    made = await billing.accepted_estimate(system, *system.phones(1))
    contact = made["customer"]["contact_id"]
    work = await system.post("/api/v1/jobs", {"title": "North wall", "contact_id": contact})
    visit = {"kind": "repair", "starts_at": rfc3339(await system.now() + timedelta(days=1)), "minutes": 60}
    await system.post(f"/api/v1/jobs/{work['id']}/visits", visit)
    invoice = await billing.wait_written(system, (await billing.invoice(system, made))["id"])
    customer = await billing.customer_there(system, invoice)
    await billing.people_do(system, "payments", customer_id=customer, amount="100.00", invoice_id=invoice["qb_id"])
    await system.settle()


@asynccontextmanager
async def planted(system: System, service: str, table: str, column: str, key: str) -> AsyncIterator[UUID]:
    """A copy of some row under another key, with an id that nobody has."""
    orphan, its_key = uuid4(), uuid4()
    changed = {key: its_key, column: orphan}
    values = ", ".join(f"'{name}', '{value}'" for name, value in changed.items())
    # No two recipients of an audience have one phone, no two texts of a step one phone or one id of the provider's.
    values += ", 'phone', NULL" if table == "recipient" else ", 'step', 99, 'provider_id', NULL"
    made = await system.rows(
        service,
        f"INSERT INTO {table} SELECT planted.* FROM {table} AS one,"
        f" jsonb_populate_record(one, jsonb_build_object({values})) AS planted LIMIT 1 RETURNING {key}",
    )
    assert made, f"{service} has no {table} to copy"
    try:
        yield orphan
    finally:
        await system.rows(service, f"DELETE FROM {table} WHERE {key} = $1", changed[key])
